"""A rollout on machines that cannot become more."""

import time
from collections.abc import Iterator

import pytest
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, OFFER_CATALOGS, PODS

from tests.cluster.lab import Lab, priced
from tests.cluster.server import Object, condition, eventually

FIXED: Object = {
    "metadata": {"name": "fixed"},
    "spec": {
        "provider": "other",
        "observedAt": "2026-11-01T00:00:00Z",
        "offers": [priced("fixed.l4", "L4", 24, "0.80", accelerators=1)],
    },
}


@pytest.fixture
def one_machine(lab: Lab) -> Iterator[Lab]:
    """A node with one accelerator, and nobody who brings another."""
    capacity = {"cpu": "32", "memory": "128Gi", "pods": "50", "nvidia.com/gpu": "1"}
    lab.cluster.fake_node("fixed-1", {"node.kubernetes.io/instance-type": "fixed.l4"}, capacity)
    lab.server.create(OFFER_CATALOGS, FIXED)
    yield lab
    lab.server.delete(OFFER_CATALOGS, "", "fixed")
    lab.cluster.kubectl("delete", "node", "fixed-1")


def test_a_rollout_on_a_full_machine_ends_the_old_replica_first_and_says_so(one_machine: Lab) -> None:
    lab, patience_s = one_machine, 2.0
    operator = lab.start(surge_patience_s=str(patience_s), resync_s="0.5")
    lab.create(placement={"catalogs": ["fixed"]})
    lab.ready()
    (old,) = lab.server.all(PODS, lab.namespace)
    assert rolling(lab) == {"maxSurge": 1, "maxUnavailable": 0}

    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"engine": {"maxModelTokens": 4096}}})
    eventually(lambda: condition(lab.llm(), "Progressing")["reason"] == "RollingOut", what="the new replica waits")
    eventually(lambda: rolling(lab) == {"maxSurge": 0, "maxUnavailable": 1}, what="the old one ends first")
    new = eventually(lambda: only_pod(lab, but=old), what="the new replica has the machine")
    said = eventually(lambda: steady(lab), what="the rollout is complete")
    assert "no machine came for new replicas" in said["message"]

    eventually(lambda: operator.rests, what="the events are told, too")
    before = lab.child(DEPLOYMENTS)["metadata"]["generation"]
    time.sleep(patience_s + 1)
    assert lab.child(DEPLOYMENTS)["metadata"]["generation"] == before
    assert only_pod(lab, but=old) == new

    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"engine": {"maxModelTokens": 2048}}})
    eventually(lambda: rolling(lab) == {"maxSurge": 1, "maxUnavailable": 0}, what="a new template surges again")
    assert operator.tracebacks == []


def rolling(lab: Lab) -> Object:
    found: Object = lab.child(DEPLOYMENTS)["spec"]["strategy"]["rollingUpdate"]
    return found


def only_pod(lab: Lab, *, but: Object) -> str:
    """The uid of the only pod, once it is another than `but` and has a machine."""
    pods = lab.server.all(PODS, lab.namespace)
    if len(pods) != 1 or pods[0]["metadata"]["uid"] == but["metadata"]["uid"] or "nodeName" not in pods[0]["spec"]:
        return ""
    return str(pods[0]["metadata"]["uid"])


def steady(lab: Lab) -> Object | None:
    said = condition(lab.llm(), "Progressing")
    return said if said["reason"] == "Steady" else None
