"""Knative's pod autoscaler, after `pkg/autoscaler/scaling/autoscaler_test.go` and by hand."""

import math

import pytest
from wharfage_simulator.policies.knative import Knative
from wharfage_simulator.policy import Seen

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen


def steady(
    in_flight: float, *, ready: int, until_s: int = 120, since_s: int = 0, every_s: int = 2, least: int = 1
) -> list[Seen]:
    return [
        seen(pool(ready=ready, running=in_flight), now_s=float(s), least=least)
        for s in range(since_s, until_s, every_s)
    ]


@pytest.mark.parametrize(
    ("in_flight", "ready", "count"),
    [
        pytest.param(100.0, 1, 10, id="100 in flight over 10"),
        pytest.param(101.0, 1, 11, id="rounded up"),
        pytest.param(60.0, 10, 6, id="down to what carries it"),
        pytest.param(10.0, 10, 5, id="but no lower than half of what is ready"),
        pytest.param(0.0, 4, 2, id="not even when idle"),
    ],
)
def test_the_mean_over_the_stable_window_gives_the_count(in_flight: float, ready: int, count: int) -> None:
    assert counts(Knative(KEY, requests=10), steady(in_flight, ready=ready, until_s=200))[-1] == count


def test_at_most_the_rate_upwards() -> None:
    assert counts(Knative(KEY, requests=10, max_up_rate=3), steady(900.0, ready=2))[-1] == 6


def test_a_burst_panics_and_nothing_shrinks_for_the_stable_window() -> None:
    knative = Knative(KEY, requests=10)
    calm = steady(10.0, ready=1, until_s=60)
    burst = steady(90.0, ready=1, since_s=60, until_s=70)
    after = steady(10.0, ready=9, since_s=70, until_s=150)
    course = counts(knative, calm + burst + after)
    assert course[29] == 1
    assert course[34] == 9, "three samples of the panic window, and all of them of the burst"
    panicking = course[35:65]
    assert set(panicking) == {9}, "panic lasts until 60 s after the last time it was warranted"
    assert course[65] == 4, "then down, by half of what is ready at most"


def test_a_stable_mean_alone_would_have_waited() -> None:
    calm, burst = steady(10.0, ready=1, until_s=60), steady(90.0, ready=1, since_s=60, until_s=66)
    assert counts(Knative(KEY, requests=10, panic_threshold=1e9), calm + burst)[-1] == 2
    assert counts(Knative(KEY, requests=10), calm + burst)[-1] == 9


def test_it_begins_in_panic_so_as_not_to_shrink_for_want_of_history() -> None:
    course = counts(Knative(KEY, requests=10), steady(20.0, ready=8, until_s=80))
    assert course[:31] == [8] * 31
    assert course[31] == 4


def test_a_delay_holds_the_highest_wish() -> None:
    knative = Knative(KEY, requests=10, down_delay_s=300)
    course = counts(knative, steady(80.0, ready=8, until_s=100) + steady(40.0, ready=8, since_s=100, until_s=500))
    assert course[-1] == 4
    assert course[150] == 8


def test_zero_comes_after_the_grace_period_and_ends_with_a_request() -> None:
    knative = Knative(KEY, requests=10)
    course = counts(knative, steady(0.0, ready=1, until_s=40, least=0))
    assert course == [1] * 15 + [0] * 5
    assert counts(knative, [seen(pool(waiting=5), now_s=40.0, least=0)]) == [1]


def test_without_data_the_last_scale_stays() -> None:
    knative = Knative(KEY, requests=10)
    assert counts(knative, steady(80.0, ready=1, until_s=60))[-1] == 8
    assert (
        counts(knative, [seen(pool(ready=8, running=math.nan), now_s=60.0 + s) for s in range(0, 600, 30)]) == [8] * 20
    )
