"""What was expected of the load at each moment: learned every night, asked again with every step, and kept.

A law that listens to forecasts is tuned by replaying days on which it would have heard them: as they were then, by what
was known then. So every forecast is made once, in order, from the ticks before it, and what it said is written down.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.foresight import RECENT_S, STEP_S, Foresight
from wharfage_autoscaler.history import History

from wharfage_simulator.fluid import Floats


@dataclass(slots=True)
class Outlook:
    """Hears the load tick by tick, from `start_s` on; `forecast` is what is expected now, None before two hours of it.

    `levels` are those that `said` keeps, for `lead_s` ahead.
    """

    lead_s: float
    levels: tuple[float, ...]
    start_s: float = 0.0
    tick_s: float = 15.0
    forecast: Forecast | None = None
    _ticks: int = 0
    _sum: float = 0.0
    _rates: list[float] = field(default_factory=list)
    _foresight: Foresight = field(default_factory=Foresight)
    _now: tuple[float, ...] = ()
    _said: list[tuple[float, ...]] = field(default_factory=list)

    def hear(self, arrivals: Iterable[float]) -> None:
        """Requests of the next ticks."""
        per_step = max(1, round(STEP_S / self.tick_s))
        unknown = (math.nan,) * len(self.levels)
        for came in arrivals:
            self._ticks += 1
            self._sum += came
            if self._ticks % per_step == 0:
                self._rates.append(self._sum / (per_step * self.tick_s))
                self._sum = 0.0
                self._look(self.start_s + self._ticks * self.tick_s)
            self._said.append(self._now or unknown)

    def said(self) -> dict[float, Floats]:
        """By level, the quantile for the lead time as it was known at the end of each tick; NaN before the first."""
        table = np.array(self._said).reshape(-1, len(self.levels))
        return {level: table[:, place] for place, level in enumerate(self.levels)}

    def _look(self, now_s: float) -> None:
        """Learn if it is night, else follow how the last hours went; then look ahead."""
        rates = self._rates[-round(RECENT_S / STEP_S) :]
        recent = History(now_s - len(rates) * STEP_S, STEP_S, np.array(rates))
        self._foresight = self._foresight.after(recent, self._whole, now_s)
        forecast = self._foresight.expected(recent, self.lead_s)
        if forecast is None:
            return
        at_s = now_s + self.tick_s + self.lead_s  # of the second tick that hears it
        highest = (forecast.highest(level, at_s, at_s) for level in self.levels)
        self.forecast = forecast
        self._now = tuple(math.nan if rate is None else rate for rate in highest)

    def _whole(self) -> History:
        return History(self.start_s, STEP_S, np.array(self._rates))
