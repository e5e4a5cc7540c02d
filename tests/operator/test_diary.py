"""What a law is tuned on: four days of ticks, with what is missing as it was before, and never as nothing."""

import math
from collections.abc import Iterable

import pytest
from wharfage_autoscaler.tide import Minute
from wharfage_operator.diary import LEVELS, PER_STEP, STEPS, TICK_S, Diary, Minutes
from wharfage_operator.history import STEP_S
from wharfage_simulator import tuning

NOW = 1_795_000_200.0 // STEP_S * STEP_S
STEP = int(NOW // STEP_S)


def noted(rates: Iterable[float | None], begin_s: float = NOW) -> Diary:
    """A tick each; None: nobody looked."""
    diary = Diary()
    for tick, rps in enumerate(rates):
        if rps is not None:
            diary.note(begin_s + tick * TICK_S, rps, [rps + level for level in LEVELS])
    return diary


def test_levels_are_those_that_tuning_tries() -> None:
    assert LEVELS == tuning.LEVELS


def test_every_tick_of_the_steps_that_are_over_is_told() -> None:
    course = noted([1.0] * PER_STEP + [3.0] * PER_STEP + [5.0]).course({})
    assert course.arrivals.tolist() == [15.0] * PER_STEP + [45.0] * PER_STEP
    assert course.known_s == course.seen_s == 2 * STEP_S


def test_what_was_expected_lies_beside_what_came() -> None:
    course = noted([1.0] * PER_STEP + [3.0] * PER_STEP + [5.0]).course({})
    assert list(course.said) == list(LEVELS)
    for level, told in course.said.items():
        assert told.tolist() == pytest.approx([1.0 + level] * PER_STEP + [3.0 + level] * PER_STEP, rel=1e-3)


def test_a_rate_is_known_to_a_thousandth() -> None:
    course = noted([1234.5678] * (PER_STEP + 1)).course({})
    assert course.arrivals[0] == pytest.approx(1234.5678 * TICK_S, rel=1e-3)


UNKNOWN: dict[str, list[float | None]] = {
    "a tick that nobody looked at": [2.0] * 5 + [None] + [2.0] * (2 * PER_STEP - 6),
    "a tick of which nothing was known": [*[2.0] * 5, math.nan, *[2.0] * (2 * PER_STEP - 6)],
    "steps that nobody looked at": [2.0] * 5 + [None] * (4 * PER_STEP) + [2.0] * (PER_STEP - 5),
}


@pytest.mark.parametrize("rates", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_missing_is_as_it_was_before(rates: list[float | None]) -> None:
    course = noted([*rates, 2.0]).course({})
    assert course.arrivals.tolist() == [30.0] * (len(rates) // PER_STEP * PER_STEP)


def test_a_load_of_nothing_is_nothing() -> None:
    assert set(noted([0.0] * (PER_STEP + 1)).course({}).arrivals) == {0.0}


def test_rows_stand_in_for_the_days_before_and_nothing_was_said_then() -> None:
    course = noted([4.0] * (PER_STEP + 1)).course({STEP - 2: 2.0, STEP - 1: math.nan, STEP: 99.0})
    assert course.arrivals.tolist() == [30.0] * (2 * PER_STEP) + [60.0] * PER_STEP
    assert (course.known_s, course.seen_s) == (3 * STEP_S, STEP_S)
    assert all(math.isnan(said) for said in course.said[0.9][: 2 * PER_STEP])
    assert not any(math.isnan(said) for said in course.said[0.9][2 * PER_STEP :])


def test_four_days_are_kept_and_no_more() -> None:
    diary = Diary()
    for step in range(STEPS + 10):
        diary.note(NOW + step * STEP_S, float(step))
    course = diary.course({STEP - 1: 7.0})
    assert course.known_s == STEPS * STEP_S
    assert course.arrivals[0] == 9.0 * TICK_S


@pytest.mark.parametrize("later_s", [5 * 86_400.0, -86_400.0], ids=["days later", "a day earlier"])
def test_a_clock_that_jumped_begins_a_new_record(later_s: float) -> None:
    diary = noted([4.0] * (2 * PER_STEP))
    for tick in range(PER_STEP + 1):
        diary.note(NOW + later_s + tick * TICK_S, 1.0)
    assert set(diary.course({}).arrivals) == {15.0}


def test_a_rate_that_no_half_of_a_float_holds_is_the_largest_one() -> None:
    assert noted([1e9] * (PER_STEP + 1)).course({}).arrivals[0] == pytest.approx(65_000.0 * TICK_S, rel=1e-3)


def test_minutes_are_counted_by_how_full_and_how_they_were() -> None:
    minutes = Minutes()
    for filled, bad in ((0.5, False), (0.5, False), (0.91, True), (50.0, True)):
        minutes.note(NOW, Minute(filled, bad))
    shares, outcomes = minutes.listed()
    assert shares.tolist() == pytest.approx([0.5, 0.5, 0.92, 3.0], abs=0.011)
    assert outcomes == [False, False, True, True]


def test_minutes_fade_within_four_weeks() -> None:
    minutes = Minutes()
    for _ in range(1000):
        minutes.note(NOW, Minute(0.5, True))
    for day in range(1, 29):
        minutes.note(NOW + day * 86_400.0, Minute(1.0, bad=False))
    filled, _ = minutes.listed()
    assert 300 < sum(each < 0.6 for each in filled) < 400
