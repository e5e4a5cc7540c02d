"""How near the operator's own calibration comes to engines that are not what the model takes them for.

The operator's loop runs in virtual time around emulated engines whose steps take other times than the model says, under
a load that rises for ten minutes and swings by a third. Per engine and seed: how far off the rate of a replica is that
is planned with ten minutes after the first request, and what was learned after 24 minutes; with two clocks (steps and
gaps), and with gaps alone that are told when an answer ends. Then how many replicas served, and how many minutes
were bad, as calibrated and without it.

    python -m benchmarks.calibration --json out.json
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_autoscaler.traffic import Traffic
from wharfage_operator.lessons import Lessons

from tests.operator.closed_loop import OUTPUT, PROMPT, Loop, model_step, moving

KEY = ("shop", "chat")
ENGINES = (Theta(1.5, 1.5, 1.5), Theta(0.5, 0.5, 0.5), Theta(2.5, 1.0, 1.6), Theta(1.0, 1.3, 0.8), Theta())
TEN_MINUTES, MINUTES = 12, 24  # the load begins with the third
_LAST_TICKS = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One run. Errors are of requests per second; `replicas` are those of the last ten minutes."""

    overhead: float
    memory: float
    compute: float
    seed: int
    clocks: int
    """0: nothing is learned."""
    error_before: float
    error_planned: float
    error_learned: float
    replicas: float
    bad_minutes: int


def rows(seeds: int) -> Iterator[Row]:
    """All runs, one after the other."""
    step = model_step()
    for theta in ENGINES:
        true = rate(step, theta)
        for seed in range(1, seeds + 1):
            for clocks in (2, 1, 0):
                trace = moving(4.0 if true < rate(step, Theta()) * 1.5 else 6.0, MINUTES, seed=seed)
                loop = Loop(theta, trace, deaf=clocks == 0, counts_steps=clocks == 2)
                loop.minutes(TEN_MINUTES)
                planned = {make: rate(step, found) for make, found in _lessons(loop).planned.items()}
                loop.minutes(MINUTES - TEN_MINUTES)
                learned = {make: rate(step, known.theta) for make, known in _lessons(loop).known.items()}
                before = rate(step, Theta())
                yield Row(
                    theta.overhead,
                    theta.memory,
                    theta.compute,
                    seed,
                    clocks,
                    before / true - 1.0,
                    next(iter(planned.values()), before) / true - 1.0,
                    next(iter(learned.values()), before) / true - 1.0,
                    sum(loop.counts[-_LAST_TICKS:]) / _LAST_TICKS,
                    loop.served.minutes().bad_minutes()[0],
                )


def rate(step: StepTime, theta: Theta) -> float:
    """Requests a second that such an engine carries within the objectives; 0 where they are out of reach."""
    found = capacity(step.scaled(theta), Traffic(PROMPT, OUTPUT), Objectives(4.0, 0.2))
    return found.requests_per_second if isinstance(found, Capacity) else 0.0


def _lessons(loop: Loop) -> Lessons:
    return loop.calibrations.lessons(KEY) or Lessons()


def main() -> None:
    """Print the table as it grows; write it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    print("overhead memory compute seed clocks   before  planned  learned  replicas  bad minutes")
    found = []
    for row in rows(given.seeds):
        found.append(asdict(row))
        errors = "  ".join(f"{100 * each:+6.1f}%" for each in (row.error_before, row.error_planned, row.error_learned))
        print(
            f"{row.overhead:8.1f} {row.memory:6.1f} {row.compute:7.1f} {row.seed:4} {row.clocks:6}  {errors}"
            f"  {row.replicas:8.1f}  {row.bad_minutes:11}"
        )
        sys.stdout.flush()
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
