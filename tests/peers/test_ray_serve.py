"""Ray Serve's own code and ours, through the same hours of load."""

from random import Random

import pytest
from wharfage_simulator.policies.rayserve import Delays

from tests.peers.peer import peer

SETTINGS = [
    pytest.param({}, id="the defaults"),
    pytest.param(
        {"target_ongoing_requests": 30, "upscale_delay_s": 0, "downscale_delay_s": 120}, id="no delay upwards"
    ),
    pytest.param(
        {"upscaling_factor": 0.5, "downscaling_factor": 0.3, "downscale_delay_s": 60, "min_replicas": 0}, id="factors"
    ),
    pytest.param(
        {"downscale_delay_s": 40, "downscale_to_zero_delay_s": 90, "min_replicas": 0}, id="a delay of its own to zero"
    ),
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_step_by_step_the_targets_are_the_same(settings: dict[str, float]) -> None:
    ours = Delays(
        requests=settings.get("target_ongoing_requests", 2),
        up_delay_s=settings.get("upscale_delay_s", 30),
        down_delay_s=settings.get("downscale_delay_s", 600),
        zero_delay_s=settings.get("downscale_to_zero_delay_s"),
        up_factor=settings.get("upscaling_factor", 1),
        down_factor=settings.get("downscaling_factor", 1),
    )
    random, now_s, target, running, load, moves = Random(1), 1000.0, 3, 3, 6.0, 0
    with peer("ray", "ray_serve", {"min_replicas": 1, "max_replicas": 400, **settings}) as theirs:
        for step in range(1500):
            load = 0.0 if step % 300 > 220 else max(0.0, load + random.uniform(-4, 4) * (5 if step % 40 == 0 else 1))
            running = min(target, running + random.choice((0, 0, 1, 2))) if running < target else target
            question = {"now_s": now_s, "in_flight": load, "running": running, "target": target}
            expected = theirs.ask(**question)
            assert ours.next(now_s, in_flight=load, running=running, target=target) == expected, (
                f"step {step}: {question}"
            )
            moves += expected != target
            target = min(400, max(int(settings.get("min_replicas", 1)), expected))
            now_s += random.choice((0.1, 1.0, 10.0, 10.0))
    assert moves > 10, "a comparison in which nothing happens says nothing"
