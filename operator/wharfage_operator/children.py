"""Everything around the pods: account, Service, disruption budget, network policy, the pods' files, monitoring."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from wharfage_api.labels import OWNER, SERVING
from wharfage_serving.arguments import PORT

from wharfage_operator.settings import Settings

DRAIN_MODULE = "wharfage_drain.py"
READER_MODULE = "wharfage_reader.py"
_APP = "app.kubernetes.io/name"
_ENGINE = "wharfage-engine"
_FILES = {DRAIN_MODULE: "drain.py", READER_MODULE: "reader.py"}

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """What the operator's settings say about the objects it creates; durations in whole seconds.

    `allowed_image_prefixes` empty allows any image. `client_namespaces` may reach the model port besides
    the deployment's own namespace and the operator's; "*" opens it to all namespaces. `reader_image` empty
    is the engine's.
    """

    operator_namespace: str = "wharfage-system"
    engine_image: str = "vllm/vllm-openai:v0.32.0"
    allowed_image_prefixes: tuple[str, ...] = ()
    client_namespaces: tuple[str, ...] = ()
    pod_monitors: bool = False
    grace_s: int = 120
    startup_s: int = 1800
    progress_deadline_s: int = 3600
    do_not_disrupt_s: int = 1200
    max_num_seqs: int = 0
    reader_image: str = ""


def child_settings(settings: Settings, *, pod_monitors: bool) -> ChildSettings:
    """What of the settings concerns the children."""
    return ChildSettings(
        operator_namespace=settings.namespace,
        engine_image=settings.engine_image,
        allowed_image_prefixes=settings.allowed_images,
        client_namespaces=settings.client_namespaces,
        pod_monitors=settings.pod_monitors and pod_monitors,
        max_num_seqs=settings.max_num_seqs,
        reader_image=settings.reader_image,
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose children these are."""

    namespace: str
    name: str
    uid: str

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every child."""
        return {
            _APP: _ENGINE,
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/managed-by": "wharfage",
            OWNER: self.name,
        }

    @property
    def selector(self) -> dict[str, str]:
        """What selects all pods of the deployment, serving or not."""
        return {OWNER: self.name}

    @property
    def reference(self) -> dict[str, str]:
        """What names it as an owner: what is owned goes when it goes."""
        return {"apiVersion": "wharfage.dev/v1alpha1", "kind": "LLMDeployment", "name": self.name, "uid": self.uid}

    def child(self, api_version: str, kind: str, *, suffix: str = "", **body: Any) -> Manifest:
        """A child's frame: type, name, labels, owner; the rest is `body`."""
        metadata = {
            "name": f"{self.name}{suffix}",
            "namespace": self.namespace,
            "labels": self.labels,
            "ownerReferences": [{**self.reference, "controller": True}],
        }
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def service_account(whose: Identity) -> Manifest:
    """An account of its own without a token: the engine never calls the API server."""
    return whose.child("v1", "ServiceAccount", automountServiceAccountToken=False)


def engine_files(whose: Identity, *, reads: bool = False) -> Manifest:
    """The drain as a file for the stock image; pods see a new version without a restart.

    The reader, three times as long, lies beside it only where a model's own files are to be read.
    """
    data = {name: _text(module) for name, module in _FILES.items() if reads or name == DRAIN_MODULE}
    return whose.child("v1", "ConfigMap", suffix="-engine", data=data)


@cache
def _text(module: str) -> str:
    return resources.files("wharfage_serving").joinpath(module).read_text("utf-8")


def service(whose: Identity) -> Manifest:
    """One address over all pools; a draining pod loses the label and with it its traffic."""
    port = {"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}
    spec = {"type": "ClusterIP", "selector": {**whose.selector, SERVING: "true"}, "ports": [port]}
    return whose.child("v1", "Service", spec=spec)


def disruption_budget(whose: Identity) -> Manifest:
    """One replica at a time may be evicted; one that does not serve may always go.

    Replicas only: a pod that reads config.json would count as one more that must be healthy.
    """
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {**whose.selector, _APP: _ENGINE}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return whose.child("policy/v1", "PodDisruptionBudget", spec=spec)


def network_policy(whose: Identity, settings: ChildSettings) -> Manifest:
    """Who may reach the model port: the own namespace, the operator (it reads /metrics), and whom the settings name."""
    peers: list[Manifest] = [{"podSelector": {}}]
    if "*" in settings.client_namespaces:
        peers = [{"namespaceSelector": {}}]
    else:
        names = sorted({settings.operator_namespace, *settings.client_namespaces})
        expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}
        peers.append({"namespaceSelector": {"matchExpressions": [expression]}})
    spec = {
        "podSelector": {"matchLabels": whose.selector},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": peers, "ports": [{"port": PORT, "protocol": "TCP"}]}],
    }
    return whose.child("networking.k8s.io/v1", "NetworkPolicy", spec=spec)


def pod_monitor(whose: Identity) -> Manifest:
    """Lets a Prometheus operator scrape the engines; every series says whose it is, in `wharfage_dev_llmdeployment`."""
    endpoint = {"port": "http", "path": "/metrics", "interval": "15s"}
    spec = {
        "selector": {"matchLabels": whose.selector},
        "podTargetLabels": [OWNER],
        "podMetricsEndpoints": [endpoint],
    }
    return whose.child("monitoring.coreos.com/v1", "PodMonitor", spec=spec)
