"""What a result owes to where requests fall inside a trace's windows: ours and the best HPA, in dollars.

The same windows are filled in three ways (`wharfage_simulator.arrivals`), the training day on which both are tuned
like the half that is scored. One accelerator type on-demand, as setting `one` of `benchmarks.scaling`.

    python -m benchmarks.arrivals --data ../shared/data --json out.json
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from wharfage_simulator.arrivals import Arrivals
from wharfage_simulator.report import OURS
from wharfage_simulator.stage import Stage, Where, drawn, stage
from wharfage_simulator.trial import Trial, judged

from benchmarks import scaling_cases as cases
from benchmarks.scaling_cases import Case

TRACES = ("servegen/mm-image", "servegen/deepseek-r1")
PLACED = (Arrivals.RENEWAL, Arrivals.POISSON, Arrivals.BURSTY)
POLICIES = (OURS, "hpa-kv")
"""The latter is the tuned HPA of both traces in `benchmarks.scaling`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One policy on one trace, its windows filled in one way."""

    trace: str
    arrivals: str
    policy: str
    seed: int
    usd: float
    bad_minutes_share: float


def rows(case: Case, data: Path, seeds: Sequence[int]) -> list[Row]:
    """All of one trace."""
    load = cases.load(case, data)
    asked = cases.asked(case, load)

    def place(seed: int, arrivals: Arrivals) -> Stage:
        played = drawn(
            load, seed=seed, context_tokens=case.context_tokens, request_budget=case.requests, arrivals=arrivals
        )
        return stage(played, cases.machines(), asked, Where.ONE)

    found = []
    for arrivals in PLACED:
        for seed in seeds:
            for policy in POLICIES:
                result = judged(Trial(place(seed, arrivals), policy, asked))
                row = Row(case.trace, arrivals, policy, seed, result.usd, result.bad_minutes_share)
                print(
                    f"{row.trace:<22} {row.arrivals:<9} seed {seed} {row.usd:>9,.2f} usd "
                    f"{row.bad_minutes_share * 100:6.2f} %  {result.tuned}",
                    flush=True,
                )
                found.append(row)
    return found


def table(found: Sequence[Row]) -> str:
    """Means over the seeds with their range, as Markdown."""
    lines = ["| trace | arrivals | policy | USD | bad minutes |", "|---|---|---|---:|---:|"]
    for trace, arrivals, policy in dict.fromkeys((row.trace, row.arrivals, row.policy) for row in found):
        own = [row for row in found if (row.trace, row.arrivals, row.policy) == (trace, arrivals, policy)]
        usd, bad = np.array([row.usd for row in own]), np.array([row.bad_minutes_share for row in own]) * 100
        lines.append(
            f"| {trace} | `{arrivals}` | {policy} | {usd.mean():,.0f} ({usd.min():,.0f} to {usd.max():,.0f}) "
            f"| {bad.mean():.2f} % ({bad.min():.2f} to {bad.max():.2f}) |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay the traces, print the table, and write the rows where `--json` says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrivals", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA") or Path("../shared/data"))
    parser.add_argument("--json", type=Path, default=os.environ.get("JSON") or None)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args(arguments)
    found = []
    for case in cases.chosen(TRACES):
        found += rows(case, asked.data, range(1, asked.seeds + 1))
    print("\n" + table(found))
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
