"""Machines that say that they will go, and what becomes of the replicas on them."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from wharfage_operator.kinds import LLM_DEPLOYMENTS, NODES, OFFER_CATALOGS, PODS

from tests.cluster import machines
from tests.cluster.lab import Lab
from tests.cluster.machines import CHEAP, TAKEN_BACK
from tests.cluster.server import Object, eventually, eventually_is
from tests.devcluster.components import FAKE_NODE

SPOT = ("spot-1", "spot-2", "spot-3")
FIXED = ("fixed-1", "fixed-2", "fixed-3", "fixed-4")
NOTICE_S = 15.0  # of GKE, as platforms.yaml has it
EMPTIED = "ToBeDeletedByClusterAutoscaler"


@pytest.fixture
def spots(lab: Lab) -> Iterator[Lab]:
    """Three spot machines of GKE's with one accelerator each."""
    for name in SPOT:
        machine(lab, name)
    lab.server.create(OFFER_CATALOGS, CHEAP)
    yield lab
    lab.server.delete(OFFER_CATALOGS, "", "spots")
    lab.cluster.kubectl("delete", "node", "--ignore-not-found", *SPOT, "spot-4")


def machine(lab: Lab, name: str, *, spot: bool = True) -> None:
    """One more machine of the kind."""
    machines.machine(lab.cluster, name, spot=spot)


def served(lab: Lab, replicas: int) -> None:
    """A deployment that runs on spot alone, and has so many replicas."""
    lab.create(placement={"catalogs": ["spots"], "spot": {"policy": "Require"}}, scaling={"minReplicas": replicas})
    lab.ready()
    eventually_is(lambda: len(endpoints(lab)), replicas, what="replicas that clients are sent to")


def endpoints(lab: Lab) -> set[str]:
    """The pods that the Service sends clients to."""
    return machines.endpoints(lab.server, lab.namespace)


def pods(lab: Lab) -> dict[str, Object]:
    """The pods that nobody has deleted, by name."""
    return machines.pods(lab.server, lab.namespace)


def on(lab: Lab, node: str) -> str:
    """The name of the pod on a node, empty where there is none."""
    return next((name for name, pod in pods(lab).items() if pod["spec"].get("nodeName") == node), "")


def say(lab: Lab, key: str, node: str) -> None:
    """Put a taint on a node, as those do who know what becomes of machines."""
    machines.taint(lab.server, key, node)


def condition(lab: Lab, kind: str, node: str, status: str = "True") -> None:
    """Have a node say of itself that something is so, or not."""
    said = {"type": kind, "status": status, "reason": "Test", "message": "", "lastHeartbeatTime": None}
    path = f"{NODES.path('', node)}/status"
    content_type = "application/strategic-merge-patch+json"
    answer = lab.server.call("PATCH", path, {"status": {"conditions": [said]}}, content_type=content_type)
    assert answer["httpStatus"] == 200, answer


@pytest.mark.parametrize(
    ("platform", "says"),
    [
        pytest.param("gke", partial(say, key=TAKEN_BACK), id="15 s before, by a taint of GKE's"),
        pytest.param("aks", partial(condition, kind="PreemptionScheduled"), id="30 s before, by a condition of AKS'"),
        pytest.param("eks", partial(say, key="aws-node-termination-handler/spot-itn"), id="120 s before, on EKS"),
    ],
)
def test_a_machine_that_is_taken_back_gets_no_more_requests_and_its_replica_is_replaced_at_once(
    spots: Lab, platform: str, says: Callable[..., None]
) -> None:
    operator = spots.start(platform=platform, resync_s="600")
    served(spots, 2)
    doomed = sorted(pods(spots))[0]
    kept = set(pods(spots)) - {doomed}
    says(spots, node=pods(spots)[doomed]["spec"]["nodeName"])
    eventually(lambda: doomed not in endpoints(spots), what="clients go elsewhere")
    eventually_is(lambda: (doomed in pods(spots), len(pods(spots))), (False, 2), what="another replica is ordered")
    eventually_is(lambda: len(endpoints(spots)), 2, what="replicas that clients are sent to")
    assert kept <= endpoints(spots)
    assert operator.tracebacks == []


