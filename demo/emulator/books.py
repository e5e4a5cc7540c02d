"""What the machines of a run cost: every node from its order to its end, at the catalogs' price.

And which of them are empty. Karpenter looks for those every 10 s and waits 15 s more to be sure, whatever it is told:
at forty times the speed that is a quarter of an hour, so a run may end them in its own time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from wharfage_api import OfferCatalog
from wharfage_api.priced import priced
from wharfage_autoscaler.offers import Market

Object: TypeAlias = dict[str, Any]

MACHINE = "node.kubernetes.io/instance-type"
ZONE = "topology.kubernetes.io/zone"
MARKET = "karpenter.sh/capacity-type"
_MARKETS = {"spot": Market.SPOT, "reserved": Market.RESERVED}
_CLAIM = "NodeClaim"
_FIRST_POD_S = 600.0  # the scheduler may look at a pod again only after 10 s of the wall's


@dataclass(frozen=True, slots=True)
class Rental:
    """One machine; times in the engines' seconds, `to_s` None while it runs."""

    node: str
    claim: str
    machine: str
    market: Market
    zone: str
    usd_per_hour: float
    from_s: float
    to_s: float | None = None

    def usd(self, until_s: float) -> float:
        """What it has cost by then."""
        end_s = until_s if self.to_s is None else min(until_s, self.to_s)
        return self.usd_per_hour * max(0.0, end_s - self.from_s) / 3600.0


@dataclass(slots=True)
class Books:
    """All machines of a run that a catalog has a price for."""

    rentals: dict[str, Rental] = field(default_factory=dict)
    unpriced: set[str] = field(default_factory=set)
    _prices: dict[tuple[str, Market, str], float] = field(default_factory=dict)
    _ordered_s: dict[str, float] = field(default_factory=dict)
    _used_s: dict[str, float] = field(default_factory=dict)
    """When each node last had a pod."""

    def price(self, catalogs: Iterable[Object]) -> None:
        """Learn what machines cost."""
        for raw in catalogs:
            catalog = OfferCatalog.model_validate({name: part for name, part in raw.items() if name != "status"})
            for offer in priced(catalog):
                for name in (offer.machine, offer.name):
                    self._prices[name, offer.market, offer.zone] = offer.usd_per_hour

    def ordered(self, claim: Object, now_s: float) -> None:
        """A NodeClaim was seen: its machine is paid for from here, if one comes."""
        self._ordered_s.setdefault(claim["metadata"]["name"], now_s)

    def node(self, node: Object, now_s: float, *, gone: bool) -> None:
        """A node is there, or is there no more."""
        uid, labels = node["metadata"]["uid"], node["metadata"].get("labels") or {}
        if gone:
            if uid in self.rentals:
                self.rentals[uid] = replace(self.rentals[uid], to_s=now_s)
            return
        owners = [row["name"] for row in node["metadata"].get("ownerReferences") or () if row["kind"] == _CLAIM]
        claim = owners[0] if owners else ""
        if uid in self.rentals:
            known = self.rentals[uid]
            if claim and not known.claim:  # it is told a moment after the node is there
                ordered_s = self._ordered_s.get(claim, known.from_s)
                self.rentals[uid] = replace(known, claim=claim, from_s=min(known.from_s, ordered_s))
            return
        machine, zone = labels.get(MACHINE, ""), labels.get(ZONE, "")
        market = _MARKETS.get(labels.get(MARKET, ""), Market.ON_DEMAND)
        usd_per_hour = self._prices.get((machine, market, zone), self._prices.get((machine, market, "")))
        if usd_per_hour is None:
            self.unpriced.add(machine or node["metadata"]["name"])
            return
        name = node["metadata"]["name"]
        from_s = self._ordered_s.get(claim, now_s)
        self.rentals[uid] = Rental(name, claim, machine, market, zone, usd_per_hour, from_s)
        self._used_s[name] = now_s + _FIRST_POD_S

    def used(self, nodes: Iterable[str], now_s: float) -> None:
        """These nodes have a pod."""
        for name in nodes:
            self._used_s[name] = now_s

    def empty(self, now_s: float, seconds: float) -> list[str]:
        """The claims of the machines on which nothing has run for so long."""
        return [
            each.claim
            for each in self.rentals.values()
            if each.to_s is None and each.claim and now_s - self._used_s[each.node] >= seconds
        ]

    def usd_per_hour(self) -> dict[str, float]:
        """What runs now costs, by market."""
        return _by_market((each.market, each.usd_per_hour) for each in self.rentals.values() if each.to_s is None)

    def usd(self, until_s: float, *, since_s: float = 0.0) -> dict[str, float]:
        """What all machines have cost between two moments, by market."""
        return _by_market((each.market, each.usd(until_s) - each.usd(since_s)) for each in self.rentals.values())


def _by_market(amounts: Iterable[tuple[Market, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for market, amount in amounts:
        sums[market.value] = sums.get(market.value, 0.0) + amount
    return sums
