"""The HorizontalPodAutoscaler: counts worked out by hand from `replica_calculator.go`."""

import math

import pytest
from wharfage_simulator.policies.gauge import Gauge, of_all, of_pods
from wharfage_simulator.policies.hpa import Hpa

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, followed, seen


@pytest.mark.parametrize(
    ("ready", "starting", "total", "count"),
    [
        pytest.param(4, 0, 80.0, 8, id="twice the target: twice the pods"),
        pytest.param(4, 0, 45.0, 5, id="12 % above the target is beyond the tolerance of 10 %: rounded up"),
        pytest.param(10, 0, 105.0, 10, id="5 % above is within it"),
        pytest.param(10, 0, 91.0, 10, id="9 % below is, too"),
        pytest.param(4, 0, 11.0, 2, id="down to what carries it"),
        pytest.param(4, 4, 120.0, 12, id="above target, pods that start count as 0: 120 over 8 is 15 each"),
        pytest.param(
            4, 4, 60.0, 8, id="nothing more where those that start will be enough: 7.5 each would turn it round"
        ),
        pytest.param(4, 4, 85.0, 8, id="nor where they bring it within the tolerance: 10.6 each"),
        pytest.param(4, 2, 20.0, 4, id="below target, they count as at target: 20 + 20 over 6 is 6.7 each"),
        pytest.param(4, 8, 38.0, 12, id="which may leave everything as it is: 38 + 80 over 12 is 9.8 each"),
        pytest.param(0, 4, 0.0, None, id="no pod reports: no count"),
        pytest.param(4, 0, math.nan, None, id="nothing known: no count"),
    ],
)
def test_a_metric_of_pods_gives_a_count(ready: int, starting: int, total: float, count: int | None) -> None:
    assert of_pods(current=ready + starting, ready=ready, starting=starting, total=total, target=10.0) == count


@pytest.mark.parametrize(
    ("pods", "total", "count"),
    [
        pytest.param(4, 80.0, 8, id="the sum over the target"),
        pytest.param(4, 43.0, 4, id="within the tolerance of what there is"),
        pytest.param(8, 80.0, 8, id="pods that start count as if they served"),
        pytest.param(4, 0.0, 0, id="nothing to do: nothing"),
        pytest.param(0, 3.0, 1, id="from nothing: what it takes"),
        pytest.param(4, math.nan, None, id="nothing known: no count"),
    ],
)
def test_an_external_metric_gives_a_count(pods: int, total: float, count: int | None) -> None:
    assert of_all(pods=pods, total=total, target=10.0) == count


@pytest.mark.parametrize(
    ("gauge", "target", "count"),
    [
        pytest.param(Gauge.RUNNING, 20.0, 8, id="running: 160 over 20"),
        pytest.param(Gauge.WAITING, 5.0, 6, id="waiting: 30 over 5"),
        pytest.param(Gauge.IN_FLIGHT, 40.0, 5, id="both: 190 over 40"),
        pytest.param(Gauge.KV, 0.5, 7, id="cache: 0.8 of 0.5 on four pods"),
    ],
)
def test_each_gauge_has_its_target(gauge: Gauge, target: float, count: int) -> None:
    view = seen(pool(ready=4, running=160, waiting=30, kv_used=0.8))
    assert Hpa(KEY, {gauge: target}).target(view) == {KEY: count}


def test_of_several_metrics_the_one_that_wants_most_counts() -> None:
    view = seen(pool(ready=4, running=160, waiting=30))
    assert Hpa(KEY, {Gauge.RUNNING: 40.0, Gauge.WAITING: 5.0}).target(view) == {KEY: 6}


def test_it_goes_up_at_once_and_down_after_five_minutes() -> None:
    busy = [seen(pool(ready=4, running=64), now_s=15.0 * tick) for tick in range(2)]
    calm = [seen(pool(ready=4, running=16), now_s=15.0 * tick) for tick in range(2, 24)]
    assert followed(Hpa(KEY, {Gauge.RUNNING: 8.0}), busy + calm) == [8, 8] + [8] * 19 + [2] * 3


def test_what_is_on_its_way_is_not_asked_for_again() -> None:
    hpa = Hpa(KEY, {Gauge.RUNNING: 10.0})
    first = seen(pool(ready=4, running=80))
    later = [seen(pool(ready=4, starting=4, running=80), now_s=15.0 * tick) for tick in range(1, 5)]
    assert counts(hpa, [first, *later]) == [8] * 5


def test_a_lost_replica_is_still_wanted() -> None:
    hpa = Hpa(KEY, {Gauge.RUNNING: 10.0})
    assert counts(hpa, [seen(pool(ready=4, running=40)), seen(pool(ready=3, running=30), now_s=15)]) == [4, 4]
    assert counts(Hpa(KEY, {Gauge.RUNNING: 10.0}), [seen(pool(ready=4, running=40)), seen(pool(), now_s=15)]) == [4, 4]


@pytest.mark.parametrize(
    ("running", "waiting", "count"),
    [
        pytest.param(math.nan, math.nan, 4, id="nothing known: nothing moves"),
        pytest.param(math.nan, 40.0, 8, id="one unknown: the other may raise"),
        pytest.param(math.nan, 4.0, 4, id="one unknown: the other may not lower"),
    ],
)
def test_an_invalid_metric_never_lowers(running: float, waiting: float, count: int) -> None:
    hpa = Hpa(KEY, {Gauge.RUNNING: 10.0, Gauge.WAITING: 5.0})
    views = [seen(pool(ready=4, running=running, waiting=waiting), now_s=15.0 * tick) for tick in range(40)]
    assert counts(hpa, views)[-1] == count


def test_a_target_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="each target must be positive"):
        Hpa(KEY, {Gauge.RUNNING: 0.0})
