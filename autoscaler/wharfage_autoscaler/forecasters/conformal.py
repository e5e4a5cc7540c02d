"""How far paths err, and hence the quantiles around the next one.

Split conformal prediction: the errors of a path that was learned without them are as likely to be exceeded as the
next one (Vovk et al. 2005; per horizon, each pooled with its neighbours). Load is not exchangeable, so three things
are added. Errors are divided by how unsteady the load was that day; recent errors weigh more (Tibshirani et al. 2019);
and a level that was missed too often is raised by adaptive conformal inference (Gibbs and Candes 2021), level' =
level + rate x (missed - (1 - level)).
"""

from dataclasses import dataclass, replace

import numpy as np

from wharfage_autoscaler.forecast import LEVELS
from wharfage_autoscaler.forecasters.model import Learned
from wharfage_autoscaler.forecasters.series import HOUR_S, Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

REMEMBERED_S = 7 * DAY_S
_HALF_LIFE_S = 2 * DAY_S
_SPACING_S = 600.0  # between origins whose errors are taken
_ADAPT_PER_HOUR = 0.006
_ADAPT_S = 3 * DAY_S  # of a first calibration, over which levels adapt already
_LEVEL_RANGE = (0.02, 0.998)
_UNSTEADINESS_POWER = 0.5
_LEAST_UNSTEADINESS = 0.2
_WANTED = np.array(LEVELS)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Errors seen until `seen_s`, and what follows: `offsets[step, level]`, in z, for a day of usual unsteadiness.

    `errors[i, k]` is that of step k seen from `origins_s[i]`, divided by the unsteadiness then; NaN where the target
    was not observed. `prior` are further errors (rows x steps), together worth `prior_weight` fresh rows.
    """

    seen_s: float
    step_s: float
    origins_s: Rates
    errors: Rates
    levels: Rates  # (steps, levels): what each nominal level has adapted to
    offsets: Rates  # (steps, levels)
    prior: Rates
    prior_weight: float

    def extended(self, learned: Learned, series: Series) -> "Calibration":
        """With what was observed since, on a series on this calibration's steps."""
        steps = self.errors.shape[1]
        first = round((self.seen_s - series.start_s) / series.step_s) - steps
        origins = _origins(series, first, len(series.z))
        if not origins.size:
            return self
        errors = scaled_errors(learned, series, origins, steps)
        return self.observed(_times_s(series, origins), errors, series.end_s)

    def observed(self, origins_s: Rates, errors: Rates, until_s: float) -> "Calibration":
        """With further errors, of which those that ended before `seen_s` only repeat what is known."""
        steps = errors.shape[1]
        ends_s = origins_s[:, None] + np.arange(1, steps + 1) * self.step_s
        fresh = np.where(ends_s > self.seen_s + 1e-6, errors, np.nan)
        levels = adapted(self.levels, self._ranks(fresh), self._spacing_s(origins_s))
        kept = (self.origins_s < origins_s[0] - 1e-6) & (self.origins_s >= until_s - REMEMBERED_S)
        made = replace(
            self,
            seen_s=until_s,
            origins_s=np.append(self.origins_s[kept], origins_s),
            errors=np.concatenate([self.errors[kept], errors]),
            levels=levels,
        )
        return replace(made, offsets=made._offsets())

    def _spacing_s(self, origins_s: Rates) -> float:
        return float(origins_s[1] - origins_s[0]) if len(origins_s) > 1 else max(_SPACING_S, self.step_s)

    def _sorted(self) -> tuple[Rates, Rates]:
        """Per step: errors of it and its neighbours in order, and the share of weight below each; (steps, rows)."""
        ages_s = self.seen_s - self.origins_s
        weight = np.append(
            0.5 ** (ages_s / _HALF_LIFE_S), np.full(len(self.prior), self.prior_weight / max(1, len(self.prior)))
        )
        errors = np.concatenate([self.errors, self.prior]).T
        padded = np.pad(errors, ((1, 1), (0, 0)), constant_values=np.nan)
        pooled = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], axis=1)
        order = np.argsort(pooled, axis=1)  # NaN last
        values = np.take_along_axis(pooled, order, axis=1)
        weights = np.where(np.isnan(values), 0.0, np.tile(weight, 3)[order])
        below = np.cumsum(weights, axis=1) - weights / 2
        total = weights.sum(axis=1, keepdims=True)
        return np.where(np.isnan(values), np.inf, values), np.where(total > 0, below / np.where(total > 0, total, 1), 1)

    def _offsets(self) -> Rates:
        values, below = self._sorted()
        rows = []
        for step, wanted in enumerate(self.levels):
            finite = np.isfinite(values[step])
            rows.append(
                np.interp(np.maximum.accumulate(wanted), below[step][finite], values[step][finite])
                if finite.any()
                else np.zeros(len(wanted))
            )
        return np.maximum.accumulate(np.stack(rows), axis=1)

    def _ranks(self, errors: Rates) -> Rates:
        """Where errors stand among those seen, 0 to 1; NaN for NaN. 0.5 while none was seen."""
        values, below = self._sorted()
        ranks = np.full(errors.shape, np.nan)
        for step in range(errors.shape[1]):
            finite = np.isfinite(values[step])
            known = ~np.isnan(errors[:, step])
            if finite.any():
                ranks[known, step] = np.interp(
                    errors[known, step], values[step][finite], below[step][finite], left=0.0, right=1.0
                )
        return ranks


