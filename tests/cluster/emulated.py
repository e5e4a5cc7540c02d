"""The emulator as a process of its own beside the operator under test."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.cluster.lab import Lab

SPEED = 40.0
RATE = 20.0
"""Requests per second of the fixture `emulator`."""
READS = {
    "scrape_every_s": "15",
    "scrape_timeout_s": "0.5",  # of the wall's: a round waits for its slowest pod
    "time_scale": f"{SPEED:g}",
    "status_every_s": "0.2",
}
"""An operator that measures as in production, in the emulator's time."""


class EmulatorProcess:
    """Engines for the pods of a lab's deployments."""

    def __init__(
        self,
        lab: Lab,
        *requests_per_second: float,
        name: str = "chat",
        tokens: tuple[int, int] = (128, 32),
        beside: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """The load of each minute, and from then on ten hours like the last; short requests unless told otherwise.

        `beside` are further deployments, each with a rate that stays.
        """
        loads = {name: requests_per_second, **{other: (rate,) for other, rate in beside.items()}}
        self.kept = lab.folder / "ledger.json"
        self._log = lab.folder / "emulator.log"
        command = [sys.executable, "-m", "demo.emulator"]
        for each, rates in loads.items():
            command += ["--load", f"{lab.namespace}/{each}={_trace(lab, each, rates, tokens)}"]
        command += ["--speed", f"{SPEED:g}", "--ledger", str(self.kept)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=Path(__file__).resolve().parents[2],
                env={**os.environ, "KUBECONFIG": str(lab.cluster.kubeconfig)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self._log.read_text(encoding="utf-8")
        self.address = f"http://127.0.0.1:{json.loads(line)['port']}"

    def ledger(self) -> dict[str, Any]:
        """The run so far."""
        with urllib.request.urlopen(f"{self.address}/ledger", timeout=30) as answer:
            read: dict[str, Any] = json.loads(answer.read())
        return read

    def stop(self) -> None:
        """SIGTERM; it ends cleanly."""
        self.process.terminate()
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.process.wait(timeout=120) == 0, self._log.read_text(encoding="utf-8")


def _trace(lab: Lab, name: str, rates: Sequence[float], tokens: tuple[int, int]) -> Path:
    trace = lab.folder / f"{name}.csv"
    rows = [f"{60 * minute},{rate},{tokens[0]},{tokens[1]}" for minute, rate in enumerate([*rates, *[rates[-1]] * 600])]
    trace.write_text("\n".join(["t_s,req_per_s,prompt_tokens,output_tokens", *rows, ""]), encoding="utf-8")
    return trace
