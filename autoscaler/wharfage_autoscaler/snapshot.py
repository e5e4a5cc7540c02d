"""All a decision may look at, at one instant; and what it remembers from the instant before."""

import math
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.bounds import FREE as UNBOUND
from wharfage_autoscaler.bounds import Bounds
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.idle import Idle
from wharfage_autoscaler.law import FRESH, LAW, Held, Law
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Wanted
from wharfage_autoscaler.move import Elsewhere
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.supply import Supply
from wharfage_autoscaler.tempo import Tempo
from wharfage_autoscaler.trials import Trial

Key = tuple[str, str]  # namespace, name


class Expectation(Protocol):
    """What is expected of the load; `forecast.Forecast` is one."""

    def highest(self, level: float, from_s: float, to_s: float) -> float | None:
        """The highest rate of the time between, at a quantile; None where it does not reach."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One deployment and its world at `now` (Unix seconds)."""

    now: float
    key: Key
    wanted: Wanted
    offers: tuple[Offer, ...]  # all catalogs' rows, obtainable or not
    fleet: Fleet  # observed
    load: Load | None = None  # None: no data, which is never zero
    allotment: Allotment | None = None  # None: nobody has looked at all deployments together yet
    forecast: Expectation | None = None
    law: Law = LAW
    usual_law: Law | None = None  # that would hold if no budget held dollars down; None: `law` does
    elsewhere: Elsewhere | None = None  # None: what is allotted is the best there is
    kept: int = 0  # replicas that no missing allotment is a reason to do without: they were once wanted by the load
    awaited: bool = False  # the load leads it, and an allotment by its terms of now is on its way
    idle: Idle | None = None  # None: it never goes to zero
    bounds: Bounds = UNBOUND  # of budgets
    trials: tuple[Trial, ...] = ()  # variants that get a share of the requests, beside those that serve
    adopted: str = ""  # what is looked at and never changed, in words; "": what runs is ours

    def unsaid(self, decision: Decision) -> str:
        """Why it is not known yet what budgets leave for a decision, in words; empty where it is."""
        return self.bounds.unsaid(frozenset() if self.awaited else decision.allotted_under)


@dataclass(frozen=True, slots=True)
class Memory:
    """What one decision leaves for the next: the pools it last aimed for, since when, and what the law holds.

    `unit_rps` is what one of the replicas carries that the law counts, `rates` what those carry that may still serve;
    `moved_s` is when it last moved, `moved_to` the pools there. `tempo` is what was held and asked for lately.
    """

    target: tuple[PoolKey, ...] = ()
    since: float = 0.0
    held: Held = FRESH
    unit_rps: float = 0.0
    rates: tuple[tuple[PoolKey, float], ...] = ()
    moved_s: float = -math.inf
    moved_to: tuple[PoolKey, ...] = ()
    tempo: Tempo = Tempo()  # noqa: RUF009 - immutable

    def told(self, allotment: Allotment | None) -> "Memory":
        """With what replicas carry where it is allotted now: the first decision of all may be to move from there.

        Where the same machines are taken to carry another rate than before, what the law counts in carries another
        rate as well: the count stays, and changes for what the load asks for.
        Once a move is what is allotted it is forgotten: a later one there is weighed like any other.
        """
        if allotment is None:
            return self
        rates = tuple(sorted((dict(self.rates) | allotment.rates).items()))
        adopted = self.moved_to == tuple(sorted(allotment.rates))
        now = allotment.rates
        changes = [now[key] / rate for key, rate in self.rates if key in self.target and now.get(key) and rate > 0.0]
        unit_rps = self.unit_rps * fmean(changes) if changes else self.unit_rps
        return replace(self, unit_rps=unit_rps, rates=rates, moved_to=() if adopted else self.moved_to)

    def after(self, decision: Decision, now: float) -> "Memory":
        """The memory to hand to the next decision."""
        keys = tuple(pool.key for pool in decision.target.pools)
        held = self.held if decision.demand is None else decision.demand.held
        tempo = self.tempo if decision.demand is None else decision.demand.tempo
        since = self.since if keys == self.target else now
        if decision.allotment is None:
            return Memory(keys, since, held, tempo=tempo)
        rates = {key: rate for key, rate in self.rates if key in keys} | decision.allotment.rates
        return Memory(
            keys,
            since,
            held,
            self.unit_rps if decision.demand is None else decision.demand.signals.unit_rps,
            tuple(sorted(rates.items())),
            now if decision.moves else self.moved_s,
            tuple(sorted(decision.allotment.rates)) if decision.moves else self.moved_to,
            tempo,
        )


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """All deployments at one instant, and what they share."""

    needs: tuple[Need, ...]
    supply: Supply = Supply()  # noqa: RUF009 - immutable
