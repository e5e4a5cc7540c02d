"""The first two days of a deployment: too little to know its day, or how far its forecasts err.

What others erred stands in and is outweighed within hours; and where the user said how much load to expect, three
days of that stand in for the days before.
"""

import numpy as np

from wharfage_autoscaler.forecasters.calibrated import Calibrated
from wharfage_autoscaler.forecasters.flat import Ewma
from wharfage_autoscaler.forecasters.pool import Pool
from wharfage_autoscaler.history import DAY_S, History

_ASSUMED_DAYS = 3
_QUIET_SHARE = 1 / 3

# Errors of `Ewma` on the ten series of ServeGen that `make bench-forecast` reads: shape (20 quantiles) and scale.
POOL = Pool(
    aheads_s=(600.0, 1800.0, 3600.0, 7200.0),
    scales=(1.0, 1.0, 1.0, 1.0),
    shape=(0.0,),
)
YOUNG = Calibrated(Ewma("young"), pool=POOL)


def assumed(
    peak_per_s: float, *, end_s: float, step_s: float, busy_hours: tuple[float, float] = (0.0, 24.0)
) -> History:
    """Three days that end at `end_s`, at the peak within the hours (UTC), at a third of it outside.

    Put it before what was observed (`assumed(...).extended(observed)`) until there are three days of that.
    ValueError for a peak that is no load, or hours that end before they begin.
    """
    if not 0 < peak_per_s < np.inf:
        raise ValueError(f"assumed load: peak of {peak_per_s} requests per second; it must be positive")
    if not 0 <= busy_hours[0] < busy_hours[1] <= 24:
        raise ValueError(f"assumed load: busy from hour {busy_hours[0]} to {busy_hours[1]}; give two hours of one day")
    steps = round(_ASSUMED_DAYS * DAY_S / step_s)
    start_s = end_s - steps * step_s
    hours = (start_s + np.arange(steps) * step_s) % DAY_S / 3600
    busy = (hours >= busy_hours[0]) & (hours < busy_hours[1])
    return History(start_s, step_s, np.where(busy, peak_per_s, _QUIET_SHARE * peak_per_s))
