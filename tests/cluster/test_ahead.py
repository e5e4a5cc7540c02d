"""Machines that wait for replicas: held by pods that give way at once, by the real scheduler's own preemption."""

from collections.abc import Iterator
from typing import Any

import pytest
from wharfage_api.labels import POOL
from wharfage_operator.kinds import DEPLOYMENTS, PODS
from wharfage_operator.placeholders import Means, is_placeholder, is_replica, placeholders

from tests.cluster.lab import Lab
from tests.cluster.server import Object, eventually, eventually_is

CLASS = "wharfage-test-placeholder"
MEANS = Means(image="registry.k8s.io/pause:3.10", priority_class=CLASS)


@pytest.fixture
def below(lab: Lab) -> Iterator[Lab]:
    """A cluster with the chart's PriorityClass."""
    group = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    lab.cluster.apply([{**group, "metadata": {"name": CLASS}, "value": -1, "preemptionPolicy": "Never"}])
    yield lab
    lab.cluster.kubectl("delete", "priorityclass", CLASS)


def seven_of_eight(lab: Lab) -> Object:
    """A pool that leaves one accelerator of its machine free, as the operator left it when it ended."""
    operator = lab.start()
    lab.create(scaling={"mode": "Manual"}, replicas=7)
    lab.ready()
    operator.stop()
    (pool,) = lab.pools()
    return {**pool, "kind": DEPLOYMENTS.name}


def hold(lab: Lab, pool: Object, count: int) -> None:
    """Have placeholders beside a pool."""
    counts = {pool["metadata"]["labels"][POOL]: count}
    for pod in placeholders([pool], counts, (), (), MEANS, now_s=0.0).creates:
        lab.server.create(PODS, pod)


def machines(lab: Lab, kind: Any) -> list[str]:
    """The machines of pods of a kind; "" for one that waits."""
    found = (pod for pod in lab.server.all(PODS, lab.namespace) if kind(pod))
    return sorted(pod["spec"].get("nodeName", "") for pod in found)


def test_a_replica_that_comes_takes_the_place_that_was_held_for_it(below: Lab) -> None:
    pool = seven_of_eight(below)
    hold(below, pool, 1)
    eventually_is(lambda: machines(below, is_placeholder), ["gpu-1"], what="where a place is held")
    more = {"spec": {"replicas": 8}}
    below.server.merge(DEPLOYMENTS, below.namespace, pool["metadata"]["name"], more)
    eventually_is(lambda: machines(below, is_replica), ["gpu-1"] * 8, what="where replicas are")
    assert machines(below, is_placeholder) == []


def test_what_nobody_wants_ahead_any_more_goes_and_was_never_a_replica(below: Lab) -> None:
    pool = seven_of_eight(below)
    hold(below, pool, 1)
    eventually_is(lambda: machines(below, is_placeholder), ["gpu-1"], what="where a place is held")
    operator = below.start(pre_provisioning="Auto", placeholder_priority_class=CLASS)
    eventually_is(lambda: machines(below, is_placeholder), [], what="where a place is held")
    found = eventually(below.is_ready)["status"]
    assert (found["replicas"], found["readyReplicas"]) == (7, 7)
    assert operator.tracebacks == []
