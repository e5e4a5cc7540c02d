"""Which forecaster a deployment gets: judged every night on its own last days, and kept unless clearly beaten."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.forecaster import Forecaster
from wharfage_autoscaler.forecasters.calibrated import Calibrated
from wharfage_autoscaler.forecasters.clock import ByTheClock
from wharfage_autoscaler.forecasters.ensemble import Ensemble
from wharfage_autoscaler.forecasters.flat import Ewma, LastValue
from wharfage_autoscaler.forecasters.ridge import Ridge
from wharfage_autoscaler.forecasters.seasonal import SeasonalRatio
from wharfage_autoscaler.forecasters.young import YOUNG
from wharfage_autoscaler.history import DAY_S, History, Rates

HYSTERESIS = 0.02
REACTIVE_BELOW_S = 2 * 3600.0  # of observed history; less teaches nothing that the reactive law does not see
YOUNG_BELOW_S = 2 * DAY_S
_JUDGED_S = 3 * DAY_S
_EVERY_S = 3600.0
_UPDATED_EVERY = 3  # origins
_DEFAULT = "ensemble"

CANDIDATES: tuple[Forecaster, ...] = (
    Calibrated(ByTheClock(Ensemble((SeasonalRatio(), Ridge())))),
    Calibrated(ByTheClock(SeasonalRatio())),
    Calibrated(ByTheClock(Ridge())),
    Calibrated(Ewma()),
    Calibrated(LastValue()),
)


@dataclass(frozen=True, slots=True)
class Score:
    """How a forecaster did: mean pinball loss in units of the mean rate, and how often the rate stayed below."""

    forecaster: str
    pinball: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Selected:
    """The forecaster of the coming day, and the scores it was chosen by (none for a young deployment)."""

    forecaster: Forecaster
    scores: tuple[Score, ...] = ()


def selected(
    history: History,
    *,
    level: float,
    current: str = _DEFAULT,
    events: Sequence[Event] = (),
    candidates: Sequence[Forecaster] = CANDIDATES,
) -> Selected | None:
    """The forecaster with the least pinball loss at `level`; None while there is too little history for any.

    `current` stays unless another is better by 2 %: a change of forecaster is a change of behaviour.
    """
    if history.known_s < REACTIVE_BELOW_S:
        return None
    if history.known_s < YOUNG_BELOW_S:
        return Selected(YOUNG)
    judged_s = min(_JUDGED_S, history.known_s / 3)
    past = history.until(history.end_s - judged_s)
    able = [each for each in candidates if each.least_s <= past.known_s]
    if len(able) < 2:
        return Selected(next((each for each in candidates if each.least_s <= history.known_s), YOUNG))
    scores = tuple(scored(each, history, judged_s=judged_s, level=level, events=events) for each in able)
    name = preferred(scores, current)
    return Selected(next(each for each in able if each.name == name), scores)


def named(name: str, history: History, candidates: Sequence[Forecaster] = CANDIDATES) -> Forecaster | None:
    """The forecaster of that name, where the history is enough for it; a young deployment's is no choice."""
    if history.known_s < YOUNG_BELOW_S:
        return None
    return next((each for each in candidates if each.name == name and each.least_s <= history.known_s), None)


def preferred(scores: Sequence[Score], current: str) -> str:
    """The name with the least loss, or the current one where that is within 2 %; the earlier of equals."""
    best = min(scores, key=lambda score: score.pinball)
    kept = next((score for score in scores if score.forecaster == current), None)
    if kept is not None and kept.pinball <= best.pinball * (1 + HYSTERESIS):
        return current
    return best.forecaster


def scored(
    forecaster: Forecaster, history: History, *, judged_s: float, level: float, events: Sequence[Event] = ()
) -> Score:
    """Fit before the last `judged_s` seconds, then forecast two hours from every hour of them; gaps do not count."""
    begin_s = history.end_s - judged_s
    fitted = forecaster.fit(history.until(begin_s), events)
    losses, stayed = [], []
    origins_s = np.arange(begin_s, history.end_s - history.step_s / 2, max(_EVERY_S, history.step_s))
    for turn, origin_s in enumerate(origins_s.tolist()):
        seen = history.until(origin_s)
        if turn % _UPDATED_EVERY == 0:
            fitted = fitted.updated(seen)
        forecast = fitted.predict(seen, max(1, round(2 * 3600 / history.step_s)))
        actual = _after(history, forecast)
        expected = np.array([forecast.highest(level, at_s, at_s) for at_s in actual[0]], dtype=np.float64)
        short = actual[1] - expected
        known = ~np.isnan(short)
        losses.append(np.maximum(level * short, (level - 1) * short)[known])
        stayed.append((short <= 0)[known])
    loss, below = np.concatenate(losses), np.concatenate(stayed)
    mean = float(np.nanmean(history.values)) or 1.0
    if not loss.size:
        return Score(forecaster.name, np.inf, np.nan)
    return Score(forecaster.name, float(loss.mean()) / mean, float(below.mean()))


def _after(history: History, forecast: Forecast) -> tuple[Rates, Rates]:
    """Middles and rates of the steps that a forecast is about and the history knows."""
    first = round((forecast.start_s - history.start_s) / history.step_s)
    values = history.values[first : first + len(forecast.rates[0])]
    return np.asarray(forecast.start_s + (np.arange(len(values)) + 0.5) * history.step_s, dtype=np.float64), values
