"""What every forecaster promises, whatever it is made of."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import HIGHEST_BELIEVED, LEVELS, Forecast
from wharfage_autoscaler.forecaster import Forecaster
from wharfage_autoscaler.forecasters.calibrated import Calibrated
from wharfage_autoscaler.forecasters.clock import ByTheClock
from wharfage_autoscaler.forecasters.ensemble import Ensemble
from wharfage_autoscaler.forecasters.flat import Ewma, LastValue
from wharfage_autoscaler.forecasters.ridge import Ridge
from wharfage_autoscaler.forecasters.seasonal import SeasonalRatio
from wharfage_autoscaler.forecasters.young import YOUNG
from wharfage_autoscaler.history import History, Rates

STEP_S = 1200.0
DAY = 72
HOUR = 3
AHEAD = 6

FORECASTERS = [
    pytest.param(Calibrated(LastValue()), id="last value"),
    pytest.param(Calibrated(Ewma()), id="EWMA"),
    pytest.param(Calibrated(SeasonalRatio()), id="seasonal ratio"),
    pytest.param(Calibrated(Ridge()), id="ridge"),
    pytest.param(Calibrated(ByTheClock(Ensemble((SeasonalRatio(), Ridge())))), id="ensemble by the clock"),
    pytest.param(YOUNG, id="young"),
]
every_forecaster = pytest.mark.parametrize("forecaster", FORECASTERS)


def _load(days: float = 5, *, scale: float = 10.0) -> Rates:
    """A day's wave with noise, the same at every call."""
    steps = np.arange(round(days * DAY))
    noise = np.random.default_rng(7).normal(0, 0.05, len(steps))
    return np.asarray(scale * (1 + 0.5 * np.sin(2 * np.pi * steps / DAY)) * np.exp(noise))


def _history(values: Rates) -> History:
    return History(0.0, STEP_S, values)


def _median(forecast: Forecast) -> Rates:
    return np.array(forecast.rates[0])


@every_forecaster
def test_it_forecasts_the_steps_after_what_it_was_shown(forecaster: Forecaster) -> None:
    history = _history(_load())
    made = forecaster.fit(history).predict(history, AHEAD)
    assert (made.start_s, made.step_s, made.levels, len(made.rates[0])) == (history.end_s, STEP_S, LEVELS, AHEAD)
    assert made.forecaster == forecaster.name


@every_forecaster
def test_the_same_history_gives_the_same_forecast_and_stays_as_it_was(forecaster: Forecaster) -> None:
    history, recent = _history(_load()), _history(_load(5.2))
    before = history.values.copy(), recent.values.copy()
    fitted = forecaster.fit(history)
    first = fitted.predict(recent, AHEAD)
    fitted.updated(recent)
    assert fitted.predict(recent, AHEAD) == first == forecaster.fit(history).predict(recent, AHEAD)
    assert np.array_equal(before[0], history.values)
    assert np.array_equal(before[1], recent.values)


@every_forecaster
def test_what_it_learned_survives_pickling(forecaster: Forecaster) -> None:
    history = _history(_load())
    fitted = forecaster.fit(history)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.updated(history).predict(history, AHEAD) == fitted.updated(history).predict(history, AHEAD)


@every_forecaster
@pytest.mark.parametrize("scale", [pytest.param(1e-3, id="a thousandth"), pytest.param(1e4, id="ten thousand times")])
def test_other_units_give_the_same_forecast_in_other_units(forecaster: Forecaster, scale: float) -> None:
    plain, scaled = (
        forecaster.fit(_history(values)).predict(_history(values), AHEAD) for values in (_load(), scale * _load())
    )
    assert np.allclose(scaled.rates, scale * np.array(plain.rates), rtol=1e-6)


