"""How others forecast load: each as its source says, on the same history and horizons.

A peer is a function from a complete history to the coming steps, for many origins at once so that one that filters
need not start over at each.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from wharfage_autoscaler.forecasters.series import Places
from wharfage_autoscaler.history import DAY_S, Rates


@dataclass(frozen=True, slots=True)
class Asked:
    """The origins (places) to look `steps` ahead from; those from `judged` on are scored, those before calibrate."""

    origins: Sequence[int]
    steps: int
    step_s: float
    judged: int


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths, and how long fitting took, once and in all."""

    rates: Rates
    fit_s: float = 0.0
    fits_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Paths of rates, shape (origins, steps): row i sees `rates[:origins[i]]` only.

    What a peer fits once, it may fit on all that precedes `asked.judged`.
    """

    name: str
    paths: Callable[[Rates, Asked], Paths]
    least_days: float = 0.0


def last_value(rates: Rates, asked: Asked) -> Paths:
    """Dynamo's `constant`, and what anybody does who only looks at now."""
    return Paths(np.repeat(rates[np.array(asked.origins) - 1][:, None], asked.steps, axis=1))


def kalman(rates: Rates, asked: Asked) -> Paths:
    """Dynamo's planner: a local linear trend, Q = diag(1, 0.1), R = 10, P0 = 1000 (`core/load/predictors.py`).

    It filters the number of requests in an interval of 180 s; leading zeros are skipped; the trend is carried on.
    """
    counts = rates * 180.0
    begin = int(np.argmax(counts > 0))
    level, trend, covariance = counts[begin], 0.0, np.eye(2) * 1000.0
    move, noise = np.array([[1.0, 1.0], [0.0, 1.0]]), np.diag([1.0, 0.1])
    states = np.zeros((len(counts) + 1, 2))
    states[begin + 1] = level, trend
    for place in range(begin + 1, len(counts)):
        level += trend
        covariance = move @ covariance @ move.T + noise
        gain = covariance[:, 0] / (covariance[0, 0] + 10.0)
        surprise = counts[place] - level
        level, trend = level + gain[0] * surprise, trend + gain[1] * surprise
        covariance = covariance - np.outer(gain, covariance[0])
        states[place + 1] = level, trend
    at = states[np.array(asked.origins)]
    return Paths(np.maximum(at[:, :1] + at[:, 1:] * np.arange(1, asked.steps + 1), 0.0) / 180.0)


def crane(rates: Rates, asked: Asked) -> Paths:
    """Crane's DSP (`pkg/prediction/dsp`): the last period, low-passed, plus a margin; the best of eight.

    Per component, amplitude below the threshold and frequency above 1 per hour is dropped. Without a period of a day
    or a week it predicts nothing, and the horizontal autoscaler it feeds sees the present: the last value.
    """
    out = np.empty((len(asked.origins), asked.steps))
    for row, origin in enumerate(asked.origins):
        known = rates[max(0, origin - round(15 * DAY_S / asked.step_s)) : origin]
        period = crane_period(known, asked.step_s)
        if period is None:
            out[row] = known[-1]
            continue
        before = known[: len(known) - period]
        errors = [
            _crane_error(_crane_next(before, period, asked.step_s, items, low) * (1 + margin), known[-period:])
            for items, low, margin in _ESTIMATORS
        ]
        items, low, margin = _ESTIMATORS[int(np.argmin(errors))]
        whole = _crane_next(known, period, asked.step_s, items, low)
        out[row] = whole[np.arange(asked.steps) % period] * (1 + margin)
    return Paths(out)


def crane_period(known: Rates, step_s: float) -> int | None:
    """A day or a week, in steps: a candidate N / k whose power exceeds chance and that is the highest peak nearby.

    Chance is the 99th of 100 maxima over permuted series (seeded); at least two whole periods are needed.
    """
    power = np.abs(np.fft.rfft(known - known.mean()))
    random = np.random.default_rng(0)
    chance = np.sort([np.abs(np.fft.rfft(random.permutation(known - known.mean()))).max() for _ in range(100)])[98]
    significant = np.flatnonzero(power > chance)
    for days in (7, 1):
        period = round(days * DAY_S / step_s)
        if len(known) < 2 * period or not significant.size:
            continue
        near = np.abs(len(known) / np.maximum(significant, 1) - period) <= 0.05 * period
        if near.any() and _is_peak(known, period):
            return period
    return None


