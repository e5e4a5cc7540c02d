"""How full replicas are by the pace of their answers, and when that says nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.pace import Pace, filled, fullest, sure, together

LONG = Pace(idle_s=0.012, full_s=0.036)
"""Sixty sequences fill a replica: its tokens take three times as long as in an idle one."""
SHORT = Pace(idle_s=0.050, full_s=0.051)
"""One and a half fill it."""


@pytest.mark.parametrize(
    ("tpot_s", "expected"),
    [
        pytest.param(0.012, 0.0, id="tokens as in an idle replica: nothing to do"),
        pytest.param(0.010, 0.0, id="faster than the model's idle replica: nothing to do"),
        pytest.param(0.018, 0.5, id="a third of the time for others, of two thirds in a full one"),
        pytest.param(0.036, 1.0, id="as in a full replica"),
        pytest.param(0.120, 1.35, id="ten times idle: more than full"),
    ],
)
def test_the_share_of_time_for_others_says_how_full_a_replica_is(tpot_s: float, expected: float) -> None:
    assert filled(LONG, tpot_s) == pytest.approx(expected)


@given(st.floats(0.001, 0.99), st.floats(0.1, 0.9))
def test_what_runs_bounds_nothing_in_a_replica_that_is_as_fast_as_it_is_known_to_be(share: float, full: float) -> None:
    busy = share * full
    sequences = busy / (1.0 - busy)  # on average, in a replica that shares its time
    pace = Pace(0.01, 0.01 / (1.0 - full))
    assert fullest(pace, sequences) >= filled(pace, 0.01 / (1.0 - busy)) - 1e-9


@given(st.floats(0.001, 0.99), st.floats(0.1, 0.9))
def test_a_replica_that_shares_its_time_is_as_full_as_its_rate_says(share: float, busy_at_full: float) -> None:
    pace = Pace(0.01, 0.01 / (1.0 - busy_at_full))
    assert filled(pace, 0.01 / (1.0 - share * busy_at_full)) == pytest.approx(share)


def test_the_pace_is_heard_where_full_and_idle_are_far_apart_and_the_other_is_unsure() -> None:
    assert sure(LONG, 0.3) > 0.7
    assert sure(SHORT, 0.3) < 0.01
    assert sure(LONG, 0.1) < sure(LONG, 0.2) < sure(LONG, 0.4)


@pytest.mark.parametrize("full_s", [0.050, 0.040, math.nan])
def test_a_full_replica_that_is_no_slower_than_an_idle_one_says_nothing(full_s: float) -> None:
    assert sure(Pace(0.050, full_s), 0.3) == 0.0


def test_replicas_that_are_not_alike_have_the_pace_of_the_tokens_that_they_give() -> None:
    both = together([(3.0, Pace(0.01, 0.02)), (1.0, Pace(0.05, 0.10)), (0.0, SHORT)])
    assert both == pytest.approx((0.02, 0.04))
    assert together([]) is None
    assert together([(0.0, LONG)]) is None
