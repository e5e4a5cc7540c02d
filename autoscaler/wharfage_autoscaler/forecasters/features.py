"""What a regression may look at: how the recent past differs from now, and how the usual moves from here."""

from itertools import pairwise

import numpy as np

from wharfage_autoscaler.forecasters.profile import Profile
from wharfage_autoscaler.forecasters.series import HOUR_S, Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

EARLIEST_S = DAY_S + 8 * HOUR_S  # an origin needs the longest lag below and a day before it
_TEN_MINUTES_S = 600.0
_EDGES = (1, 2, 3, 6, 12, 24, 48)  # in ten minutes: z over (10, 20], (20, 30], (30, 60], ... minutes ago
_ANCHORS = (0.0, 0.25, 0.55, 1.0)  # of the horizon
_WEEK_DAYS = 7


def features(series: Series, origins: Places, steps: int) -> tuple[Rates, Rates]:
    """(features of shape (origins, 13), z now of shape (origins,)); every feature is a difference from now.

    Because all are differences, a forecast moves with the level of the load, whatever that is.
    """
    sums = series.sums()

    def ago(near: int, far: int) -> Rates:
        low = np.maximum(origins - far, 0)
        high = np.maximum(origins - near, low + 1)
        return np.asarray((sums[high] - sums[low]) / (high - low))

    now = series.z[origins - 1]
    edges = [series.steps(edge * _TEN_MINUTES_S) for edge in _EDGES]
    columns = [ago(near, max(far, near + 1)) - now for near, far in pairwise(edges)]
    columns += [ago(0, series.steps(days * DAY_S)) - now for days in (1, _WEEK_DAYS)]
    anchors = np.round(np.array(_ANCHORS) * (steps - 1)).astype(np.int64)
    usual = Profile(series, sums).at(origins[:, None] + np.append(-1, anchors))
    drift = usual[:, 1:] - usual[:, :1]
    return np.column_stack([*columns, usual[:, 0] - now, drift]), now
