"""How far the forecast of a period is off, after some of its days: 28 days of dollars, on synthetic fleets.

    python -m benchmarks.ledger_forecast

The loads are those of the paper on the algorithms: days with two peaks, quiet weekends, a trend, gusts, holidays, a
level that shifts at the end; eight weeks each, of which a period begins after one, two, three and four. An hour costs
as many replicas as its busiest ten minutes ask for. The first look is at a fleet that has run for a week before its
period. A straight line, dollars so far by days so far, is what a budget without a forecast would have.
"""

import json
from statistics import fmean

import numpy as np
from wharfage_autoscaler.projection import HOUR_S, profiled, projection
from wharfage_simulator.fluid import Floats

SEEDS, WEEKS, PERIOD_D = range(4), 8, 28
DAYS = (3, 7, 14, 21)
_DAY, _WEEK = 144, 1008  # steps of ten minutes
_WEEKEND, _TREND = (0.35, 0.9, 0.5, 0.35), (0.0, 0.15, 0.0, 0.3)
_USD_PER_HOUR, _REPLICA_RPS, _HEADROOM = 4.0, 2.0, 1.1

Figures = dict[str, float]


def figures() -> Figures:
    """By days passed: mean errors as parts of the period's dollars, and how often these lie between low and high."""
    fleets = [dollars(seed) for seed in SEEDS]
    found: Figures = {}
    for day in DAYS:
        looks = [
            _looked(hours, week * 168, day)
            for hours in fleets
            for week in range(1, 5)
            if (week * 7 + PERIOD_D) * 24 <= len(hours)
        ]
        straight, ours, covered = zip(*looks, strict=True)
        found[f"forecast_{day}_straight_line"] = fmean(straight)
        found[f"forecast_{day}_error"] = fmean(ours)
        found[f"forecast_{day}_covers"] = fmean(covered)
    return found


def dollars(seed: int) -> Floats:
    """Of each hour of eight weeks."""
    busiest = _load(seed).reshape(-1, 6).max(axis=1)
    return np.asarray(np.ceil(busiest * _HEADROOM / _REPLICA_RPS) * _USD_PER_HOUR)


def _looked(hours: Floats, begins: int, day: int) -> tuple[float, float, bool]:
    now, ends = begins + 24 * day, begins + 24 * PERIOD_D
    spent, truth = float(hours[begins:now].sum()), float(hours[begins:ends].sum())
    profile = profiled(hours[:now].tolist(), 0.0)
    ahead = projection(profile, rate=float(hours[now - 1]), now_s=now * HOUR_S, ends_s=ends * HOUR_S).beyond(spent)
    straight = spent * PERIOD_D / day
    return abs(straight / truth - 1.0), abs(ahead.mid / truth - 1.0), ahead.low <= truth <= ahead.high


def _load(seed: int) -> Floats:
    """Requests per second in each ten minutes; drawn in this order, since the figures are of these draws."""
    dice, steps = np.random.default_rng(seed), WEEKS * _WEEK
    at = np.arange(steps)
    of_day, weekday = (at % _DAY) / _DAY, (at // _DAY) % 7
    peaks = 0.9 * np.exp(-(((of_day - 0.45) / 0.12) ** 2)) + 0.7 * np.exp(-(((of_day - 0.68) / 0.10) ** 2))
    wander = np.zeros(steps)
    for step in range(1, steps):
        wander[step] = 0.95 * wander[step - 1] + dice.normal(0, 0.03)
    load = 20 * (1 + peaks) * np.where(weekday >= 5, _WEEKEND[seed], 1.0) * np.exp(_TREND[seed] * at / steps + wander)
    for begin in dice.integers(0, steps - 60, 3 * WEEKS):
        load[begin : begin + dice.integers(2, 18)] *= dice.uniform(1.5, 4)
    for off in dice.integers(2 * 7, WEEKS * 7, 2):
        load[off * _DAY : (off + 1) * _DAY] *= 0.5
    if seed >= 2:
        load[int(steps * 0.93) :] *= 1.6
    return np.asarray(dice.gamma(60, load / 60))


if __name__ == "__main__":
    print(json.dumps(figures(), indent=2))
