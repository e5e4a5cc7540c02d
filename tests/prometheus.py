"""A real Prometheus, for tests that ask it: over samples of the past, or scraping engines of the present."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.devcluster import build
from tests.ports import free_port

_READY_S = 120.0


@contextmanager
def serving(samples: str, folder: Path) -> Iterator[str]:
    """The address of a server that has recorded these samples (OpenMetrics with times), and scrapes nothing."""
    programs = build.prometheus()
    (folder / "samples.txt").write_text(samples, encoding="utf-8")
    backfill = [f"{programs}/promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=1000h"]
    done = subprocess.run(
        [*backfill, folder / "samples.txt", folder / "data"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with _running(folder, {}) as url:
        yield url


@contextmanager
def scraping(
    targets: Mapping[str, Mapping[str, str]],
    folder: Path,
    *,
    every_s: int = 1,
    rules: Path | None = None,
    honoured: bool = True,
) -> Iterator[str]:
    """The address of a server that scrapes these HOST:PORTs, each with labels of its own, every so many seconds.

    Labels that a page tells itself hold against those, if `honoured`; `rules` are evaluated as often.
    """
    static = [{"targets": [target], "labels": dict(labels)} for target, labels in targets.items()]
    job = {"job_name": "engines", "static_configs": static, "honor_labels": honoured}
    often = {"scrape_interval": f"{every_s}s", "evaluation_interval": f"{every_s}s"}
    loaded = [] if rules is None else [str(rules)]
    with _running(folder, {"global": often, "scrape_configs": [job], "rule_files": loaded}) as url:
        yield url


@contextmanager
def _running(folder: Path, configuration: Mapping[str, Any]) -> Iterator[str]:
    (folder / "prometheus.yml").write_text(json.dumps(configuration), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "storage.tsdb.retention.time": "100y",
        "web.listen-address": address,
    }
    with (folder / "log.txt").open("w") as log:
        program = build.prometheus() / "prometheus"
        server = subprocess.Popen(
            [program, *[f"--{name}={value}" for name, value in options.items()]], stdout=log, stderr=log
        )
        try:
            _wait(server, f"http://{address}/-/ready", folder / "log.txt")
            yield f"http://{address}"
        finally:
            server.terminate()
            server.wait(timeout=120)


def _wait(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=30):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Prometheus did not get ready:\n{log.read_text()}")
