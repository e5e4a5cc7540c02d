"""Which machines are about to go, or are gone: what their Nodes say of it, by the signs of notices.yaml.

A node that says so is not lost yet, and one that is lost often says nothing more. What is known of a node is one
`Notice`; what is done about the pods on it is decided elsewhere (`victims`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml
from wharfage_autoscaler.offers import Market

from wharfage_operator.cache import owner_of
from wharfage_operator.kinds import Key
from wharfage_operator.platforms import market_of

NO_NODE = "no such node"
"""The sign of a node that is not in the API any more."""

_GONE_S = 600.0  # after which no pod of a node that is gone is left: the garbage collector needs about a minute
_UNIX_DIGITS = 10  # of a time in Unix seconds, from 2001 to 2286

Object = Mapping[str, Any]


class Fate(StrEnum):
    """What becomes of a machine, the most certain first; notices.yaml tells what each means."""

    INTERRUPTION = "Interruption"
    GONE = "Gone"
    SILENT = "Silent"
    DRAIN = "Drain"


_ORDER = tuple(Fate)


@dataclass(frozen=True, slots=True)
class Sign:
    """One row of notices.yaml: a taint's key, or a condition's type with a status and a part of its message."""

    name: str
    is_taint: bool
    by: str
    means: Fate
    on_spot: Fate
    status: str = "True"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a node says of its end, since when (Unix seconds, as told, else when it was first seen)."""

    node: str
    fate: Fate
    sign: str
    since_s: float
    spot: bool

    @property
    def ends(self) -> bool:
        """Whether the machine goes for good, whatever anybody does."""
        return self.fate in (Fate.INTERRUPTION, Fate.GONE)

    @property
    def is_loss(self) -> bool:
        """Whether a spot machine was taken back: then its like is hard to get for a while."""
        return self.spot and self.ends


@dataclass(frozen=True, slots=True)
class Notices:
    """The notices of all nodes by the node's name, and of every node that there is whether it is a spot machine."""

    by_node: Mapping[str, Notice] = field(default_factory=dict)
    nodes: Mapping[str, bool] = field(default_factory=dict)

    def heard(self, nodes: Iterable[Object], now_s: float) -> "Notices":
        """After a look at all Nodes there are. That there is none is not believed: the operator runs on one."""
        seen = {node["metadata"]["name"]: node for node in nodes}
        if not seen:
            return self
        spot = {name: self.nodes[name] if name in self.nodes else _is_spot(node) for name, node in seen.items()}
        found = {name: notice for name, node in seen.items() if (notice := self._said(node, spot[name], now_s))}
        for name in (self.nodes.keys() | self.by_node.keys()) - seen.keys():
            before = self.by_node.get(name)
            if before is None or before.sign != NO_NODE:
                before = Notice(name, Fate.GONE, NO_NODE, now_s, self.nodes.get(name, False))
            if now_s - before.since_s < _GONE_S:
                found[name] = before
        return Notices(found, spot)

    def of(self, pod: Object) -> Notice | None:
        """The notice of the pod's node; None where it stays, or the pod has no node."""
        return self.by_node.get((pod.get("spec") or {}).get("nodeName") or "")

    def news(self, before: "Notices") -> frozenset[str]:
        """Nodes of which something else is said than before."""
        names = self.by_node.keys() | before.by_node.keys()
        return frozenset(name for name in names if self.by_node.get(name) != before.by_node.get(name))

    def _said(self, node: Object, spot: bool, now_s: float) -> Notice | None:
        """The gravest sign of a node."""
        found = [(sign.on_spot if spot else sign.means, sign.name, since_s) for sign, since_s in _shown(node, now_s)]
        if not found:
            return None
        name = node["metadata"]["name"]
        before = self.by_node.get(name)
        fate, sign_name, since_s = min(found, key=lambda each: (_ORDER.index(each[0]), each[2]))
        if before is not None and before.sign == sign_name:
            since_s = min(since_s, before.since_s)
        return Notice(name, fate, sign_name, since_s, spot)


def tenants(pods: Iterable[dict[str, Any]], nodes: Collection[str]) -> frozenset[Key]:
    """The deployments that have pods on these nodes."""
    there = (pod for pod in pods if (pod.get("spec") or {}).get("nodeName") in nodes)
    return frozenset(owner for pod in there if (owner := owner_of(pod)) is not None)


@cache
def signs() -> tuple[Sign, ...]:
    """All rows of notices.yaml, in its order."""
    text = resources.files("wharfage_operator").joinpath("notices.yaml").read_text("utf-8")
    return tuple(_sign(MappingProxyType(row)) for row in yaml.safe_load(text))


def _sign(row: Mapping[str, str]) -> Sign:
    means = Fate(row["means"])
    return Sign(
        name=row.get("taint") or row["condition"],
        is_taint="taint" in row,
        by=row["by"],
        means=means,
        on_spot=Fate(row.get("onSpot", means)),
        status=row.get("status", "True"),
        message=row.get("message", ""),
    )


@cache
def _by_name() -> Mapping[tuple[bool, str], Sign]:
    """The signs by what they are looked up by: most nodes show none, and there may be thousands."""
    return MappingProxyType({(sign.is_taint, sign.name): sign for sign in signs()})


def _shown(node: Object, now_s: float) -> Iterator[tuple[Sign, float]]:
    """The signs that a node shows, each with since when; `now_s` where it does not say."""
    known = _by_name()
    for taint in node.get("spec", {}).get("taints") or ():
        sign = known.get((True, taint.get("key", "")))
        if sign is not None:
            yield sign, _taint_s(taint, now_s)
    for condition in node.get("status", {}).get("conditions") or ():
        sign = known.get((False, condition.get("type", "")))
        if sign is None or condition.get("status") != sign.status:
            continue
        if sign.message in (condition.get("message") or ""):
            yield sign, _instant_s(condition.get("lastTransitionTime"), now_s)


def _is_spot(node: Object) -> bool:
    return market_of(node["metadata"].get("labels") or {}) is Market.SPOT


def _taint_s(taint: Object, now_s: float) -> float:
    """cluster-autoscaler writes the time into the value; Kubernetes itself stamps taints that evict."""
    value = str(taint.get("value") or "")
    if value.isascii() and value.isdigit() and len(value) == _UNIX_DIGITS:
        return min(float(value), now_s)
    return _instant_s(taint.get("timeAdded"), now_s)


def _instant_s(text: str | None, now_s: float) -> float:
    """A timestamp in Unix seconds, no later than now: clocks of nodes differ."""
    try:
        return min(now_s, datetime.fromisoformat(text or "").timestamp())
    except ValueError:
        return now_s
