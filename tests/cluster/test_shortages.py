"""Machines that are ordered and do not come."""

from collections.abc import Iterator

import pytest
from wharfage_operator.kinds import OFFER_CATALOGS, PODS

from tests.cluster.lab import Lab, priced
from tests.cluster.server import Object, eventually_is

GHOSTS: Object = {
    "metadata": {"name": "ghosts"},
    "spec": {
        "provider": "other",
        "observedAt": "2026-11-01T00:00:00Z",
        "offers": [{**priced("ghost.l4", "L4", 24, "0.10", accelerators=1), "nodeGroup": "ghosts"}],
    },
}


@pytest.fixture
def promised(lab: Lab) -> Iterator[Lab]:
    """A node group that somebody has declared, and that nobody ever enlarges."""
    lab.server.create(OFFER_CATALOGS, GHOSTS)
    yield lab
    lab.server.delete(OFFER_CATALOGS, "", "ghosts")


@pytest.mark.parametrize(
    "spec",
    [{"traffic": {"peakRequestsPerSecond": "0.1"}}, {"scaling": {"mode": "Manual"}}],
    ids=["where a load leads", "where the user does"],
)
def test_an_offer_whose_machines_never_come_is_given_up_for_the_next(promised: Lab, spec: Object) -> None:
    operator = promised.start(time_scale="14", machine_patience_s="3", resync_s="1")
    # Twice the usual wait of 83 s for a machine, at fourteen times real speed.
    promised.create(placement={"catalogs": ["ghosts", "cluster-lab"], "accelerators": ["L4"]}, **spec)
    eventually_is(lambda: fleet(promised), [("ghost.l4", 1, 0)], what="the fleet")
    promised.blocked("Unschedulable")
    eventually_is(lambda: fleet(promised), [("lab.l4", 1, 1)], within_s=120.0, what="the fleet")
    eventually_is(lambda: machines(promised), ["gpu-1"], what="machines of pods")
    assert operator.tracebacks == []


def fleet(lab: Lab) -> list[tuple[str, int, int]]:
    """Offers with the replicas that are wanted and serve."""
    rows = ((lab.llm() or {}).get("status") or {}).get("fleet") or ()
    return [(row["offer"], row["wanted"], row["ready"]) for row in rows]


def machines(lab: Lab) -> list[str]:
    """Of each pod that there is; "" for one that waits."""
    return [pod["spec"].get("nodeName", "") for pod in lab.server.all(PODS, lab.namespace)]
