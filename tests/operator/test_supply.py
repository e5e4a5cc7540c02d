"""What can be rented is worked out once per change, and only news wakes deployments."""

from dataclasses import replace
from typing import Any

import pytest
from wharfage_operator.cache import Cache
from wharfage_operator.gather import Supplied, Supply, newsworthy
from wharfage_operator.kinds import NODES, OFFER_CATALOGS, Object
from wharfage_operator.settings import Settings
from wharfage_operator.status import lasting


def catalog(version: int = 1, *, usd: str = "0.80", name: str = "lab") -> Object:
    offer = {
        "name": "gpu",
        "machine": "gpu",
        "accelerator": {"name": "L4", "count": 1, "memoryGiB": 24},
        "vcpus": 8,
        "memoryGiB": 32,
        "prices": [{"market": "OnDemand", "usdPerHour": usd}],
    }
    spec = {"provider": "other", "observedAt": "2026-11-20T00:00:00Z", "offers": [offer]}
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version), "generation": 1}, "spec": spec}


def node(version: int, *, ready: str = "True", name: str = "n1") -> Object:
    labels = {"node.kubernetes.io/instance-type": "gpu"}
    metadata = {"name": name, "uid": name, "resourceVersion": str(version), "labels": labels}
    status = {"conditions": [{"type": "Ready", "status": ready}], "allocatable": {"nvidia.com/gpu": "1"}}
    return {"metadata": metadata, "spec": {}, "status": status}


def supplied(*objects: tuple[Any, Object]) -> tuple[Supply, Cache]:
    cache = Cache()
    for kind, obj in objects:
        cache.put(kind, obj)
    return Supply(cache, Settings()), cache


def test_nothing_is_worked_out_twice() -> None:
    supply, cache = supplied((OFFER_CATALOGS, catalog()), (NODES, node(1)))
    first = supply.now()
    assert [offer.obtainable for offer in first.offers] == ["node n1"]
    cache.put(NODES, node(2))
    assert supply.now() is first, "a node that says something else of itself changes nothing"


def test_machines_that_nobody_buys_more_of_are_counted() -> None:
    supply, cache = supplied((OFFER_CATALOGS, catalog()), (NODES, node(1)))
    before = supply.now()
    cache.put(NODES, node(2, name="n2"))
    after = supply.now()
    assert [list(each.machines.values()) for each in (before, after)] == [[1], [2]]
    assert not newsworthy(before, after)


def test_one_that_takes_no_more_pods_is_counted_too_for_what_runs_there_serves() -> None:
    supply, cache = supplied((OFFER_CATALOGS, catalog()), (NODES, node(1)), (NODES, node(2, name="n2")))
    assert list(supply.now().machines.values()) == [2]
    cache.put(NODES, node(3, name="n2", ready="Unknown"))
    assert list(supply.now().machines.values()) == [2]


def test_so_are_those_that_are_reserved() -> None:
    reserved = catalog()
    reserved["spec"]["offers"][0]["prices"] = [{"market": "Reserved", "usdPerHour": "0.80", "count": 4}]
    supply, _ = supplied((OFFER_CATALOGS, reserved))
    assert list(supply.now().machines.values()) == [4]


def test_a_node_that_goes_takes_its_offers_away() -> None:
    supply, cache = supplied((OFFER_CATALOGS, catalog()), (NODES, node(1)))
    before = supply.now()
    cache.put(NODES, node(2, ready="Unknown"))
    after = supply.now()
    assert [offer.obtainable for offer in after.offers] == [""]
    assert newsworthy(before, after)


def test_a_catalog_that_cannot_be_read_does_not_hide_the_others() -> None:
    broken = catalog(name="broken")
    broken["spec"]["offers"][0]["prices"][0]["usdPerHour"] = "free"
    supply, _ = supplied((OFFER_CATALOGS, broken), (OFFER_CATALOGS, catalog()))
    assert [offer.catalog for offer in supply.now().offers] == ["lab"]
    assert "broken" in supply.now().unreadable


@pytest.mark.parametrize(
    ("usd", "news"), [("0.80", False), ("0.83", False), ("0.77", False), ("0.85", True), ("0.50", True)]
)
def test_a_price_is_news_beyond_five_percent(usd: str, *, news: bool) -> None:
    before = supplied((OFFER_CATALOGS, catalog()))[0].now()
    after = supplied((OFFER_CATALOGS, catalog(usd=usd)))[0].now()
    assert newsworthy(before, after) is news


def test_an_offer_more_is_news() -> None:
    before = supplied((OFFER_CATALOGS, catalog()))[0].now()
    assert newsworthy(before, Supplied((), before.platform))
    assert newsworthy(before, replace(before, offers=tuple(replace(one, zone="b") for one in before.offers)))


def test_load_and_price_per_token_move_by_themselves_and_conditions_do_not() -> None:
    status = {
        "load": {"requestsPerSecond": "3"},
        "cost": {"usdPerHour": "1", "usdPerMillionTokens": "2"},
        "summary": {"reason": "Serving", "usdPerMillionTokens": "2"},
    }
    moved = {
        "load": {"requestsPerSecond": "9"},
        "cost": {"usdPerHour": "1", "usdPerMillionTokens": "5"},
        "summary": {"reason": "Serving", "usdPerMillionTokens": "5"},
    }
    assert lasting(status) == lasting(moved)
    assert lasting(status) != lasting({**moved, "summary": {"reason": "EngineFailed"}})
