"""The law of the count against a fluid: load that flows instead of requests that queue, a week in milliseconds.

Good for searching parameters and for properties over thousands of histories; what is reported comes from the
event-driven replicas. The law in here is not a copy: `demand.wanted_rps` and `guard.steadied` are compiled as they
stand, and a test holds them against `decide` tick by tick.

Against events the count of replica-hours is within 1 % (`algorithms.md` 6.1). A fluid fills all replicas alike, so by
itself it knows no minute that is bad below the capacity: for those the plant has `odds`, learned from minutes that were
seen, and every minute counts by its chance of being bad.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from wharfage_autoscaler.demand import wanted_rps
from wharfage_autoscaler.guard import steadied
from wharfage_autoscaler.law import Held, Law, Signals
from wharfage_autoscaler.odds import EVEN, Odds, chance

from wharfage_simulator.compiled import compiled

Floats = NDArray[np.float64]

_wanted_rps = compiled(wanted_rps)
_steadied = compiled(steadied)
_chance = compiled(chance)
_OVERLOAD = 0.1  # relative load beyond what is good at which every request is bad


class Plant(NamedTuple):
    """What the load runs on; one kind of replica."""

    planned_rps: float
    """What the law counts a replica for."""
    good_rps: float
    """Above this a replica misses the objectives."""
    saturated_rps: float
    """At which it works off what waits."""
    slots: float
    lead_s: float
    ttft_s: float
    """A request that waits longer is bad."""
    tick_s: float = 15.0
    least: float = 1.0
    most: float = 1e9
    minute_budget: float = 0.05
    """A minute with a larger share of bad requests is bad."""
    odds: Odds = EVEN
    """Of a minute that is not, by how full the replicas are on average."""


class Course(NamedTuple):
    """What happened. The arrays have one value per tick."""

    wanted: Floats
    """The target that the tick's decision set."""
    ready: Floats
    waiting: Floats
    """Requests, at the tick's end."""
    bad: Floats
    """Requests that came in the tick and missed the objectives."""
    replica_s: float
    """Paid for: serving and starting."""
    bad_minutes: float
    """As many as are to be expected: each other minute counts by its chance."""
    minutes: float
    """With any request at all."""


def run(
    arrivals: Floats,
    law: Law,
    plant: Plant,
    *,
    expected: Floats | None = None,
    initial: float | None = None,
) -> Course:
    """Follow `arrivals` (requests in each tick) with the law.

    `expected` is the forecast's quantile in requests per second as it was known at each tick, NaN without one.
    `initial` replicas serve from the start; by default what the first minutes need.
    """
    ticks = len(arrivals)
    first = float(np.mean(arrivals[: max(1, round(300.0 / plant.tick_s))])) / plant.tick_s if ticks else 0.0
    begin = initial if initial is not None else max(plant.least, math.ceil(first * law.headroom / plant.planned_rps))
    return Course(
        *_course(
            np.ascontiguousarray(arrivals, dtype=np.float64),
            np.full(ticks, math.nan) if expected is None else np.ascontiguousarray(expected, dtype=np.float64),
            law,
            plant,
            float(begin),
        )
    )


@compiled
def served(plant: Plant, ready: float, waiting: float, arrivals: float) -> tuple[float, float]:
    """Requests that wait after a tick, and how many of those that came in it were bad.

    Batching shares the engine among all that run: beyond what a replica carries within its objectives every
    request gets slower, so the bad share climbs from none to all within `_OVERLOAD`.
    """
    carried = ready * plant.saturated_rps * plant.tick_s
    good = ready * plant.good_rps * plant.tick_s
    bad = 0.0
    if waiting > plant.ttft_s * ready * plant.saturated_rps:
        bad = arrivals
    elif arrivals > good:
        bad = arrivals * min(1.0, (arrivals - good) / (_OVERLOAD * good)) if good > 0.0 else arrivals
    return max(0.0, waiting + arrivals - carried), bad


