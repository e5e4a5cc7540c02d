"""The brain of a gateway as a process of its own, without the Envoy that asks it."""

import json
import os
import subprocess
import sys
import urllib.request
from typing import Any

from tests.cluster.lab import Lab
from tests.cluster.server import eventually
from tests.ports import free_port


class BrainProcess:
    """The brain of one gateway, started as its container starts it."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.folder = lab.folder / name
        self.log = lab.folder / f"{name}.log"
        self.port = free_port()
        command = [sys.executable, "-m", "wharfage_gateway", "--folder", str(self.folder), "--port", str(self.port)]
        # Nobody logs the end of a request here: each counts as ended after a second.
        command += ["--address", "127.0.0.1", "--namespace", lab.namespace, "--stream-limit-s", "1", "--linger-s", "1"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "KUBECONFIG": str(lab.cluster.kubeconfig)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self.ready, what="the brain has read the namespace")

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def demand(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/demand?since=-1", timeout=30) as answer:
            return dict(json.loads(answer.read())["models"]["chat"])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
