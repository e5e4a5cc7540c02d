"""How one deployment would be served, were every part of a machine to be had at a price.

Where replicas are alike and nothing else binds, counting answers exactly; else a small programme does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.alike import Page, Priced, alike, countable
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.risk import surviving
from wharfage_autoscaler.rows import block
from wharfage_autoscaler.seats import (
    Mix,
    broken,
    machines_used,
    seat_extra_usd_per_hour,
    short,
    short_usd_per_hour,
    start_usd_per_hour,
)
from wharfage_autoscaler.solver import solved
from wharfage_autoscaler.supply import OfferKey, Supply

_GAP = 2e-3
_NODES = 1_000
_MOST_LOSSES = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to serve a need: parts of machines, what it counts besides them, and what it leaves open."""

    mix: Mix
    machines: Mapping[OfferKey, float]
    besides_usd_per_hour: float
    open_usd_per_hour: float
    alone_usd_per_hour: float  # in whole machines of its own, by the books

    def at(self, prices: Mapping[OfferKey, float]) -> float:
        """What it counts at those prices of machines."""
        rent = sum(prices[key] * part for key, part in self.machines.items())
        return rent + self.besides_usd_per_hour + self.open_usd_per_hour


@dataclass(frozen=True, slots=True)
class Planned:
    """Plans at some prices. `need` has the losses it must survive as found; no plan of it counts less than `least`."""

    need: Need
    plans: tuple[Plan, ...]
    least: float


def plan(need: Need, mix: Mix, supply: Supply) -> Plan:
    """What a mix means for the need."""
    besides = 0.0
    for seats in mix.seats:
        started = max(0, seats.replicas - need.running(seats.berth))
        besides += seats.replicas * seat_extra_usd_per_hour(need, seats.berth, supply)
        besides += started * start_usd_per_hour(seats.berth, supply)
    left_open = short_usd_per_hour(need, short(need, mix))
    return Plan(mix, machines_used([mix]), besides, left_open, mix.fleet.usd_per_hour)


@dataclass(frozen=True, slots=True)
class Sketchbook:
    """What was sketched for one need in one supply: where prices move, most shapes keep theirs, and their plans."""

    priced: dict[Page, Priced] = field(default_factory=dict)
    plans: dict[Mix, Plan | None] = field(default_factory=dict)
    """None for a mix that breaks a row of its own."""


def sketched(
    need: Need, supply: Supply, prices: Mapping[OfferKey, float], book: Sketchbook | None = None
) -> tuple[Plan, ...]:
    """Per shape, the best plan of it alone, best first; without those that break a row of their own."""
    book = Sketchbook() if book is None else book
    return _unbroken(need, supply, (priced.mix for priced in alike(need, supply, prices, book.priced)), book.plans)


def planned(need: Need, supply: Supply, prices: Mapping[OfferKey, float], book: Sketchbook | None = None) -> Planned:
    """The best plan there is at those prices, and the sketched ones."""
    book = Sketchbook() if book is None else book
    found = alike(need, supply, prices, book.priced)
    plans = _unbroken(need, supply, (priced.mix for priced in found), book.plans)
    counted = need.shapes == 1 and countable(need) and bool(found) and not broken([need], [found[0].mix], _own(supply))
    if counted and surviving(need, found[0].mix) == need:
        return Planned(need, plans, found[0].usd_per_hour)
    mix, least = None, 0.0
    for _ in range(_MOST_LOSSES):
        made = block([need], supply, prices)
        solution = solved(made.programme, gap=_GAP, nodes=_NODES)
        if solution is None:
            break
        (mix,), least = made.mixes(solution.values), solution.bound
        asked = surviving(need, mix)
        if asked == need:
            break
        need = asked
    best = () if mix is None else (mix,)
    return Planned(need, _unbroken(need, supply, (*best, *(each.mix for each in plans)), {}), least)


def _unbroken(need: Need, supply: Supply, mixes: Iterable[Mix], known: dict[Mix, Plan | None]) -> tuple[Plan, ...]:
    """The plans of mixes that break no row of their own; `known` ones as they are, and it is added to."""
    own, found = _own(supply), []
    for mix in mixes:
        if mix not in known:
            known[mix] = None if broken([need], [mix], own) else plan(need, mix, supply)
        if (sound := known[mix]) is not None:
            found.append(sound)
    return tuple(found)


def _own(supply: Supply) -> Supply:
    """Rows of the deployment alone; what is shared is judged when all plans are together."""
    return replace(supply, machines={}, open={}, caps=())
