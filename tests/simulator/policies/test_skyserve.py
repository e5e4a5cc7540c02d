"""SkyServe: the target over time, its spot and on-demand parts, and where SpotHedge places a replica."""

import math
from dataclasses import replace

import pytest
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.sight import PoolSeen
from wharfage_simulator.policies.skyserve import Placer, RequestRate, SkyServe
from wharfage_simulator.policy import Seen

from tests.sights import pool
from tests.simulator.policies.views import seen

STEADY = pool("g6", usd_per_hour=1.0, good_rps=2.0)  # planned for 1.7
ZONES = tuple(
    pool("g6", market=Market.SPOT, zone=zone, usd_per_hour=usd) for zone, usd in (("a", 0.3), ("b", 0.4), ("c", 0.5))
)
A, B, C = (zone.key for zone in ZONES)


def state(
    steady: int, *spot: int, now_s: float = 0.0, rps: float = 17.0, starting: tuple[int, ...] = (0, 0, 0)
) -> Seen:
    zones = (replace(zone, ready=n, starting=m) for zone, n, m in zip(ZONES, spot, starting, strict=True))
    return seen(replace(STEADY, ready=steady), *zones, now_s=now_s, rps=rps)


@pytest.mark.parametrize(
    ("target", "rps", "targets"),
    [
        pytest.param(4, 20.0, [4] * 14 + [10, 10], id="up after fifteen decisions"),
        pytest.param(4, 8.0, [4] * 16, id="what is right stays"),
        pytest.param(0, 20.0, [10] * 16, id="from nothing at once"),
        pytest.param(4, 900.0, [4] * 14 + [12, 12], id="no more than allowed"),
        pytest.param(4, 2.0, [4] * 59 + [1], id="down after sixty decisions"),
        pytest.param(4, 0.0, [4] * 59 + [1], id="no less than allowed"),
    ],
)
def test_the_target_follows_the_rate_after_its_delay(target: int, rps: float, targets: list[int]) -> None:
    rate, course = RequestRate(rps=2.0, target=target), []
    for _ in targets:
        rate.follow(rps, least=1, most=12)
        course.append(rate.target)
    assert course == targets


def test_delays_count_in_time_however_often_it_is_asked() -> None:
    rate = RequestRate(rps=2.0, target=4)
    for _ in range(19):
        rate.follow(20.0, least=1, most=12, decisions=0.75)
    assert rate.target == 4
    rate.follow(20.0, least=1, most=12, decisions=0.75)
    assert rate.target == 10


@pytest.mark.parametrize(
    ("rate", "ready_spot", "spot", "on_demand"),
    [
        pytest.param(RequestRate(2.0, target=5), 5, 5, 0, id="all spot ready: nothing on demand"),
        pytest.param(RequestRate(2.0, target=5), 3, 5, 2, id="on demand for what is not ready"),
        pytest.param(RequestRate(2.0, target=5, base=1), 0, 4, 5, id="peers.md C0: 4 spot and 5 on demand"),
        pytest.param(RequestRate(2.0, target=5, overprovision=2), 5, 7, 2, id="over-provisioned spot is waited for"),
        pytest.param(RequestRate(2.0, target=5, overprovision=2), 0, 7, 5, id="but not filled in beyond the target"),
        pytest.param(RequestRate(2.0, target=5, dynamic=False, base=2), 0, 3, 2, id="a fixed part alone"),
        pytest.param(RequestRate(2.0, target=1, base=3), 0, 0, 1, id="a base beyond the target"),
    ],
)
def test_the_target_has_a_spot_and_an_on_demand_part(
    rate: RequestRate, ready_spot: int, spot: int, on_demand: int
) -> None:
    assert (rate.spot, rate.on_demand(ready_spot)) == (spot, on_demand)


def test_replicas_go_where_none_is_and_then_to_the_cheapest() -> None:
    placer = Placer({A: 0.3, B: 0.4, C: 0.5})
    used: list[PoolKey] = []
    for _ in range(5):
        used.append(placer.next(used))
    assert used == [A, B, C, A, A]


