"""The benchmark of forecasts: nothing sees the future, and the peers do what their sources say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from wharfage_autoscaler.forecasters.calibrated import Calibrated
from wharfage_autoscaler.forecasters.seasonal import SeasonalRatio
from wharfage_autoscaler.forecasters.series import Series as Logarithms
from wharfage_autoscaler.forecasters.series import series_of
from wharfage_autoscaler.history import DAY_S, History, Rates
from wharfage_simulator.policies.predictors import Kalman
from wharfage_simulator.tables import TraceError

from benchmarks.forecast import LEVELS, Forecasts, origins_of, ours, rows_of, theirs
from benchmarks.forecast_peers import Asked, Paths, Peer, crane, crane_period, kalman, last_value, smoothed
from benchmarks.forecast_rejected import Boosting, Network
from benchmarks.forecast_traces import Series, judged, public, read

STEP_S = 1200.0
DAY = 72


def _wave(days: float, noise: float = 0.1) -> Rates:
    steps = np.arange(round(days * DAY))
    random = np.random.default_rng(4).normal(0, noise, len(steps))
    return np.asarray(10 * (1 + 0.6 * np.sin(2 * np.pi * steps / DAY)) * np.exp(random))


def _judged(values: Rates) -> Series:
    history = History(0.0, STEP_S, values)
    return Series("wave", history, history.end_s - 1.5 * DAY_S, history.end_s)


@pytest.mark.parametrize(
    "forecast",
    [
        pytest.param(lambda series: ours(series, Calibrated(SeasonalRatio())), id="ours"),
        pytest.param(lambda series: theirs(series, Peer("last", last_value)), id="the last value"),
    ],
)
def test_a_forecast_does_not_depend_on_what_comes_after_it(forecast) -> None:  # type: ignore[no-untyped-def]
    values = _wave(6)
    plain, changed = _judged(values), _judged(values.copy())
    origins = np.array(origins_of(plain))
    cut = int(origins[len(origins) // 2])
    other = values.copy()
    other[cut:] *= 3
    changed = _judged(other)
    early = origins <= cut
    made = forecast(plain).quantiles
    assert np.array_equal(made[early], forecast(changed).quantiles[early])
    assert np.isfinite(made).all()
    assert (np.diff(made[:, :, 1:], axis=2) >= 0).all()


@pytest.mark.parametrize("peer", [pytest.param(crane, id="Crane"), pytest.param(kalman, id="Kalman")])
def test_a_peers_path_does_not_depend_on_what_comes_after_it(peer: Callable[[Rates, Asked], Paths]) -> None:
    values = _wave(5)
    changed = values.copy()
    changed[4 * DAY :] *= 3
    asked = _asked([3 * DAY, 4 * DAY - 7, 4 * DAY])
    assert np.array_equal(peer(values, asked).rates, peer(changed, asked).rates)


def test_perfect_foresight_loses_nothing_and_gaps_are_not_scored() -> None:
    values = _wave(4)
    values[-30:-20] = np.nan
    series = _judged(values)
    places = np.array(origins_of(series))[:, None] + np.arange(6)
    perfect = np.repeat(np.nan_to_num(values[places])[:, :, None], len(LEVELS), axis=2)
    rows = rows_of(series, "oracle", Forecasts(perfect, 0.1, 0.2))
    assert [row.horizon_min for row in rows] == [60, 120]
    assert all((row.pinball_90, row.wape, row.coverage_90) == (0, 0, 1) for row in rows)


def test_losses_are_in_units_of_the_mean_rate() -> None:
    losses = []
    for scale in (1.0, 1000.0):
        series = _judged(scale * _wave(5))
        losses.append([row.pinball_90 for row in rows_of(series, "last", theirs(series, Peer("last", last_value)))])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def _asked(origins: list[int], steps: int = 4) -> Asked:
    return Asked(origins, steps, STEP_S, origins[0])


def test_the_kalman_filter_carries_a_trend_on() -> None:
    ramp = np.append(np.zeros(5), np.linspace(1, 10, 91))
    made = kalman(ramp, _asked([96])).rates[0]
    assert np.allclose(made, 10 + 0.1 * np.arange(1, 5), rtol=0.02)
    assert (kalman(ramp[::-1].copy(), _asked([96], 50)).rates >= 0).all()


def test_the_kalman_filter_is_the_one_that_the_simulator_runs() -> None:
    values, peer = np.append(np.zeros(3), _wave(1)), Kalman()
    for value in values:
        peer.add(180 * value)
    assert kalman(values, _asked([len(values)])).rates[0, 0] == pytest.approx(peer.next() / 180)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(_wave(6), DAY, id="a day's wave"),
        pytest.param(_wave(1.9), None, id="less than two periods"),
        pytest.param(np.random.default_rng(0).gamma(5, 2, 6 * DAY), None, id="noise"),
        pytest.param(np.tile(np.repeat([9.0, 9, 9, 9, 9, 2, 2], DAY), 3), 7 * DAY, id="quiet weekends"),
    ],
)
def test_crane_finds_days_and_weeks(values: Rates, expected: int | None) -> None:
    assert crane_period(values, STEP_S) == expected


def test_holt_winters_goes_on_as_it_began_and_learns_from_what_it_sees() -> None:
    season, trend, damping = np.array([0.5, -0.2, -0.3]), 0.3, 0.8
    known = {"initial_level": 2.0, "initial_trend": trend, "initial_seasons": season, "damping_trend": damping}
    steps = np.arange(12)
    regular = 2.0 + trend * np.cumsum(damping ** (steps + 1.0)) + season[steps % 3]
    still = {f"smoothing_{name}": 0.0 for name in ("level", "trend", "seasonal")}
    for learning in (still, {f"smoothing_{name}": 0.4 for name in ("level", "trend", "seasonal")}):
        made = smoothed(regular[:9], known | learning, np.array([0, 4, 9]), 3)
        assert made == pytest.approx(np.stack([regular[:3], regular[4:7], regular[9:12]]))
    raised = np.append(regular[:6], regular[6] + 1.0)
    made = smoothed(raised, known | still | {"smoothing_level": 0.25}, np.array([6, 7]), 3)
    assert made == pytest.approx(np.stack([regular[6:9], regular[7:10] + 0.25]))


@pytest.mark.parametrize("model", [pytest.param(Boosting(), id="trees"), pytest.param(Network(), id="a network")])
def test_what_was_rejected_sees_no_future_either(model: Boosting | Network) -> None:
    values = _wave(9)
    changed = values.copy()
    changed[7 * DAY :] *= 3
    origins = np.array([6 * DAY, 7 * DAY])
    with threadpool_limits(1):  # threads on busy cores wait for each other: seconds instead of milliseconds
        learned = model.learned(_series(values[: 7 * DAY]), 6)
        paths = learned.paths(_series(values), origins, 6)
        assert np.array_equal(paths, learned.paths(_series(changed), origins, 6))
    assert np.abs(np.exp(paths[1]) / values[7 * DAY : 7 * DAY + 6] - 1).mean() < 0.35


def _series(values: Rates) -> Logarithms:
    return series_of(History(0.0, STEP_S, values), zero=1e-3)


def test_crane_repeats_the_last_period_with_a_margin_and_otherwise_sees_the_present() -> None:
    values = _wave(6, noise=0.02)
    made = crane(values, _asked([5 * DAY])).rates[0]
    assert (made >= 0.95 * values[5 * DAY : 5 * DAY + 4]).all()
    assert (made <= 1.30 * values[5 * DAY : 5 * DAY + 4]).all()
    noise = np.random.default_rng(0).gamma(5, 2, 6 * DAY)
    assert (crane(noise, _asked([400])).rates == noise[399]).all()


def test_a_file_is_judged_on_its_second_half_and_at_most_seven_days(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = [f"{600 * step},{5 + step % 3}" for step in range(144 * 20) if step != 7]
    path.write_text("\n".join(["t_s,req_per_s", *rows]) + "\n", encoding="utf-8")
    series = read(path)
    assert (series.name, series.judged_from_s, series.judged_to_s) == ("mine", 10 * DAY_S, 17 * DAY_S)
    assert np.flatnonzero(np.isnan(series.history.values)).tolist() == [7]


def test_steps_shorter_than_five_minutes_are_put_together_and_history_is_four_weeks() -> None:
    long = judged("long", History(0.0, 60.0, np.ones(90 * 1440)))
    assert long.history.step_s == 300
    assert long.judged_from_s == 45 * DAY_S
    assert long.history.start_s == 17 * DAY_S


def test_an_unknown_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"rates_10min\.csv\.gz"):
        public(tmp_path, 1)
