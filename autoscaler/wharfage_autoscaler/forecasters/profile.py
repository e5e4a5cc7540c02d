"""What is usual at a time of day: a weighted mean of z at the same time on the days before."""

from dataclasses import dataclass

import numpy as np

from wharfage_autoscaler.forecasters.series import Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

DAYS = 14
_SMOOTH_S = 50 * 60.0  # load comes a little earlier or later than yesterday
_FORGET_PER_DAY = 0.9
_WEEK = 7
_SAME_WEEKDAY = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Asks one series many times; made once for it."""

    series: Series
    sums: Rates

    def at(self, places: Places) -> Rates:
        """The usual z of steps, past or up to a day ahead, from the days before each; shape as `places`.

        A place less than a day after the series' start has no day before it: what is known of the first day, on
        average, stands in.
        """
        series = self.series
        lags = np.array([series.steps(day * DAY_S) for day in range(1, DAYS + 1)])
        weights = _FORGET_PER_DAY ** np.arange(DAYS)
        weights[_WEEK - 1 :: _WEEK] *= _SAME_WEEKDAY
        lagged = places[..., None] - lags
        weight = np.where(lagged >= 0, weights, 0.0)
        if series.holidays:
            weight = self._by_kind_of_day(places, lagged, weight)
        total = weight.sum(axis=-1)
        mean = (weight * self.smooth(lagged)).sum(axis=-1) / np.where(total > 0, total, 1.0)
        first_day = self.sums[min(len(self.sums) - 1, lags[0])] / min(len(self.sums) - 1, lags[0])
        return np.asarray(np.where(total > 0, mean, first_day))

    def smooth(self, places: Places) -> Rates:
        """The mean of z around steps."""
        half = self.series.steps(_SMOOTH_S) // 2
        last = len(self.series.z)
        low = np.minimum(np.maximum(places - half, 0), last - 1)  # np.clip takes four times as long on short arrays
        high = np.minimum(np.maximum(places + half + 1, 1), last)
        return np.asarray((self.sums[high] - self.sums[low]) / (high - low))

    def _by_kind_of_day(self, places: Places, lagged: Places, weight: Rates) -> Rates:
        """A holiday is like Sundays and holidays, any other day like no holiday, where there was such a day."""
        was_off = self.series.on_holiday(lagged)
        rest = np.where(was_off | self.series.on_sunday(lagged), weight, 0.0)
        work = np.where(was_off, 0.0, weight)
        chosen = np.where(self.series.on_holiday(places)[..., None], rest, work)
        return np.asarray(np.where(chosen.sum(axis=-1, keepdims=True) > 0, chosen, weight))


def profile_of(series: Series) -> Profile:
    """The profile of a series."""
    return Profile(series, series.sums())