def test_where_one_was_lost_none_goes_until_too_few_are_left() -> None:
    placer = Placer({A: 0.3, B: 0.4, C: 0.5})
    placer.lost(A)
    assert placer.next([]) == B
    assert placer.next([B, C]) == B
    placer.lost(B)
    assert placer.next([]) == A, "one alone is no hedge: all are tried again"
    placer.lost(A)
    placer.got(A)
    assert placer.next([]) == A


def test_it_spreads_over_zones_and_fills_in_on_demand_meanwhile() -> None:
    sky = SkyServe(STEADY.key)
    assert sky.target(state(10, 0, 0, 0)) == {STEADY.key: 10, A: 8, B: 1, C: 1}, "17 over 1.7 is 10"
    assert sky.target(state(10, 0, 0, 0, starting=(8, 1, 1), now_s=20)) == {STEADY.key: 10, A: 8, B: 1, C: 1}
    assert sky.target(state(10, 8, 0, 1, starting=(0, 1, 0), now_s=40)) == {STEADY.key: 1, A: 8, B: 1, C: 1}
    assert sky.target(state(1, 8, 1, 1, now_s=60)) == {A: 8, B: 1, C: 1}


def test_a_zone_that_loses_its_replicas_is_left() -> None:
    sky = SkyServe(STEADY.key)
    sky.target(state(0, 8, 1, 1))
    lost = state(0, 0, 1, 1, now_s=20)
    lost = replace(lost, pools=(lost.pools[0], replace(lost.pools[1], obtainable=False), *lost.pools[2:]))
    assert sky.target(lost) == {STEADY.key: 8, B: 9, C: 1}, "the cheapest of those that are left; on demand at once"


def test_what_cannot_be_had_is_tried_elsewhere() -> None:
    sky = SkyServe(STEADY.key)
    assert sky.target(state(10, 0, 0, 0)) == {STEADY.key: 10, A: 8, B: 1, C: 1}
    refused = state(10, 0, 1, 1, starting=(8, 0, 0), now_s=20)
    refused = replace(
        refused, pools=(refused.pools[0], replace(refused.pools[1], obtainable=False), *refused.pools[2:])
    )
    assert sky.target(refused) == {STEADY.key: 8, B: 9, C: 1}


def test_a_notice_is_not_read() -> None:
    sky = SkyServe(STEADY.key)
    sky.target(state(0, 8, 1, 1))
    noticed = state(0, 0, 1, 1, now_s=20)
    noticed = replace(noticed, pools=(noticed.pools[0], replace(noticed.pools[1], leaving=8), *noticed.pools[2:]))
    assert sky.target(noticed) == {B: 1, C: 1}, "the eight still count, and are not ordered again"


def test_what_still_starts_goes_first() -> None:
    sky = SkyServe(STEADY.key, down_delay_s=0)
    sky.target(state(0, 4, 1, 1, starting=(4, 0, 0)))
    assert sky.target(state(0, 4, 1, 1, starting=(4, 0, 0), rps=10.0, now_s=20)) == {A: 4, B: 1, C: 1}
    assert sky.target(state(0, 4, 1, 1, rps=6.0, now_s=40)) == {A: 4}, "and then the newest"


def test_without_spot_it_follows_the_rate_on_demand() -> None:
    sky = SkyServe(STEADY.key, up_delay_s=20, overprovision=1)
    assert [sky.target(seen(replace(STEADY, ready=4), now_s=20.0 * t, rps=17.0)) for t in range(2)] == [
        {STEADY.key: 11},
        {STEADY.key: 11},
    ]


def test_other_accelerators_are_none_of_its_business() -> None:
    other: PoolSeen = pool("p5", accelerator="H100", market=Market.SPOT, usd_per_hour=0.01)
    assert other.key not in SkyServe(STEADY.key).target(replace(state(1, 0, 0, 0), pools=(STEADY, *ZONES, other)))


def test_requests_that_are_not_counted_have_not_come() -> None:
    sky = SkyServe(STEADY.key, down_delay_s=40)
    assert [sum(sky.target(state(0, 2, 1, 1, rps=math.nan, now_s=20.0 * t)).values()) for t in range(3)] == [4, 1, 1]
