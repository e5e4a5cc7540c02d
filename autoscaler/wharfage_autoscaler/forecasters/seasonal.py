"""The usual of the time of day, moved by how much the last half hour differed from its own usual.

The difference fades by a fifth per hour: load that is above the usual now comes back towards it.
"""

from dataclasses import dataclass

import numpy as np

from wharfage_autoscaler.forecasters.profile import profile_of
from wharfage_autoscaler.forecasters.series import HOUR_S, Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

_LATELY_S = HOUR_S / 2
_FORGET_PER_HOUR = 0.3**6  # a weight of 0.3 per ten minutes
_LASTING_PER_HOUR = 0.8


@dataclass(frozen=True, slots=True)
class SeasonalRatio:
    """Profile times a fading level correction (both in logarithms, hence ratio)."""

    name: str = "seasonal"
    least_s: float = 2 * DAY_S

    def learned(self, series: Series, steps: int) -> "SeasonalRatio":
        """The series itself is all there is to know."""
        return self

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """Shape (origins, steps)."""
        back = min(series.steps(_LATELY_S), int(origins.min()))
        offsets = np.arange(-back, steps)
        usual = profile_of(series).at(origins[:, None] + offsets)
        differences = series.z[origins[:, None] + offsets[:back]] - usual[:, :back]
        weights = _FORGET_PER_HOUR ** (np.arange(back - 1, -1, -1) * series.step_s / HOUR_S)
        level = differences @ (weights / weights.sum())
        lasting = _LASTING_PER_HOUR ** (np.arange(1, steps + 1) * series.step_s / HOUR_S)
        return np.asarray(usual[:, back:] + level[:, None] * lasting)
