"""`make quickstart KUBE=current` where a user would run it: a node with GPUs, and images that can be had there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wharfage_operator.settings import Settings

from demo.current import CATALOG, DEFINITIONS, NAMESPACE
from tests.devcluster.cluster import Cluster
from tests.node import models
from tests.node.release import operator_image

_ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600
# What GPU feature discovery says of a node with L4s.
_DISCOVERED = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}


@pytest.fixture
def node(cluster: Cluster) -> Iterator[str]:
    """The name of a node whose GPUs were discovered, and on which the engine's own image is the stand-in."""
    cluster.node.ctr("images", "tag", "--force", models.ENGINE_IMAGE, f"docker.io/{Settings().engine_image}")
    name = cluster.kubectl("get", "nodes", "-o=jsonpath={.items[0].metadata.name}")
    cluster.kubectl("label", "node", name, *(f"{label}={value}" for label, value in _DISCOVERED.items()))
    yield name
    cluster.kubectl("label", "node", name, *(f"{label}-" for label in _DISCOVERED))


def test_the_demo_serves_on_the_current_cluster_and_leaves_it_as_it_was(cluster: Cluster, node: str) -> None:
    before = _left(cluster, node)

    done = subprocess.run(
        [sys.executable, "-m", "demo.quickstart", "--kube=current", "--yes", f"--image={operator_image()}"],
        cwd=_ROOT,
        env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "chat is Ready" in done.stdout
    assert "L4" in done.stdout
    assert "Service chat is back" in done.stdout
    assert _left(cluster, node) == before


def _left(cluster: Cluster, node: str) -> dict[str, Any]:
    """What a demo might leave behind: its namespace, its catalog, its definitions, anything on the node."""
    seen = json.loads(cluster.kubectl("get", "node", node, "-o", "json"))
    found = {"labels": seen["metadata"]["labels"], "spec": seen["spec"]}
    for kind, *names in (("namespace", NAMESPACE), ("crd", *DEFINITIONS)):
        found[kind] = sorted(cluster.kubectl("get", kind, *names, "--ignore-not-found", "-o=name").split())
    if found["crd"]:
        found["catalog"] = cluster.kubectl("get", "offercatalog", CATALOG, "--ignore-not-found", "-o=name")
    return found
