"""Tomorrow is like now: the last value, and a mean that forgets. What anything else has to beat."""

from dataclasses import dataclass

import numpy as np

from wharfage_autoscaler.forecasters.series import HOUR_S, Places, Series
from wharfage_autoscaler.history import Rates

_MEMORY_S = HOUR_S
_FORGET_PER_HOUR = 0.6**6  # a weight of 0.6 per ten minutes


@dataclass(frozen=True, slots=True)
class LastValue:
    """The rate of the last step, for ever."""

    name: str = "last"
    least_s: float = 2 * HOUR_S

    def learned(self, series: Series, steps: int) -> "LastValue":
        """Nothing is to be learned."""
        return self

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """The last value, repeated."""
        return np.repeat(series.z[origins - 1][:, None], steps, axis=1)


@dataclass(frozen=True, slots=True)
class Ewma:
    """A mean of the last hour, the latest weighing most."""

    name: str = "ewma"
    least_s: float = 2 * HOUR_S

    def learned(self, series: Series, steps: int) -> "Ewma":
        """Nothing is to be learned."""
        return self

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """The mean, repeated; an origin within the first hour averages what there is."""
        ages = np.arange(series.steps(_MEMORY_S))
        weights = _FORGET_PER_HOUR ** (ages * series.step_s / HOUR_S)
        places = origins[:, None] - 1 - ages
        weight = np.where(places >= 0, weights, 0.0)
        mean = (weight * series.z[np.maximum(places, 0)]).sum(axis=1) / weight.sum(axis=1)
        return np.repeat(mean[:, None], steps, axis=1)
