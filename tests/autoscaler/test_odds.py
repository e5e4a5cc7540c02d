"""The odds of a bad minute: what minutes teach, and what their absence does not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.odds import EVEN, PRIOR, Odds, chance, learned


def minutes(odds: Odds, count: int, *, low: float = 0.3, high: float = 1.1) -> tuple[list[float], list[bool]]:
    """So many minutes of a load whose odds are those."""
    rng = np.random.default_rng(7)
    filled = rng.uniform(low, high, count)
    return list(filled), [bool(rng.random() < chance(odds, share)) for share in filled]


@pytest.mark.parametrize(
    "odds",
    [
        pytest.param(Odds(0.3, 7.0), id="a few long prompts make it uneven early"),
        pytest.param(Odds(1.0, 20.0), id="short prompts keep it even almost to the brim"),
        pytest.param(Odds(-4.0, 8.0), id="hardly ever bad"),
    ],
)
def test_a_week_of_minutes_teaches_how_soon_a_load_is_uneven(odds: Odds) -> None:
    found = learned(*minutes(odds, 10_000))
    for filled in (0.5, 0.6, 0.7, 0.8, 1.0):
        assert chance(found, filled) == pytest.approx(chance(odds, filled), rel=0.4, abs=2e-3)


def test_without_a_minute_the_prior_holds() -> None:
    assert learned([], []) == PRIOR


def test_a_minute_without_load_or_whose_outcome_is_not_known_says_nothing() -> None:
    assert learned([0.0, math.nan, 0.7], [True, True, math.nan]) == PRIOR


def test_quiet_weeks_at_half_load_do_not_make_a_full_fleet_safe() -> None:
    quiet = learned([0.5] * 40_000, [False] * 40_000)
    assert chance(quiet, 0.5) < chance(PRIOR, 0.5) / 10
    assert chance(quiet, 1.0) > 0.05, "one in two without a minute seen, one in fifteen after four quiet weeks"


def test_a_curve_that_bad_minutes_at_low_load_would_turn_round_still_rises() -> None:
    filled = [0.2] * 500 + [0.9] * 500
    found = learned(filled, [True] * 500 + [False] * 500)
    assert chance(found, 0.9) > chance(found, 0.2)


def test_even_replicas_are_good_up_to_the_capacity() -> None:
    assert chance(EVEN, 0.999) == pytest.approx(0.0, abs=1e-9)
    assert chance(EVEN, 1.01) == pytest.approx(1.0)


def test_minutes_and_outcomes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 loads and 1 outcomes"):
        learned([0.5, 0.6], [True])


@given(
    rows=st.lists(st.tuples(st.floats(0.01, 5.0), st.booleans()), max_size=60),
    shares=st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 3.0)),
)
def test_whatever_was_seen_a_fuller_fleet_is_never_safer(
    rows: list[tuple[float, bool]], shares: tuple[float, float]
) -> None:
    odds = learned([filled for filled, _ in rows], [bad for _, bad in rows])
    low, high = sorted(shares)
    assert 0.0 <= chance(odds, low) <= chance(odds, high) <= 1.0
