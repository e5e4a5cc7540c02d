"""Spot machines that Karpenter buys, loses, and cannot buy."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from wharfage_api.labels import POOL
from wharfage_operator.kinds import CAPACITY_BUFFERS, DEPLOYMENTS, NODES, OFFER_CATALOGS, PODS
from wharfage_operator.placeholders import buffers

from tests.cluster.lab import Lab
from tests.cluster.server import Object, Server, eventually, eventually_is
from tests.conftest import DEFINITIONS
from tests.devcluster.cluster import Cluster


def catalog(machine: str, accelerator: str) -> Object:
    """A machine with one accelerator, on-demand and at two fifths of that on spot."""
    row = {
        "name": machine,
        "machine": machine,
        "accelerator": {"name": accelerator, "count": 1, "memoryGiB": 24},
        "vcpus": 4,
        "memoryGiB": 16,
        "prices": [{"market": "Spot", "usdPerHour": "0.40"}, {"market": "OnDemand", "usdPerHour": "1.01"}],
    }
    spec = {"provider": "aws", "observedAt": "2026-11-01T00:00:00Z", "offers": [row]}
    return {"metadata": {"name": machine.partition(".")[0]}, "spec": spec}


@pytest.fixture(scope="module")
def market() -> Iterator[Cluster]:
    """A control plane whose nodes Karpenter buys."""
    with Cluster.up(karpenter=True, boot_s=1.0) as running:
        for path in sorted(DEFINITIONS.glob("*.yaml")):
            running.apply(path.read_text(encoding="utf-8"))
        running.established()
        server = Server(running)
        for machine, accelerator in (("g5.xlarge", "A10G"), ("g6.xlarge", "L4")):
            server.create(OFFER_CATALOGS, catalog(machine, accelerator))
        server.close()
        yield running


@pytest.fixture
def place(market: Cluster, tmp_path: Path) -> Iterator[Lab]:
    """A place to run operators in, in a market that gives everything."""
    name = f"test-{secrets.token_hex(3)}"
    found = Lab(market, Server(market), name, tmp_path, system=f"system-{name}")
    for namespace in (found.namespace, found.system):
        market.kubectl("create", "namespace", namespace)
    market.market()
    try:
        yield found
    finally:
        found.stop_all()
        found.server.close()
        market.kubectl("delete", "namespace", found.namespace, found.system, "--wait=false")


def test_a_replica_on_spot_is_replaced_long_before_its_machine_is_gone(place: Lab) -> None:
    operator = place.start(resync_s="600")
    place.create(placement={"catalogs": ["g5"], "spot": {"policy": "Require"}}, scaling={"minReplicas": 2})
    place.ready(within_s=120.0)
    before = pods(place)
    lost, kept = sorted(before)
    place.cluster.market(interrupted=[before[lost]], notice_s=90)
    eventually_is(lambda: (lost in pods(place), len(pods(place))), (False, 2), what="another replica is ordered")
    # Long before the machine is gone, 90 s after its notice.
    assert place.server.get(NODES, "", before[lost]) is not None
    eventually(lambda: all(pods(place).values()), what="the other has a machine")
    assert kept in pods(place)
    assert before[lost] not in pods(place).values()
    assert operator.tracebacks == []


def pods(lab: Lab) -> dict[str, str]:
    """The machines of pods that nobody has deleted, by the pod's name; "" for one that waits."""
    found = lab.server.all(PODS, lab.namespace)
    alive = (pod for pod in found if "deletionTimestamp" not in pod["metadata"])
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in alive}


def test_spot_that_cannot_be_bought_is_given_up_for_on_demand(place: Lab) -> None:
    operator = place.start(resync_s="600", time_scale="20", machine_patience_s="3")
    place.cluster.market(refused=["g6.xlarge/spot/*"])
    place.create(
        placement={"catalogs": ["g6"], "spot": {"policy": "Prefer"}},
        scaling={"minReplicas": 2},
        traffic={"peakRequestsPerSecond": "2"},
    )
    # Whether those on-demand serve before spot is given up is a matter of how fast this machine is.
    at_first = {"OnDemand": 2, "Spot": 2}
    eventually_is(
        lambda: {market: row[0] for market, row in by_market(place).items()}, at_first, what="wanted at first"
    )
    what = "wanted and serving replicas by market"
    eventually_is(lambda: by_market(place), {"OnDemand": (4, 4)}, within_s=120.0, what=what)
    assert operator.tracebacks == []


def by_market(lab: Lab) -> dict[str, tuple[int, int]]:
    """How many replicas of each market are wanted, and serve."""
    rows = ((lab.llm() or {}).get("status") or {}).get("fleet") or ()
    return {row["market"]: (row["wanted"], row["ready"]) for row in rows}


def test_a_machine_is_bought_for_a_buffer_and_the_buffer_goes_when_nobody_wants_it(place: Lab) -> None:
    operator = place.start(pre_provisioning="Auto")
    place.create(placement={"catalogs": ["g5"]})
    place.ready(within_s=120.0)
    operator.stop()
    (pool,) = place.pools()
    before = machines(place)
    counts = {pool["metadata"]["labels"][POOL]: 1}
    (buffer,) = buffers([{**pool, "kind": DEPLOYMENTS.name}], counts)
    place.server.create(CAPACITY_BUFFERS, buffer)
    eventually(lambda: machines(place) - before, within_s=120.0, what="a machine that no pod needs")
    assert len(pods(place)) == 1
    again = place.start(pre_provisioning="Auto")
    eventually_is(lambda: place.server.all(CAPACITY_BUFFERS, place.namespace), [], what="buffers")
    assert again.tracebacks == []


def machines(lab: Lab) -> set[str]:
    """The machines that are there."""
    return {node["metadata"]["name"] for node in lab.server.all(NODES)}
