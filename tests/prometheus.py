"""A real Prometheus over samples of the past, for tests that ask it."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.devcluster import build

_READY_S = 60.0


@contextmanager
def serving(samples: str, folder: Path) -> Iterator[str]:
    """The address of a server that has recorded these samples (OpenMetrics with times), and scrapes nothing."""
    programs = build.prometheus()
    (folder / "samples.txt").write_text(samples, encoding="utf-8")
    (folder / "prometheus.yml").write_text("{}\n", encoding="utf-8")
    backfill = [f"{programs}/promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=1000h"]
    done = subprocess.run(
        [*backfill, folder / "samples.txt", folder / "data"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    address = f"127.0.0.1:{_free_port()}"
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "storage.tsdb.retention.time": "100y",
        "web.listen-address": address,
    }
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(
            [programs / "prometheus", *[f"--{name}={value}" for name, value in options.items()]], stdout=log, stderr=log
        )
        try:
            _wait(server, f"http://{address}/-/ready", folder / "log.txt")
            yield f"http://{address}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(f"Prometheus did not get ready:\n{log.read_text()}")