@compiled
def signals(
    tick: int,
    seen: Floats,
    missed: Floats,
    expected_rps: float,
    plant: Plant,
    ready: float,
    starting: float,
    waiting: float,
) -> Signals:
    """What the law sees at the end of a tick; `seen` and `missed` are sums of requests up to each tick."""
    end = tick + 1
    return Signals(
        end * plant.tick_s,
        _rate(seen, end, 15.0, plant.tick_s),
        _rate(seen, end, 60.0, plant.tick_s),
        _rate(seen, end, 300.0, plant.tick_s),
        expected_rps,
        waiting,
        _share(missed, seen, end, 60.0, plant.tick_s),
        _share(missed, seen, end, 300.0, plant.tick_s),
        _share(missed, seen, end, 1800.0, plant.tick_s),
        plant.lead_s,
        plant.planned_rps,
        plant.slots,
        ready,
        starting,
        plant.least,
        plant.most,
    )


@compiled
def _rate(sums: Floats, end: int, window_s: float, tick_s: float) -> float:
    since = max(0, end - max(1, round(window_s / tick_s)))
    return float(sums[end] - sums[since]) / ((end - since) * tick_s)


@compiled
def _share(parts: Floats, sums: Floats, end: int, window_s: float, tick_s: float) -> float:
    since = max(0, end - max(1, round(window_s / tick_s)))
    whole = float(sums[end] - sums[since])
    return float(parts[end] - parts[since]) / whole if whole > 0.0 else math.nan


@compiled
def ordered(
    orders: Floats, tick: int, lead_ticks: int, ready: float, starting: float, count: float
) -> tuple[float, float]:
    """Serving and starting replicas after the target `count` was set at the end of `tick`.

    New ones serve from tick + 1 + lead_ticks on, in `orders`. What has not begun to serve is let go first, the
    newest before the others: it costs least to miss.
    """
    more = count - ready - starting
    newest = tick + 1 + lead_ticks
    if more >= 0.0:
        orders[newest] += more
        return ready, starting + more
    place = newest
    while more < 0.0 and place > tick:
        taken = min(-more, orders[place])
        orders[place] -= taken
        starting -= taken
        more += taken
        place -= 1
    return ready + more, starting


@compiled
def _course(
    arrivals: Floats, expected: Floats, law: Law, plant: Plant, initial: float
) -> tuple[Floats, Floats, Floats, Floats, float, float, float]:
    ticks = len(arrivals)
    lead_ticks = math.ceil(plant.lead_s / plant.tick_s - 1e-9)
    per_minute = max(1, round(60.0 / plant.tick_s))
    wanted, ready_at, waits, bads = np.zeros(ticks), np.zeros(ticks), np.zeros(ticks), np.zeros(ticks)
    orders = np.zeros(ticks + lead_ticks + 2)  # replicas that begin to serve at the start of a tick
    seen, missed = np.zeros(ticks + 1), np.zeros(ticks + 1)
    ready, starting, waiting = initial, 0.0, 0.0
    held = Held(initial, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), -math.inf, -math.inf, -math.inf, 0.0, math.nan, -math.inf)
    replica_s, bad_minutes, minutes = 0.0, 0.0, 0.0
    room = 0.0  # requests that the minute's replicas carry within their objectives
    for tick in range(ticks):
        ready += orders[tick]
        starting -= orders[tick]
        orders[tick] = 0.0
        replica_s += (ready + starting) * plant.tick_s
        room += ready * plant.good_rps * plant.tick_s
        waiting, bad = served(plant, ready, waiting, arrivals[tick])
        seen[tick + 1] = seen[tick] + arrivals[tick]
        missed[tick + 1] = missed[tick] + bad
        if (tick + 1) % per_minute == 0:
            since = tick + 1 - per_minute
            came = seen[tick + 1] - seen[since]
            if came > 0.0:
                minutes += 1.0
                if missed[tick + 1] - missed[since] > plant.minute_budget * came:
                    bad_minutes += 1.0
                elif room > 0.0:
                    bad_minutes += _chance(plant.odds, came / room)
            room = 0.0
        now = signals(tick, seen, missed, expected[tick], plant, ready, starting, waiting)
        held = _steadied(law, now, held, _wanted_rps(law, now, held))
        ready, starting = ordered(orders, tick, lead_ticks, ready, starting, held.replicas)
        wanted[tick], ready_at[tick], waits[tick], bads[tick] = held.replicas, ready, waiting, bad
    return wanted, ready_at, waits, bads, replica_s, bad_minutes, minutes
