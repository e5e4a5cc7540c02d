"""A history made ready for regression: logarithms, with guesses where nothing was observed.

Load errs in proportion, so models work on logarithms; but a client that goes idle would send those to minus infinity.
The started logarithm z = log(rate + zero), with zero a tenth of the last week's mean, is a ratio when there is load
and stays finite when there is none.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wharfage_autoscaler.history import DAY_S, History, Rates

HOUR_S = 3600.0
_ZERO_SHARE = 0.1
_WEEK_DAYS = 7
_SUNDAY_OFFSET_DAYS = 4  # 1970-01-01 was a Thursday, and a week is counted from Sunday here

Places = NDArray[np.int64]
Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """`z[i]` is the started logarithm of the rate in step `i`; it is a guess where `known[i]` is False.

    `holidays` are pairs of Unix seconds in which days are like Sundays. `zero` is 0 where there never was any load;
    then z is 0 throughout.
    """

    start_s: float
    step_s: float
    z: Rates
    known: Marks
    zero: float
    holidays: tuple[tuple[float, float], ...] = ()

    @property
    def end_s(self) -> float:
        """The end of the last step."""
        return self.start_s + self.step_s * len(self.z)

    def steps(self, seconds: float) -> int:
        """How many steps come nearest to a length of time; at least one."""
        return max(1, round(seconds / self.step_s))

    def rate(self, z: Rates) -> Rates:
        """What a started logarithm stands for, per second; 0 where there never was any load."""
        return np.maximum(np.exp(z) - self.zero, 0.0) if self.zero > 0 else np.zeros(z.shape)

    def until(self, length: int) -> "Series":
        """The first `length` steps."""
        return replace(self, z=self.z[:length], known=self.known[:length])

    def raised(self, before: int, shift: float) -> "Series":
        """The same with the steps before a place moved by `shift`: what they would have been at today's level."""
        z = self.z.copy()
        z[:before] += shift
        return replace(self, z=z)

    def sums(self) -> Rates:
        """Running sums: the mean of z over [a, b) is (sums[b] - sums[a]) / (b - a)."""
        sums = np.zeros(len(self.z) + 1)
        np.cumsum(self.z, out=sums[1:])
        return sums

    def on_holiday(self, places: Places) -> Marks:
        """Whether a step, past or future, begins on a holiday."""
        times_s = self.start_s + places * self.step_s
        marks: Marks = np.zeros(places.shape, dtype=np.bool_)
        for start_s, end_s in self.holidays:
            marks |= (times_s >= start_s) & (times_s < end_s)
        return marks

    def on_sunday(self, places: Places) -> Marks:
        """Whether a step begins on a Sunday (UTC)."""
        days = np.floor((self.start_s + places * self.step_s) / DAY_S)
        return np.asarray((days + _SUNDAY_OFFSET_DAYS) % _WEEK_DAYS == 0)


def zero_of(history: History) -> float:
    """A tenth of the mean of what was observed in the last week, or ever where that week is a gap; 0 without load."""
    week = history.recent(round(_WEEK_DAYS * DAY_S / history.step_s)).values
    if np.isnan(week).all():
        week = history.values
    return float(_ZERO_SHARE * np.nanmean(week)) if not np.isnan(week).all() else 0.0


def series_of(history: History, zero: float, holidays: tuple[tuple[float, float], ...] = ()) -> Series:
    """Started logarithms of a history, gaps filled by `_filled`."""
    known = ~np.isnan(history.values)
    if zero <= 0:
        return Series(history.start_s, history.step_s, np.zeros(len(known)), known, 0.0, holidays)
    z = np.log(history.values + zero)
    if not known.all():
        z = _filled(z, known, max(1, round(DAY_S / history.step_s)))
    return Series(history.start_s, history.step_s, z, known, zero, holidays)


def _filled(z: Rates, known: Marks, day: int) -> Rates:
    """Gaps as yesterday at the same time was, moved by how much it differed at the gap's two ends.

    A gap at the end keeps the difference from before it; one in the first day, which has no yesterday, is bridged.
    """
    filled = z.copy()
    edges = np.flatnonzero(np.diff(np.concatenate(([True], known, [True]))))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        for first in range(begin, end, day):
            last = min(first + day, end)
            base = filled[first - day : last - day] if first > day else np.zeros(last - first)
            before = filled[first - 1] - (filled[first - 1 - day] if first > day else 0.0) if first else np.nan
            after = filled[last] - (filled[last - day] if first > day else 0.0) if last == end < len(z) else np.nan
            ends = [value for value in (before, after) if not np.isnan(value)] or [0.0]
            filled[first:last] = base + np.linspace(ends[0], ends[-1], last - first + 2)[1:-1]
    return filled
