"""The parts that forecasters are made of, each by what it is for."""

import numpy as np
import pytest
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import LEVELS, Forecast
from wharfage_autoscaler.forecasters.clock import ByTheClock, habits_of
from wharfage_autoscaler.forecasters.conformal import adapted, calibration_of, unsteadiness
from wharfage_autoscaler.forecasters.drift import levelled, noise_of, shifts_in
from wharfage_autoscaler.forecasters.ensemble import Ensemble, EnsembleLearned
from wharfage_autoscaler.forecasters.flat import Ewma, LastValue
from wharfage_autoscaler.forecasters.known import usual, with_events
from wharfage_autoscaler.forecasters.pool import Pool
from wharfage_autoscaler.forecasters.profile import profile_of
from wharfage_autoscaler.forecasters.seasonal import SeasonalRatio
from wharfage_autoscaler.forecasters.series import Series, series_of, zero_of
from wharfage_autoscaler.forecasters.young import assumed
from wharfage_autoscaler.history import DAY_S, History, Rates

STEP_S = 1200.0
DAY = 72
THURSDAY_S = 0.0


def _series(values: Rates, holidays: tuple[tuple[float, float], ...] = ()) -> Series:
    history = History(THURSDAY_S, STEP_S, values)
    return series_of(history, zero_of(history), holidays)


def _wave(days: float, noise: float = 0.0) -> Rates:
    steps = np.arange(round(days * DAY))
    random = np.random.default_rng(3).normal(0, noise, len(steps)) if noise else 0.0
    return np.asarray(10 * (1 + 0.5 * np.sin(2 * np.pi * steps / DAY)) * np.exp(random))


def test_a_gap_is_filled_as_yesterday_at_todays_level() -> None:
    values = _wave(3)
    values[2 * DAY :] *= 4
    truth = values.copy()
    values[2 * DAY + 20 : 2 * DAY + 40] = np.nan
    filled = _series(values)
    assert np.allclose(np.exp(filled.z) - filled.zero, truth, rtol=0.15)
    assert not filled.known[2 * DAY + 20 : 2 * DAY + 40].any()
    assert filled.known.sum() == 3 * DAY - 20


@pytest.mark.parametrize(
    "gap",
    [
        pytest.param(slice(0, 5), id="at the start"),
        pytest.param(slice(10, 30), id="on the first day"),
        pytest.param(slice(DAY - 5, DAY + 5), id="over the first midnight"),
        pytest.param(slice(DAY, int(3.5 * DAY)), id="of days"),
        pytest.param(slice(4 * DAY - 8, None), id="until now"),
    ],
)
def test_every_gap_is_filled_within_what_was_seen(gap: slice) -> None:
    values = _wave(4)
    values[gap] = np.nan
    filled = _series(values)
    assert np.isfinite(filled.z).all()
    assert np.nanmin(values) * 0.7 < np.exp(filled.z.min()) - filled.zero
    assert np.exp(filled.z.max()) - filled.zero < np.nanmax(values) * 1.3


def test_the_usual_is_what_the_days_before_had_at_that_time() -> None:
    series = _series(_wave(5))
    coming = np.arange(5 * DAY, 6 * DAY - 8)
    expected = np.log(_wave(6)[5 * DAY : 6 * DAY - 8] + series.zero)
    assert np.allclose(profile_of(series).at(coming), expected, atol=0.03)


def _weeks() -> Rates:
    """Three weeks from a Thursday, Sundays at a third."""
    days = np.arange(21)
    return np.repeat(np.where((days + 4) % 7 == 0, 3.0, 9.0), DAY)


