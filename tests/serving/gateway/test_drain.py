"""How Envoy is drained before its container ends: in which order, for how long, and with whom left."""

import json

import pytest
from wharfage_gateway.drain import drain


class Envoy:
    """An admin interface with requests under way, of which one ends every second."""

    def __init__(self, active: int) -> None:
        self.active = active
        self.now = 0.0
        self.asked: list[tuple[str, float]] = []

    def ask(self, method: str, target: str) -> bytes:
        if method == "POST":
            self.asked.append((target, self.now))
        left = max(0, self.active - int(self.now))
        return json.dumps({"stats": [{"name": "http.wharfage.downstream_rq_active", "value": left}]}).encode()

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_it_is_unlisted_first_then_closes_and_ends_with_the_last_request() -> None:
    envoy = Envoy(active=30)
    assert drain(envoy.ask, within_s=900.0, now=lambda: envoy.now, wait=envoy.wait) == 0
    assert [target for target, _ in envoy.asked] == ["/healthcheck/fail", "/drain_listeners?graceful&skip_exit"]
    assert envoy.asked[1][1] >= 3.0
    assert 30.0 <= envoy.now <= 31.0


def test_nobody_under_way_takes_no_longer_than_the_unlisting() -> None:
    envoy = Envoy(active=0)
    assert drain(envoy.ask, within_s=900.0, now=lambda: envoy.now, wait=envoy.wait) == 0
    assert envoy.now <= 6.0


@pytest.mark.parametrize("within_s", [2.0, 60.0])
def test_those_who_take_too_long_are_counted_and_left_a_little_before_the_grace_is_over(within_s: float) -> None:
    envoy = Envoy(active=1000)
    left = drain(envoy.ask, within_s=within_s, now=lambda: envoy.now, wait=envoy.wait)
    assert left > 900
    assert within_s / 2 <= envoy.now < within_s


def test_without_an_envoy_there_is_nothing_to_wait_for() -> None:
    def gone(method: str, target: str) -> bytes:
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        drain(gone, within_s=9.0, now=lambda: 0.0, wait=lambda _: None)