def test_when_all_machines_are_taken_back_at_once_they_serve_until_half_of_the_notice_is_gone(spots: Lab) -> None:
    operator = spots.start(platform="gke", resync_s="600")
    served(spots, 3)
    before, told_s = endpoints(spots), time.monotonic()
    with operator.paused():
        for node in SPOT:
            say(spots, TAKEN_BACK, node)

    def doubled() -> set[str]:
        there = set(pods(spots))
        return there if len(there - before) == 3 else set()

    there = eventually(doubled, what="as many others are ordered")
    assert before <= there or time.monotonic() - told_s >= NOTICE_S / 2, "others are ordered beside them"
    eventually(lambda: endpoints(spots) != before, what="drains begin")
    assert time.monotonic() - told_s >= NOTICE_S / 2
    eventually(lambda: endpoints(spots).isdisjoint(before), what="all drain")
    eventually(lambda: set(pods(spots)).isdisjoint(before) and len(pods(spots)) == 3, what="others stay ordered")
    assert operator.tracebacks == []


def test_a_replica_whose_machine_is_to_be_emptied_serves_until_another_does(spots: Lab) -> None:
    operator = spots.start(platform="gke", resync_s="600")
    served(spots, 3)
    before, doomed = endpoints(spots), on(spots, "spot-2")
    say(spots, EMPTIED, "spot-2")
    eventually_is(lambda: len(pods(spots)), 4, what="replicas, with the one that is ordered beside them")
    assert endpoints(spots) == before
    machine(spots, "spot-4")
    eventually_is(lambda: doomed in pods(spots), False, what="the one on the machine that is to be emptied is there")
    eventually(lambda: endpoints(spots) == {*before, on(spots, "spot-4")} - {doomed}, what="another took over")
    eventually_is(lambda: (spots.llm() or {})["status"]["summary"]["replicas"], "3/3", what="replicas in the status")
    assert operator.tracebacks == []


@pytest.mark.parametrize(
    ("kind", "broken", "well"),
    [
        pytest.param("AcceleratedHardwareReady", "False", "True", id="as EKS says it"),
        pytest.param("XIDErrors", "True", "False", id="as AKS says it"),
    ],
)
def test_a_replica_on_a_broken_accelerator_is_not_counted_on_though_its_pod_runs(
    spots: Lab, kind: str, broken: str, well: str
) -> None:
    operator = spots.start(platform="gke", resync_s="600")
    served(spots, 2)
    doomed, kept = sorted(pods(spots))
    first = pods(spots)[doomed]["spec"]["nodeName"]
    (spare,) = set(SPOT) - {pod["spec"]["nodeName"] for pod in pods(spots).values()}
    condition(spots, kind, first, broken)
    eventually(lambda: doomed not in pods(spots) and len(pods(spots)) == 2, what="another took its place")
    eventually(lambda: endpoints(spots) == {kept, on(spots, spare)}, what="clients go to the two that are well")
    eventually_is(lambda: (spots.llm() or {})["status"]["summary"]["replicas"], "2/2", what="replicas in the status")
    condition(spots, kind, first, well)
    condition(spots, kind, spare, broken)
    eventually(lambda: endpoints(spots) == {kept, on(spots, first)}, what="a machine that is well again is used")
    assert operator.tracebacks == []


def test_a_broken_accelerator_without_another_in_its_place_serves_on(spots: Lab) -> None:
    operator = spots.start(platform="gke", resync_s="600")
    served(spots, 3)
    before = endpoints(spots)
    condition(spots, "AcceleratedHardwareReady", "spot-2", "False")
    eventually_is(lambda: len(pods(spots)), 4, what="replicas, with the one that is ordered beside it")
    assert endpoints(spots) == before, "there is no machine for it: what may answer is better than nothing"
    condition(spots, "AcceleratedHardwareReady", "spot-2", "True")
    eventually_is(lambda: (set(pods(spots)), endpoints(spots)), (before, before), what="pods, and where clients go")
    assert operator.tracebacks == []


def test_an_eviction_that_the_budget_refuses_waits_and_a_notice_does_not(spots: Lab) -> None:
    operator = spots.start(platform="gke", resync_s="600")
    served(spots, 3)
    doomed = on(spots, "spot-2")
    say(spots, EMPTIED, "spot-2")
    eventually_is(lambda: len(pods(spots)), 4, what="replicas, with the one that is ordered beside them")
    eventually_is(lambda: evicted(spots, doomed), 429, what="the answer to an eviction")
    assert doomed in pods(spots), "until another serves, whoever empties the machine waits"
    say(spots, TAKEN_BACK, "spot-2")
    eventually(lambda: doomed not in pods(spots), what="the replica leaves before its machine")
    assert operator.tracebacks == []


