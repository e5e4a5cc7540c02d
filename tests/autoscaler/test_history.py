"""Rates over equal steps: what is observed, what is a gap, and what is refused."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.history import History, Rates, history_of

NAN = float("nan")


def _history(*values: float, start_s: float = 0.0, step_s: float = 60.0) -> History:
    return History(start_s, step_s, np.array(values))


def _same(left: Rates, *right: float) -> bool:
    return bool(np.allclose(left, right, equal_nan=True))


def test_a_step_without_a_row_is_a_gap() -> None:
    made = history_of([0, 60, 240], [1, 2, 5], step_s=60)
    assert (made.start_s, made.step_s, made.end_s, made.known_s) == (0, 60, 300, 180)
    assert _same(made.values, 1, 2, NAN, NAN, 5)


def test_the_step_is_the_median_distance_between_rows() -> None:
    assert history_of([0, 300, 600, 1800], [1, 1, 1, 1]).step_s == 300


def test_rows_of_one_step_are_averaged() -> None:
    assert _same(history_of([0, 15, 30, 60], [1, 2, 3, 9], step_s=60).values, 1.5, 6)


@pytest.mark.parametrize(
    ("times", "rates", "said"),
    [
        pytest.param([], [], "0 rows", id="no row"),
        pytest.param([5], [1], "1 rows", id="one row tells no step"),
        pytest.param([0, 60], [1], "one rate per time", id="a time without a rate"),
        pytest.param([0, 120, 60], [1, 1, 1], "row 2 is at 60 s, after 120 s", id="times that go back"),
        pytest.param([0, 60, 60], [1, 1, 1], "row 2 is at 60 s, after 60 s", id="the same time twice"),
        pytest.param([0, NAN, 60], [1, 1, 1], "time of row 1", id="a time that is none"),
        pytest.param([0, 60], [1, -2], "row 1 (at 60 s) is -2", id="a negative rate"),
        pytest.param([0, 60], [float("inf"), 1], "row 0 (at 0 s) is inf", id="an infinite rate"),
        pytest.param([0, 60], [NAN, NAN], "all 2 rows are NaN", id="nothing but gaps"),
        pytest.param([0, 60, 120, 1e12], [1, 1, 1, 1], "is a time stamp wrong", id="a time stamp in milliseconds"),
    ],
)
def test_bad_rows_are_refused_by_name(times: list[float], rates: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        history_of(times, rates)


@pytest.mark.parametrize(
    ("start_s", "step_s", "values", "said"),
    [
        pytest.param(NAN, 60.0, [1.0], "starts at nan", id="no start"),
        pytest.param(0.0, 0.0, [1.0], "step of 0.0 s", id="no step"),
        pytest.param(0.0, 60.0, [], "shape (0,)", id="no values"),
        pytest.param(0.0, 60.0, [[1.0]], "shape (1, 1)", id="two dimensions"),
        pytest.param(0.0, 60.0, [1.0, -1.0], "row 1 is -1", id="a negative rate"),
    ],
)
def test_a_history_is_checked_when_made(start_s: float, step_s: float, values: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        History(start_s, step_s, np.array(values))


def test_what_it_was_made_from_may_change_afterwards() -> None:
    values = np.array([1.0, 2.0])
    made = History(0, 60, values)
    values[0] = 9
    assert _same(made.values, 1, 2)
    with pytest.raises(ValueError, match="read-only"):
        made.values[0] = 9


def test_it_survives_pickling() -> None:
    made = _history(1, NAN, 3, start_s=5)
    again = pickle.loads(pickle.dumps(made))
    assert (again.start_s, again.step_s) == (5, 60)
    assert _same(again.values, 1, NAN, 3)


def test_the_recent_steps_end_where_the_history_ends() -> None:
    late = _history(1, 2, 3).recent(2)
    assert (late.start_s, late.end_s) == (60, 180)
    assert _same(late.values, 2, 3)
    assert _same(_history(1, 2).recent(99).values, 1, 2)


def test_only_steps_that_are_over_are_known_at_an_instant() -> None:
    assert _same(_history(1, 2, 3).until(130).values, 1, 2)
    with pytest.raises(ValueError, match="no step was over"):
        _history(1).until(59)


def test_an_extension_leaves_a_gap_and_corrects_what_both_know() -> None:
    first = _history(1, 2, 3)
    assert _same(first.extended(_history(7, 8, start_s=300)).values, 1, 2, 3, NAN, NAN, 7, 8)
    assert _same(first.extended(_history(NAN, 9, 4, start_s=60)).values, 1, 2, 9, 4)
    assert _same(first.extended(_history(7, 8, 9, start_s=-120)).values, 9, 2, 3)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        pytest.param(_history(1, step_s=30), "resample", id="another step"),
        pytest.param(_history(1, start_s=-600), "begins at 0", id="one that ended before"),
        pytest.param(_history(1, start_s=1e12), "is a time stamp wrong", id="one from another age"),
    ],
)
def test_an_extension_that_does_not_fit_is_refused(later: History, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        _history(1, 2, 3).extended(later)


def test_longer_steps_hold_the_mean_of_what_was_observed() -> None:
    assert _same(_history(1, 3, 5, NAN, NAN, NAN, 7).resampled(120).values, 2, 5, NAN)


def test_shorter_steps_repeat() -> None:
    assert _same(_history(1, NAN).resampled(30).values, 1, 1, NAN, NAN)


def test_steps_that_do_not_divide_share_by_time() -> None:
    assert _same(_history(1, 2, 3).resampled(90).values, (60 * 1 + 30 * 2) / 90, (30 * 2 + 60 * 3) / 90)


@given(
    st.lists(st.floats(0, 1e6) | st.just(NAN), min_size=1, max_size=40), st.sampled_from([7.0, 60.0, 61.0, 300.0, 1e5])
)
def test_resampling_invents_nothing(values: list[float], step_s: float) -> None:
    made = _history(*values).resampled(step_s).values
    known = [value for value in values if value == value]
    assert all(min(known) - 1e-3 <= value <= max(known) + 1e-3 for value in made[~np.isnan(made)])
    assert known or np.isnan(made).all()
