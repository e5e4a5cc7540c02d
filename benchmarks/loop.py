"""What the closed loop takes and gives, in four parts: one JSON of all figures, each part by itself with its name.

- `fleet`: processor time, memory and how soon it acts, of the operator over hundreds of deployments (`loop_fleet`);
- `notices`: from the taint of a spot machine to the replacement (`loop_notices`);
- `replay`: `make demo`, two hours on a real control plane, and the bill;
- `engine`: `make test-engine`'s loop on real vLLM (root): failed requests, and how well capacity was learned.

    python -m benchmarks.loop --size 300 --json out.json
    python -m benchmarks.loop notices replay
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.loop_fleet import fleet
from benchmarks.loop_notices import notices

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("fleet", "notices", "replay", "engine")


def fleet_figures(size: int, quiet_s: float) -> dict[str, float]:
    """Those of so many deployments, the ones that have a goal under the names of the goals."""
    found = fleet(size, quiet_s)
    goals = {"tick_cpu_s_per_min": 0.0, "rss_mib": 0.0, "worker_rss_mib": 0.0}
    return {f"{name}_{size}" if name in goals else name: value for name, value in found.items() if name != "n"}


def replay_figures() -> dict[str, float]:
    """The bill of the two hours, and of the whole day."""
    with tempfile.TemporaryDirectory() as folder:
        _run([sys.executable, "-m", "demo.replay", "--out", folder])
        bill = json.loads((Path(folder) / "bill.json").read_text(encoding="utf-8"))
    return {
        f"{figure}_{who}{suffix}": row[figure]
        for part, suffix in (("two_hours", ""), ("day", "_day"))
        for who, row in bill[part].items()
        for figure in ("usd", "bad_minutes")
    }


def engine_figures() -> dict[str, float]:
    """What the suite on real vLLM wrote down."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.json"
        command = [sys.executable, "-m", "pytest", "-q", "tests/engine/test_loop.py"]
        _run(command, environment={**os.environ, "ENGINE_JSON": str(path)})
        read: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return read


def _run(command: list[str], *, environment: dict[str, str] | None = None) -> None:
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if ended.returncode:
        raise SystemExit(f"bench-loop: {' '.join(command[2:4])} ended with {ended.returncode}; its words are above")


def main() -> None:
    """Print the figures; write them as JSON where asked to, after each part."""
    parser = argparse.ArgumentParser(description="Benchmark of the closed loop.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--size", type=int, default=int(os.environ.get("SIZE", "300")), help="deployments of the fleet")
    parser.add_argument("--quiet-s", type=float, default=300.0, help="length of the quiet stretch; a round is 300 s")
    parser.add_argument("--notices", type=int, default=50, help="machines that are taken back")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the figures")
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    measure: dict[str, Callable[[], dict[str, float]]] = {
        "fleet": lambda: fleet_figures(given.size, given.quiet_s),
        "notices": lambda: notices(given.notices),
        "replay": replay_figures,
        "engine": engine_figures,
    }
    figures: dict[str, float] = {}
    for part in given.parts or PARTS:
        print(f"== {part}", flush=True)
        figures |= measure[part]()
        if given.json:
            Path(given.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, value in figures.items():
        print(f"{name:<36}{value:>12}")


if __name__ == "__main__":
    main()
