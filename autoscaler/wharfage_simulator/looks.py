"""One look at a budget in plain numbers: what `reckoned`, the treasury and its wishes do, for the fluid."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from wharfage_autoscaler.projection import allowance, expected_usd, of_week
from wharfage_autoscaler.reckoning import RESERVE
from wharfage_autoscaler.stages import DWELL_S, DWELL_SHARE, HYSTERESIS, Action

from wharfage_simulator.compiled import compiled
from wharfage_simulator.fluid import Floats

HOUR_S = 3600.0
_DAY, _WEEK, _PAST_H = 24, 168, 35 * 24
_NEWEST = 0.1  # of `Wishes`
_NEWS, _CENT = 0.02, 1e-9  # of `news`
_PREFER, _FREEZE, _FLOOR, _STOP = (
    each.rank for each in (Action.PREFER_CHEAPER, Action.FREEZE, Action.FLOOR, Action.STOP)
)
_allowance = compiled(allowance)
_expected_usd: Callable[..., tuple[float, float]] = compiled(expected_usd)  # arrays are as good as tuples
_of_week: Callable[..., float] = compiled(of_week)


class Budget(NamedTuple):
    """Dollars of one period, in Unix seconds; `starts_s` is when the course starts, at a full hour.

    Each row of `stages` is the rank of its action, the share at which it begins, and 1 where that is of the forecast.
    What was paid for before the period is what the forecast knows; no stage holds then.
    """

    usd: float
    starts_s: float
    begins_s: float
    ends_s: float
    stages: Floats


class Look(NamedTuple):
    """What one look leaves for the next. Infinite is no cap, NaN what is not known."""

    cap: float
    """Dollars per hour."""
    told: float
    """The cap that was last handed out: small changes are no news."""
    frozen: float
    usd_per_rps: float
    seat_usd: float
    """As `Wishes` remembers them."""
    wished: float
    forecast_usd: float
    """Of the period, if nothing were held down."""


class Spending(NamedTuple):
    """What a look is told, in dollars and dollars per hour; the first two lines as in `reckoning.Spending`."""

    spent_usd: float
    ordered: float
    demand_rps: float
    seat_usd: float
    floor: float
    usual: Floats
    deviation: float


@compiled
def looked(
    budget: Budget, before: Look, spending: Spending, in_force: Any, below_since_s: Floats, now_s: float
) -> Look:
    """The next look; which stages are `in_force`, and since when they are below their share, is kept in the arrays."""
    wished, usd_per_rps, seat_usd = _wished(before, spending)
    if now_s < budget.begins_s or now_s >= budget.ends_s:
        return Look(math.inf, math.inf, math.nan, usd_per_rps, seat_usd, wished, math.nan)
    ahead_usd, _ = _expected_usd(spending.usual, spending.deviation, wished, now_s, budget.ends_s)
    forecast_usd = spending.spent_usd + ahead_usd
    _climb(budget, in_force, below_since_s, spending.spent_usd, forecast_usd, now_s)
    frozen = math.nan
    if _holds(budget, in_force, _FREEZE):
        frozen = spending.ordered if math.isnan(before.frozen) else before.frozen
    cap = math.inf if math.isnan(frozen) else frozen
    if _holds(budget, in_force, _PREFER):
        left_usd, left_h = max(0.0, (1.0 - RESERVE) * budget.usd - spending.spent_usd), (budget.ends_s - now_s) / HOUR_S
        cap = min(cap, _allowance(left_usd, ahead_usd, wished, min(spending.floor, wished), left_h))
    if _holds(budget, in_force, _FLOOR) or _holds(budget, in_force, _STOP):
        cap = 0.0
    told = before.told
    if (cap < math.inf) != (told < math.inf) or abs(cap - told) > _NEWS * max(cap, told, _CENT):
        told = cap
    return Look(cap, told, frozen, usd_per_rps, seat_usd, wished, forecast_usd)


@compiled
def stopped(budget: Budget, in_force: Any) -> bool:
    """Whether nothing may run."""
    return bool(_holds(budget, in_force, _STOP))


@compiled
def profile(hours: Floats, known: int, starts_s: float) -> tuple[Floats, float]:
    """What `profiled` makes of the first `known` hours from `starts_s` on, none of which is NaN: usual, deviation."""
    begin = max(0, known - _PAST_H)
    if known <= begin:
        return np.zeros(0), 1.0
    past, first = hours[begin:known], round(starts_s / HOUR_S) + begin
    usual = np.zeros(_WEEK)
    for place in range(_WEEK):
        usual[place] = _of_week(past, first, place)
    everything = np.mean(past)
    of_hour = np.full(_DAY, math.nan)
    for hour in range(_DAY):
        seen = usual[hour::_DAY]
        seen = seen[~np.isnan(seen)]
        if len(seen) > 0:
            of_hour[hour] = np.mean(seen)
    for place in range(_WEEK):
        if math.isnan(usual[place]):
            usual[place] = of_hour[place % _DAY]
        if math.isnan(usual[place]):
            usual[place] = everything
    end = len(past)
    while end > 0:
        expected = spent = 0.0
        for at in range(max(0, end - _DAY), end):
            expected += usual[(first + at) % _WEEK]
            spent += past[at]
        if expected > 0.0:
            return usual, spent / expected
        end -= _DAY
    return usual, 1.0


@compiled
def _wished(before: Look, spending: Spending) -> tuple[float, float, float]:
    """`Wishes.wished`, and what it remembers: dollars per request a second, and per seat."""
    known, seat_usd, demand_rps = before.usd_per_rps, before.seat_usd, spending.demand_rps
    if before.cap < math.inf:
        if math.isnan(known) or math.isnan(demand_rps):
            return spending.ordered, known, seat_usd
        return max(spending.ordered, known * max(1.0, spending.seat_usd / seat_usd) * demand_rps), known, seat_usd
    if demand_rps > 0.0:
        seen, weight = spending.ordered / demand_rps, 1.0 if math.isnan(known) else _NEWEST
        before_rps, before_seat = (seen, spending.seat_usd) if math.isnan(known) else (known, seat_usd)
        known = before_rps + weight * (seen - before_rps)
        seat_usd = before_seat + weight * (spending.seat_usd - before_seat)
    return spending.ordered, known, seat_usd


@compiled
def _climb(
    budget: Budget, in_force: Any, below_since_s: Floats, spent_usd: float, forecast_usd: float, now_s: float
) -> None:
    """`stages.climbed` within one period."""
    dwell_s = min(DWELL_S, DWELL_SHARE * (budget.ends_s - budget.begins_s))
    for stage in range(len(budget.stages)):
        at = budget.stages[stage, 1]
        share = (forecast_usd if budget.stages[stage, 2] > 0.0 else spent_usd) / budget.usd
        if share >= at:
            in_force[stage], below_since_s[stage] = True, math.nan
        elif in_force[stage]:
            if share >= at - HYSTERESIS:
                below_since_s[stage] = math.nan
            elif math.isnan(below_since_s[stage]):
                below_since_s[stage] = now_s
            in_force[stage] = math.isnan(below_since_s[stage]) or now_s - below_since_s[stage] < dwell_s


@compiled
def _holds(budget: Budget, in_force: Any, rank: int) -> bool:
    found = False
    for stage in range(len(budget.stages)):
        found = found or (in_force[stage] and int(budget.stages[stage, 0]) == rank)
    return found