def evicted(lab: Lab, pod: str) -> int:
    """The API server's answer to whoever empties a machine."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": lab.namespace}}
    answer = lab.server.call("POST", f"{PODS.path(lab.namespace, pod)}/eviction?dryRun=All", body)
    return int(answer["httpStatus"])


def test_a_replica_whose_machine_falls_silent_is_doubled_and_stays_when_it_is_back(spots: Lab) -> None:
    operator = spots.start(platform="gke", resync_s="600")
    served(spots, 3)
    silent = on(spots, "spot-2")
    mute(spots, "spot-2", None)
    condition(spots, "Ready", "spot-2", "False")
    eventually_is(lambda: len(pods(spots)), 4, what="replicas, with the one that is ordered beside it")
    assert silent in pods(spots), "it may come back"
    mute(spots, "spot-2", "fake")
    condition(spots, "Ready", "spot-2")
    eventually_is(lambda: len(pods(spots)), 3, within_s=120.0, what="replicas, as before")
    assert silent in pods(spots)
    assert operator.tracebacks == []


def mute(lab: Lab, node: str, played: str | None) -> None:
    """Have nobody play a node any more, or somebody again."""
    lab.server.merge(NODES, "", node, {"metadata": {"annotations": {FAKE_NODE: played}}})


def test_a_replica_whose_machine_vanished_without_a_word_is_replaced_at_once(spots: Lab) -> None:
    operator = spots.start(platform="gke", resync_s="600")
    served(spots, 2)
    lost = sorted(pods(spots))[0]
    kept = set(pods(spots)) - {lost}
    spots.server.delete(NODES, "", pods(spots)[lost]["spec"]["nodeName"])
    # Kubernetes itself leaves such a pod in the Service for 40 s and more, until it is collected as garbage.
    eventually_is(lambda: (lost in endpoints(spots), len(pods(spots))), (False, 3), what="another replica is ordered")
    eventually(lambda: len(endpoints(spots)) == 2 and endpoints(spots) > kept, what="clients go to it")
    eventually_is(lambda: (lost in pods(spots), len(pods(spots))), (False, 2), within_s=120, what="it is collected")
    assert operator.tracebacks == []


def test_a_pool_that_shrinks_does_without_the_replica_whose_machine_is_to_be_emptied(spots: Lab) -> None:
    operator = spots.start(platform="gke", resync_s="0.5")
    served(spots, 3)
    victim = on(spots, "spot-2")
    say(spots, EMPTIED, "spot-2")
    eventually_is(lambda: len(pods(spots)), 4, what="replicas, with the one that is ordered beside them")
    spots.server.merge(LLM_DEPLOYMENTS, spots.namespace, "chat", {"spec": {"scaling": {"minReplicas": 2}}})
    eventually_is(lambda: (victim in pods(spots), len(pods(spots))), (False, 2), what="the victim, and replicas")
    eventually(lambda: operator.rests, what="the writes have ended")
    assert operator.tracebacks == []


@pytest.fixture
def either(spots: Lab) -> Iterator[Lab]:
    """The same machines, and four on-demand ones of the kind at three times the price."""
    for name in FIXED:
        machine(spots, name, spot=False)
    yield spots
    spots.cluster.kubectl("delete", "node", *FIXED)


def test_when_spot_is_taken_back_on_demand_takes_over_at_once(either: Lab) -> None:
    operator = either.start(platform="gke", resync_s="600")
    either.create(
        placement={"catalogs": ["spots"], "spot": {"policy": "Prefer"}},
        scaling={"minReplicas": 2},
        traffic={"peakRequestsPerSecond": "2"},
    )
    what = "wanted and serving replicas by market"
    eventually_is(lambda: by_market(either), {"OnDemand": (2, 2), "Spot": (2, 2)}, within_s=120.0, what=what)
    with operator.paused():
        for node in SPOT:
            say(either, TAKEN_BACK, node)
    eventually_is(lambda: by_market(either), {"OnDemand": (4, 4)}, what=what)
    eventually_is(lambda: {pod["spec"].get("nodeName") for pod in pods(either).values()}, set(FIXED), what="machines")
    assert operator.tracebacks == []


def by_market(lab: Lab) -> dict[str, tuple[int, int]]:
    """How many replicas of each market are wanted, and serve."""
    rows = ((lab.llm() or {}).get("status") or {}).get("fleet") or ()
    return {row["market"]: (row["wanted"], row["ready"]) for row in rows}
