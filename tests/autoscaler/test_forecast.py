"""What the decision asks a forecast."""

import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import Forecast

NINE = Forecast(1000, 60, (0.5, 0.9, 0.99), ((1, 2, 3, 1), (2, 4, 6, 2), (4, 8, 12, 4)))


@pytest.mark.parametrize(
    ("from_s", "to_s", "expected"),
    [
        pytest.param(1000, 1060, 2, id="one whole step"),
        pytest.param(1070, 1080, 4, id="inside one step"),
        pytest.param(1000, 1061, 4, id="a second of the next step counts"),
        pytest.param(1060, 1240, 6, id="the highest of several"),
        pytest.param(1130, 1130, 6, id="an instant"),
        pytest.param(900, 1010, 2, id="a window that began before the forecast"),
        pytest.param(1190, 9999, 2, id="a window that outlasts the forecast"),
        pytest.param(900, 999, None, id="a window before it"),
        pytest.param(1240, 1300, None, id="a window after it"),
    ],
)
def test_the_highest_rate_of_a_window(from_s: float, to_s: float, expected: float | None) -> None:
    assert NINE.highest(0.9, from_s, to_s) == expected


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        pytest.param(0.1, 1, id="below the lowest level the lowest holds"),
        pytest.param(0.5, 1, id="a level it has"),
        pytest.param(0.99, 4, id="the highest level"),
        pytest.param(0.999, 4, id="above the highest level the highest holds"),
        pytest.param(1 - 0.1 * 10**-0.5, 3, id="half way down the tail between two levels"),
    ],
)
def test_levels_in_between_are_interpolated(level: float, expected: float) -> None:
    assert NINE.highest(level, 1000, 1060) == pytest.approx(expected)


@given(st.lists(st.floats(0.01, 0.999), min_size=2, max_size=9))
def test_a_higher_level_never_asks_for_less(levels: list[float]) -> None:
    asked = [NINE.highest(level, 1000, 1200) or 0.0 for level in sorted(levels)]
    assert all(low <= high + 1e-12 for low, high in pairwise(asked))


@pytest.mark.parametrize(
    ("level", "from_s", "to_s", "said"),
    [
        pytest.param(1.0, 0, 1, "level 1.0", id="certainty"),
        pytest.param(0.9, 5, 4, "must not end before", id="a window that ends before it begins"),
        pytest.param(0.9, float("nan"), 4, "must not end before", id="a window from nowhere"),
    ],
)
def test_questions_without_an_answer_are_refused(level: float, from_s: float, to_s: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NINE.highest(level, from_s, to_s)


@pytest.mark.parametrize(
    ("levels", "rates", "said"),
    [
        pytest.param((), (), "levels", id="no level"),
        pytest.param((0.9, 0.5), ((1.0,), (2.0,)), "levels", id="levels that fall"),
        pytest.param((0.5, 1.0), ((1.0,), (2.0,)), "levels", id="a level of one"),
        pytest.param((0.5, 0.9), ((1.0,),), "one of equal length", id="a level without rates"),
        pytest.param((0.5, 0.9), ((1.0,), (1.0, 2.0)), "one of equal length", id="rows of unequal length"),
        pytest.param((0.5,), ((),), "one of equal length", id="no step"),
        pytest.param((0.5, 0.9), ((1.0, 3.0), (2.0, 2.0)), "step 1", id="quantiles that cross"),
        pytest.param((0.5,), ((-1.0,),), "step 0", id="a negative rate"),
        pytest.param((0.5,), ((float("nan"),),), "step 0", id="a rate that is none"),
        pytest.param((0.5,), ((float("inf"),),), "step 0", id="an infinite rate"),
    ],
)
def test_a_forecast_is_checked_when_made(
    levels: tuple[float, ...], rates: tuple[tuple[float, ...], ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Forecast(0, 60, levels, rates)


def test_it_is_a_value() -> None:
    assert pickle.loads(pickle.dumps(NINE)) == NINE
    assert hash(NINE) == hash(Forecast(1000, 60, NINE.levels, NINE.rates))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        pytest.param({"multiplier": 2, "rate": 3}, "exactly one", id="two ways at once"),
        pytest.param({}, "exactly one", id="none"),
        pytest.param({"multiplier": 0}, "must be positive", id="nothing times the usual"),
        pytest.param({"rate": -1}, "must not be negative", id="a negative rate"),
        pytest.param({"holiday": True, "end_s": -5}, "end after it starts", id="an end before the start"),
    ],
)
def test_an_event_says_one_thing(event: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Event(**{"name": "sale", "start_s": 0, "end_s": 10, **event})  # type: ignore[arg-type]
