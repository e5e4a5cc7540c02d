"""What machines cost: from their order to their end, at the price of their market and zone."""

from typing import Any

import pytest

from demo.emulator.books import Books

Object = dict[str, Any]
HOUR_S = 3600.0


def catalog() -> Object:
    prices = [
        {"market": "OnDemand", "usdPerHour": "2.00"},
        {"market": "Spot", "zone": "a", "usdPerHour": "0.50"},
        {"market": "Spot", "zone": "b", "usdPerHour": "0.60"},
    ]
    row = {
        "name": "big",
        "machine": "g6e.xlarge",
        "accelerator": {"name": "L40S", "count": 1, "memoryGiB": 48},
        "vcpus": 4,
        "memoryGiB": 32,
        "prices": prices,
    }
    return {
        "metadata": {"name": "lab"},
        "spec": {"provider": "other", "observedAt": "2026-11-01T00:00:00Z", "offers": [row]},
    }


def node(name: str, market: str = "spot", *, zone: str = "a", machine: str = "g6e.xlarge") -> Object:
    labels = {
        "node.kubernetes.io/instance-type": machine,
        "karpenter.sh/capacity-type": market,
        "topology.kubernetes.io/zone": zone,
    }
    owners = [{"kind": "NodeClaim", "name": f"claim-{name}"}]
    return {"metadata": {"uid": name, "name": name, "labels": labels, "ownerReferences": owners}}


def books() -> Books:
    kept = Books()
    kept.price([catalog()])
    return kept


def test_a_machine_is_paid_for_from_its_order_to_its_end() -> None:
    kept = books()
    kept.ordered({"metadata": {"name": "claim-x"}}, HOUR_S)
    fresh = node("x")
    del fresh["metadata"]["ownerReferences"]  # Karpenter adds them a moment later
    kept.node(fresh, 1.5 * HOUR_S, gone=False)
    kept.node(node("x"), 1.5 * HOUR_S, gone=False)
    assert kept.usd(2 * HOUR_S) == {"Spot": 0.5}
    kept.node(node("x"), 3 * HOUR_S, gone=True)
    assert kept.usd(9 * HOUR_S) == {"Spot": 1.0}
    assert kept.usd_per_hour() == {}


@pytest.mark.parametrize(
    ("market", "zone", "usd_per_hour"),
    [
        pytest.param("spot", "a", {"Spot": 0.5}, id="spot in a zone with a price of its own"),
        pytest.param("spot", "b", {"Spot": 0.6}, id="and in another"),
        pytest.param("on-demand", "a", {"OnDemand": 2.0}, id="on demand, where the price is that of every zone"),
        pytest.param("spot", "c", {}, id="a zone without a price"),
    ],
)
def test_the_price_is_that_of_market_and_zone(market: str, zone: str, usd_per_hour: dict[str, float]) -> None:
    kept = books()
    kept.node(node("x", market, zone=zone), 0.0, gone=False)
    assert kept.usd_per_hour() == usd_per_hour


def test_a_machine_without_a_price_is_named_and_not_taken_for_free() -> None:
    kept = books()
    kept.node(node("x", machine="unheard-of"), 0.0, gone=False)
    assert (kept.usd(HOUR_S), kept.unpriced) == ({}, {"unheard-of"})


def test_a_machine_that_was_used_and_is_empty_for_a_while_may_end() -> None:
    kept = books()
    kept.node(node("x"), 0.0, gone=False)
    kept.used({"x"}, 300.0)
    assert kept.empty(350.0, 60.0) == []
    assert kept.empty(360.0, 60.0) == ["claim-x"]
    kept.node(node("x"), 400.0, gone=True)
    assert kept.empty(900.0, 60.0) == []


def test_a_machine_that_waits_for_its_first_pod_is_given_time() -> None:
    kept = books()
    kept.node(node("x"), 0.0, gone=False)
    assert kept.empty(600.0, 60.0) == []
    assert kept.empty(660.0, 60.0) == ["claim-x"]
