"""The operator as a process of its own, as in production, with durations scaled down."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

QUICK = {
    "lease_duration_s": "30",  # a leader on a busy machine must not lose it
    "lease_renew_deadline_s": "20",
    "lease_retry_s": "0.2",
    "resync_s": "5",
    "discovery_s": "0.5",
    "backoff_first_s": "0.05",
    "backoff_longest_s": "1",
    "world_settle_s": "0.05",
    "children_settle_s": "0.1",
    "conflict_every_s": "0.3",
    "events_after_s": "0.5",
    "events_every_s": "1",
    "request_timeout_s": "10",
    "watch_retry_s": "0.5",
    "scrape_every_s": "0",
    "http_host": "127.0.0.1",
    "http_port": "0",
}
"""Settings for tests: minutes become seconds."""
NO_ANSWER = (OSError, http.client.HTTPException)
"""By `page`, where there is nobody, or nobody any more."""


class OperatorProcess:
    """One operator that runs against one kubeconfig."""

    def __init__(self, kubeconfig: Path, log: Path, settings: Mapping[str, str] | None = None) -> None:
        """Start it; `settings` go on top of `QUICK`."""
        chosen = {**QUICK, **(settings or {})}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WHARFAGE_")}
        environment |= {f"WHARFAGE_{name.upper()}": value for name, value in chosen.items()}
        environment["KUBECONFIG"] = str(kubeconfig)
        self._log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wharfage_operator"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=stream,
                stdout=stream,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    @property
    def records(self) -> list[dict[str, object]]:
        """What it has logged; a line that is no JSON fails the test that looks, unless it is still being written."""
        *whole, _ = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return [json.loads(line) for line in whole]

    @property
    def port(self) -> int | None:
        """Where it serves health and metrics, once it does."""
        found = [record["port"] for record in self.records if record["message"] == "serving health and metrics"]
        return int(str(found[-1])) if found else None

    @property
    def ready(self) -> bool:
        """Whether /readyz says so."""
        if self.process.poll() is not None:
            raise AssertionError(f"the operator ended with {self.process.returncode}: {self.records[-3:]}")
        try:
            return self.port is not None and self.page("readyz") is not None
        except NO_ANSWER:
            return False

    @property
    def unready(self) -> list[str]:
        """What /readyz says is missing; empty when nothing is."""
        try:
            self.page("readyz")
        except urllib.error.HTTPError as answer:
            return answer.read().decode().splitlines()
        return []

    def page(self, name: str) -> str:
        """A page of its health server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=30) as answer:
            return str(answer.read().decode())

    def metric(self, prefix: str) -> float:
        """The sum of all samples whose line starts with `prefix`."""
        lines = [line for line in self.page("metrics").splitlines() if line.startswith(prefix)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def writes(self) -> float:
        """Writes to the API server so far, the Lease not counted."""
        return self.metric("wharfage_writes_total")

    @property
    def rests(self) -> bool:
        """Whether it writes nothing while it looks at everything again, and again; no operator rests as well."""
        try:
            writes, looks = self.writes(), self._looks()
            while self._looks() < looks + 4:
                time.sleep(0.05)
            return self.writes() == writes
        except NO_ANSWER:  # it may be killed while it answers
            return self.process.poll() is not None

    def _looks(self) -> float:
        """At catalogs, of which there are always few: about one a resync."""
        return self.metric('wharfage_reconciles_total{kind="offercatalogs"')

    @property
    def tracebacks(self) -> list[object]:
        """Tracebacks in the log: none, ever."""
        return [record["traceback"] for record in self.records if "traceback" in record]

    def stop(self) -> float:
        """SIGTERM; returns how many seconds it took to end cleanly."""
        started_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=120)
        assert status == 0, (status, self.records[-3:])
        return time.monotonic() - started_s

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It does nothing while the block runs, and hears afterwards of all that happened in it."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, as the kernel does it."""
        self.process.kill()
        self.process.wait()
