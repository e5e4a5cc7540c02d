"""AIBrix's APA and KPA, as coded and as meant."""

import math

import pytest
from wharfage_simulator.policies.aibrix import Apa, Cooldown, Kpa
from wharfage_simulator.policies.gauge import Gauge

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, followed, seen


@pytest.mark.parametrize(
    ("ready", "running", "count"),
    [
        pytest.param(4, 60.0, 6, id="half as much again: half as many again"),
        pytest.param(4, 43.0, 4, id="within the tolerance of 10 %"),
        pytest.param(4, 200.0, 8, id="at most twice"),
        pytest.param(4, 24.0, 3, id="down, rounded up"),
        pytest.param(9, 9.0, 4, id="down to half, rounded down, at most"),
        pytest.param(1, 0.0, 1, id="never to nothing"),
    ],
)
def test_the_mean_over_the_target_moves_the_count(ready: int, running: float, count: int) -> None:
    apa = Apa(KEY, Gauge.RUNNING, per_replica=10.0)
    assert apa.target(seen(pool(ready=ready, running=running))) == {KEY: count}


def test_the_window_averages_what_the_pods_had() -> None:
    apa = Apa(KEY, Gauge.KV, per_replica=0.5, window_s=20)
    views = [seen(pool(ready=4, kv_used=used), now_s=10.0 * tick) for tick, used in enumerate([0.5, 0.7, 0.7])]
    assert counts(apa, views) == [4, 5, 7]


def test_one_dip_shrinks_it_as_coded_and_not_as_meant() -> None:
    loads = [100.0, 100.0, 20.0, 100.0]
    views = [seen(pool(ready=10, running=load), now_s=10.0 * tick) for tick, load in enumerate(loads)]
    assert counts(Apa(KEY, Gauge.RUNNING, per_replica=10, window_s=10), views) == [10, 10, 5, 5]
    assert counts(Apa(KEY, Gauge.RUNNING, per_replica=10, window_s=10, held=True), views) == [10] * 4


@pytest.mark.parametrize(
    ("held", "course"),
    [
        pytest.param(False, [8, 3, 3, 9], id="as coded: the least of the window, even one of long ago; up at once"),
        pytest.param(True, [8, 8, 8, 9], id="as meant: down to the most of the window; up at once"),
    ],
)
def test_a_cooldown_takes_one_end_of_its_window(held: bool, course: list[int]) -> None:
    cooldown = Cooldown(0.0, 300.0, held=held)
    asked = [(8, 8), (3, 9), (7, 9), (9, 8)]
    assert [cooldown.next(30.0 * tick, *each) for tick, each in enumerate(asked)] == course


@pytest.mark.parametrize(
    ("summed", "count"),
    [
        pytest.param(False, 4, id="as coded: the mean of 20 over 10 asks for two, halving at most"),
        pytest.param(True, 16, id="with the sum: 160 over 10"),
    ],
)
def test_knatives_formula_needs_the_sum(summed: bool, count: int) -> None:
    kpa = Kpa(KEY, Gauge.RUNNING, per_replica=10.0, summed=summed)
    assert kpa.target(seen(pool(ready=8, running=160.0))) == {KEY: count}


def test_a_panic_never_shrinks_and_then_as_coded_the_cooldown_takes_the_least_of_five_minutes() -> None:
    kpa = Kpa(KEY, Gauge.RUNNING, per_replica=10.0, summed=True, panic_s=10, up_rate=100)
    loads = [10.0] * 17 + [300.0, 200.0, 120.0, 10.0]
    course = followed(kpa, [seen(pool(ready=1, running=load), now_s=10.0 * tick) for tick, load in enumerate(loads)])
    assert course[:17] == [1] * 17
    assert course[17:20] == [30, 30, 30], "300, 200 and 120 over 10; their means are more than twice the stable one"
    assert course[20] == 1


def test_a_failed_reading_is_no_sample() -> None:
    for policy in (Apa(KEY, Gauge.RUNNING, per_replica=10.0), Kpa(KEY, Gauge.RUNNING, per_replica=10.0)):
        assert counts(policy, [seen(pool(ready=4, running=math.nan)), seen(pool(starting=4), now_s=10)]) == [4, 4]


@pytest.mark.parametrize("make", [Apa, Kpa])
def test_a_target_of_zero_is_refused(make: type[Apa] | type[Kpa]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        make(KEY, Gauge.KV, per_replica=0.0)
