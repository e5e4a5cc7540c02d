"""A comparison over a real Dask cluster on loopback: the same figures as here, computed there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.peers.peer import HERE, environment

ROOT = HERE.parents[1]
CATALOG = ROOT / "examples" / "catalogs" / "aws-us-east-1.yaml"


def seeing_dask() -> Mapping[str, str]:
    """Our own interpreter's environment, with the packages of Dask's beside ours."""
    site = environment("dask").parents[1] / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return os.environ | {"PYTHONPATH": str(site / "site-packages"), "OMP_NUM_THREADS": "1"}


@contextmanager
def cluster() -> Iterator["subprocess.Popen[str]"]:
    """Two workers; the program says the scheduler's port, then at each line how many tasks they have computed."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "cluster.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=seeing_dask(),
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends with it


def answer(process: "subprocess.Popen[str]") -> int:
    """The number on its next line."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def compared(trace: Path, parallel: str) -> list[Mapping[str, object]]:
    """The figures of two fixed counts and an HPA on two seeds."""
    figures = trace.with_name("figures.json")
    command = [sys.executable, "-m", "wharfage_cli", "compare", "--trace", str(trace), "--catalog", str(CATALOG)]
    options = ["--settings", "one", "--policies", "static-peak,static-p95,hpa-running", "--seeds", "2"]
    subprocess.run(
        [*command, *options, "--parallel", parallel, "--json", figures, "--markdown", trace.with_name("report.md")],
        check=True,
        env=seeing_dask(),
    )
    found: list[Mapping[str, object]] = json.loads(figures.read_text(encoding="utf-8"))
    return found


def test_a_comparison_over_a_cluster_is_computed_by_its_workers_and_comes_to_the_same(tmp_path: Path) -> None:
    trace = tmp_path / "load.csv"
    rates = 2.0 + np.sin(np.arange(24) / 4.0)
    rows = (f"{window * 300},{rate:.3f}" for window, rate in enumerate(rates))
    trace.write_text("\n".join(["t_s,req_per_s", *rows]) + "\n", encoding="utf-8")
    here = compared(trace, "1")
    with cluster() as process:
        port = answer(process)
        there = compared(trace, f"dask://127.0.0.1:{port}")
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert answer(process) >= 1
    assert there == here
    assert len(there) == 6
