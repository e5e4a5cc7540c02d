"""Machines ordered ahead as objects: like replicas for an autoscaler, and for nobody else."""

from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_api.labels import POOL, SERVING
from wharfage_autoscaler.fleet import Fleet
from wharfage_operator.children import ChildSettings
from wharfage_operator.manifests import manifests
from wharfage_operator.placeholders import AHEAD, Means, Placeholders, buffers, is_placeholder, is_replica, placeholders
from wharfage_operator.platforms import platforms
from wharfage_operator.pools import pool_hash, replicas_by_pool

from tests.builders import offer, pool
from tests.operator.objects import UID, deployment

Object = dict[str, Any]
NOW = datetime(2026, 11, 26, 22, tzinfo=UTC).timestamp()
AHEAD_OF = pool(offer(), 2, variant="")
HASH = pool_hash(AHEAD_OF.key)
OBJECTS = manifests(deployment(), UID, Fleet((pool(offer(), 3, variant=""),)), ChildSettings(), platforms()["gke"])
(DEPLOYMENT,) = (obj for obj in OBJECTS if obj["kind"] == "Deployment")
COUNTS = replicas_by_pool(Fleet((AHEAD_OF,)))
PODS = Means(image="pause", priority_class="placeholder")


def made(means: Means = PODS, *, pods: tuple[Object, ...] = (), children: tuple[Object, ...] = ()) -> Placeholders:
    return placeholders(OBJECTS, COUNTS, pods, children, means, now_s=NOW)


def test_a_buffer_asks_for_room_for_so_many_of_the_pools_own_pods() -> None:
    (found,) = buffers(OBJECTS, COUNTS)
    reference = {"apiGroup": "apps", "kind": "Deployment", "name": DEPLOYMENT["metadata"]["name"]}
    assert found["spec"] == {"scalableRef": reference, "replicas": 2}
    assert found["metadata"]["ownerReferences"][0]["uid"] == UID
    assert buffers(OBJECTS, {}) == ()


def test_a_placeholder_takes_what_a_replica_takes_where_a_replica_may_be() -> None:
    first, second = made().creates
    replica = DEPLOYMENT["spec"]["template"]["spec"]
    for part in ("affinity", "tolerations", "securityContext"):
        assert first["spec"][part] == replica[part]
    (container,) = first["spec"]["containers"]
    assert container["resources"] == replica["containers"][0]["resources"]
    assert (first["spec"]["priorityClassName"], first["spec"]["terminationGracePeriodSeconds"]) == ("placeholder", 0)
    assert first["spec"]["activeDeadlineSeconds"] == 3600  # nobody pays for long where no operator is
    assert first["metadata"]["name"] != second["metadata"]["name"]


def test_a_placeholder_is_no_replica_to_anybody() -> None:
    labels = made().creates[0]["metadata"]["labels"]
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        *(obj["spec"]["selector"] for obj in OBJECTS if obj["kind"] == "Service"),
        *(obj["spec"]["selector"]["matchLabels"] for obj in OBJECTS if obj["kind"] == "PodDisruptionBudget"),
    ]
    assert len(selectors) == 3
    assert not any(selector.items() <= labels.items() for selector in selectors)
    assert labels[AHEAD] == HASH
    assert not labels.keys() & {POOL, SERVING}
    assert is_placeholder(made().creates[0])
    assert not is_replica(made().creates[0])


def test_what_is_there_is_left_alone_and_what_is_not_wanted_or_has_ended_goes() -> None:
    first, second = made().creates
    assert made(pods=(first, second)) == Placeholders()
    old = {**first, "metadata": {**first["metadata"], "name": "chat-0-ahead-other-0"}}
    ended = {**second, "status": {"phase": "Failed"}}
    assert made(pods=(first, ended, old)) == Placeholders(deletes=(ended, old))
    leaves = {**old, "metadata": {**old["metadata"], "deletionTimestamp": "2026-11-26T22:00:00Z"}}
    assert made(pods=(first, second, leaves)) == Placeholders()


def buffer(created: str, **status: Any) -> Object:
    (found,) = buffers(OBJECTS, COUNTS)
    return {**found, "metadata": {**found["metadata"], "creationTimestamp": created}, "status": status}


HEEDED = [{"type": "ReadyForProvisioning", "status": "True"}]


@pytest.mark.parametrize(
    ("means", "children", "count"),
    [
        (PODS, (), 2),
        (Means(image="pause"), (), 0),
        (Means(True, "pause", "placeholder"), (), 0),
        (Means(True, "pause", "placeholder"), (buffer("2026-11-26T21:59:30Z"),), 0),
        (Means(True, "pause", "placeholder"), (buffer("2026-11-26T21:58:30Z"),), 2),
        (Means(True, "pause", "placeholder"), (buffer("2026-11-26T21:58:30Z", conditions=HEEDED),), 0),
    ],
    ids=[
        "without that API",
        "without a class below the replicas'",
        "a buffer is about to be made",
        "the buffer is new",
        "nobody has heeded the buffer for a minute",
        "somebody heeds the buffer",
    ],
)
def test_pods_hold_machines_where_no_buffer_does(means: Means, children: tuple[Object, ...], count: int) -> None:
    assert len(made(means, children=children).creates) == count
