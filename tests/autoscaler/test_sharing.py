"""Dollars of a budget among its deployments: floors, priority, and whole replicas."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.sharing import STATES, Claim, shared

CLAIMS = st.builds(
    lambda floor, span, weight, unit: Claim(floor, floor + span, weight, unit),
    st.integers(0, 20).map(float),
    st.integers(0, 50).map(float),
    st.sampled_from([1.0, 2.0, 10.0]),
    st.sampled_from([0.0, 3.0]),
)


def worth(claim: Claim, part: float) -> float:
    """What a part is worth: the first dollars above the floor most."""
    span = claim.most - claim.floor
    return claim.weight * span * (1.0 - (1.0 - (part - claim.floor) / span) ** 2) if span > 0.0 else 0.0


@given(claims=st.lists(CLAIMS, max_size=12), usd=st.floats(0.0, 500.0))
def test_floors_are_paid_and_the_rest_is_never_exceeded(claims: list[Claim], usd: float) -> None:
    parts = shared(claims, usd)
    floors = sum(claim.floor for claim in claims)
    assert all(claim.floor <= part <= claim.most + 1e-9 for claim, part in zip(claims, parts, strict=True))
    assert sum(parts) <= max(usd, floors) + 1e-9


@given(claims=st.lists(CLAIMS, max_size=12), usd=st.floats(0.0, 500.0))
def test_nothing_is_kept_back_that_somebody_has_a_use_for(claims: list[Claim], usd: float) -> None:
    parts = shared(claims, usd)
    open_to_any = [
        part for claim, part in zip(claims, parts, strict=True) if not claim.unit and part < claim.most - 1e-9
    ]
    if open_to_any:
        assert sum(parts) >= usd - 1e-9


@given(claims=st.lists(CLAIMS, min_size=1, max_size=4), usd=st.floats(0.0, 200.0))
@settings(max_examples=60, deadline=None)
def test_no_choice_of_states_is_worth_more_by_more_than_one_step(claims: list[Claim], usd: float) -> None:
    parts = shared(claims, usd)
    found = sum(map(worth, claims, parts))
    ladders = [
        [claim.floor + (claim.most - claim.floor) * state / (STATES - 1) for state in range(STATES)] for claim in claims
    ]
    affordable = [choice for choice in product(*ladders) if sum(choice) <= usd]
    best = max((sum(map(worth, claims, choice)) for choice in affordable), default=0.0)
    step = max(claim.weight * 2.0 * ((claim.most - claim.floor) / (STATES - 1) + claim.unit) for claim in claims)
    assert found >= best - step - 1e-9


def test_one_that_ranks_ten_times_as_high_has_nearly_all_before_another_has_any() -> None:
    high, low = shared([Claim(0.0, 10.0, 10.0), Claim(0.0, 10.0)], 8.0)
    assert (high, low) == (8.0, 0.0)
    high, low = shared([Claim(0.0, 10.0, 10.0), Claim(0.0, 10.0)], 12.0)
    assert high == pytest.approx(10.0)
    assert low == pytest.approx(2.0)


def test_equals_share_in_proportion_to_what_they_ask_for() -> None:
    assert shared([Claim(0.0, 10.0), Claim(0.0, 20.0)], 12.0) == pytest.approx((4.0, 8.0))


def test_half_a_replica_is_of_no_use() -> None:
    whole, any_amount = shared([Claim(0.0, 8.0, unit=4.0), Claim(0.0, 8.0)], 7.0)
    assert whole in (0.0, 4.0)
    assert whole + any_amount == pytest.approx(7.0)


def test_floors_that_cost_more_than_there_is_are_all_that_there_is() -> None:
    assert shared([Claim(3.0, 10.0), Claim(5.0, 5.0)], 6.0) == (3.0, 5.0)
