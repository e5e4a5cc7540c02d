"""The one cluster that a run of the tests shares, and a namespace in it for each test that asks."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.devcluster.cluster import Cluster

# How long an example takes is the machine's affair. In CI the examples are always the same: what lands must not hang
# on luck; new ones are looked for wherever else the tests run.
settings.register_profile("wharfage", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("wharfage")

DEFINITIONS = Path(__file__).resolve().parents[1] / "crds"


NEEDING_THE_CLUSTER = ("tests/cluster/", "tests/crds/", "tests/faults/")
HAVING_THEIR_OWN = ("tests/cluster/test_definitions.py", "tests/cluster/test_karpenter.py")


class TwoLanes(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Tests of the one cluster go to one process, one after the other; the rest, file by file, to the other."""

    def _split_scope(self, nodeid: str) -> str:
        shared = nodeid.startswith(NEEDING_THE_CLUSTER) and not nodeid.startswith(HAVING_THEIR_OWN)
        return "cluster" if shared else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TwoLanes:
    """How `make test` divides what it runs between its two processes."""
    return TwoLanes(config, log)


@contextmanager
def defined() -> Iterator[Cluster]:
    """A control plane that serves our kinds and plays the nodes that tests add; nobody buys any."""
    with Cluster.up(karpenter=False, kwok=True) as running:
        for path in sorted(DEFINITIONS.glob("*.yaml")):
            running.apply(path.read_text(encoding="utf-8"))
        running.established()
        yield running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster of this run."""
    with defined() as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own; it is deleted afterwards, without waiting."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
