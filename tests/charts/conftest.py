"""A cluster for the chart alone: what it installs belongs to the whole cluster."""

from collections.abc import Iterator

import pytest

from tests.devcluster.cluster import Cluster


@pytest.fixture(scope="module")
def bare_cluster() -> Iterator[Cluster]:
    """A control plane on which nothing of ours has ever been installed."""
    with Cluster.up(karpenter=False, kwok=False) as cluster:
        yield cluster
