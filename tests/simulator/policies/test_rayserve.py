"""Ray Serve: the wish, and the delays it has to outlast."""

import math

import pytest
from wharfage_simulator.policies.rayserve import Delays, RayServe

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen


def course(delays: Delays, loads: list[float], *, start: int, every_s: float = 10.0) -> list[int]:
    """Targets when what is wanted serves at once."""
    target, targets = start, []
    for tick, load in enumerate(loads):
        target = delays.next(tick * every_s, in_flight=load, running=target, target=target)
        targets.append(target)
    return targets


@pytest.mark.parametrize(
    ("delays", "start", "loads", "targets"),
    [
        pytest.param(Delays(), 2, [10.0] * 5, [2, 2, 2, 5, 5], id="up after 30 s of wishing"),
        pytest.param(Delays(), 2, [10, 10, 4, 10, 10, 10, 10], [2] * 6 + [5], id="a satisfied moment begins it anew"),
        pytest.param(Delays(), 2, [10, 10, 2, 10, 10, 10, 10], [2] * 6 + [5], id="so does a wish the other way"),
        pytest.param(Delays(down_delay_s=20), 5, [2.0] * 4, [5, 5, 1, 1], id="down after its delay"),
        pytest.param(Delays(down_delay_s=20), 5, [0.0] * 6, [5, 5, 1, 1, 1, 0], id="to nothing only from one"),
        pytest.param(
            Delays(down_delay_s=20, zero_delay_s=40), 1, [0.0] * 5, [1, 1, 1, 1, 0], id="with a delay of its own"
        ),
        pytest.param(Delays(up_delay_s=0, up_factor=0.5), 2, [20.0, 20.0], [6, 8], id="half of the way at a time"),
        pytest.param(
            Delays(down_delay_s=0, down_factor=0.2),
            4,
            [6.0],
            [3],
            id="downwards at least one, though rounding says none",
        ),
        pytest.param(Delays(), 0, [1.0], [1], id="from nothing at once"),
        pytest.param(Delays(up_factor=3), 0, [1.0], [3], id="by the factor"),
        pytest.param(Delays(), 0, [0.0], [0], id="nothing for nothing"),
    ],
)
def test_a_wish_outlasts_its_delay(delays: Delays, start: int, loads: list[float], targets: list[int]) -> None:
    assert course(delays, loads, start=start) == targets


def test_requests_in_flight_are_averaged_over_the_look_back() -> None:
    ray = RayServe(KEY, requests=10, up_delay_s=0)
    views = [seen(pool(ready=2, running=load), now_s=10.0 * tick) for tick, load in enumerate([20, 20, 20, 80, 80])]
    assert counts(ray, views) == [2, 2, 2, 4, 6]


def test_only_what_serves_counts_and_what_starts_is_waited_for() -> None:
    ray = RayServe(KEY, requests=10, up_delay_s=0)
    views = [seen(pool(ready=2, starting=2 * tick, waiting=40), now_s=10.0 * tick) for tick in range(3)]
    assert counts(ray, views) == [4, 4, 4]
    assert counts(RayServe(KEY), [seen(pool(starting=3, waiting=9))]) == [3]


def test_replicas_that_report_nothing_have_no_requests() -> None:
    views = [seen(pool(ready=4, running=math.nan), now_s=10.0 * tick, least=0) for tick in range(61)]
    assert counts(RayServe(KEY), views) == [4] * 60 + [1]


def test_a_target_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RayServe(KEY, requests=0.0)
