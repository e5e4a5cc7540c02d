"""When Envoy has taken a view: once it lists every open replica of it as healthy."""

from typing import Any

from wharfage_gateway.publication import listed
from wharfage_gateway.view import Model, Replica, View


def seen(*replicas: Replica) -> View:
    return View(models={"chat": Model(key="chat", served="chat", replicas=replicas)})


def told(*hosts: tuple[str, str], cluster: str = "chat") -> dict[str, Any]:
    """`/clusters?format=json` of hosts and what the file says of their health."""
    statuses = [
        {
            "address": {"socket_address": {"address": address, "port_value": 8000}},
            "health_status": {"eds_health_status": health},
        }
        for address, health in hosts
    ]
    return {"cluster_statuses": [{"name": "@brain"}, {"name": cluster, "host_statuses": statuses}]}


ONE, TWO = Replica("one", "198.18.0.1"), Replica("two", "198.18.0.2")


def test_all_listed() -> None:
    assert listed(seen(ONE, TWO), told(("198.18.0.1", "HEALTHY"), ("198.18.0.2", "HEALTHY")))


def test_one_is_missing() -> None:
    assert not listed(seen(ONE, TWO), told(("198.18.0.1", "HEALTHY")))


def test_one_is_still_listed_as_draining() -> None:
    assert not listed(seen(ONE), told(("198.18.0.1", "DRAINING")))


def test_one_is_listed_under_another_model() -> None:
    assert not listed(seen(ONE), told(("198.18.0.1", "HEALTHY"), cluster="other"))


def test_what_drains_or_is_not_ready_is_not_waited_for() -> None:
    assert listed(seen(Replica("one", "198.18.0.1", draining=True), Replica("two", "198.18.0.2", ready=False)), told())


def test_an_envoy_that_says_nothing_has_taken_nothing() -> None:
    assert not listed(seen(ONE), {})
