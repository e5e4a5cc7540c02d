"""The chart on a real cluster, by a real Helm."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.devcluster import build
from tests.devcluster.cluster import Cluster

NAMESPACE = "wharfage-system"
NAME = "wharfage"
_CHART = Path(__file__).parents[2] / "charts" / "wharfage"
_WAIT = ("--wait", "--timeout=300s")
_LEADER_TIMEOUT_S = 150.0


class HelmError(RuntimeError):
    """Helm refused; the message carries its words."""


def operator_image(tag: str = "") -> str:
    """The image that the chart runs by default, or another tag of it."""
    return f"{_values()['image']['repository']}:{tag or _version()}"


def gateway_image() -> str:
    """The image of the gateway that the chart runs by default."""
    return f"{_values()['gateway']['image']['repository']}:{_version()}"


def _version() -> str:
    return str(yaml.safe_load((_CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"])


def _values() -> dict[str, Any]:
    return dict(yaml.safe_load((_CHART / "values.yaml").read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the chart in a namespace that lets only restricted pods in."""

    cluster: Cluster

    def install(self, *values: str) -> str:
        """Install and wait until the operator is ready; `values` as `--set` takes them."""
        level = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": level}})
        said = self.helm("install", NAME, str(_CHART), *_WAIT, *_set(values))
        self._wait_for_a_leader()
        return said

    def upgrade(self, *values: str) -> str:
        """Upgrade and wait."""
        return self.helm("upgrade", NAME, str(_CHART), *_WAIT, *_set(values))

    def rollback(self, revision: int) -> str:
        """Go back to an earlier revision and wait."""
        return self.helm("rollback", NAME, str(revision), *_WAIT)

    def test(self) -> str:
        """Run the chart's own test and return its log."""
        return self.helm("test", NAME, "--logs", "--timeout=180s")

    def uninstall(self) -> str:
        """Uninstall and wait until the release's objects are gone."""
        return self.helm("uninstall", NAME, *_WAIT)

    def helm(self, *arguments: str) -> str:
        """Run Helm in the release's namespace. Raises `HelmError` when it fails."""
        folder = self.cluster.folder / "helm"
        homes = {f"HELM_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        command = [str(build.helm()), f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={NAMESPACE}", *arguments]
        done = subprocess.run(command, env=os.environ | homes, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HelmError(f"helm {' '.join(arguments)}:\n{done.stdout}{done.stderr}\n{self._what_happened()}")
        return done.stdout + done.stderr

    def pods(self) -> list[dict[str, Any]]:
        """The operator's pods that are not on their way out."""
        selector = "app.kubernetes.io/name=wharfage,app.kubernetes.io/component!=doctor"
        pods = json.loads(self.cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", selector, "-o", "json"))["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """The pod that holds the Lease, empty while none does."""
        path = "-o=jsonpath={.spec.holderIdentity}"
        return self.cluster.kubectl("-n", NAMESPACE, "get", "lease", "wharfage-leader", "--ignore-not-found", path)

    def _wait_for_a_leader(self) -> None:
        """A Lease that an earlier release took with it has to run out before the new operator may act."""
        deadline_s = time.monotonic() + _LEADER_TIMEOUT_S
        while self.leader() not in (names := [pod["metadata"]["name"] for pod in self.pods()]):
            if time.monotonic() > deadline_s:
                raise HelmError(f"{self.leader() or 'nobody'} leads, the pods are {names}\n{self._what_happened()}")
            time.sleep(0.5)

    def _what_happened(self) -> str:
        pods = self.cluster.kubectl("-n", NAMESPACE, "get", "pods", "-o", "wide")
        logs = self.cluster.kubectl(
            "-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/name=wharfage", "--tail=20", "--prefix", "--ignore-errors"
        )
        events = self.cluster.kubectl("-n", NAMESPACE, "get", "events", "--field-selector=type=Warning")
        return f"{pods}\n{logs}\n{events}"


def _set(values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in ("--set", value)]