def _is_peak(known: Rates, period: int) -> bool:
    """Whether the autocorrelation at a lag is the highest of the lags within half a period of it."""
    centred = known - known.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(centred)]
    low, high = period // 2, min(len(centred) - 1, period * 3 // 2)
    return abs(low + int(np.argmax(correlation[low:high])) - period) <= max(1, period // 20)


_ESTIMATORS = [(items, low, margin) for items, low in ((3, 1.0), (50, 0.05)) for margin in (0.01, 0.10, 0.15, 0.20)]
_CRANE_MOST_ITEMS = 100


def _crane_next(known: Rates, period: int, step_s: float, least_items: int, low_amplitude: float) -> Rates:
    """The last period of the low-passed series, which is what the next one is taken to be."""
    cut = known[len(known) % period :]
    parts = np.fft.rfft(cut)
    amplitude = np.abs(parts) / len(cut) * 2
    frequency = np.arange(len(parts)) / (len(cut) * step_s)
    ranked = np.sort(amplitude[1:])[::-1]
    threshold = min(
        max(low_amplitude, ranked[min(_CRANE_MOST_ITEMS, len(ranked)) - 1]), ranked[min(least_items, len(ranked)) - 1]
    )
    parts[(amplitude < threshold) & (frequency > 1 / 3600)] = 0
    return np.maximum(np.fft.irfft(parts, len(cut))[-period:], 0.0)


def _crane_error(predicted: Rates, actual: Rates) -> float:
    """Mean relative error; a shortfall x counts -ln(1 - x) / ln 1.25 times. Absolute where there is no load."""
    predicted = predicted[-len(actual) :]
    if len(predicted) < len(actual):
        return float("inf")
    busy = actual > 1e-9
    if not busy.any():
        return float(np.abs(predicted - actual).mean())
    off = (predicted[busy] - actual[busy]) / actual[busy]
    short = np.clip(-off, 0.0, 0.999)
    return float(np.where(off < 0, short * np.maximum(1.0, -np.log1p(-short) / np.log(1.25)), off).mean())


def holt_winters(rates: Rates, asked: Asked) -> Paths:
    """Additive, damped, season of a day, on logarithms (statsmodels); fitted daily on the last ten days."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    day = round(DAY_S / asked.step_s)
    z, zero = _logs(rates, asked.judged)
    origins = np.array(asked.origins)
    out, fits_s = np.empty((len(origins), asked.steps)), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that stops at its limit
        for first in range(asked.origins[0], asked.origins[-1] + 1, day):
            begin = max(0, first - 10 * day)
            today = (origins >= first) & (origins < first + day)
            began_s = time.process_time()
            model = ExponentialSmoothing(
                z[begin:first],
                trend="add",
                damped_trend=True,
                seasonal="add",
                seasonal_periods=day,
                initialization_method="heuristic",
            )
            found = model.fit(minimize_kwargs={"options": {"maxiter": 100}}).params
            fits_s.append(time.process_time() - began_s)
            out[today] = smoothed(z[begin:], found, origins[today] - begin, asked.steps)
    return Paths(_rates(out, z, zero), statistics.median(fits_s), sum(fits_s))


def smoothed(z: Rates, found: Mapping[str, Any], origins: Places, steps: int) -> Rates:
    """What Holt-Winters of these parameters, run over `z` from its beginning, expects from each origin.

    Equal to statsmodels' own forecasts, without running the filter anew for each.
    """
    alpha, beta, gamma, damping = (
        float(found[f"smoothing_{name}"]) if name != "damping" else float(found["damping_trend"])
        for name in ("level", "trend", "seasonal", "damping")
    )
    level, trend = float(found["initial_level"]), float(found["initial_trend"])
    season = [float(each) for each in found["initial_seasons"]]
    damped = np.cumsum(damping ** np.arange(1, steps + 1))
    rows = {int(origin): row for row, origin in enumerate(origins)}
    out = np.empty((len(origins), steps))
    for place in range(int(max(origins)) + 1):
        if (row := rows.get(place)) is not None:
            coming = [season[(place + step) % len(season)] for step in range(steps)]
            out[row] = level + damped * trend + coming
        if place == len(z):
            break
        expected, before = level + damping * trend, level
        level = alpha * (z[place] - season[place % len(season)]) + (1 - alpha) * expected
        season[place % len(season)] = gamma * (z[place] - expected) + (1 - gamma) * season[place % len(season)]
        trend = beta * (level - before) + (1 - beta) * damping * trend
    return out


def auto_arima(rates: Rates, asked: Asked) -> Paths:
    """Non-seasonal, on logarithms of the last three days; order found once a day, state followed in between.

    Dynamo and SageServe use pmdarima and statsmodels for this; statsforecast's search is the same, and faster.
    """
    from statsforecast.models import AutoARIMA

    day = round(DAY_S / asked.step_s)
    z, zero = _logs(rates, asked.judged)
    out = np.empty((len(asked.origins), asked.steps))
    model, fitted_at, fits_s = None, -day, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of orders that do not converge
        for row, origin in enumerate(asked.origins):
            window = z[max(0, origin - 3 * day) : origin]
            if model is None or origin - fitted_at >= day:
                began_s = time.process_time()
                model, fitted_at = AutoARIMA(max_p=3, max_q=2, max_d=1, seasonal=False, approximation=True), origin
                model.fit(window)
                fits_s.append(time.process_time() - began_s)
            out[row] = model.forward(window, asked.steps)["mean"]
    return Paths(_rates(out, z, zero), statistics.median(fits_s), sum(fits_s))


def _logs(rates: Rates, known: int) -> tuple[Rates, float]:
    zero = max(1e-9, 0.1 * float(rates[:known].mean()))
    return np.log(rates + zero), zero


def _rates(z: Rates, seen: Rates, zero: float) -> Rates:
    return np.maximum(np.exp(np.clip(z, seen.min() - 1, seen.max() + 0.5)) - zero, 0.0)


PEERS = (
    Peer("last value", last_value),
    Peer("Holt-Winters", holt_winters, least_days=2),
    Peer("auto-ARIMA", auto_arima),
    Peer("Crane FFT", crane),
    Peer("Dynamo Kalman", kalman),
)
