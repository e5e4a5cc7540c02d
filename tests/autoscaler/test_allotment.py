"""Any demand put onto allotted pools: rows hold, ceilings hold, and more demand takes no replica away."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.allotment import Allotment, Portion, Role, demand_of, spread
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.ladder import Shares
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.seats import Short
from wharfage_autoscaler.spot import SpotPool, spot_pool

from tests.builders import offer
from tests.needs import berth, reserved, spot

quickly = settings(max_examples=60, deadline=None)

OD, SPOT_A, SPOT_B = offer(usd_per_hour=1.0), spot(zone="a"), spot(zone="b")
NOTHING_SHORT = Short(0.0, 0.0, 0.0, 0)


def portion(of: Offer, replicas: int, rps: float = 4.0, *, most: int | None = None, accelerators: int = 1) -> Portion:
    pool = berth(of, rps, accelerators=accelerators).replicas(replicas)
    return Portion(pool, rps, 300.0, most, pool.usd_per_hour)


def allotment(
    *portions: Portion,
    peak_rps: float = 24.0,
    usual_rps: float = 20.0,
    floor: float = 0.4,
    survive: float = 0.8,
    max_spot: float = 1.0,
    usd_per_hour: float | None = None,
    usd_per_hour_limit: float | None = None,
    min_replicas: int = 0,
    max_replicas: int = 50,
) -> Allotment:
    pools = sorted({spot_pool(each.pool.offer) for each in portions if each.role is Role.SPOT})
    usual = usual_rps / peak_rps
    return Allotment(
        key=("shop", "chat"),
        shapes=portions,
        peak_rps=peak_rps,
        usual_rps=usual_rps,
        usd_per_hour=usd_per_hour,
        usd_per_hour_limit=usd_per_hour_limit,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        shares=Shares(floor * usual, survive * usual, max_spot, tuple(frozenset({pool}) for pool in pools)),
        short=NOTHING_SHORT,
    )


MIXED = allotment(portion(OD, 2), portion(SPOT_A, 2), portion(SPOT_B, 2))


def counts(fleet: Fleet) -> dict[tuple[Market, str], int]:
    return {(pool.offer.market, pool.offer.zone): pool.replicas for pool in fleet.pools}


def test_the_demand_that_was_planned_for_gets_the_fleet_that_was_planned() -> None:
    assert spread(MIXED, 24.0) == MIXED.planned


@quickly
@given(st.floats(0.1, 100.0), st.floats(0.34, 1.0))
def test_rows_hold_at_every_demand(rps: float, most_spot: float) -> None:
    given_pools = replace(MIXED, shares=replace(MIXED.shares, max_spot=most_spot))
    if most_spot < 4 / 6:
        given_pools = replace(given_pools, shapes=(portion(OD, 4), portion(SPOT_A, 1), portion(SPOT_B, 1)))
    fleet = spread(given_pools, rps)
    carried = {pool.key: pool.replicas * 4.0 for pool in fleet.pools}
    total, steady = sum(carried.values()), sum(v for k, v in carried.items() if k.market is not Market.SPOT)
    assert total >= rps - 1e-4
    assert steady >= given_pools.shares.floor * rps - 1e-4
    assert total - steady <= most_spot * total + 1e-4
    for key, value in carried.items():
        if key.market is Market.SPOT:
            assert total - value >= given_pools.shares.survive * rps - 1e-4


@quickly
@given(st.floats(0.1, 60.0), st.floats(0.0, 40.0))
def test_more_demand_takes_no_replica_away(rps: float, more: float) -> None:
    before, after = counts(spread(MIXED, rps)), counts(spread(MIXED, rps + more))
    assert all(after.get(pool, 0) >= count for pool, count in before.items())


@quickly
@given(st.floats(0.1, 100.0))
def test_no_replica_is_there_for_nothing(rps: float) -> None:
    fleet = spread(MIXED, rps)
    for pool in fleet.pools:
        less = {**{p.key: p.replicas for p in fleet.pools}, pool.key: pool.replicas - 1}
        total = sum(less.values()) * 4.0
        steady = sum(v for k, v in less.items() if k.market is not Market.SPOT) * 4.0
        left = min((total - 4.0 * v for k, v in less.items() if k.market is Market.SPOT), default=total)
        shares = MIXED.shares
        assert total < rps or steady < shares.floor * rps or left < shares.survive * rps


def test_it_grows_where_that_is_cheapest_within_the_rows() -> None:
    # eight would carry it, but not without a pool: 4 + 2 + 2 is dearer than 3 + 3 + 3
    assert counts(spread(MIXED, 32.0)) == {(Market.ON_DEMAND, ""): 3, (Market.SPOT, "a"): 3, (Market.SPOT, "b"): 3}


@pytest.mark.parametrize(
    ("given_pools", "expected"),
    [
        pytest.param(allotment(portion(OD, 6), max_replicas=7), 7, id="maxReplicas"),
        pytest.param(allotment(portion(OD, 6, most=6)), 6, id="machines that are counted"),
        pytest.param(allotment(portion(OD, 6), usd_per_hour=8.5), 8, id="dollars that are allotted"),
        pytest.param(allotment(portion(OD, 6), usd_per_hour_limit=9.0), 9, id="the limit of its own"),
    ],
)
def test_it_grows_no_further_than_it_may(given_pools: Allotment, expected: int) -> None:
    assert spread(given_pools, 400.0).replicas == expected


def test_the_least_replicas_stay_whatever_the_demand_and_the_budget() -> None:
    given_pools = allotment(portion(OD, 1), min_replicas=3, usd_per_hour=0.5)
    assert spread(given_pools, 0.0).replicas == 3
    assert spread(replace(given_pools, usd_per_hour_limit=2.0), 0.0).replicas == 2


def test_without_demand_and_floor_nothing_runs_and_the_first_request_finds_a_pool() -> None:
    asleep = allotment(portion(OD, 0), portion(SPOT_A, 0), peak_rps=1.0, usual_rps=0.0)
    assert spread(asleep, 0.0).pools == ()
    assert spread(asleep, 1.0).replicas == 1


def test_reserved_machines_run_out_and_on_demand_takes_over() -> None:
    given_pools = allotment(portion(reserved(), 2, most=2), portion(OD, 0), peak_rps=8.0, usual_rps=8.0)
    grown = spread(given_pools, 16.0)
    assert counts(grown) == {(Market.RESERVED, ""): 2, (Market.ON_DEMAND, ""): 2}
    assert list(given_pools.reserved.values()) == [2]


def test_all_spot_in_one_pool_is_what_require_can_give() -> None:
    only = allotment(portion(SPOT_A, 3), peak_rps=12.0, usual_rps=10.0, floor=0.0)
    assert counts(spread(only, 20.0)) == {(Market.SPOT, "a"): 5}


def test_without_pools_there_is_no_fleet() -> None:
    assert spread(allotment(), 10.0) == Fleet()
    assert demand_of(allotment(), 3) == 0.0


def test_a_count_of_replicas_means_the_demand_that_so_many_carry() -> None:
    assert demand_of(MIXED, 6) == pytest.approx(24.0)
    assert spread(MIXED, demand_of(MIXED, 9)).replicas >= 9
    assert demand_of(allotment(portion(OD, 0, 4.0)), 2) == pytest.approx(8.0)


def test_charges_count_shared_machines_as_planned_and_whole_ones_beyond() -> None:
    big = offer("big", accelerators=4, usd_per_hour=8.0)
    shared = replace(portion(big, 2), usd_per_hour=4.0)
    given_pools = allotment(shared, peak_rps=8.0)
    fleets = {n: Fleet((berth(big).replicas(n),)) for n in (0, 1, 2, 3, 6, 7)}
    charged = {n: given_pools.charged(fleet) for n, fleet in fleets.items()}
    assert charged == pytest.approx({0: 0.0, 1: 4.0, 2: 4.0, 3: 12.0, 6: 12.0, 7: 20.0})


def test_losses_of_several_pools_are_kept_survivable_as_demand_grows() -> None:
    both = frozenset({SpotPool("cloud", "g6.xlarge", "a"), SpotPool("cloud", "g6.xlarge", "b")})
    careful = replace(MIXED, shapes=(portion(OD, 4), portion(SPOT_A, 1), portion(SPOT_B, 1)))
    careful = replace(careful, shares=replace(careful.shares, lost=(*careful.shares.lost, both)))
    fleet = counts(spread(careful, 60.0))
    assert fleet[Market.ON_DEMAND, ""] * 4.0 >= careful.shares.survive * 60.0 - 1e-4