@pytest.mark.parametrize(
    ("holidays", "expected"),
    [
        pytest.param((), 9.0, id="a Thursday is like other days"),
        pytest.param(((21 * DAY_S, 22 * DAY_S),), 3.0, id="a Thursday off is like Sundays"),
        pytest.param(((21 * DAY_S, 21.4 * DAY_S),), 9.0, id="not after the holiday is over"),
    ],
)
def test_a_holiday_is_like_a_sunday(holidays: tuple[tuple[float, float], ...], expected: float) -> None:
    series = _series(_weeks(), holidays)
    usual_then = profile_of(series).at(np.array([21 * DAY + DAY // 2]))
    closer = min((3.0, 9.0), key=lambda rate: abs(np.log(rate + series.zero) - usual_then[0]))
    assert closer == expected


def test_a_day_off_does_not_make_the_next_days_look_quiet() -> None:
    values = np.full(5 * DAY, 9.0)
    values[4 * DAY :] = 1.0
    off = ((4 * DAY_S, 5 * DAY_S),)
    tomorrow = np.array([5 * DAY + DAY // 2])
    told, untold = (profile_of(_series(values, each)).at(tomorrow)[0] for each in (off, ()))
    assert told > untold + 0.3


@pytest.mark.parametrize(
    ("factor", "lasting", "shifts"),
    [
        pytest.param(1.0, DAY, 0, id="an ordinary day"),
        pytest.param(10.0, 1, 0, id="a spike of one step"),
        pytest.param(1.1, DAY, 0, id="a tenth more"),
        pytest.param(10.0, DAY, 1, id="ten times as much, for good"),
        pytest.param(0.2, DAY, 1, id="a fifth, for good"),
        pytest.param(2.0, DAY, 1, id="twice as much, for good"),
    ],
)
def test_a_lasting_change_of_level_is_told_from_a_passing_one(factor: float, lasting: int, shifts: int) -> None:
    values = _wave(6, noise=0.05)
    values[5 * DAY : 5 * DAY + lasting] *= factor
    series = _series(values)
    found = shifts_in(series, 5 * DAY_S, noise_of(_series(values[: 5 * DAY])))
    assert len(found) == shifts
    for shift in found:
        assert shift.by == pytest.approx(np.log(factor), rel=0.35)
        assert shift.at_s == pytest.approx(5 * DAY_S, abs=2 * STEP_S)


def test_after_a_shift_the_past_is_at_the_new_level() -> None:
    values = _wave(6, noise=0.02)
    values[5 * DAY :] *= 8
    series = _series(values)
    level = levelled(series, shifts_in(series, 5 * DAY_S, 0.1))
    assert abs(level.z[: 5 * DAY].mean() - level.z[5 * DAY :].mean()) < 0.3
    assert series.z[0] != level.z[0]


def test_a_level_that_is_missed_too_often_rises_and_one_never_missed_falls() -> None:
    levels = np.tile(np.array(LEVELS), (1, 1))
    missed = adapted(levels, np.ones((200, 1)), 600.0)
    met = adapted(levels, np.zeros((200, 1)), 600.0)
    assert (missed >= levels).all()
    assert (met <= levels).all()
    assert missed[0, 2] > levels[0, 2] > met[0, 2]
    assert np.array_equal(adapted(levels, np.full((200, 1), np.nan), 600.0), levels)


def test_errors_weigh_less_with_age() -> None:
    values = np.full(8 * DAY, 10.0)
    random = np.random.default_rng(1)
    values[6 * DAY :] *= np.exp(random.normal(0, 0.5, 2 * DAY))
    calm_then_wild = _series(values)
    wild = calibration_of(LastValue(), calm_then_wild, DAY, 3)
    calm = calibration_of(LastValue(), calm_then_wild.until(6 * DAY), DAY, 3)
    assert wild.offsets[0, 2] > 0.3 > 0.1 > calm.offsets[0, 2]


def test_hourly_updates_remember_what_one_calibration_would() -> None:
    series = _series(_wave(8, noise=0.2))
    whole = calibration_of(Ewma(), series, 2 * DAY, 3)
    grown = calibration_of(Ewma(), series.until(7 * DAY), 2 * DAY, 3)
    for end in range(7 * DAY + 3, 8 * DAY + 1, 3):
        grown = grown.extended(Ewma(), series.until(end))
    kept = grown.origins_s >= whole.origins_s[0]
    assert np.array_equal(grown.origins_s[kept], whole.origins_s)
    assert np.allclose(grown.errors[kept], whole.errors, equal_nan=True)
    assert np.allclose(grown.offsets, whole.offsets, atol=0.06)


def test_gaps_are_no_errors() -> None:
    values = _wave(8, noise=0.1)
    values[5 * DAY : 5 * DAY + 9] = np.nan
    made = calibration_of(LastValue(), _series(values), DAY, 2)
    places = np.round(made.origins_s / STEP_S).astype(int)
    assert np.array_equal(np.isnan(made.errors[:-1, 0]), np.isnan(values[places[:-1]]))


def test_an_unsteady_day_widens_the_quantiles() -> None:
    values = _wave(8)
    values[7 * DAY :] *= np.exp(np.random.default_rng(1).normal(0, 0.3, DAY))
    calm, wild = unsteadiness(_series(values), np.array([7 * DAY, 8 * DAY]))
    assert wild > 1.5 > calm


def test_errors_of_others_stand_in_until_there_are_own() -> None:
    pool = Pool(aheads_s=(1200.0, 3600.0), scales=(0.2, 0.4), shape=tuple(np.linspace(-1, 1, 21)))
    series = _series(np.full(DAY, 10.0))
    first = calibration_of(LastValue(), series.until(7), 4, 3, prior=pool.rows(3, STEP_S), prior_weight=48)
    later = calibration_of(LastValue(), series, 4, 3, prior=pool.rows(3, STEP_S), prior_weight=48)
    assert first.offsets[0, 3] > 0.15
    assert first.offsets[2, 3] > first.offsets[0, 3]
    assert later.offsets[0, 3] < first.offsets[0, 3]


def test_who_errs_less_weighs_more_at_each_step_ahead() -> None:
    learned = Ensemble((SeasonalRatio(), LastValue())).learned(_series(_wave(6, noise=0.02)), 6)
    assert isinstance(learned, EnsembleLearned)
    assert np.allclose(learned.weights.sum(axis=0), 1)
    assert learned.weights[0, -1] > 0.95
    assert learned.weights[0, 0] <= learned.weights[0, -1]


@pytest.mark.parametrize(
    ("event", "factors"),
    [
        pytest.param(Event("a", 1000, 3000, multiplier=2), [1, 2, 2, 1], id="whole steps"),
        pytest.param(Event("b", 1500, 2000, multiplier=3), [1, 2, 1, 1], id="half a step counts half"),
        pytest.param(Event("c", -9999, 500, multiplier=3), [2, 1, 1, 1], id="one that began before"),
        pytest.param(Event("d", 1000, 3000, holiday=True), [1, 1, 1, 1], id="a holiday multiplies nothing"),
    ],
)
def test_events_multiply_the_forecast_by_their_share_of_a_step(event: Event, factors: list[float]) -> None:
    plain = Forecast(0, 1000, (0.5, 0.9), ((1, 1, 1, 1), (2, 2, 2, 2)))
    assert np.allclose(with_events(plain, (event,)).rates, np.outer([1, 2], factors))


def test_the_past_is_freed_of_its_events() -> None:
    history = History(0, 1000, np.array([4.0, 8.0, 5.0, 5.0]))
    events = (Event("sale", 1000, 2000, multiplier=2), Event("drill", 3000, 3500, rate=9))
    assert np.allclose(usual(history, events).values, [4, 4, 5, np.nan], equal_nan=True)
    assert usual(history, (Event("later", 9000, 9500, multiplier=2),)) is history


def test_an_assumed_load_stands_before_the_first_observation() -> None:
    made = assumed(30, end_s=10 * DAY_S, step_s=STEP_S, busy_hours=(8, 20))
    assert (made.end_s, made.known_s) == (10 * DAY_S, 3 * DAY_S)
    assert sorted(set(made.values)) == [10, 30]
    assert made.values[: DAY // 3].max() == 10
    longer = made.extended(History(10 * DAY_S, STEP_S, np.array([5.0, 6.0])))
    assert longer.values[-2:].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("peak", "hours", "said"),
    [
        pytest.param(0, (0, 24), "must be positive", id="no load"),
        pytest.param(5, (20, 8), "two hours of one day", id="hours that end before they begin"),
    ],
)
def test_an_assumption_that_says_nothing_is_refused(peak: float, hours: tuple[float, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        assumed(peak, end_s=0, step_s=STEP_S, busy_hours=hours)


def _hours(habit: float, noise: float) -> Series:
    """Two days of ten-minute steps; those that begin at half past carry a multiple of the rest."""
    steps = np.arange(288)
    values = 10 * np.where(steps % 6 == 3, habit, 1.0) * np.exp(np.random.default_rng(2).normal(0, noise, len(steps)))
    history = History(THURSDAY_S, 600.0, values)
    return series_of(history, zero_of(history))


def test_what_comes_every_half_past_is_expected_then_and_not_carried_on() -> None:
    series = _hours(2.0, 0.03)
    model = ByTheClock(LastValue()).learned(series, 6)
    for origin in (286, 284):  # the last step was one after half past, and half past itself
        expected = series.rate(model.paths(series, np.array([origin]), 6))[0]
        at_half_past = (origin + np.arange(6)) % 6 == 3
        assert np.allclose(expected, np.where(at_half_past, 20, 10), rtol=0.2)


def test_a_load_without_habits_keeps_its_forecast() -> None:
    habits = habits_of(_hours(1.0, 0.1), 200, 288, 6)
    assert np.abs(habits).max() < 0.05
    assert (habits == 0).mean() > 0.5


def test_habits_are_those_of_the_past() -> None:
    series = _hours(2.0, 0.03)
    changed = Series(series.start_s, 600.0, series.z.copy(), series.known, series.zero)
    changed.z[200:] += np.random.default_rng(1).normal(0, 1, 88)
    model = ByTheClock(LastValue())
    early = np.array([150, 199])
    assert np.array_equal(
        model.learned(series, 6).paths(series, early, 6), model.learned(changed, 6).paths(changed, early, 6)
    )
