"""Which offers this cluster can give: by a node that is there, a NodePool that would buy it, or a declaration.

Anything else is listed and never waited for. What cannot be judged (a requirement on a label that is
only known once the node exists) counts as admitted: the scheduler's and Karpenter's own words then say
what was wrong, and they reach the status.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wharfage_api.priced import INSTANCE_TYPE
from wharfage_autoscaler.accelerators import accelerator
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.supply import OfferKey

from wharfage_operator.platforms import Expression, market_of

ZONE = "topology.kubernetes.io/zone"
_BY_NODE = "node "
_CAPACITY_TYPE = "karpenter.sh/capacity-type"
_CAPACITY_TYPES = {Market.SPOT: "spot", Market.ON_DEMAND: "on-demand", Market.RESERVED: "reserved"}
_AWS_FAMILY = re.compile(r"^(?P<family>(?P<category>[a-z]+)\d[a-z0-9-]*)\.(?P<size>[a-z0-9-]+)$")


@dataclass(frozen=True, slots=True)
class ReadyNode:
    """A node that takes pods: its labels, its market where they tell it, and what it can hand out."""

    name: str
    labels: Mapping[str, str]
    market: Market | None
    resources: frozenset[str]  # names of extended resources of which it has any


@dataclass(frozen=True, slots=True)
class NodePool:
    """A Karpenter NodePool that is ready to buy: what it requires of machines, labels it adds, its limits."""

    name: str
    requirements: tuple[Expression, ...]
    labels: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Obtainability:
    """What can provide machines here. `declared` holds `catalog/offer`, or a bare offer of any catalog."""

    nodes: tuple[ReadyNode, ...] = ()
    node_pools: tuple[NodePool, ...] = ()
    declared: frozenset[str] = frozenset()
    closed: tuple[ReadyNode, ...] = ()
    """Nodes that take no pods now: cordoned, or silent."""


def obtainability(
    nodes: Iterable[Mapping[str, Any]], node_pools: Iterable[Mapping[str, Any]], declared: Iterable[str] = ()
) -> Obtainability:
    """What the cluster's objects say about which machines it can give."""
    every = tuple(nodes)
    ready = (_ready_node(node) for node in every if _takes_pods(node))
    closed = (_ready_node(node) for node in every if not _takes_pods(node))
    pools = (_node_pool(pool) for pool in node_pools if _condition(pool, "Ready") != "False")
    return Obtainability(
        tuple(sorted(ready, key=lambda node: node.name)),
        tuple(sorted(pools, key=lambda pool: pool.name)),
        frozenset(part.strip() for part in declared if part.strip()),
        tuple(sorted(closed, key=lambda node: node.name)),
    )


def provider(offer: Offer, world: Obtainability) -> str:
    """What would give a machine of this offer ("node gpu-1", "NodePool gpu"), or "" for nothing.

    NodePools and declarations come before nodes: they last, while a node that was bought may go.
    """
    pool = next((pool for pool in world.node_pools if _admits(pool, offer)), None)
    if pool is not None:
        return f"NodePool {pool.name}"
    if {offer.name, f"{offer.catalog}/{offer.name}"} & world.declared:
        return f"declared node group {offer.name}"
    node = next((node for node in world.nodes if _matches(node, offer)), None)
    return f"{_BY_NODE}{node.name}" if node else ""


def judged(offers: Iterable[Offer], world: Obtainability) -> tuple[Offer, ...]:
    """The offers, each with what would provide it."""
    return tuple(replace(offer, obtainable=provider(offer, world)) for offer in offers)


def machines(offers: Iterable[Offer], world: Obtainability) -> dict[OfferKey, int]:
    """How many machines there are of the offers that only nodes which are there can give: nobody buys more of them.

    Those that take no more pods count: what runs there is not to go for that.
    """
    return {
        offer.key: sum(_matches(node, offer) for node in (*world.nodes, *world.closed))
        for offer in offers
        if offer.obtainable.startswith(_BY_NODE)
    }


