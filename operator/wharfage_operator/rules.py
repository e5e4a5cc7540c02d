"""The one table of what the operator may do: the preflight asks for it, the chart grants exactly it.

A verb stands here only if the code uses it; tests compare the table with the rendered ClusterRole and
with the requests that an API server was seen to receive.
"""

from dataclasses import dataclass

from wharfage_api import GROUP

from wharfage_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Rule:
    """Some verbs on one resource ("pods", "llmdeployments/status") and why they are needed.

    `own_namespace` rules belong in a Role of the operator's namespace; the others in a ClusterRole
    (in a namespaced install, in a Role of each watched namespace, unless `cluster_scoped`).
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    own_namespace: bool = False
    cluster_scoped: bool = False
    optional: bool = False
    names: tuple[str, ...] = ()


_READ = ("list", "watch")
_CHILD = ("create", "delete", "get", "list", "patch", "watch")

RULES = (
    Rule(GROUP, "llmdeployments", _READ, "what users ask for"),
    Rule(GROUP, "llmdeployments/status", ("patch",), "what they read back"),
    Rule(GROUP, "llmbudgets", _READ, "what may be spent", cluster_scoped=True),
    Rule(GROUP, "llmbudgets/status", ("patch",), "what a budget does so far", cluster_scoped=True),
    Rule(GROUP, "offercatalogs", _READ, "what can be rented, and its price", cluster_scoped=True),
    Rule(GROUP, "offercatalogs/status", ("patch",), "which offers this cluster can give", cluster_scoped=True),
    Rule("", "serviceaccounts", _CHILD, "one per deployment, without a token"),
    Rule("", "configmaps", _CHILD, "one per deployment: drain and reader as files for the stock engine image"),
    Rule("", "services", _CHILD, "one per deployment"),
    Rule("policy", "poddisruptionbudgets", _CHILD, "one per deployment"),
    Rule("networking.k8s.io", "networkpolicies", _CHILD, "one per deployment"),
    Rule("apps", "deployments", _CHILD, "one per pool of equal replicas"),
    Rule("monitoring.coreos.com", "podmonitors", _CHILD, "one per deployment, where that API exists", optional=True),
    Rule(
        "autoscaling.x-k8s.io",
        "capacitybuffers",
        _CHILD,
        "one per pool whose machines are ordered ahead, where that API exists",
        optional=True,
    ),
    Rule("autoscaling", "horizontalpodautoscalers", ("list",), "which of them steers a pool's count, once one did"),
    Rule("", "pods", _READ, "which replicas are ready, and what blocks the others"),
    Rule("", "pods", ("create", "get"), "one reads the config.json of a model nobody knows"),
    Rule("", "pods", ("delete", "patch"), "the same; and a replica whose machine goes leaves before it"),
    Rule("", "events", ("create", "list"), "the scheduler's and Karpenter's words; and ours, on transitions"),
    Rule("", "nodes", _READ, "which offers a running node provides", cluster_scoped=True),
    Rule("", "namespaces", _READ, "which of them a budget's namespaceSelector selects", cluster_scoped=True),
    Rule("karpenter.sh", "nodepools", _READ, "which offers Karpenter would buy", cluster_scoped=True, optional=True),
    Rule("coordination.k8s.io", "leases", ("create",), "only one replica acts", own_namespace=True),
    Rule(
        "coordination.k8s.io",
        "leases",
        ("get", "update"),
        "only one replica acts",
        own_namespace=True,
        names=("wharfage-leader",),
    ),
    Rule("", "configmaps", ("create",), "what is known of machines", own_namespace=True),
    Rule(
        "",
        "configmaps",
        ("get", "patch"),
        "what is known of machines: lead times and shortages survive a restart",
        own_namespace=True,
        names=("wharfage-machines",),
    ),
    Rule("", "configmaps", ("get", "list", "patch"), "the ledger, one for a quarter of a day", own_namespace=True),
    Rule("", "configmaps", ("delete",), "the same, once a day of it is folded into one", own_namespace=True),
)

BY_PROXY = Rule("", "pods/proxy", ("get",), "engines' /metrics through the API server, with scrape_via: Proxy alone")

FOR_THE_PAGE = (
    Rule("authentication.k8s.io", "tokenreviews", ("create",), "who looks at the page", cluster_scoped=True),
    Rule("authorization.k8s.io", "subjectaccessreviews", ("create",), "what they may see on it", cluster_scoped=True),
)
"""With page_port alone."""


def rules(settings: Settings) -> tuple[Rule, ...]:
    """What an operator with these settings does; the chart grants as much where it knows them."""
    more = [BY_PROXY] if settings.scrape_via == "Proxy" else []
    if settings.webhook_secrets:
        why = "where budgets' webhooks are, with webhook_secrets alone"
        more.append(Rule("", "secrets", ("get",), why, own_namespace=True, names=settings.webhook_secrets))
    return (*RULES, *more, *(FOR_THE_PAGE if settings.page_port else ()))
