"""How fast things are decided. One function per group of figures; each returns them by the names that the JSON has.

    python -m benchmarks.speed --json out.json
    python -m benchmarks.speed mix mix_100

`mix` is the median time for one deployment, over sixty of them behind a Service and sixty behind the gateway; `mix_100`
allots a hundred together from nothing, then again with a tenth of the demands changed. The hundred share reserved
machines; `_budget` adds a budget over half of them that pays for 70 % of what they would spend. The gap is to the bound
that nothing can be below. `decide`, `replay` and `fluid` are in `benchmarks.ticks`. Everything runs on one core; `_cpu`
is the processor's time, which a busy machine lengthens less.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotments
from wharfage_autoscaler.mix import mix
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.prune import pruned
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.solution import Solution
from wharfage_autoscaler.supply import Cap, Supply

from benchmarks import ticks
from benchmarks.deployments import needs, reserved_machines
from benchmarks.ticks import Figures, spread_ms, timed

SINGLE, MANY = 60, 100
CHANGED_SHARE = 0.1
PAID_SHARE = 0.7

TOGETHER = ("mix_100", "mix_100_gateway", "mix_100_budget")
"""A hundred behind a Service, behind the gateway, and under a budget that is spent: the same is asked of all three."""
AT_MOST = {
    "count_ms": 20.0,
    "decide_unchanged_ms": 0.3,
    "mix_ms": 100.0,
    "fluid_week_ms": 5.0,
    **{
        f"{name}_{figure}": most
        for name in TOGETHER
        for figure, most in (("cold_s", 15.0), ("warm_s", 5.0), ("gap", 0.03), ("warm_gap", 0.03))
    },
}
AT_LEAST = {"replay_requests_per_s": 1e6}


def single() -> Figures:
    """The mix of one deployment, pruned and solved to the optimum."""
    supply = Supply(machines=reserved_machines())
    figures: Figures = {}
    everything: list[tuple[float, float]] = []
    for routing, shapes in (("service", 1), ("gateway", 3)):
        took = [timed(partial(_mixed, one, supply))[1:] for one in needs(SINGLE, shapes=shapes)]
        figures |= spread_ms(f"mix_{routing}", took)
        everything += took
    return spread_ms("mix", everything) | figures


def _mixed(one: Need, supply: Supply) -> Solution:
    return mix([pruned(one, supply)], supply)


def hundred() -> Figures:
    """All of a hundred together, behind a Service and behind the gateway, and under a budget."""
    supply = Supply(machines=reserved_machines())
    service, gateway = needs(MANY, shapes=1), needs(MANY, shapes=3)
    behind_service, behind_gateway, under_budget = TOGETHER
    free, figures = _both_rounds(behind_service, service, supply)
    figures |= _both_rounds(behind_gateway, gateway, supply)[1]
    half = frozenset(need.key for need in service[: MANY // 2])
    spent = sum(free.by_key[key].planned_usd_per_hour for key in sorted(half))
    held = replace(supply, caps=(Cap("half", half, PAID_SHARE * spent),))
    return figures | _both_rounds(under_budget, service, held)[1]


FIGURES: Mapping[str, Callable[[], Figures]] = {
    "decide": ticks.decisions,
    "mix": single,
    "mix_100": hundred,
    "replay": ticks.replay,
    "fluid": ticks.fluid,
}


def _both_rounds(name: str, asked: Sequence[Need], supply: Supply) -> tuple[Allotments, Figures]:
    cold, cold_s, cold_cpu_s = timed(lambda: allot(ClusterSnapshot(tuple(asked), supply)))
    after = changed(asked, cold)
    warm, warm_s, warm_cpu_s = timed(lambda: allot(ClusterSnapshot(after, supply), cold))
    return cold, {
        f"{name}_cold_s": cold_s,
        f"{name}_cold_cpu_s": cold_cpu_s,
        f"{name}_gap": cold.gap,
        f"{name}_warm_s": warm_s,
        f"{name}_warm_cpu_s": warm_cpu_s,
        f"{name}_warm_gap": warm.gap,
        f"{name}_warm_solved": len(warm.solved),
    }


def changed(asked: Sequence[Need], before: Allotments) -> tuple[Need, ...]:
    """Fleets run as allotted, and a tenth of the demands went up or down by a half."""
    draw = np.random.default_rng(5)
    moved = {
        int(at): float(draw.choice([0.5, 1.5]))
        for at in draw.permutation(len(asked))[: round(CHANGED_SHARE * len(asked))]
    }
    return tuple(
        replace(
            need,
            fleet=before.mixes[need.key].fleet,
            peak_rps=need.peak_rps * moved.get(at, 1.0),
            usual_rps=need.usual_rps * moved.get(at, 1.0),
        )
        for at, need in enumerate(asked)
    )


def goal(figure: str, value: float) -> str:
    """What is wanted of a figure, and whether it is missed."""
    if figure in AT_MOST:
        return f"wanted: at most {AT_MOST[figure]:g}{'' if value <= AT_MOST[figure] else ', MISSED'}"
    if figure in AT_LEAST:
        return f"wanted: at least {AT_LEAST[figure]:g}{'' if value >= AT_LEAST[figure] else ', MISSED'}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the figures that are named, or all; print them, and write them where `--json` says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)} (default: all)")
    parser.add_argument(
        "--json", type=Path, default=os.environ.get("JSON") or None, help="write the figures to this file"
    )
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.figures if name not in FIGURES]:
        parser.error(f"no such figure: {', '.join(unknown)}; there are: {', '.join(FIGURES)}")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    found: Figures = {}
    for name in asked.figures or FIGURES:
        measured = FIGURES[name]()
        for figure, value in measured.items():
            print(f"{figure:<28} {value:>10.4g}   {goal(figure, value)}".rstrip(), flush=True)
        found |= measured
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
