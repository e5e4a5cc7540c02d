"""What a period will cost, from hours of dollars."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.projection import HOUR_S, Profile, allowance, profiled, projection

WEEK_H = 168
START_S = 1_790_000_000 // (WEEK_H * 3600) * WEEK_H * 3600.0


def shape(hour: int) -> float:
    """Dollars of an hour: days have a noon, weekends a third of it."""
    day = 1.0 if hour // 24 % 7 < 5 else 0.33
    return day * (4.0 + 3.0 * math.sin(hour % 24 / 24 * 2 * math.pi))


def weeks(count: int, *, level: float = 1.0) -> list[float]:
    return [level * shape(hour) for hour in range(WEEK_H * count)]


def test_weeks_that_are_alike_go_on_alike() -> None:
    now_s = START_S + 4 * WEEK_H * HOUR_S
    found = projection(profiled(weeks(4), START_S), rate=shape(0), now_s=now_s, ends_s=now_s + 240 * HOUR_S)
    assert found.mid == pytest.approx(sum(shape(hour) for hour in range(240)), rel=1e-6)
    assert found.low < found.mid < found.high


def test_part_of_an_hour_is_part_of_its_dollars() -> None:
    now_s = START_S + 4 * WEEK_H * HOUR_S
    profile = profiled([2.0] * 4 * WEEK_H, START_S)
    found = projection(profile, rate=2.0, now_s=now_s + 900.0, ends_s=now_s + 1.5 * HOUR_S)
    assert found.mid == pytest.approx(2.5)


def test_of_what_nobody_knows_it_goes_on_as_it_is() -> None:
    found = projection(Profile(), rate=3.0, now_s=START_S, ends_s=START_S + 100 * HOUR_S)
    assert found.mid == pytest.approx(300.0)
    assert found.high > 1.2 * found.mid


def test_a_level_that_doubled_yesterday_is_believed_for_days_but_not_for_weeks() -> None:
    hours = [*weeks(4)[:-24], *(2 * usd for usd in weeks(4)[-24:])]
    now_s = START_S + len(hours) * HOUR_S
    profile = profiled(hours, START_S)
    days = [
        projection(
            profile, rate=profile.at(now_s) * profile.deviation, now_s=now_s, ends_s=now_s + 24 * day * HOUR_S
        ).mid
        for day in (1, 7, 28)
    ]
    usual = [sum(shape(hour) for hour in range(24 * day)) for day in (1, 7, 28)]
    ratios = [found / expected for found, expected in zip(days, usual, strict=True)]
    assert ratios[0] > 1.3
    assert ratios[0] > ratios[1] > ratios[2] > 1.0


def test_a_spike_of_this_minute_is_over_within_a_day() -> None:
    now_s = START_S + 4 * WEEK_H * HOUR_S
    profile = profiled([2.0] * 4 * WEEK_H, START_S)
    spike = projection(profile, rate=20.0, now_s=now_s, ends_s=now_s + 24 * 7 * HOUR_S).mid
    assert 24 * 7 * 2.0 + 20.0 < spike < 24 * 7 * 2.0 * 1.5


def test_hours_that_nobody_saw_are_not_hours_of_nothing() -> None:
    gaps = [math.nan if hour % 5 == 0 else usd for hour, usd in enumerate([2.0] * 4 * WEEK_H)]
    now_s = START_S + len(gaps) * HOUR_S
    found = projection(profiled(gaps, START_S), rate=2.0, now_s=now_s, ends_s=now_s + 100 * HOUR_S)
    assert found.mid == pytest.approx(200.0)


@given(
    hours=st.lists(st.one_of(st.just(math.nan), st.floats(0.0, 1e4)), max_size=400),
    rate=st.floats(0.0, 1e4),
    at_h=st.floats(0.0, 900.0),
    left_h=st.floats(0.0, 750.0),
)
def test_whatever_was_there_low_is_below_mid_below_high_and_none_is_negative(
    hours: list[float], rate: float, at_h: float, left_h: float
) -> None:
    now_s = START_S + at_h * HOUR_S
    found = projection(profiled(hours, START_S), rate=rate, now_s=now_s, ends_s=now_s + left_h * HOUR_S)
    assert 0.0 <= found.low <= found.mid <= found.high < math.inf


@given(remaining=st.floats(0.0, 1e6), ahead=st.floats(0.01, 1e6), rate=st.floats(0.01, 1e4))
def test_who_spends_the_allowance_of_every_hour_ends_with_nothing_left(
    remaining: float, ahead: float, rate: float
) -> None:
    assert allowance(remaining, ahead, rate) * ahead == pytest.approx(rate * remaining)


def test_where_nothing_is_left_nothing_is_allowed() -> None:
    assert allowance(0.0, 10.0, 1.0) == 0.0
