"""Which law would have been the best one lately: the last days' load, replayed under each.

The objective is money, never a hard target: a target of at most 0.3 % bad minutes cost 10.8 times the oracle on
one spiky series (`algorithms.md` 3.4). A bad minute has the price that the deployment's objectives give it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from wharfage_autoscaler.law import Law

from wharfage_simulator.fluid import Floats, Plant, run

HEADROOMS = (0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0)
SWING_GAINS = (0.0, 1.5, 3.0, 4.5, 6.0)
MEMORIES_S = (7_200.0, 18_000.0)
LEVELS = (0.9, 0.95, 0.97, 0.99)


def grid(levels: Iterable[float] = (0.0,), base: Law = Law()) -> tuple[Law, ...]:  # noqa: B008 - immutable
    """The laws that are tried: headroom, gain and memory of the swing, and level of the forecast (0: none)."""
    return tuple(
        base._replace(headroom=headroom, swing_gain=gain, swing_memory_s=memory_s, level=level)
        for headroom, gain, memory_s, level in product(HEADROOMS, SWING_GAINS, MEMORIES_S, levels)
        if gain > 0.0 or memory_s == MEMORIES_S[0]
    )


@dataclass(frozen=True, slots=True)
class Tried:
    """One law over the days that were replayed."""

    law: Law
    replica_hours: float
    bad_minutes: float
    minutes: float

    @property
    def bad_share(self) -> float:
        """Share of minutes that missed the objectives; 0 where nothing was asked for."""
        return self.bad_minutes / self.minutes if self.minutes else 0.0

    def usd(self, *, usd_per_replica_hour: float, usd_per_bad_minute: float) -> float:
        """What it cost: the replicas, and the minutes that were bad."""
        return self.replica_hours * usd_per_replica_hour + self.bad_minutes * usd_per_bad_minute


def tried(
    arrivals: Floats, plant: Plant, laws: Iterable[Law], expected: Mapping[float, Floats] | None = None
) -> tuple[Tried, ...]:
    """Replay `arrivals` (requests per tick) under each law.

    `expected` holds, by level, the forecast's quantile at the lead time as it was known at each tick; a law whose
    level is not in it is replayed without a forecast.
    """
    rows = []
    for law in laws:
        course = run(arrivals, law, plant, expected=(expected or {}).get(law.level))
        rows.append(Tried(law, course.replica_s / 3600.0, course.bad_minutes, course.minutes))
    return tuple(rows)


def cheapest(rows: Iterable[Tried], *, usd_per_replica_hour: float, usd_per_bad_minute: float) -> Tried:
    """The law that would have cost least; among equals the one with fewer bad minutes, then the first tried.

    ValueError where none was tried or a price is negative or not a number.
    """
    for name, price in (("replica hour", usd_per_replica_hour), ("bad minute", usd_per_bad_minute)):
        if not (math.isfinite(price) and price >= 0.0):
            raise ValueError(f"a {name} at {price} usd: a price is a finite number of at least 0")
    ordered = sorted(
        rows,
        key=lambda row: (
            row.usd(usd_per_replica_hour=usd_per_replica_hour, usd_per_bad_minute=usd_per_bad_minute),
            row.bad_minutes,
        ),
    )
    if not ordered:
        raise ValueError("no law was tried")
    return ordered[0]


def tuned(
    arrivals: Floats,
    plant: Plant,
    expected: Mapping[float, Floats],
    *,
    usd_per_replica_hour: float,
    usd_per_bad_minute: float,
) -> Law:
    """Of all laws that are tried every night, the one that would have cost least; `tried` and `cheapest` say how."""
    rows = tried(arrivals, plant, grid((0.0, *LEVELS)), expected)
    return cheapest(rows, usd_per_replica_hour=usd_per_replica_hour, usd_per_bad_minute=usd_per_bad_minute).law
