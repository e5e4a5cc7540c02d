"""What deployments would cost if no budget held anything down: what a budget's forecast has to go by.

While nothing holds a deployment down that is what is ordered, and it is learned what a request a second costs. While
something does it is the demand, at that price, or at a dearer one where machines have become dearer since. Of a count
that no load leads it is what the user asked for.
"""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.demand import replicas_wanted, shrunk
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.sharing import Claim
from wharfage_autoscaler.snapshot import Snapshot
from wharfage_autoscaler.trials import taken

from wharfage_operator.kinds import Key

_NEWEST = 0.1
"""What the last look counts beside all before: counts are whole, so that one look's price is off by a replica."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One deployment now, in dollars per hour.

    `ordered` is what runs, starts or drains; `demand_rps` what its count follows, in requests of the planned kind a
    second, NaN where no load leads it. `seat_usd` is what a place for one such request a second costs at the prices of
    now, of a count that no load leads a replica; NaN where nothing is ordered. `wanted` is what such a count costs that
    no budget cuts, `floor` what the least replicas do.
    """

    ordered: float
    demand_rps: float = math.nan
    seat_usd: float = math.nan
    wanted: float = math.nan
    floor: float = 0.0

    @property
    def led(self) -> bool:
        """Whether its count follows its load."""
        return not math.isnan(self.demand_rps)

    def claim(self, wished: float, weight: float) -> Claim:
        """Its part of a budget's dollars: at least its floor, at most what is wished for."""
        whole = not self.led and self.seat_usd > 0.0
        return Claim(min(self.floor, wished), wished, weight, self.seat_usd if whole else 0.0)


def cost(seen: Snapshot, decision: Decision, ahead: Fleet) -> Cost:
    """Of a deployment on which was just decided: what drains is paid for, and what is ordered ahead of need."""
    target = decision.target
    ordered = max(seen.fleet.usd_per_hour, target.usd_per_hour) + ahead.usd_per_hour
    serving, tried_usd = decision.serving, decision.on_trial.usd_per_hour
    floor = shrunk(serving, seen.wanted.min_replicas).usd_per_hour
    replica = serving.usd_per_hour / serving.replicas if serving.replicas else math.nan
    if decision.demand is None:
        count = target.replicas if seen.adopted else min(replicas_wanted(seen)[0], seen.wanted.max_replicas)
        return Cost(ordered, seat_usd=replica, wanted=replica * count + tried_usd, floor=floor)
    demand, unit_rps = decision.demand, decision.demand.signals.unit_rps
    wanted = demand.wanted_rps if demand.unrestricted_rps is None else demand.unrestricted_rps
    seat_usd = replica / unit_rps if unit_rps > 0.0 else math.nan
    left = 1.0 - taken(seen)  # what is ordered is for the whole load, what is wanted for what a trial leaves
    return Cost(ordered, wanted / left if wanted > 0.0 and left > 0.0 else 0.0, seat_usd, floor=floor)


@dataclass(frozen=True, slots=True)
class Known:
    """Of a deployment that nothing held down: dollars per hour for each request a second, and for each seat."""

    usd_per_rps: float
    seat_usd: float

    def later(self, now: "Known") -> "Known":
        """With what one more look tells."""
        seat_usd = self.seat_usd + _NEWEST * (now.seat_usd - self.seat_usd)
        return Known(
            self.usd_per_rps + _NEWEST * (now.usd_per_rps - self.usd_per_rps),
            now.seat_usd if math.isnan(self.seat_usd) else self.seat_usd if math.isnan(now.seat_usd) else seat_usd,
        )

    def dearer(self, seat_usd: float) -> float:
        """By how much seats cost more now; never less than 1: what a budget makes cheaper is its own doing."""
        return max(1.0, seat_usd / self.seat_usd) if self.seat_usd > 0.0 and seat_usd > 0.0 else 1.0


class Wishes:
    """Remembers what a request a second of each deployment costs, unrestricted."""

    def __init__(self) -> None:
        self._known: dict[Key, Known] = {}

    def wished(self, key: Key, cost: Cost, *, held: bool) -> float:
        """Dollars per hour; `held` says whether a budget holds it down now."""
        if not cost.led:
            return max(cost.ordered, cost.wanted) if cost.wanted > 0.0 else cost.ordered
        known = self._known.get(key)
        if held:
            if known is None:
                return cost.ordered
            return max(cost.ordered, known.usd_per_rps * known.dearer(cost.seat_usd) * cost.demand_rps)
        if cost.demand_rps > 0.0:
            now = Known(cost.ordered / cost.demand_rps, cost.seat_usd)
            self._known[key] = now if known is None else known.later(now)
        return cost.ordered

    def known(self, keys: Set[Key]) -> dict[Key, Known]:
        """What is known of these."""
        return {key: known for key, known in self._known.items() if key in keys}

    def resume(self, known: Mapping[Key, Known]) -> None:
        """What an earlier process knew of those that are held down."""
        self._known |= known

    def forget(self, keys: Set[Key]) -> None:
        """Only these are still there."""
        self._known = {key: known for key, known in self._known.items() if key in keys}