@every_forecaster
def test_an_hour_of_recent_load_is_as_good_as_all_of_it(forecaster: Forecaster) -> None:
    fitted = forecaster.fit(_history(_load(5)))
    longer = _history(_load(5.25))
    assert fitted.predict(longer.recent(DAY // 4), AHEAD) == fitted.predict(longer, AHEAD)


def _with(values: Rates, *changes: tuple[slice, float]) -> Rates:
    for where, factor in changes:
        values[where] *= factor
    return values


BAD_DAYS = [
    pytest.param(np.zeros(5 * DAY), id="no load ever"),
    pytest.param(np.full(5 * DAY, 3.0), id="a load that never changes"),
    pytest.param(_with(_load(), (slice(-9, None), np.nan)), id="three hours of gap until now"),
    pytest.param(_with(_load(), (slice(100, 109), np.nan)), id="three hours of gap days ago"),
    pytest.param(_with(_load(), (slice(None, 3 * DAY // 2), np.nan)), id="a day and a half of gap at the start"),
    pytest.param(_with(_load(), (slice(200, 201), 100.0)), id="a spike days ago"),
    pytest.param(_with(_load(), (slice(-1, None), 100.0)), id="a spike now"),
    pytest.param(_with(_load(), (slice(None, -1), 0.0)), id="load for the first time now"),
    pytest.param(_with(_load(), (slice(-DAY, None), 0.0)), id="idle for a day"),
    pytest.param(_with(_load(), (slice(-DAY, None), 10.0)), id="ten times the load for a day"),
    pytest.param(1e9 * _load(), id="absurdly much"),
    pytest.param(1e-9 * _load(), id="hardly any"),
]


@every_forecaster
@pytest.mark.parametrize("values", BAD_DAYS)
def test_quantiles_are_finite_not_negative_and_in_order_whatever_came_before(
    forecaster: Forecaster, values: Rates
) -> None:
    history = _history(values)
    if history.known_s < forecaster.least_s:
        history = _history(np.concatenate([_load(3), values]))
    for fitted in (forecaster.fit(history), forecaster.fit(history).updated(history)):
        rates = np.array(fitted.predict(history, AHEAD).rates)
        assert np.isfinite(rates).all()
        assert (rates >= 0).all()
        assert (np.diff(rates, axis=0) >= 0).all()
        assert rates.max() <= HIGHEST_BELIEVED * np.nanmax(history.values) + 1e-9


@every_forecaster
def test_no_load_is_forecast_where_there_never_was_any(forecaster: Forecaster) -> None:
    idle = _history(np.zeros(5 * DAY))
    assert np.array(forecaster.fit(idle).predict(idle, AHEAD).rates).max() == 0


@every_forecaster
def test_load_after_silence_is_learned_from(forecaster: Forecaster) -> None:
    fitted = forecaster.fit(_history(np.zeros(5 * DAY)))
    awake = _history(np.append(np.zeros(5 * DAY), np.full(HOUR, 7.0)))
    assert _median(fitted.predict(awake, 1))[0] > 1


@every_forecaster
def test_a_tenfold_load_is_expected_within_the_hour_after_it_came(forecaster: Forecaster) -> None:
    calm = _load(6)
    fitted = forecaster.fit(_history(calm[: 5 * DAY]))
    jumped = np.append(calm[: 5 * DAY], 10 * calm[5 * DAY : 5 * DAY + HOUR])
    forecast = fitted.predict(_history(jumped), HOUR)
    expected = 10 * calm[5 * DAY + HOUR : 5 * DAY + 2 * HOUR]
    assert (_median(forecast) > 0.65 * expected).all()
    assert (np.array(forecast.rates[-1]) > 0.9 * expected).all()


@every_forecaster
def test_a_single_spike_is_forgotten_within_two_hours(forecaster: Forecaster) -> None:
    values = _load(6)
    fitted = forecaster.fit(_history(values[: 5 * DAY]))
    spiked = values[: 5 * DAY + 2 * HOUR].copy()
    spiked[5 * DAY] *= 20
    median = _median(fitted.predict(_history(spiked), 1))[0]
    assert 0.6 < median / values[5 * DAY + 2 * HOUR] < 1.6


@every_forecaster
def test_too_little_history_is_refused_in_hours(forecaster: Forecaster) -> None:
    with pytest.raises(ValueError, match=r"needs \d+ h of history, 1.0 h"):
        forecaster.fit(_history(_load()[:3]))


@every_forecaster
def test_further_ahead_than_learned_the_last_step_is_repeated(forecaster: Forecaster) -> None:
    history = _history(_load())
    rates = np.array(forecaster.fit(history).predict(history, 9).rates)
    assert (rates[:, 6:] == rates[:, 5:6]).all()


@every_forecaster
def test_an_event_multiplies_what_is_usual_then(forecaster: Forecaster) -> None:
    history = _history(_load())
    sale = Event("sale", history.end_s + STEP_S, history.end_s + 2.5 * STEP_S, multiplier=3)
    plain, raised = (forecaster.fit(history, each).predict(history, 4).rates for each in ((), (sale,)))
    assert np.allclose(np.array(raised) / np.array(plain), [1, 3, 2, 1])


@every_forecaster
def test_a_known_rate_is_the_median_then(forecaster: Forecaster) -> None:
    history = _history(_load())
    launch = Event("launch", history.end_s, history.end_s + 2 * STEP_S, rate=50)
    assert np.allclose(_median(forecaster.fit(history, (launch,)).predict(history, 2)), 50)


@every_forecaster
def test_what_an_event_brought_is_not_taken_for_usual(forecaster: Forecaster) -> None:
    values, days = _load(6), 5 * DAY
    sale = Event("sale", days * STEP_S, (days + DAY // 2) * STEP_S, multiplier=4)
    busy = values.copy()
    busy[days : days + DAY // 2] *= 4
    with_sale = forecaster.fit(_history(busy), (sale,)).predict(_history(busy), AHEAD)
    without = forecaster.fit(_history(values)).predict(_history(values), AHEAD)
    assert np.allclose(with_sale.rates, without.rates, rtol=1e-6)


def test_quantiles_cover_what_they_say_on_ordinary_days() -> None:
    values = _load(14)
    forecaster = Calibrated(Ensemble((SeasonalRatio(), Ridge())))
    fitted = forecaster.fit(_history(values[: 8 * DAY]))
    below = []
    for origin in range(8 * DAY, 14 * DAY - AHEAD, 3):
        seen = _history(values[:origin])
        fitted = fitted.updated(seen)
        below.append(values[origin : origin + AHEAD] <= np.array(fitted.predict(seen.recent(DAY), AHEAD).rates))
    covered = np.array(below).mean(axis=(0, 2))
    assert np.abs(covered - np.array(LEVELS)).max() < 0.06
    assert all(low < high for low, high in pairwise(covered))
