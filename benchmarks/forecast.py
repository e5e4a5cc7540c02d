"""How well load is forecast, against what others do: loss of quantiles, coverage, error, and what it costs.

Rolling origins: every ten minutes of the judged part of each trace, everybody forecasts two hours from what was known
by then. Nothing sees the future; what is fitted, is fitted on what came before. Losses and errors are in units of the
trace's mean rate. Peers that have no quantiles get them as algorithms of this kind usually do, by split conformal
prediction: the errors of their forecasts of the week before the day, in logarithms, with those of the neighbouring
steps. Times are those of the processor, which others on the machine do not lengthen. `last, ours` is the last value
with this repository's calibration: what is left beyond it is the model's merit.

    python -m benchmarks.forecast --data ../shared/data --json out.json
    python -m benchmarks.forecast --trace mine.csv.gz
    python -m benchmarks.forecast --rejected --only servegen/m-    # what does not ship beside what does
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from wharfage_autoscaler.forecaster import Fitted, Forecaster
from wharfage_autoscaler.forecasters.selection import CANDIDATES, selected
from wharfage_autoscaler.forecasters.series import zero_of
from wharfage_autoscaler.history import DAY_S, History, Rates
from wharfage_simulator.tables import TraceError

from benchmarks import forecast_traces
from benchmarks.forecast_peers import PEERS, Asked, Peer
from benchmarks.forecast_traces import Series

HORIZONS_MIN = (10, 30, 60, 120)
LEVELS = (0.5, 0.9, 0.95)
SHIPPED = "wharfage"
BASELINE = "last value"
_HOUR_S = 3600.0
_EVERY_S = 600.0
_CALIBRATED_ON_S = 7 * DAY_S
_MOST_CREDIBLE = 1.5  # times the highest of the past 14 days, for everybody

OURS: dict[str, Forecaster | None] = {
    SHIPPED: None,  # what the operator does: cold start, then the nightly selection
    **{f"{each.name}, ours" if each.name == "last" else each.name: each for each in CANDIDATES},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One forecaster on one trace at one horizon; losses and errors in units of the mean rate."""

    trace: str
    horizon_min: int
    forecaster: str
    pinball_90: float
    pinball_95: float
    coverage_90: float
    wape: float
    fit_s: float
    predict_ms: float


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Quantiles of shape (origins, steps, levels), NaN where nothing was forecast; medians of what it took."""

    quantiles: Rates
    fit_s: float
    predict_ms: float


def origins_of(series: Series) -> list[int]:
    """The places of the origins in the judged part that have two hours after them, ten minutes apart."""
    step_s = series.history.step_s
    every = max(1, round(_EVERY_S / step_s))
    first = round((series.judged_from_s - series.history.start_s) / step_s)
    return list(range(first, len(series.history.values) - _steps(step_s) + 1, every))


def ours(series: Series, forecaster: Forecaster | None) -> Forecasts:
    """Fitted daily, updated hourly, asked at each origin."""
    history, steps = series.history, _steps(series.history.step_s)
    origins = origins_of(series)
    quantiles = np.full((len(origins), steps, len(LEVELS)), np.nan)
    fits_s, predictions_s = [], []
    fitted: Fitted | None = None
    name = "ensemble"
    fitted_s = updated_s = -np.inf
    for row, origin in enumerate(origins):
        now_s = history.start_s + origin * history.step_s
        seen = history.until(now_s)
        if now_s - fitted_s >= DAY_S:
            chosen = forecaster
            if chosen is None and (choice := selected(seen, level=0.9, current=name)):
                chosen, name = choice.forecaster, choice.forecaster.name
            if chosen is None or seen.known_s < chosen.least_s:
                continue
            began_s = time.process_time()
            fitted = chosen.fit(seen)
            fits_s.append(time.process_time() - began_s)
            fitted_s = updated_s = now_s
        assert fitted is not None
        if now_s - updated_s >= _HOUR_S:
            fitted, updated_s = fitted.updated(seen), now_s
        recent = seen.recent(round(_HOUR_S / history.step_s))
        began_s = time.process_time()
        forecast = fitted.predict(recent, steps)
        predictions_s.append(time.process_time() - began_s)
        for place, level in enumerate(LEVELS):
            quantiles[row, :, place] = forecast.rates[forecast.levels.index(level)]
    if not predictions_s:
        return Forecasts(quantiles, np.nan, np.nan)
    return Forecasts(quantiles, statistics.median(fits_s), 1e3 * statistics.median(predictions_s))


def theirs(series: Series, peer: Peer) -> Forecasts:
    """A peer's paths from the judged origins and from those before, and split conformal quantiles around them."""
    history, steps = series.history, _steps(series.history.step_s)
    judged = origins_of(series)
    every = max(1, round(_EVERY_S / history.step_s))
    day, week = round(DAY_S / history.step_s), round(_CALIBRATED_ON_S / history.step_s)
    quantiles = np.full((len(judged), steps, len(LEVELS)), np.nan)
    least = max(round(2 * _HOUR_S / history.step_s), round(peer.least_days * day) + 1)
    first = judged[0] - (min(week + steps, judged[0] - least) // every) * every
    if judged[0] < least:
        return Forecasts(quantiles, np.nan, np.nan)
    origins = np.arange(first, judged[-1] + 1, every)
    filled = _complete(history)
    began_s = time.process_time()
    made = peer.paths(filled, Asked(origins.tolist(), steps, history.step_s, judged[0]))
    predict_ms = 1e3 * (time.process_time() - began_s - made.fits_s) / len(origins)
    paths = np.maximum(made.rates, 0.0)
    places = np.minimum(origins[:, None] + np.arange(steps), len(filled) - 1)
    for begin in range(judged[0], judged[-1] + 1, day):
        zero = max(1e-9, zero_of(history.until(history.start_s + begin * history.step_s)))
        past = (origins + steps <= begin) & (origins >= begin - steps - week)
        errors = np.log(filled[places[past]] + zero) - np.log(paths[past] + zero)
        errors = np.where(np.isnan(history.values[places[past]]), np.nan, errors)
        padded = np.pad(errors, ((0, 0), (1, 1)), constant_values=np.nan)
        spread = np.zeros((steps, len(LEVELS)))
        for step in range(steps):
            pooled = padded[:, step : step + 3]
            if np.count_nonzero(~np.isnan(pooled)) > 10:
                spread[step] = np.nanquantile(pooled, LEVELS)
        today = (origins >= begin) & (origins < begin + day)
        made_z = np.log(paths[today] + zero)[:, :, None] + spread
        made_z[:, :, 0] = np.log(paths[today] + zero)  # the peer's own word for the middle
        highest = np.array([filled[max(0, origin - 14 * day) : origin].max() for origin in origins[today]])
        rows = np.searchsorted(judged, origins[today])
        quantiles[rows] = np.clip(np.exp(made_z) - zero, 0, _MOST_CREDIBLE * highest[:, None, None])
    return Forecasts(quantiles, made.fit_s, predict_ms)


def rows_of(series: Series, name: str, made: Forecasts) -> list[Row]:
    """Scores at the horizons that the trace's steps allow; none where nothing was forecast."""
    history = series.history
    origins = np.array(origins_of(series))
    found = []
    for minutes in HORIZONS_MIN:
        step = round(minutes * 60 / history.step_s) - 1
        if step < 0 or abs((step + 1) * history.step_s - minutes * 60) > 1e-6:
            continue
        actual, expected = history.values[origins + step], made.quantiles[:, step]
        scored = ~np.isnan(actual) & ~np.isnan(expected[:, 0])
        if not scored.any():
            continue
        actual, expected = actual[scored], expected[scored]
        mean = float(np.nanmean(history.values[origins[0] :])) or 1.0
        short = (actual[:, None] - expected) / mean
        loss = np.maximum(np.array(LEVELS) * short, (np.array(LEVELS) - 1) * short).mean(axis=0)
        found.append(
            Row(
                trace=series.name,
                horizon_min=minutes,
                forecaster=name,
                pinball_90=round(float(loss[1]), 5),
                pinball_95=round(float(loss[2]), 5),
                coverage_90=round(float((short[:, 1] <= 0).mean()), 4),
                wape=round(float(np.abs(short[:, 0]).sum() / max(1e-12, actual.sum() / mean)), 5),
                fit_s=round(made.fit_s, 4),
                predict_ms=round(made.predict_ms, 3),
            )
        )
    return found


def judge(series: Series, rejected: bool) -> list[Row]:
    """Everybody on one trace, on one core."""
    from benchmarks.forecast_rejected import REJECTED  # sklearn's ensembles take a second to import

    found = []
    with threadpool_limits(1):
        for name, forecaster in (OURS | {each.name: each for each in REJECTED if rejected}).items():
            found += rows_of(series, name, ours(series, forecaster))
        for peer in PEERS:
            found += rows_of(series, peer.name, theirs(series, peer))
    return found


def speeds(history: History) -> str:
    """What each of ours takes on a history, alone on a core; medians."""
    lines = [f"{'':<15}{'fit s':>9}{'update ms':>11}{'predict ms':>12}"]
    recent, steps = history.recent(round(_HOUR_S / history.step_s)), _steps(history.step_s)
    before = history.until(history.end_s - _HOUR_S)
    with threadpool_limits(1):
        for forecaster in CANDIDATES:
            fitted = forecaster.fit(before)
            fit_s = _median_s(partial(forecaster.fit, history), 5)
            update_s = _median_s(partial(fitted.updated, recent), 20)
            predict_s = _median_s(partial(fitted.predict, recent, steps), 200)
            lines.append(f"{forecaster.name:<15}{fit_s:>9.3f}{1e3 * update_s:>11.2f}{1e3 * predict_s:>12.3f}")
        lines.append(f"the nightly selection among them: {_median_s(partial(selected, history, level=0.9), 3):.2f} s")
    return "\n".join(lines)


def _median_s(act: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        began_s = time.process_time()
        act()
        found.append(time.process_time() - began_s)
    return statistics.median(found)


def _steps(step_s: float) -> int:
    return max(1, round(max(HORIZONS_MIN) * 60 / step_s))


def _complete(history: History) -> Rates:
    """Gaps filled with the last value before them: peers know no gaps, and must not see what came after."""
    known = ~np.isnan(history.values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))
    return np.nan_to_num(history.values[last])


def table(rows: Sequence[Row]) -> str:
    """Per trace the loss against the last value, then means over the ServeGen series of everything."""
    names = list(dict.fromkeys(row.forecaster for row in rows))
    traces = list(dict.fromkeys(row.trace for row in rows))
    lines = ["pinball loss at 0.9 against the last value's in %, mean of the horizons (negative is better)", ""]
    width = max(map(len, traces))
    heads = [name.replace("-", " ").rsplit(" ", 1) for name in names]
    lines.append(" " * width + "".join(f"{head[0] if head[1:] else '':>9}" for head in heads))
    lines.append(" " * width + "".join(f"{head[-1]:>9}" for head in heads))
    for trace in traces:
        losses = {name: _mean(rows, "pinball_90", trace=[trace], name=name) for name in names}
        least = min(loss for loss in losses.values() if loss == loss)
        cells = [
            f"{100 * (losses[name] / losses[BASELINE] - 1):+.1f}{'*' if losses[name] == least else ' '}"
            if losses[name] == losses[name]
            else "- "
            for name in names
        ]
        lines.append(f"{trace:<{width}}" + "".join(f"{cell:>9}" for cell in cells))
    lines += ["", "* the least loss on that trace; - too little history for it", ""]
    groups = {"ServeGen, 14 days, ten series": [t for t in traces if t.startswith("servegen/m-")]}
    groups |= {"all traces": traces} if len(traces) > len(next(iter(groups.values()))) else {}
    for title, chosen in groups.items():
        if chosen:
            lines += _summary(rows, title, chosen, names)
    return "\n".join(lines)


def _summary(rows: Sequence[Row], title: str, traces: list[str], names: list[str]) -> list[str]:
    lines = [title, ""]
    above = "".join(f"{text:>8}" for text in ["WAPE at", "", "", "", "pinball", "", "cover", "fit", "predict"])
    lines.append(f"{'':<15}{above}  {'pinball .9 against':>28}")
    head = "".join(f"{text:>8}" for text in ["10 min", "30", "60", "120", ".9", ".95", ".9", "s", "ms"])
    lines.append(f"{'':<15}{head}  {'last value at each, %':>28}")
    for name in names:
        wapes = [_mean(rows, "wape", trace=traces, name=name, horizon=each) for each in HORIZONS_MIN]
        rest = [_mean(rows, key, trace=traces, name=name) for key in ("pinball_90", "pinball_95", "coverage_90")]
        cost = [_mean(rows, key, trace=traces, name=name) for key in ("fit_s", "predict_ms")]
        against = [
            100
            * (
                _mean(rows, "pinball_90", trace=traces, name=name, horizon=each)
                / _mean(rows, "pinball_90", trace=traces, name=BASELINE, horizon=each)
                - 1
            )
            for each in HORIZONS_MIN
        ]
        cells = "".join(f"{value:>8.3f}" for value in [*wapes, *rest, *cost])
        lines.append(f"{name:<15}{cells}  {''.join(f'{value:>+7.1f}' for value in against)}")
    return [*lines, ""]


def _mean(rows: Sequence[Row], key: str, *, trace: list[str], name: str, horizon: int | None = None) -> float:
    values = [
        float(getattr(row, key))
        for row in rows
        if row.trace in trace and row.forecaster == name and horizon in (None, row.horizon_min)
    ]
    return float(np.mean(values)) if values else float("nan")


def main() -> None:
    """Print the tables; write the rows as JSON where asked to."""
    parser = argparse.ArgumentParser(description="Benchmark of load forecasts.")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "../shared/data")))
    parser.add_argument("--trace", type=Path, nargs="+", help="judge these files instead (t_s, req_per_s)")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the rows")
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic series")
    parser.add_argument("--rejected", action="store_true", help="what was tried and does not ship, too")
    parser.add_argument("--only", default="", help="only traces whose name contains this")
    given = parser.parse_args()
    try:
        if given.trace:
            everything = [forecast_traces.read(path) for path in given.trace]
        else:
            everything = forecast_traces.public(given.data, given.seed)
    except (TraceError, ValueError) as error:
        sys.exit(f"bench-forecast: {error}")
    everything = [series for series in everything if given.only in series.name]
    if not everything:
        sys.exit(f"bench-forecast: no trace has {given.only!r} in its name")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {given.seed}")
    for series in everything:
        history = series.history
        before_d = (series.judged_from_s - history.start_s) / DAY_S
        gaps = int(np.isnan(history.values).sum())
        print(
            f"  {series.name}: steps of {history.step_s:g} s, {before_d:.1f} days only history, then "
            f"{len(origins_of(series))} origins; {gaps} gaps"
        )
    if not given.trace:
        print("  azure-llm-2023 is one hour, less than any forecaster needs", flush=True)
    with ProcessPoolExecutor(min(os.cpu_count() or 1, max(1, len(everything)))) as pool:
        rows = []
        judged = pool.map(judge, everything, [given.rejected] * len(everything))
        for series, found in zip(everything, judged, strict=True):
            rows += found
            print(f"  judged {series.name}", flush=True)
    print(f"\n{table(rows)}")
    print("speed, four weeks in steps of five minutes, seconds of one core\n")
    print(speeds(forecast_traces.four_weeks(given.seed)))
    if given.json:
        Path(given.json).write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
