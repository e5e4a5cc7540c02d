"""Talking to the API server from tests: is it ready, and kubectl."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.devcluster import build


class AccessError(RuntimeError):
    """kubectl failed; the message carries its words."""


def is_ready(url: str, *, ca: Path, token: str) -> bool:
    """Whether the API server says that it is ready."""
    request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5, context=ssl.create_default_context(cafile=ca)) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def read(url: str, *, ca: Path, token: str) -> str:
    """One page of the API server, without starting a program for it. Raises `OSError` where it is refused."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30, context=ssl.create_default_context(cafile=ca)) as answer:
        return str(answer.read().decode())


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one kubeconfig."""

    kubeconfig: Path

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run it; returns what it prints. Raises `AccessError` when it fails."""
        command = [
            str(build.kubectl()),
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.kubeconfig.parent}/kubectl-cache",
            *arguments,
        ]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AccessError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, manifests: str | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
        """Apply YAML text, an object or several, server-side; nothing when there is nothing."""
        if not manifests:
            return ""
        if not isinstance(manifests, str):
            items = [manifests] if isinstance(manifests, Mapping) else list(manifests)
            manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        return self.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests)

    def established(self, *, within_s: float = 120.0) -> None:
        """Wait until every definition is served. Raises `AccessError` naming those that are not in time.

        `kubectl wait` fails at once where it sees a definition before its controller has first said anything of it.
        """
        deadline_s = time.monotonic() + within_s
        while unserved := self._unserved():
            if time.monotonic() > deadline_s:
                raise AccessError(f"not established within {within_s:.0f} s: {', '.join(unserved)}")
            time.sleep(0.1)

    def _unserved(self) -> list[str]:
        """The definitions that nobody can be asked for yet; their paths come a moment after they are established."""
        definitions = self._definitions()
        names = {each["metadata"]["name"] for each in definitions if _is_established(each)}
        served = {name for path in {_path(each) for each in definitions} for name in self._served(path)}
        return sorted({each["metadata"]["name"] for each in definitions} - (names & served))

    def _served(self, path: str) -> list[str]:
        """The names of definitions whose objects the API server has at the path of a group's version."""
        try:
            told = json.loads(self.run("get", "--raw", path))
        except AccessError:
            return []
        group = path.split("/")[2]
        return [f"{each['name']}.{group}" for each in told["resources"]]

    def _definitions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("get", "crd", "-o", "json"))["items"]
        return found


def _path(definition: Mapping[str, Any]) -> str:
    version = next(each["name"] for each in definition["spec"]["versions"] if each["served"])
    return f"/apis/{definition['spec']['group']}/{version}"


def _is_established(definition: Mapping[str, Any]) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(row["type"] == "Established" and row["status"] == "True" for row in conditions)
