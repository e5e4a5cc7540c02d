"""How far the capacity model is off measured serving points, as it is and after a few windows of calibration.

Per source, model and accelerator: the mean relative error of a request's latency at the measured number of requests in
flight (of the throughput, then, as well: one follows from the other by Little's law). A priori nothing of the group is
known. After 4 and 8 points the shipping calibration has seen that many, drawn at random, and the others are predicted;
the mean over 20 draws.

    python -m benchmarks.capacity --data ../shared/data --json out.json
"""

import argparse
import json
import os
import platform
import statistics
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from wharfage_autoscaler.calibration import Calibration
from wharfage_autoscaler.steady import closed_loop
from wharfage_autoscaler.steptime import Theta

from benchmarks.serving_points import LeftOut, Point, read

DRAWS = 20
FEWEST_LEFT = 3  # to be predicted after calibration; with fewer a mean says nothing


@dataclass(frozen=True, slots=True)
class Row:
    """One group. Errors are mean relative ones; None where there are too few points to hold some back."""

    source: str
    model: str
    accelerator: str
    points: int
    error_a_priori: float
    error_after_4: float | None
    error_after_8: float | None


def row(points: Sequence[Point]) -> Row:
    """The figures of one group."""
    first = points[0]
    return Row(
        source=first.source,
        model=first.model,
        accelerator=first.accelerator,
        points=len(points),
        error_a_priori=error(points, Theta()),
        error_after_4=error_after(points, 4),
        error_after_8=error_after(points, 8),
    )


def error(points: Iterable[Point], theta: Theta) -> float:
    """Mean relative error of the latency."""
    return statistics.fmean(abs(latency_s(point, theta) / point.latency_s - 1) for point in points)


def latency_s(point: Point, theta: Theta) -> float:
    """What the model says a request takes there."""
    found = closed_loop(point.step.scaled(theta), point.traffic, point.clients)
    return found.ttft_s + (point.traffic.output_tokens - 1) * found.tpot_s


def error_after(points: Sequence[Point], count: int) -> float | None:
    """Mean error of the points that a calibration has not seen."""
    if len(points) < count + FEWEST_LEFT:
        return None
    errors = []
    for draw in range(DRAWS):
        order = Random(draw).sample(points, len(points))
        known = Calibration()
        for point in order[:count]:
            known = known.after(point.observation, point.step)
        errors.append(error(order[count:], known.theta))
    return statistics.fmean(errors)


def groups(points: Iterable[Point]) -> list[list[Point]]:
    """Points of the same source, model and accelerator, in the order of their names."""
    found: dict[tuple[str, str, str], list[Point]] = {}
    for point in points:
        found.setdefault((point.source, point.model, point.accelerator), []).append(point)
    return [found[key] for key in sorted(found)]


def percent(value: float | None) -> str:
    """As the tables show it."""
    return "-" if value is None else f"{100 * value:.1f} %"


def show(rows: Sequence[Row], left_out: Counter[LeftOut], dense: Collection[str]) -> None:
    """The table, what is not in it, and the figures that the project set itself."""
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    width = max(len(each.model) for each in rows)
    print(f"{'source':<15} {'model':<{width}} {'accelerator':<13} points  a priori  after 4  after 8")
    for each in rows:
        errors = (each.error_a_priori, each.error_after_4, each.error_after_8)
        figures = "  ".join(f"{percent(value):>7}" for value in errors)
        print(f"{each.source:<15} {each.model:<{width}} {each.accelerator:<13} {each.points:6}   {figures}")
    print("\nnot scored:")
    for (source, rule), ones in sorted(_by_rule(left_out).items()):
        print(f"  {source}: {sum(left_out[one] for one in ones)} rows: {rule}")
        print(f"      {', '.join(sorted({f'{one.model} on {one.accelerator}' for one in ones}))}")
    print()
    for title, value in targets(rows, dense):
        print(f"{title:<90} {percent(value)}")


def targets(rows: Iterable[Row], dense: Collection[str]) -> list[tuple[str, float | None]]:
    """The figures that the project set itself; `dense` are the models without experts."""
    rows = list(rows)
    large = [
        each
        for each in rows
        if each.source == "aiconfigurator" and each.accelerator in ("H100", "H200") and each.model in dense
    ]
    small = [
        each
        for each in rows
        if each.source == "sparecores" and each.accelerator.startswith(("L4", "A10G", "L40S", "A100"))
    ]
    return [
        ("dense models on H100 and H200, a priori, mean over points (wanted: 12 %)", _mean(large)),
        ("dense models on H100 and H200, after 4 points, median of groups (wanted: 8 %)", _median(large)),
        ("L4, A10G, L40S and A100, after 8 points, worst group (wanted: 20 %)", _worst(small)),
    ]


def _mean(rows: Sequence[Row]) -> float | None:
    points = sum(each.points for each in rows)
    return sum(each.points * each.error_a_priori for each in rows) / points if points else None


def _median(rows: Iterable[Row]) -> float | None:
    known = [each.error_after_4 for each in rows if each.error_after_4 is not None]
    return statistics.median(known) if known else None


def _worst(rows: Iterable[Row]) -> float | None:
    return max((each.error_after_8 for each in rows if each.error_after_8 is not None), default=None)


def _by_rule(left_out: Iterable[LeftOut]) -> dict[tuple[str, str], list[LeftOut]]:
    found: dict[tuple[str, str], list[LeftOut]] = {}
    for one in left_out:
        found.setdefault((one.source, one.rule), []).append(one)
    return found


def main() -> None:
    """Print the table; write the rows as JSON where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("DATA", "../shared/data"), help="folder, or one table")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the rows")
    arguments = parser.parse_args()
    data = Path(arguments.data)
    if not data.exists():
        sys.exit(f"{data} does not exist; name the folder of the measured points: make bench-capacity DATA=folder")
    try:
        points, left_out = read(data)
    except ValueError as error:
        sys.exit(str(error))
    if not points:
        sys.exit(f"no serving points under {data}: no table has the columns of either source, or no row is scored")
    rows = [row(group) for group in groups(points)]
    show(rows, left_out, {point.model for point in points if point.step.experts_read_s == 0})
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([asdict(each) for each in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