def adapted(levels: Rates, ranks: Rates, spacing_s: float) -> Rates:
    """Levels (steps x levels) after errors of these ranks (rows x steps), in order."""
    rate = _ADAPT_PER_HOUR * spacing_s / HOUR_S
    for row in ranks:
        known = ~np.isnan(row)
        missed = row[:, None] > levels
        step = rate * (missed - (1.0 - _WANTED))
        levels = np.clip(np.where(known[:, None], levels + step, levels), *_LEVEL_RANGE)
    return levels


def calibration_of(
    learned: Learned,
    series: Series,
    begin: int,
    steps: int,
    *,
    prior: Rates | None = None,
    prior_weight: float = 0.0,
) -> Calibration:
    """A calibration on the origins from a place on, none of whose targets `learned` was learned from."""
    end_s = series.end_s
    origins = _origins(series, max(1, begin, len(series.z) - series.steps(REMEMBERED_S)), len(series.z))
    empty = Calibration(
        seen_s=-np.inf,
        step_s=series.step_s,
        origins_s=np.empty(0),
        errors=np.empty((0, steps)),
        levels=np.tile(_WANTED, (steps, 1)),
        offsets=np.zeros((steps, len(LEVELS))),
        prior=np.empty((0, steps)) if prior is None else prior,
        prior_weight=prior_weight,
    )
    if not origins.size:
        return replace(empty, seen_s=end_s, offsets=empty._offsets())
    errors = scaled_errors(learned, series, origins, steps)
    origins_s = _times_s(series, origins)
    # The older part is only remembered; over the later days levels adapt, day by day, as they do afterwards.
    ends_s = origins_s[:, None] + np.arange(1, steps + 1) * series.step_s
    made = empty
    for until_s in [*(end_s - DAY_S * np.arange(round(_ADAPT_S / DAY_S), 0, -1)), end_s]:
        seen = (origins_s < until_s) & (origins_s >= made.seen_s - steps * series.step_s)
        if seen.any():
            made = made.observed(
                origins_s[seen], np.where(ends_s[seen] <= until_s + 1e-6, errors[seen], np.nan), until_s
            )
    return made


def scaled_errors(learned: Learned, series: Series, origins: Places, steps: int) -> Rates:
    """Errors of the paths from origins, divided by the unsteadiness there; NaN where nothing was observed yet."""
    places = origins[:, None] + np.arange(steps)
    inside = np.minimum(places, len(series.z) - 1)
    errors = series.z[inside] - learned.paths(series, origins, steps)
    observed = (places < len(series.z)) & series.known[inside]
    return np.where(observed, errors / unsteadiness(series, origins)[:, None], np.nan)


def unsteadiness(series: Series, origins: Places) -> Rates:
    """How much z moved from step to step in the day before each origin, against the week before it, damped."""
    moves = np.append(0.0, np.cumsum(np.abs(np.diff(series.z, prepend=series.z[:1]))))

    def mean(days: int) -> Rates:
        low = np.maximum(origins - series.steps(days * DAY_S), 0)
        return np.asarray((moves[origins] - moves[low]) / (origins - low))

    week = mean(7)
    ratio = np.where(week > 0, mean(1) / np.where(week > 0, week, 1.0), 1.0)
    return np.asarray(np.maximum(ratio, _LEAST_UNSTEADINESS) ** _UNSTEADINESS_POWER)


def _times_s(series: Series, places: Places) -> Rates:
    return np.asarray(series.start_s + places * series.step_s, dtype=np.float64)


def _origins(series: Series, begin: int, end: int) -> Places:
    """Origins from a place to an end, evenly spaced, the last as late as has one known target."""
    return np.arange(end - 1, max(begin, 1) - 1, -series.steps(_SPACING_S))[::-1]
