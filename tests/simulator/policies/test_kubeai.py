"""KubeAI: the mean over its window, and the counter downwards."""

import math

import pytest
from wharfage_simulator.policies.kubeai import KubeAi

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen


@pytest.mark.parametrize(
    ("running", "waiting", "count"),
    [
        pytest.param(100.0, 0.0, 1, id="a hundred in flight: one"),
        pytest.param(101.0, 0.0, 2, id="rounded up"),
        pytest.param(200.0, 150.0, 4, id="what waits is in flight"),
    ],
)
def test_requests_in_flight_give_the_count(running: float, waiting: float, count: int) -> None:
    assert KubeAi(KEY).target(seen(pool(ready=1, running=running, waiting=waiting))) == {KEY: count}


def test_the_window_delays_a_rise() -> None:
    views = [seen(pool(ready=1, running=600), now_s=10.0 * tick) for tick in range(60)]
    course = counts(KubeAi(KEY, before=0.0), views)
    assert course[:11] == [1] * 10 + [2], "11 samples of 600 among 60 make 110"
    assert course[-1] == 6


def test_it_goes_down_after_three_lower_ticks_and_then_at_each() -> None:
    kubeai = KubeAi(KEY, window_s=20, before=400)
    busy = seen(pool(ready=4, running=400))
    falling = [
        seen(pool(ready=4, running=running), now_s=10.0 * (tick + 1))
        for tick, running in enumerate([300, 300, 300, 300, 200, 100, 0])
    ]
    assert counts(kubeai, [busy, *falling]) == [4, 4, 4, 4, 4, 3, 2, 1]


def test_a_tick_that_is_not_lower_clears_the_counter() -> None:
    kubeai = KubeAi(KEY, window_s=10)
    loads = [400, 300, 300, 400, 300, 300, 300, 300]
    views = [seen(pool(ready=4, running=running), now_s=10.0 * tick) for tick, running in enumerate(loads)]
    assert counts(kubeai, views) == [4] * 7 + [3]


def test_a_failed_reading_and_a_deployment_without_endpoints_are_skipped() -> None:
    kubeai = KubeAi(KEY, window_s=10, down_delay_s=0)
    views = [seen(pool(ready=4, running=400)), seen(pool(ready=4, running=math.nan)), seen(pool(starting=4))]
    assert counts(kubeai, views) == [4, 4, 4]


def test_the_first_request_wakes_it() -> None:
    kubeai = KubeAi(KEY, window_s=10, down_delay_s=0)
    views = [seen(pool(ready=1), least=0), seen(pool(), now_s=10, least=0), seen(pool(waiting=1), now_s=20, least=0)]
    assert counts(kubeai, views) == [0, 0, 1]
