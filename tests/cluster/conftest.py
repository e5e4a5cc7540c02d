"""An operator under test, the machines it can have, and a deployment that fits them."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wharfage_operator.kinds import OFFER_CATALOGS

from tests.cluster.brain import BrainProcess
from tests.cluster.emulated import RATE, EmulatorProcess
from tests.cluster.lab import CATALOG, MACHINES, Lab
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Server, eventually
from tests.devcluster.cluster import Cluster


@pytest.fixture(scope="session")
def machines(cluster: Cluster) -> Iterator[None]:
    """Fake GPU nodes, and the catalog that prices them."""
    server = Server(cluster)
    for name, labels, capacity in MACHINES:
        cluster.fake_node(name, labels, capacity)
    server.create(OFFER_CATALOGS, CATALOG)
    server.close()
    yield
    server.delete(OFFER_CATALOGS, "", CATALOG["metadata"]["name"])
    server.close()
    for name, _, _ in MACHINES:
        cluster.kubectl("delete", "node", name)


@pytest.fixture
def lab(cluster: Cluster, machines: None, namespace: str, tmp_path: Path) -> Iterator[Lab]:
    """A place to run operators in: they serve only this test's namespace, and end with the test."""
    place = Lab(cluster, Server(cluster), namespace, tmp_path, system=f"system-{secrets.token_hex(3)}")
    cluster.kubectl("create", "namespace", place.system)
    try:
        yield place
    finally:
        place.stop_all()
        place.server.close()
        cluster.kubectl("delete", "namespace", place.system, "--wait=false")


@pytest.fixture
def operator(lab: Lab) -> OperatorProcess:
    """A ready operator."""
    started = lab.start()
    eventually(lambda: started.ready, what="the operator is ready")
    return started


@pytest.fixture
def emulator(lab: Lab) -> Iterator[EmulatorProcess]:
    """Twenty short requests a second for `chat`."""
    started = EmulatorProcess(lab, RATE)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def brains(lab: Lab) -> Iterator[Callable[[str], BrainProcess]]:
    """Starts brains of gateways of the test's namespace, by name."""
    started: list[BrainProcess] = []

    def start(name: str) -> BrainProcess:
        started.append(BrainProcess(lab, name))
        return started[-1]

    yield start
    for each in started:
        each.stop()
