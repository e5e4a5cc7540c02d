"""A fluid under a budget: one kind of replica, its price and its losses, and the dollars that a period may cost.

The law, the projection and the allowance are the shipping functions, compiled as they stand. What a look at a budget
does around them is `reckoning.reckoned` and the operator's treasury over again in plain numbers: a test holds both
against each other, look by look. Ten thousand periods of a day take minutes, which is what it is for.
"""

import math
from typing import NamedTuple

import numpy as np
from wharfage_autoscaler.demand import wanted_rps
from wharfage_autoscaler.guard import steadied
from wharfage_autoscaler.law import Held, Law, thrifty

from wharfage_simulator.compiled import compiled
from wharfage_simulator.fluid import Floats, Plant, ordered, served, signals
from wharfage_simulator.looks import HOUR_S, Budget, Look, Spending, looked, profile, stopped

_wanted_rps = compiled(wanted_rps)
_steadied = compiled(steadied)
_ROUNDING = 1e-9


class Course(NamedTuple):
    """What happened; one value per tick, in dollars per hour where it is dollars."""

    counts: Floats
    """Replicas that were decided on."""
    ordered: Floats
    """What those cost at the price of that moment."""
    caps: Floats
    """What the decision was to stay within; infinite where no stage held anything down."""
    paid: Floats
    """What ran: ready, starting and leaving."""
    spent_usd: float
    """In the period."""
    floor_usd: float
    """Of the period, had only the least replicas run."""
    restricted_s: float
    """When a stage first held something down, in seconds from the beginning; NaN where none did."""
    spent_by_then_usd: float
    floor_left_usd: float
    """Of the least replicas from then on."""


def run(
    arrivals: Floats,
    usd_per_hour: Floats,
    lost: Floats,
    law: Law,
    plant: Plant,
    budget: Budget,
    *,
    leaving_s: float = 60.0,
    patience_s: float = 60.0,
) -> Course:
    """Follow `arrivals` (requests in each tick) until the budget's period ends.

    `usd_per_hour` is the price of a replica in each tick, `lost` the share of those ready that is taken away as it
    begins. What is let go is paid for `leaving_s` longer; whoever waits longer than `patience_s` goes away.
    """
    first = float(np.mean(arrivals[: max(1, round(300.0 / plant.tick_s))])) / plant.tick_s
    begin = max(plant.least, math.ceil(first * law.headroom / plant.planned_rps))
    came, price, gone = (np.ascontiguousarray(each, dtype=np.float64) for each in (arrivals, usd_per_hour, lost))
    return Course(*_course(came, price, gone, law, thrifty(law), plant, budget, float(begin), leaving_s, patience_s))


@compiled
def affordable(count: float, price: float, cap: float, least: float) -> float:
    """As many replicas as the cap pays for, but not fewer than the least, nor more than were wanted."""
    if count * price <= cap + _ROUNDING:
        return count
    return max(math.floor((cap + _ROUNDING) / price), min(count, least))


@compiled
def _course(
    arrivals: Floats,
    usd_per_hour: Floats,
    lost: Floats,
    law: Law,
    thrifty_law: Law,
    plant: Plant,
    budget: Budget,
    initial: float,
    leaving_s: float,
    patience_s: float,
) -> tuple[Floats, Floats, Floats, Floats, float, float, float, float, float]:
    ticks = len(arrivals)
    lead_ticks = math.ceil(plant.lead_s / plant.tick_s - 1e-9)
    leaving_ticks = math.ceil(leaving_s / plant.tick_s - 1e-9)
    tick_h = plant.tick_s / HOUR_S
    counts, ordered_at, caps, paid = np.zeros(ticks), np.zeros(ticks), np.zeros(ticks), np.zeros(ticks)
    orders, leaving = np.zeros(ticks + lead_ticks + 2), np.zeros(ticks + leaving_ticks + 2)
    seen, missed = np.zeros(ticks + 1), np.zeros(ticks + 1)
    hours = np.zeros(math.ceil(ticks * tick_h) + 1)
    in_force, below_since_s = np.zeros(len(budget.stages), dtype=np.bool_), np.full(len(budget.stages), math.nan)
    look = Look(math.inf, math.inf, math.nan, math.nan, math.nan, math.nan, math.nan)
    usual, deviation, hour = np.zeros(0), 1.0, -1
    ready, starting, waiting = initial, 0.0, 0.0
    held = Held(initial, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), -math.inf, -math.inf, -math.inf, 0.0, math.nan, -math.inf)
    spent_usd, floor_usd = 0.0, 0.0
    restricted_s, spent_by_then_usd, floor_by_then_usd = math.nan, math.nan, 0.0
    for tick in range(ticks):
        price, end_s = usd_per_hour[tick], budget.starts_s + (tick + 1) * plant.tick_s
        ready += orders[tick]
        starting -= orders[tick]
        orders[tick] = 0.0
        ready -= math.floor(ready * lost[tick] + _ROUNDING)
        waiting, bad = served(plant, ready, waiting, arrivals[tick])
        waiting = min(waiting, patience_s * ready * plant.saturated_rps)
        seen[tick + 1] = seen[tick] + arrivals[tick]
        missed[tick + 1] = missed[tick] + bad
        running = ready + starting + leaving[tick]
        paid[tick] = running * price
        hours[int(tick * tick_h + 1e-9)] += paid[tick] * tick_h
        if end_s > budget.begins_s:
            spent_usd += paid[tick] * tick_h
            floor_usd += min(plant.least, plant.most) * price * tick_h

        now = signals(tick, seen, missed, math.nan, plant, ready, starting, waiting)
        demand = _wanted_rps(law, now, held)
        if look.cap < math.inf:
            held = _steadied(thrifty_law, now, held, _wanted_rps(thrifty_law, now, held))
        else:
            held = _steadied(law, now, held, demand)
        cap = look.told
        count = affordable(held.replicas, price, cap, plant.least)
        if stopped(budget, in_force):
            count = 0.0
        counts[tick], ordered_at[tick], caps[tick] = count, count * price, cap
        before = ready
        ready, starting = ordered(orders, tick, lead_ticks, ready, starting, count)
        leaving[tick + 1 : tick + 1 + leaving_ticks] += max(0.0, before - ready)

        if end_s >= budget.begins_s and int(end_s // HOUR_S) != hour:
            hour = int(end_s // HOUR_S)
            usual, deviation = profile(hours, hour - round(budget.starts_s / HOUR_S), budget.starts_s)
        most = max(running, count) * price
        was_held = look.cap < math.inf
        spending = Spending(spent_usd, most, demand, price / plant.planned_rps, plant.least * price, usual, deviation)
        look = looked(budget, look, spending, in_force, below_since_s, end_s)
        if was_held:
            hours[int((end_s - budget.starts_s) // HOUR_S)] += (look.wished - most) * tick_h
        if math.isnan(restricted_s) and look.cap < math.inf:
            restricted_s, spent_by_then_usd, floor_by_then_usd = end_s - budget.begins_s, spent_usd, floor_usd
    floor_left_usd = floor_usd - floor_by_then_usd
    return (
        counts, ordered_at, caps, paid, spent_usd, floor_usd, restricted_s, spent_by_then_usd, floor_left_usd,
    )  # fmt: skip
