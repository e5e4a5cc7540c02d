"""Clients that work by the clock: a job at half past every hour is load that the next half past will see again.

A habit of the minute is what z was, on average over the last day, above its surrounding hour at that minute. It is
taken out before a model looks and put back into what the model says. Habits that do not stand out from their own
scatter shrink to nothing (the positive part of James and Stein's estimator), so a load without any loses nothing.
"""

from dataclasses import dataclass, replace

import numpy as np

from wharfage_autoscaler.forecasters.model import Learned, Model
from wharfage_autoscaler.forecasters.series import HOUR_S, Places, Series
from wharfage_autoscaler.history import Rates

_HOURS = 24
_LEAST_HOURS = 12
_LEAST_STEPS_AN_HOUR = 4
_MODELS_LOOK_BACK_S = 8 * HOUR_S + HOUR_S  # closely; what they average over days is not moved by habits
_DOUBT = 3.0  # in squared standard errors of the mean


@dataclass(frozen=True, slots=True, eq=False)
class ByTheClockLearned:
    """The model's knowledge of the series without habits; habits are looked up anew each time."""

    model: Learned

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """Shape (origins, steps)."""
        begin = max(0, int(origins.min()) - series.steps(_MODELS_LOOK_BACK_S))
        habits = habits_of(series, begin, int(origins.max()) + steps, steps)
        paths = self.model.paths(_without(series, habits, begin), origins, steps)
        return np.asarray(paths + habits[origins[:, None] - begin + np.arange(steps)])


@dataclass(frozen=True, slots=True)
class ByTheClock:
    """A model of the load without its clients' habits of the minute."""

    model: Model

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def least_s(self) -> float:
        """The model's."""
        return self.model.least_s

    def learned(self, series: Series, steps: int) -> ByTheClockLearned:
        """Learn from the series without habits."""
        return ByTheClockLearned(
            self.model.learned(_without(series, habits_of(series, 0, len(series.z), steps), 0), steps)
        )


def habits_of(series: Series, begin: int, end: int, steps: int) -> Rates:
    """The habit of each step in [begin, end), from the day before; the last `steps` + 30 minutes are not looked at."""
    hour = series.steps(HOUR_S)
    if hour < _LEAST_STEPS_AN_HOUR:
        return np.zeros(end - begin)
    first = -(-(steps + hour // 2) // hour)
    lags = np.round(np.arange(first, first + _HOURS) * HOUR_S / series.step_s).astype(np.int64)
    low = max(0, begin - int(lags[-1]))
    high = min(len(series.z), end - int(lags[0]))
    if high <= low:
        return np.zeros(end - begin)
    above = _above_hour(series, low, high)
    places = np.arange(begin, end)[:, None] - lags - low
    usable = (places >= 0) & (places < high - low)
    seen = np.where(usable, above[np.where(usable, places, 0)], 0.0)
    count = np.maximum(usable.sum(axis=1), 1)
    mean = seen.sum(axis=1) / count
    scatter = (np.where(usable, seen - mean[:, None], 0.0) ** 2).sum(axis=1) / np.maximum(count - 1, 1) / count
    kept = np.maximum(0.0, 1 - _DOUBT * scatter / np.maximum(mean**2, 1e-300))
    return np.where(count >= _LEAST_HOURS, mean * kept, 0.0)


def _above_hour(series: Series, low: int, high: int) -> Rates:
    """Z minus the mean of the hour around it, for steps in [low, high)."""
    half = series.steps(HOUR_S) // 2
    sums = series.sums()
    places = np.arange(low, high)
    before, after = np.maximum(places - half, 0), np.minimum(places + half + 1, len(series.z))
    return np.asarray(series.z[low:high] - (sums[after] - sums[before]) / (after - before))


def _without(series: Series, habits: Rates, begin: int) -> Series:
    z = series.z.copy()
    end = min(len(z), begin + len(habits))
    z[begin:end] -= habits[: end - begin]
    return replace(series, z=z)
