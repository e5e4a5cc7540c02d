"""A model and what is known of its errors: a forecaster.

The cost is spread over three rhythms. `fit` learns, daily, in a fraction of a second; `updated` lets the quantiles
follow how the last hours went, hourly, in milliseconds; `predict` runs whenever a forecast is wanted, in less than one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import HIGHEST_BELIEVED, LEVELS, Forecast
from wharfage_autoscaler.forecasters.conformal import Calibration, calibration_of, unsteadiness
from wharfage_autoscaler.forecasters.drift import Shift, levelled, noise_of, shifts_in
from wharfage_autoscaler.forecasters.known import holidays, usual, with_events
from wharfage_autoscaler.forecasters.model import Learned, Model
from wharfage_autoscaler.forecasters.pool import Pool
from wharfage_autoscaler.forecasters.series import HOUR_S, Series, series_of, zero_of
from wharfage_autoscaler.history import DAY_S, History

_TAIL_S = 15 * DAY_S  # the longest lag, and what smoothing around it needs
_BELIEVED_FROM_S = 14 * DAY_S
_CALIBRATED_ON_S = 7 * DAY_S
_POOL_WEIGHT = 48.0  # fresh errors, which come every ten minutes: eight hours of them


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedFit:
    """What a `Calibrated` learned, and the end of the history that it was learned from."""

    forecaster: "Calibrated"
    events: tuple[Event, ...]
    tail: History  # the usual: events taken out
    zero: float
    noise: float
    shifts: tuple[Shift, ...]
    learned: Learned
    calibration: Calibration

    def predict(self, recent: History, steps: int) -> Forecast:
        """The steps after `recent`; beyond the horizon that was learned the last step is repeated."""
        known = self._continued(recent)
        if self.zero == 0 and np.nanmax(known.values, initial=0.0) > 0:
            return self.forecaster.fit(known, self.events).predict(recent, steps)  # nothing is learned from silence
        series, _ = self._series(known)
        learned_steps = len(self.calibration.offsets)
        ahead = min(steps, learned_steps)
        now = np.array([len(series.z)])
        path = self.learned.paths(series, now, learned_steps)[0, :ahead]
        z = path + (self.calibration.offsets[:ahead] * unsteadiness(series, now)).T
        seen = known.recent(series.steps(_BELIEVED_FROM_S)).values
        highest = HIGHEST_BELIEVED * float(np.nanmax(seen)) if not np.isnan(seen).all() else np.inf
        # Rounding in exp must not put a quantile below the one under it.
        rates = np.maximum.accumulate(np.minimum(series.rate(z), highest))
        if steps > ahead:
            rates = np.pad(rates, ((0, 0), (0, steps - ahead)), mode="edge")
        forecast = Forecast(
            recent.end_s, series.step_s, LEVELS, tuple(map(tuple, rates.tolist())), self.forecaster.name
        )
        return with_events(forecast, self.events)

    def updated(self, recent: History) -> "CalibratedFit":
        """The same, with errors and levels seen since taken into account."""
        known = self._continued(recent)
        if self.zero == 0:
            return replace(self, tail=known)
        series, shifts = self._series(known)
        return replace(self, tail=known, shifts=shifts, calibration=self.calibration.extended(self.learned, series))

    def _continued(self, recent: History) -> History:
        """The usual up to the end of `recent`, no longer than any model looks back."""
        known = self.tail.extended(usual(recent.resampled(self.tail.step_s), self.events))
        return known.recent(round(_TAIL_S / known.step_s))

    def _series(self, known: History) -> tuple[Series, tuple[Shift, ...]]:
        series = levelled(series_of(known, self.zero, holidays(self.events)), self.shifts)
        fresh = shifts_in(series, self.calibration.seen_s, self.noise)
        return levelled(series, fresh), self.shifts + fresh


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A forecaster for `horizon_s` seconds ahead, of any model."""

    model: Model
    horizon_s: float = 2 * HOUR_S
    pool: Pool | None = None  # errors of others, which count until there are enough of its own

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def least_s(self) -> float:
        """The model's."""
        return self.model.least_s

    def fit(self, history: History, events: Sequence[Event] = ()) -> CalibratedFit:
        """Learn from all but the last week (at most half), measure errors on that, then learn from all.

        ValueError where less was observed than the model needs.
        """
        if history.known_s < self.least_s:
            raise ValueError(
                f"forecaster {self.name}: needs {self.least_s / HOUR_S:g} h of history, "
                f"{history.known_s / HOUR_S:.1f} h were observed; use one that needs less, or none"
            )
        kept = usual(history, events)
        zero = zero_of(kept)
        series = series_of(kept, zero, holidays(events))
        noise = noise_of(series)
        shifts = shifts_in(series, series.start_s, noise)
        series = levelled(series, shifts)
        steps = series.steps(self.horizon_s)
        begin = max(len(series.z) // 2, len(series.z) - series.steps(_CALIBRATED_ON_S))
        calibration = calibration_of(
            self.model.learned(series.until(begin), steps),
            series,
            begin,
            steps,
            prior=None if self.pool is None else self.pool.rows(steps, series.step_s),
            prior_weight=_POOL_WEIGHT,
        )
        return CalibratedFit(
            forecaster=self,
            events=tuple(events),
            tail=kept.recent(round(_TAIL_S / kept.step_s)),
            zero=zero,
            noise=noise,
            shifts=shifts,
            learned=self.model.learned(series, steps),
            calibration=calibration,
        )
