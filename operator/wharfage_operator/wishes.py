"""What deployments would cost if no budget held anything down: what a budget's forecast has to go by.

While nothing holds a deployment down that is what is ordered, and it is learned what a request a second costs. While
something does it is the demand, at that price.
"""

import math
from collections.abc import Set
from dataclasses import dataclass

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet

from wharfage_operator.kinds import Key

_NEWEST = 0.1
"""What the last look counts beside all before: counts are whole, so that one look's price is off by a replica."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One deployment now, in dollars per hour.

    `ordered` is what runs, starts or drains; `demand_rps` what its count follows, in requests of the planned kind a
    second, NaN where no load leads it.
    """

    ordered: float
    demand_rps: float = math.nan

    @property
    def led(self) -> bool:
        """Whether its count follows its load."""
        return not math.isnan(self.demand_rps)


def cost(running: Fleet, decision: Decision, ahead: Fleet) -> Cost:
    """Of a deployment on which was just decided: what drains is paid for, and what is ordered ahead of need."""
    ordered = max(running.usd_per_hour, decision.target.usd_per_hour) + ahead.usd_per_hour
    if decision.demand is None:
        return Cost(ordered)
    wanted = decision.demand.wanted_rps
    return Cost(ordered, 0.0 if math.isnan(wanted) else wanted)


class Wishes:
    """Remembers what a request a second of each deployment costs, unrestricted."""

    def __init__(self) -> None:
        self._usd_per_rps: dict[Key, float] = {}

    def wished(self, key: Key, cost: Cost, *, held: bool) -> float:
        """Dollars per hour; `held` says whether a budget holds it down now."""
        known = self._usd_per_rps.get(key)
        if held:
            return max(cost.ordered, known * cost.demand_rps) if known is not None and cost.led else cost.ordered
        if cost.led and cost.demand_rps > 0.0:
            now = cost.ordered / cost.demand_rps
            self._usd_per_rps[key] = now if known is None else known + _NEWEST * (now - known)
        return cost.ordered

    def forget(self, keys: Set[Key]) -> None:
        """Only these are still there."""
        self._usd_per_rps = {key: usd for key, usd in self._usd_per_rps.items() if key in keys}