def matching(node: Mapping[str, Any], offers: Iterable[Offer], accelerators: int) -> Offer | None:
    """The offer that a node is one of, with at least so many accelerators; the cheapest where several would do."""
    known = _ready_node(node)
    found = (offer for offer in offers if offer.accelerators >= accelerators and _matches(known, offer))
    # A price for this zone or a reserved machine says more of the node than one for all.
    return min(found, key=lambda offer: (not offer.zone, offer.usd_per_hour, offer.key), default=None)


def _takes_pods(node: Mapping[str, Any]) -> bool:
    return not node.get("spec", {}).get("unschedulable") and _condition(node, "Ready") == "True"


def _condition(obj: Mapping[str, Any], name: str) -> str | None:
    conditions = obj.get("status", {}).get("conditions") or ()
    return next((c.get("status") for c in conditions if c.get("type") == name), None)


def _ready_node(node: Mapping[str, Any]) -> ReadyNode:
    labels = node["metadata"].get("labels") or {}
    allocatable = node.get("status", {}).get("allocatable") or {}
    resources = frozenset(name for name, amount in allocatable.items() if str(amount) != "0")
    return ReadyNode(node["metadata"]["name"], labels, market_of(labels), resources)


def _node_pool(pool: Mapping[str, Any]) -> NodePool:
    template = pool["spec"]["template"]
    rows = template["spec"].get("requirements") or ()
    return NodePool(
        name=pool["metadata"]["name"],
        requirements=tuple(Expression(r["key"], r["operator"], tuple(r.get("values") or ())) for r in rows),
        labels=template.get("metadata", {}).get("labels") or {},
        limits=pool["spec"].get("limits") or {},
    )


def _matches(node: ReadyNode, offer: Offer) -> bool:
    if not all(node.labels.get(key) == value for key, value in offer.node_selector):
        return False
    if offer.zone and node.labels.get(ZONE) != offer.zone:
        return False
    # A node that does not tell its market is nobody's spot machine.
    if node.market != offer.market and not (node.market is None and offer.market is not Market.SPOT):
        return False
    resource = _resource(offer)
    return not resource or resource in node.resources


def _resource(offer: Offer) -> str:
    """The extended resource of the offer's accelerator, "" for CPU or an unknown one."""
    facts = accelerator(offer.accelerator)
    return facts.resource if facts is not None and "/" in facts.resource else ""


def _admits(pool: NodePool, offer: Offer) -> bool:
    known = _labels_to_be(offer)
    if not all(_satisfiable(requirement, known) for requirement in pool.requirements):
        return False
    named = (key for key, _ in offer.node_selector if key in pool.labels)
    if any(pool.labels[key] != dict(offer.node_selector)[key] for key in named):
        return False
    # A label that no cloud sets must come from the NodePool itself.
    pinned = {requirement.key for requirement in pool.requirements} | pool.labels.keys() | known.keys()
    if any(key not in pinned and not _well_known(key) for key, _ in offer.node_selector):
        return False
    limit = pool.limits.get(_resource(offer))
    return limit is None or not str(limit).isdigit() or int(limit) >= offer.accelerators


def _satisfiable(requirement: Expression, known: Mapping[str, str]) -> bool:
    if requirement.key not in known or requirement.operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        return True  # not known before the node exists, or a comparison of numbers
    return requirement.admits(known)


def _well_known(key: str) -> bool:
    domain = key.partition("/")[0]
    return domain.endswith(
        ("kubernetes.io", "k8s.io", "karpenter.sh", "k8s.aws", "amazonaws.com", "google.com", "azure.com")
    )


def _labels_to_be(offer: Offer) -> dict[str, str]:
    """Labels that a node of this offer would have, as far as the offer and the machine's name tell."""
    known = {INSTANCE_TYPE: offer.machine, _CAPACITY_TYPE: _CAPACITY_TYPES[offer.market]}
    if offer.zone:
        known[ZONE] = offer.zone
    aws = _AWS_FAMILY.match(offer.machine)
    if aws is not None:
        known |= {
            "karpenter.k8s.aws/instance-family": aws["family"],
            "karpenter.k8s.aws/instance-category": aws["category"],
            "karpenter.k8s.aws/instance-size": aws["size"],
        }
    # Labels that the offer's own selector names are what the catalog says of the machine.
    return known | {key: value for key, value in offer.node_selector if _well_known(key)}
