"""Losses come in bouts: how often they are to be expected after how much quiet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.spot import SpotPool
from wharfage_autoscaler.unrest import AFTER_QUIET_H, Regions, restless

HOUR_S = 3600.0
A, B = (SpotPool("east", "g6.xlarge", zone) for zone in "ab")
WEST = SpotPool("west", "g6.xlarge", "a")

# "Can't Be Late", aws-02-15-2023: how often zones were lost per hour, and in how many hours that they were up, by the
# hours since the last loss in their region; the first quarter is left out, since probes were up to as far apart.
MEASURED = {0.0: (0.841, 519), 0.5: (0.615, 741), 1.0: (0.377, 812), 2.0: (0.221, 845), 4.0: (0.123, 871)}
RARE = {8.0: (0.054, 923), 16.0: (0.035, 1096)}


def test_the_factors_are_those_of_the_traces_and_make_one_on_average() -> None:
    counted = MEASURED | RARE
    hours = sum(hours for _, hours in counted.values())
    average = sum(rate * hours for rate, hours in counted.values()) / hours
    factors = dict(AFTER_QUIET_H)
    assert factors.keys() == counted.keys()
    for since_h, (rate, _) in counted.items():
        assert factors[since_h] == pytest.approx(rate / average, rel=0.1)
    assert sum(factors[since_h] * hours for since_h, (_, hours) in counted.items()) / hours == pytest.approx(
        1.0, rel=0.1
    )


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_the_longer_it_was_quiet_the_seldomer_a_loss(one_s: float, other_s: float) -> None:
    assert restless(min(one_s, other_s)) >= restless(max(one_s, other_s))


def test_what_could_be_had_and_cannot_any_more_is_lost() -> None:
    seen = Regions(0.0).heard(0.0, ()).heard(HOUR_S, {A})
    assert seen.restless("east", HOUR_S) == restless(0.0)
    assert seen.restless("east", 4 * HOUR_S) == restless(3 * HOUR_S)


def test_what_stays_away_is_not_lost_again() -> None:
    seen = Regions(0.0).heard(HOUR_S, {A}).heard(5 * HOUR_S, {A})
    assert seen.restless("east", 5 * HOUR_S) == restless(4 * HOUR_S)
    assert seen.heard(6 * HOUR_S, {A, B}).restless("east", 6 * HOUR_S) == restless(0.0)


def test_regions_have_bouts_of_their_own() -> None:
    seen = Regions(0.0).heard(HOUR_S, {A})
    assert seen.restless("west", HOUR_S) < seen.restless("east", HOUR_S)
    assert seen.heard(2 * HOUR_S, {A, WEST}).restless("west", 2 * HOUR_S) == restless(0.0)


def test_before_any_loss_is_known_quiet_counts_from_the_first_look_and_never_as_a_bout() -> None:
    seen = Regions(0.0)
    assert seen.restless("east", 0.0) == 1.0
    assert seen.restless("east", 9 * HOUR_S) == restless(9 * HOUR_S)
