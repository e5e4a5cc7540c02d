"""The law of the count in plain numbers: its parameters, what it sees, and what it remembers.

Three named tuples of floats instead of dataclasses, because the simulator compiles the two functions over them
(`demand.wanted_rps`, `guard.steadied`) as they stand: a week is replayed in milliseconds by the very code that
the operator runs. A rate or share that is not known is NaN, which is never zero.
"""

import math
from typing import NamedTuple

UNKNOWN = math.nan


class Law(NamedTuple):
    """What tuning may turn. The defaults hold until it has: six hours of load are the least."""

    headroom: float = 1.2
    """Capacity per unit of the load seen over a minute."""
    swing_gain: float = 0.0
    """Further capacity per request per second by which the load has lately moved within a lead time."""
    swing_memory_s: float = 18000.0
    """Over which that movement is averaged, exponentially."""
    level: float = 0.9
    """Quantile of the forecast at the lead time; 0 looks at no forecast."""
    trend_ratio: float = 1.3
    """A minute this much above the last five is a rise that goes on."""
    trend_reach: float = 2.0
    """By at most this many times what it has risen in five minutes."""
    drain_s: float = 60.0
    """In which what waits is to be worked off."""
    bad_budget: float = 0.01
    """Share of requests that may miss the objectives: 1 - attainment."""
    dead_band: float = 0.08
    """Relative change of wanted capacity that moves nothing."""
    up_share: float = 1.0
    up_least: float = 4.0
    """At most this share of the replicas, or this many, whichever is more, are added at once."""
    down_share: float = 0.1
    down_least: float = 1.0
    down_every_s: float = 60.0
    """At most so many are removed in so long."""
    down_window_s: float = 300.0
    """Down to no less than the most that was wanted within so long."""
    panic_ratio: float = 2.0
    """Load above this many times what is ready: nothing is removed for `panic_s`."""
    panic_s: float = 300.0


_THRIFTY_LEVEL = 0.8
_THRIFTY_SHARE = 0.5


def thrifty(law: Law) -> Law:
    """The law while a budget holds dollars down: half the headroom, a lower quantile, and down twice as fast."""
    return law._replace(
        headroom=1.0 + _THRIFTY_SHARE * (law.headroom - 1.0),
        level=min(law.level, _THRIFTY_LEVEL),
        down_share=2.0 * law.down_share,
        down_least=2.0 * law.down_least,
    )


class Signals(NamedTuple):
    """One deployment at one instant; rates in requests per second, counts in replicas."""

    now_s: float
    rps_15s: float
    rps_1m: float
    rps_5m: float
    expected_rps: float
    """The forecast's quantile for the moment when what is ordered now serves; NaN without one."""
    waiting: float
    """Requests that wait beyond one step's admission."""
    bad_1m: float
    bad_5m: float
    bad_30m: float
    """Shares of requests that missed the objectives; NaN without measurement."""
    lead_s: float
    """From ordering a replica to its first answer."""
    unit_rps: float
    """What one replica carries as planned."""
    slots: float
    """Sequences that one replica runs at once."""
    ready: float
    starting: float
    least: float
    most: float


LAW = Law()
"""Until somebody has tuned it."""

Recent = tuple[float, float, float, float, float, float]


class Held(NamedTuple):
    """What one tick leaves for the next."""

    replicas: float = -1.0
    """The last target; below 0 before the first."""
    recent: Recent = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """The most that was wanted in each of the last six stretches of a fifth of the window, newest first."""
    stretch_s: float = -math.inf
    """When the newest of them began."""
    panic_until_s: float = -math.inf
    lowered_s: float = -math.inf
    swing_rps: float = 0.0
    """By how much the load moves within a lead time: mean absolute change, lately."""
    mark_rps: float = UNKNOWN
    """The load when it was last compared."""
    mark_s: float = -math.inf


FRESH = Held()
"""Before the first tick."""
