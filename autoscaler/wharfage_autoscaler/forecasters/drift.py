"""When load moves to another level for good, the days before it are no longer what is usual.

A cumulative sum of deviations from the profile tells a new level from a wave: it counts by how many of its own
hourly deviations the load is off, for how long. On alarm the past is raised to the new level, in logarithms,
so that profiles and regressions go on as if it had always been there.
"""

from dataclasses import dataclass

import numpy as np

from wharfage_autoscaler.forecasters.profile import profile_of
from wharfage_autoscaler.forecasters.series import HOUR_S, Series
from wharfage_autoscaler.history import DAY_S, Rates

_SLACK = 3.0  # deviations of this size are ordinary
_ALARM_HOURS = 16.0  # deviation beyond the slack, times its duration in hours
_MOST_COUNTED = 30.0  # so that no single step is an alarm by itself
_LEAST_NOISE = 0.1  # a load that never deviates must still be off by half as much again to be called off
_MOST_SHIFTS = 20


@dataclass(frozen=True, slots=True)
class Shift:
    """From `at_s` on, z is higher than before by `by`."""

    at_s: float
    by: float


def noise_of(series: Series) -> float:
    """How far hourly means of z usually are from the profile, robustly; the least noise without a second day."""
    day, hour = series.steps(DAY_S), series.steps(HOUR_S)
    hours = (len(series.z) - day) // hour
    if hours < 1:
        return _LEAST_NOISE
    begin = len(series.z) - hours * hour
    means = (series.z - profile_of(series).at(np.arange(len(series.z))))[begin:].reshape(hours, hour).mean(axis=1)
    return max(_LEAST_NOISE, 1.4826 * float(np.median(np.abs(means - np.median(means)))))


def levelled(series: Series, shifts: tuple[Shift, ...]) -> Series:
    """The series with what came before each shift raised to the level after it."""
    for shift in shifts:
        before = round((shift.at_s - series.start_s) / series.step_s)
        if before > 0:
            series = series.raised(min(before, len(series.z)), shift.by)
    return series


def shifts_in(series: Series, begin_s: float, noise: float) -> tuple[Shift, ...]:
    """The new levels that a (levelled) series reached after `begin_s`."""
    found: list[Shift] = []
    first = max(series.steps(DAY_S), round((begin_s - series.start_s) / series.step_s))
    while first < len(series.z) and len(found) < _MOST_SHIFTS:
        off = (series.z[first:] - profile_of(series).at(np.arange(first, len(series.z)))) / noise
        off = np.where(series.known[first:], off, 0.0)
        hours = series.step_s / HOUR_S
        sides = [_excursion(sign * off, hours) for sign in (1.0, -1.0)]
        alarm, since = min(sides)
        if alarm >= len(off):
            break
        shift = Shift(series.start_s + (first + since) * series.step_s, noise * _mean(off[since : alarm + 1]))
        series = levelled(series, (shift,))
        found.append(shift)
        first += alarm + 1
    return tuple(found)


def _excursion(off: Rates, hours: float) -> tuple[int, int]:
    """The step of the first alarm (their number where there is none), and the step at which that excursion began."""
    sums = np.append(0.0, np.cumsum((np.minimum(off, _MOST_COUNTED) - _SLACK) * hours))
    lows = np.minimum.accumulate(sums)
    alarms = np.flatnonzero(sums - lows > _ALARM_HOURS)
    if not alarms.size:
        return len(off), 0
    alarm = int(alarms[0])
    return alarm - 1, int(np.argmin(sums[:alarm]))


def _mean(off: Rates) -> float:
    """The mean of the later half: an excursion may take a while to reach its level."""
    return float(off[len(off) // 2 :].mean())
