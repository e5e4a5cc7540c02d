"""What a period will cost, from the dollars of each hour so far: low, mid and high.

A profile of the hours of the week, in which each week counts 0.7 of the one after it, times how far the last day was
off it. That deviation is believed less the further ahead: it halves every 96 hours. What the last minutes were off by
halves every 3, and adds at no later hour more dollars than now. An hour's deviation is mostly its day's, so what is
left over is that of whole days, each by itself, plus 0.8 of it for all of them in common. (A bootstrap of whole days
was off by more: docs/design/0026-budgets.md.)

It is of the *unrestricted* course: hours in which a budget held dollars down come in as what they would have cost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

HOUR_S = 3600.0
_WEEK = 168
_WEEKS = 5
_DECAY = 0.7
_DAY = 24
_DAY_HALVES_H, _NOW_HALVES_H = 96.0, 3.0
_COMMON = 0.8
_Z90 = 1.2816  # of a normal distribution: a tenth is above
_LEAST_SPREAD = 0.05  # of a day: nobody knows the next one better than that
_UNKNOWN_SPREAD = 0.25  # before there are some whole days to tell
_ENOUGH_DAYS = 3
_SHORTEST_H = 1e-6  # so that rounding cannot make a step of nothing


@dataclass(frozen=True, slots=True)
class Projection:
    """Dollars from now to the end of a period: in 10 % of cases less than `low`, in 10 % more than `high`."""

    low: float
    mid: float
    high: float

    def beyond(self, spent_usd: float) -> "Projection":
        """With what was spent already."""
        return Projection(self.low + spent_usd, self.mid + spent_usd, self.high + spent_usd)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the hours of a week cost, from Thursday's first in UTC on; empty where nothing is known yet.

    `deviation` is what the last day cost by what is usual of it, `spread` how far days are off that as a rule.
    """

    usual: tuple[float, ...] = ()
    deviation: float = 1.0
    spread: float = _UNKNOWN_SPREAD

    def at(self, at_s: float) -> float:
        """Dollars per hour that are usual at that moment (Unix seconds)."""
        return self.usual[int(at_s // HOUR_S) % _WEEK] if self.usual else math.nan


def profiled(hours: Sequence[float], first_s: float) -> Profile:
    """The profile of dollars of whole hours, the first of which begins at `first_s`; NaN where nobody knows."""
    skipped = max(0, len(hours) - _WEEK * _WEEKS)
    hours, first = hours[skipped:], round(first_s / HOUR_S) + skipped
    known = [usd for usd in hours if not math.isnan(usd)]
    if not known:
        return Profile()
    week = [of_week(hours, first, place) for place in range(_WEEK)]
    by_day = [_mean(week[hour::_DAY]) for hour in range(_DAY)]  # for hours of the week that were not seen yet
    everything = fmean(known)
    usual = tuple(
        next(usd for usd in (each, by_day[place % _DAY], everything) if not math.isnan(usd))
        for place, each in enumerate(week)
    )
    ratios = _ratios(hours, first, usual)
    return Profile(usual, ratios[-1] if ratios else 1.0, _spread(ratios[:-1]))


def projection(profile: Profile, *, rate: float, now_s: float, ends_s: float) -> Projection:
    """Dollars between `now_s` and `ends_s` (Unix seconds); `rate` is dollars per hour now."""
    mid, squares = expected_usd(profile.usual, profile.deviation, rate, now_s, ends_s)
    off = _Z90 * profile.spread * math.sqrt(squares + (_COMMON * mid) ** 2)
    return Projection(max(0.0, mid - off), mid, mid + off)


def expected_usd(
    usual: Sequence[float], deviation: float, rate: float, now_s: float, ends_s: float
) -> tuple[float, float]:
    """Dollars between both moments, and the sum of the squares of those of each day.

    Plain numbers, because the simulator compiles it as it stands: thousands of periods are replayed in minutes.
    """
    left_h = max(0.0, ends_s - now_s) / HOUR_S
    usual_now = usual[int(now_s // HOUR_S) % _WEEK] * deviation if len(usual) > 0 else 0.0
    off = rate - usual_now
    mid = squares = of_day = 0.0
    day = 0
    at_h = 0.0
    while at_h < left_h:
        step_h = min(left_h - at_h, 1.0 - (now_s / HOUR_S + at_h) % 1.0)  # to the end of the clock's hour
        middle_h = at_h + step_h / 2
        expected = rate  # where nothing says otherwise it goes on as it is
        if usual_now > 0.0:
            expected = usual[int((now_s + middle_h * HOUR_S) // HOUR_S) % _WEEK]
            expected *= 1.0 + (deviation - 1.0) * math.exp2(-middle_h / _DAY_HALVES_H)
            # In proportion, but never by more dollars than now: ten times a quiet hour is not ten times a busy one.
            part = expected / usual_now if off < 0.0 else min(1.0, expected / usual_now)
            expected += off * part * math.exp2(-middle_h / _NOW_HALVES_H)
        if int(middle_h / _DAY) > day:
            squares += of_day**2
            day, of_day = int(middle_h / _DAY), 0.0
        of_day += step_h * expected
        mid += step_h * expected
        at_h += max(step_h, _SHORTEST_H)
    return mid, squares + of_day**2


def allowance(remaining_usd: float, ahead_usd: float, rate: float, floor: float = 0.0, left_h: float = 0.0) -> float:
    """Dollars per hour that may be spent now, so that what remains lasts for what is expected.

    `ahead_usd` is what the rest of the period, `left_h` hours, costs if nothing is held down, at `rate` dollars per
    hour now. `floor` is paid every hour whatever is allowed, so it is set aside first; the rest follows the demand: an
    hour that would cost twice as much above the floor gets twice as much of it.
    """
    if remaining_usd <= 0.0:
        return 0.0
    aside_usd = floor * left_h
    if ahead_usd <= aside_usd:
        return math.inf if remaining_usd >= ahead_usd else floor
    share = max(0.0, remaining_usd - aside_usd) / (ahead_usd - aside_usd)
    return floor + max(0.0, rate - floor) * share


def of_week(hours: Sequence[float], first: int, place: int) -> float:
    """Of one hour of the week the mean over the weeks, later ones counting more; NaN where none is known.

    `first` is the number of the first hour since 1970. The simulator compiles it, too.
    """
    usd = weights = 0.0
    for at in range((place - first) % _WEEK, len(hours), _WEEK):
        if not math.isnan(hours[at]):
            weight = _DECAY ** ((len(hours) - 1 - at) // _WEEK)
            usd += weight * hours[at]
            weights += weight
    return usd / weights if weights else math.nan


def _ratios(hours: Sequence[float], first: int, usual: Sequence[float]) -> list[float]:
    """What each day before the end of the hours cost, by what is usual of it; oldest first."""
    found = []
    for begin in range(len(hours) % _DAY, len(hours) - _DAY + 1, _DAY):
        places = [at for at in range(begin, begin + _DAY) if not math.isnan(hours[at])]
        expected = sum(usual[(first + at) % _WEEK] for at in places)
        if expected > 0.0:
            found.append(sum(hours[at] for at in places) / expected)
    return found


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def _spread(ratios: Sequence[float]) -> float:
    """The standard deviation of a day's dollars, as a part of them."""
    if len(ratios) < _ENOUGH_DAYS:
        return _UNKNOWN_SPREAD
    mean = fmean(ratios)
    return max(_LEAST_SPREAD, math.sqrt(fmean((ratio - mean) ** 2 for ratio in ratios)))
