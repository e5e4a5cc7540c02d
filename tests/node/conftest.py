"""One cluster with a real node for the whole suite, and the chart installed on it for each module that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devcluster import images
from tests.devcluster.cluster import Cluster
from tests.node import models
from tests.node.release import Release, operator_image


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A control plane and a real node that knows the operator's image and the stand-in for the engine."""
    with Cluster.up(kwok=False, node=True) as running:
        running.node.load(images.project("operator", operator_image()))
        running.node.load(images.build(Path(__file__).parent / "engine", models.ENGINE_IMAGE))
        running.node.declare({"nvidia.com/gpu": "2"}, labels=models.NODE_LABELS)
        yield running


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """The chart, installed by Helm with its defaults, and what can be rented here."""
    installed = Release(cluster)
    installed.install()
    cluster.apply(models.catalog())
    yield installed
    cluster.kubectl("delete", "llmdeployments", "--all", "--all-namespaces", "--wait")
    installed.uninstall()
