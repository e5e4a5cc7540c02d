"""The kinds of objects the operator reads and writes, and the addresses of their collections."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from wharfage_api import GROUP, VERSION

Key: TypeAlias = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name."""

Object: TypeAlias = dict[str, Any]
"""An object of the API server as parsed JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API; `group` is "" for the core group."""

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As objects spell it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of the collection (of one namespace, or of all) or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


LLM_DEPLOYMENTS = Kind(GROUP, VERSION, "llmdeployments", "LLMDeployment")
LLM_BUDGETS = Kind(GROUP, VERSION, "llmbudgets", "LLMBudget", namespaced=False)
OFFER_CATALOGS = Kind(GROUP, VERSION, "offercatalogs", "OfferCatalog", namespaced=False)

SERVICE_ACCOUNTS = Kind("", "v1", "serviceaccounts", "ServiceAccount")
SECRETS = Kind("", "v1", "secrets", "Secret")
CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap")
SERVICES = Kind("", "v1", "services", "Service")
DISRUPTION_BUDGETS = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
NETWORK_POLICIES = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment")
POD_MONITORS = Kind("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor")

CAPACITY_BUFFERS = Kind("autoscaling.x-k8s.io", "v1beta1", "capacitybuffers", "CapacityBuffer")

PODS = Kind("", "v1", "pods", "Pod")
NODES = Kind("", "v1", "nodes", "Node", namespaced=False)
NODE_POOLS = Kind("karpenter.sh", "v1", "nodepools", "NodePool", namespaced=False)
NAMESPACES = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
EVENTS = Kind("", "v1", "events", "Event")
SCALERS = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease")

CHILDREN = (
    SERVICE_ACCOUNTS,
    CONFIG_MAPS,
    SERVICES,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    DEPLOYMENTS,
    POD_MONITORS,
    CAPACITY_BUFFERS,
)
DEFINED = (LLM_DEPLOYMENTS, LLM_BUDGETS, OFFER_CATALOGS, NODE_POOLS, POD_MONITORS, CAPACITY_BUFFERS)
"""Kinds that a CRD defines: their API may be absent, and come and go."""

_BY_TYPE = {
    (kind.api_version, kind.name): kind for kind in (*CHILDREN, PODS, LLM_DEPLOYMENTS, LLM_BUDGETS, OFFER_CATALOGS)
}


def kind_of(obj: Object) -> Kind:
    """The kind of an object that carries its type; KeyError for one that the operator never writes."""
    return _BY_TYPE[obj["apiVersion"], obj["kind"]]


def key_of(obj: Object) -> Key:
    """Namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(obj: Object) -> int:
    """The resource version of an object or a list as a number; 0 where it is absent or opaque."""
    text = obj["metadata"].get("resourceVersion", "")
    return int(text) if text.isascii() and text.isdigit() else 0
