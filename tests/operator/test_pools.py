"""Pools as Deployments, and back."""

import copy
from dataclasses import replace
from typing import Any

from wharfage_autoscaler.fleet import Fleet
from wharfage_operator.children import ChildSettings
from wharfage_operator.manifests import manifests
from wharfage_operator.platforms import platforms
from wharfage_operator.pools import observed_fleet, pool_name

from tests.builders import offer, pool
from tests.operator.objects import UID, deployment

L4 = offer(zone="a", node_selector=(("node.kubernetes.io/instance-type", "g6.xlarge"),))


def made(replicas: int = 3, ready: int = 2) -> dict[str, Any]:
    target = Fleet((pool(L4, replicas, variant=""),))
    objects = manifests(deployment(engine={"maxModelTokens": 8192}), UID, target, ChildSettings(), platforms()["plain"])
    found = copy.deepcopy(objects[-1])
    found["status"] = {"readyReplicas": ready}
    return found


def test_a_fleet_reads_back_as_it_was_written() -> None:
    assert observed_fleet([made()], [L4]) == Fleet((pool(L4, 3, ready=2, variant=""),))


def test_stand_ins_are_not_taken_for_wanted() -> None:
    four = made(replicas=4)
    four["metadata"]["annotations"]["wharfage.dev/stand-ins"] = "1"
    assert observed_fleet([four], [L4]) == Fleet((pool(L4, 3, ready=2, variant=""),))


def test_a_pool_outlives_its_offer_without_a_price() -> None:
    (found,) = observed_fleet([made()], []).pools
    assert found.key == pool(L4, variant="").key
    assert found.usd_per_hour == 0
    assert found.offer == replace(L4, usd_per_hour=0.0, obtainable="")


def test_a_pool_on_its_way_out_counts_no_more() -> None:
    leaving = made()
    leaving["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    assert observed_fleet([leaving], [L4]) == Fleet()


def test_an_annotation_that_somebody_spoilt_is_not_a_pool() -> None:
    for text in ("{", "[]", '{"catalog": "c"}', '{"market": "Barter"}'):
        spoilt = made()
        spoilt["metadata"]["annotations"]["wharfage.dev/pool"] = text
        assert observed_fleet([spoilt], [L4]) == Fleet()


def test_names_fit_and_do_not_depend_on_the_price() -> None:
    name = pool_name("x" * 52, pool(L4).key)
    assert len(name) == 61
    assert name == pool_name("x" * 52, pool(replace(L4, usd_per_hour=9.0)).key)
    assert name != pool_name("x" * 52, pool(replace(L4, zone="b")).key)
