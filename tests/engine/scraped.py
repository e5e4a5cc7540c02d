"""A real Prometheus inside a cluster's network that scrapes the engines' pods.

Debian's build knows no Kubernetes, so which pods there are comes by a file that the test keeps current.
"""

import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.devcluster import build, network
from tests.devcluster.cluster import Cluster

PORT = 9090
_ENGINE_PORT = 8000
_READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs as long as its cluster; `url` is where pods reach it."""

    url: str
    targets: Path

    def scrapes(self, pods: Sequence[dict[str, Any]]) -> None:
        """From now on these pods, each with the labels that the operator's PodMonitors give its series."""
        rows = [
            {
                "targets": [f"{address}:{_ENGINE_PORT}"],
                "labels": {
                    "namespace": pod["metadata"]["namespace"],
                    "pod": pod["metadata"]["name"],
                    "wharfage_dev_llmdeployment": pod["metadata"]["labels"]["wharfage.dev/llmdeployment"],
                },
            }
            for pod in pods
            if (address := pod["status"].get("podIP"))
        ]
        text = json.dumps(rows)
        if not self.targets.exists() or self.targets.read_text(encoding="utf-8") != text:
            partial = self.targets.with_suffix(".partial")
            partial.write_text(text, encoding="utf-8")
            partial.rename(self.targets)


def prometheus(cluster: Cluster, *, every_s: int = 2) -> Prometheus:
    """Start one that scrapes nothing yet."""
    inside = network.find(cluster.name)
    assert inside is not None, "the cluster has no network of its own: bring it up with a node"
    folder = cluster.folder / "prometheus"
    folder.mkdir()
    targets = folder / "engines.json"
    job = {"job_name": "engines", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}]}
    pace = {"scrape_interval": f"{every_s}s", "scrape_timeout": f"{every_s}s"}
    (folder / "prometheus.yml").write_text(json.dumps({"global": pace, "scrape_configs": [job]}), encoding="utf-8")
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"0.0.0.0:{PORT}",
    }
    program = str(build.prometheus() / "prometheus")
    cluster.start("prometheus", [program, *(f"--{name}={value}" for name, value in options.items())])
    url = f"http://{inside.address}:{PORT}"
    _wait(cluster, f"{url}/-/ready")
    return Prometheus(url, targets)


def _wait(cluster: Cluster, url: str) -> None:
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"Prometheus did not get ready:\n{cluster.log('prometheus')}")
