"""How spot pools fall together, and what survives it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.spot import (
    LOST,
    MOST_POOLS,
    Outage,
    Risk,
    SpotPool,
    Ties,
    interruptions_per_hour,
    loss_chance,
    outages,
    spot_pool,
    uncovered,
)

from tests.builders import offer

quickly = settings(max_examples=50)

EAST_A = SpotPool("us-east-1", "p3.2xlarge", "a")
EAST_B = SpotPool("us-east-1", "p3.2xlarge", "b")
WEST_A = SpotPool("us-west-2", "p3.2xlarge", "a")

pools = st.builds(SpotPool, st.sampled_from(["east", "west"]), st.just("m"), st.sampled_from("abc"))
risks = st.lists(
    st.builds(Risk, pools, st.floats(0.0, 1.0)), max_size=MOST_POOLS, unique_by=lambda risk: risk.pool
).map(tuple)
ties = st.tuples(st.floats(0.0, 0.9), st.floats(0.0, 0.9)).map(lambda two: Ties(min(two), max(two)))


def all_lost(given_risks: Sequence[Risk], tied: Ties = LOST) -> float:
    """The chance that none of these pools is left."""
    everything = {risk.pool for risk in given_risks}
    return sum(outage.chance for outage in outages(given_risks, tied) if outage.pools == everything)


def test_pools_that_are_tied_by_nothing_are_lost_each_by_itself() -> None:
    assert all_lost([Risk(pool, 0.356) for pool in (EAST_A, EAST_B, WEST_A)], Ties(0.0, 0.0)) == pytest.approx(0.356**3)


def test_two_zones_of_one_region_are_worth_less_than_two_regions() -> None:
    here, there = [Risk(EAST_A, 0.1), Risk(EAST_B, 0.1)], [Risk(EAST_A, 0.1), Risk(WEST_A, 0.1)]
    assert all_lost(here) > 2 * all_lost(there)
    assert all_lost(there) > 0.1**2


@quickly
@given(risks, ties)
def test_patterns_of_loss_add_up_to_certainty_and_each_pool_to_its_own_chance(
    given_risks: tuple[Risk, ...], tied: Ties
) -> None:
    found = outages(given_risks, tied)
    assert math.fsum(outage.chance for outage in found) == pytest.approx(1.0)
    for risk in given_risks:
        own = math.fsum(outage.chance for outage in found if risk.pool in outage.pools)
        assert own == pytest.approx(risk.chance, abs=1e-9)


@quickly
@given(risks)
def test_the_order_of_pools_does_not_matter(given_risks: tuple[Risk, ...]) -> None:
    assert outages(given_risks[::-1]) == outages(given_risks)


@quickly
@given(risks, ties)
def test_more_pools_are_never_all_lost_more_often(given_risks: tuple[Risk, ...], tied: Ties) -> None:
    for fewer in combinations(given_risks, max(0, len(given_risks) - 1)):
        assert all_lost(given_risks, tied) <= all_lost(fewer, tied) + 1e-9


def test_without_pools_nothing_is_lost() -> None:
    assert outages(()) == (Outage(frozenset(), 1.0),)


@pytest.mark.parametrize(
    ("given_risks", "words"),
    [
        pytest.param([Risk(SpotPool("c", "m", str(n)), 0.1) for n in range(7)], "7 spot pools", id="too many"),
        pytest.param([Risk(EAST_A, 0.1), Risk(EAST_A, 0.2)], "twice", id="the same pool again"),
    ],
)
def test_what_cannot_be_enumerated_is_refused(given_risks: list[Risk], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        outages(given_risks)


def test_a_loss_that_leaves_too_little_too_often_is_named() -> None:
    carried = {EAST_A: 4.0, EAST_B: 4.0}
    both = [Risk(EAST_A, 0.1), Risk(EAST_B, 0.1)]
    found = uncovered(carried, 6.0, 8.0, both, allowed=0.01)
    assert found is not None
    assert found.pools == {EAST_A, EAST_B}
    assert uncovered(carried, 6.0, 8.0, both, allowed=0.05) is None
    assert uncovered(carried, 8.0, 8.0, both, allowed=0.0) is None


def test_of_several_such_losses_the_likeliest_is_named() -> None:
    found = uncovered({EAST_A: 4.0, WEST_A: 4.0}, 5.0, 10.0, [Risk(EAST_A, 0.02), Risk(WEST_A, 0.2)], allowed=0.0)
    assert found is not None
    assert found.pools == {WEST_A}


def test_pools_beyond_the_sixth_count_as_lost() -> None:
    many = [SpotPool("c", "m", str(n)) for n in range(8)]
    carried = {pool: 1.0 + (pool.zone < "6") for pool in many}
    safe = [Risk(pool, 0.0) for pool in many]
    assert uncovered(carried, 0.0, 12.0, safe, allowed=0.01) is None
    found = uncovered(carried, 0.0, 13.0, safe, allowed=0.01)
    assert found is not None
    assert found.pools == {many[6], many[7]}


def test_a_pool_that_carries_nothing_cannot_be_lost() -> None:
    assert uncovered({EAST_A: 0.0}, 0.0, 0.0, [Risk(EAST_A, 1.0), Risk(EAST_B, 1.0)], allowed=0.0) is None


def test_an_offer_without_a_stated_rate_is_as_risky_as_the_median_zone() -> None:
    assert interruptions_per_hour(offer(interruptions_per_month=None)) == pytest.approx(0.234, rel=0.01)
    assert interruptions_per_hour(offer(interruptions_per_month=0.73)) == pytest.approx(0.001)


def test_chances_follow_from_rates() -> None:
    assert loss_chance(0.234, 600) == pytest.approx(0.0382, rel=0.01)
    assert loss_chance(0.0, 600) == 0.0


def test_offers_of_one_machine_and_zone_share_a_pool() -> None:
    one = offer("n1-1gpu", zone="a", catalog="gcp")
    two = replace(offer("n1-2gpu", zone="a", catalog="gcp", accelerators=2), machine=one.machine)
    assert spot_pool(one) == spot_pool(two) == SpotPool("gcp", "n1-1gpu", "a")
    assert spot_pool(replace(one, zone="b")) != spot_pool(one)
