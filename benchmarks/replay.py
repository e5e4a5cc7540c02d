"""How many requests a second the event-driven replay serves on one core.

Llama-3.1-8B on H100s behind a router, stopped every 15 s of virtual time for a look at all gauges, as a controller
does. Each row is the fastest of some repeats; beside it the same in processor time, which a busy machine does not
lengthen. Compiling, some seconds on the first run ever, is not counted.

    python -m benchmarks.replay --json out.json
"""

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.steptime import step_time
from wharfage_simulator.profile import EngineProfile
from wharfage_simulator.replica import Replicas, Service
from wharfage_simulator.routing import Routing
from wharfage_simulator.traces import RateTrace
from wharfage_simulator.workload import LengthModel, requests

MODEL, ACCELERATOR = "meta-llama/Llama-3.1-8B-Instruct", "H100"
TICK_S = 15.0
WARM_UP = 2_000  # requests


@dataclass(frozen=True, slots=True)
class Mix:
    """A kind of load: mean lengths, replicas, and a rate that keeps them busy without a queue."""

    name: str
    prompt: float
    output: float
    replicas: int
    req_per_s: float


MIXES = (
    Mix("chat", 800, 250, 16, 160.0),
    Mix("chat, one replica", 800, 250, 1, 10.0),
    Mix("servegen/m-large", 930, 171, 16, 200.0),
    Mix("servegen/m-small", 115, 14, 16, 800.0),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    mix: str
    prompt_mean: float
    output_mean: float
    replicas: int
    routing: str
    requests: int
    requests_per_s: float
    requests_per_cpu_s: float
    output_tokens_per_s: float


def engine() -> EngineProfile:
    """The replica that serves in all rows."""
    shape, facts = KNOWN[MODEL].shape, ACCELERATORS[ACCELERATOR]
    return EngineProfile(f"{MODEL} on {ACCELERATOR}", step_time(shape, "", facts, 1, EngineLimits(256, 8192)))


def measured(mix: Mix, routing: Routing, count: int, repeats: int) -> Row:
    """Serve `count` requests of the mix, the fastest of `repeats` times."""
    window_s = count / mix.req_per_s / 4
    rates = RateTrace(mix.name, 0.0, window_s, np.full(4, mix.req_per_s))
    load = requests(rates, seed=1, lengths=LengthModel(mix.prompt, mix.output, 0.8))
    walls, cpus = [], []
    for _ in range(repeats):
        fleet = Replicas(load, [engine()], mix.replicas, Service(routing))
        for slot in range(mix.replicas):
            fleet.serve(slot, 0)
        wall, cpu = time.perf_counter(), time.process_time()
        for tick in range(1, math.ceil(load.duration_s / TICK_S)):
            fleet.run(tick * TICK_S)
            fleet.gauges()
        fleet.run(math.inf)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    if not np.isfinite(fleet.requests["finish_s"]).all():
        raise RuntimeError(f"{mix.name}: not every request was served; the rate is not that of a replay")
    return Row(
        mix.name,
        float(load.prompt_tokens.mean()),
        float(load.output_tokens.mean()),
        mix.replicas,
        routing.name.lower(),
        load.requests,
        load.requests / min(walls),
        load.requests / min(cpus),
        float(load.output_tokens.sum()) / min(walls),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write the figures where `--json` says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000, help="per row (default: a million)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args(arguments)
    cases = [(MIXES[0], routing) for routing in Routing] + [(mix, Routing.POWER_OF_TWO) for mix in MIXES[1:]]
    for routing in Routing:
        measured(MIXES[0], routing, WARM_UP, 1)
    print(f"{'mix':<20} {'in/out':>9} {'replicas':>8} {'routing':<13} {'M req/s':>8} {'per CPU s':>9} {'M tok/s':>8}")
    rows = []
    for mix, routing in cases:
        row = measured(mix, routing, asked.requests, asked.repeats)
        rows.append(row)
        lengths = f"{row.prompt_mean:.0f}/{row.output_mean:.0f}"
        rates = (
            f"{row.requests_per_s / 1e6:8.2f} {row.requests_per_cpu_s / 1e6:9.2f} {row.output_tokens_per_s / 1e6:8.0f}"
        )
        print(f"{mix.name:<20} {lengths:>9} {mix.replicas:>8} {row.routing:<13} {rates}", flush=True)
    if asked.json:
        headline = next(row.requests_per_s for row in rows if row.routing == "power_of_two")
        figures = {"replay_requests_per_s": headline, "rows": [asdict(row) for row in rows]}
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
