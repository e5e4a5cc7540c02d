"""What differs between clouds: labels, taints and grace periods, read from platforms.yaml as data.

A pool is pinned to its market by required node affinity, and each cloud spells the market differently.
The dialect is found from the labels of the nodes there are; a setting overrides it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml
from wharfage_autoscaler.offers import Market

AUTO = "auto"
_FALLBACK = "plain"
_BY_PROVIDER = MappingProxyType({"aws": "eks", "gcp": "gke", "azure": "aks", "onprem": "plain", "other": "plain"})


class UnknownPlatformError(ValueError):
    """The setting names a platform that platforms.yaml does not have."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One requirement on a node's label, as node affinity spells it."""

    key: str
    operator: str
    values: tuple[str, ...]

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels satisfies it."""
        value = labels.get(self.key)
        if self.operator in ("In", "NotIn"):
            return (value in self.values) == (self.operator == "In")
        return (value is not None) == (self.operator == "Exists")

    def manifest(self) -> dict[str, Any]:
        """The expression in a node selector term."""
        return {"key": self.key, "operator": self.operator} | ({"values": list(self.values)} if self.values else {})


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform's dialect. Tolerations are manifests; `spot_notice_s` is what a pod can use of the notice."""

    name: str
    signs: tuple[str, ...]
    markets: Mapping[Market, tuple[Expression, ...]]
    tolerations: tuple[Mapping[str, str], ...]
    spot_tolerations: tuple[Mapping[str, str], ...]
    spot_notice_s: int

    def tolerations_for(self, market: Market) -> tuple[Mapping[str, str], ...]:
        """What pods of a pool of that market tolerate."""
        return self.tolerations + (self.spot_tolerations if market is Market.SPOT else ())

    def market_of(self, labels: Mapping[str, str]) -> Market | None:
        """The market of a node, where its labels tell one from the others."""
        if not any(term.key in labels for terms in self.markets.values() for term in terms):
            return None
        return next(
            (m for m in (Market.SPOT, Market.RESERVED, Market.ON_DEMAND) if _all_admit(self.markets[m], labels)), None
        )


def _all_admit(terms: tuple[Expression, ...], labels: Mapping[str, str]) -> bool:
    return bool(terms) and all(term.admits(labels) for term in terms)


@cache
def platforms() -> Mapping[str, Platform]:
    """All platforms by name, in the order of detection."""
    text = resources.files("wharfage_operator").joinpath("platforms.yaml").read_text("utf-8")
    return MappingProxyType({name: _platform(name, row) for name, row in yaml.safe_load(text).items()})


def _platform(name: str, row: Mapping[str, Any]) -> Platform:
    return Platform(
        name=name,
        signs=tuple(row["signs"]),
        markets=MappingProxyType(
            {
                Market(market): tuple(Expression(t["key"], t["operator"], tuple(t.get("values", ()))) for t in terms)
                for market, terms in row["market"].items()
            }
        ),
        tolerations=tuple(MappingProxyType(dict(t)) for t in row["tolerations"]),
        spot_tolerations=tuple(MappingProxyType(dict(t)) for t in row["spotTolerations"]),
        spot_notice_s=int(row["spotNoticeS"]),
    )


def platform(setting: str, *, nodes: Iterable[Mapping[str, Any]] = (), has_node_pools: bool = False) -> Platform:
    """The platform that the setting names, or with "auto" the one that the cluster shows.

    A provider's name (aws, gcp, azure, onprem, other) stands for its managed node groups. A cluster with
    Karpenter NodePools is Karpenter's even before its first node, so that pods need not be replaced then.
    """
    known = platforms()
    if setting != AUTO:
        name = _BY_PROVIDER.get(setting, setting)
        if name not in known:
            choices = ", ".join((AUTO, *known, *_BY_PROVIDER))
            raise UnknownPlatformError(f"platform is {setting!r}: write one of {choices}")
        return known[name]
    if has_node_pools:
        return known["karpenter"]
    labels = {label for node in nodes for label in node["metadata"].get("labels") or ()}
    return next((p for p in known.values() if labels.intersection(p.signs)), known[_FALLBACK])


def market_of(labels: Mapping[str, str]) -> Market | None:
    """The market of a node by whichever dialect its labels speak; None where none tells."""
    found = (known.market_of(labels) for known in platforms().values())
    return next((market for market in found if market is not None), None)
