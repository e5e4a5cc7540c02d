"""What measuring costs the operator: a page of a real engine parsed, added to its pod's track, and made into a load.

Every figure is processor time of one thread, the median of five rounds; `minute` is that of 300 deployments of two
pods that are read every 15 s, without the request itself. Sizes are those of a history of half an hour.

    python -m benchmarks.metrics --json out.json
"""

import argparse
import gc
import json
import re
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.steptime import step_time
from wharfage_operator.history import ROWS, Rows, rows_of, written
from wharfage_operator.lessons import NOTHING, Make
from wharfage_operator.measured import load
from wharfage_operator.readings import reading
from wharfage_operator.stints import Stint, observation
from wharfage_operator.track import Track, told

PAGE = Path(__file__).resolve().parents[1] / "tests" / "operator" / "captured" / "vllm-0.32.0.txt"
ROUNDS = 5
DEPLOYMENTS, PODS, EVERY_S, WINDOW_S = 300, 2, 15.0, 60.0
MAKE = Make("hf://Qwen/Qwen3-8B", "", "L4", 1, "engine")
STEP = step_time(KNOWN["Qwen/Qwen3-8B"].shape, "", ACCELERATORS["L4"], 1, EngineLimits(256, 2048))
_VALUE = re.compile(r"(?m)^(vllm:\S+(?:_total|_bucket|_count)\{[^\n]*\}) (\S+)$")


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of processor time, and bytes."""

    page_bytes: int
    page_lines: int
    parse_s: float
    track_s: float
    load_s: float
    learn_s: float
    """From half a minute of a pod to what it has taught."""
    minute_s: float
    track_bytes: int
    rows_bytes: int
    history_bytes: int
    write_s: float


def later(page: str, factor: int) -> str:
    """The page of an engine that has done so many times as much."""
    return _VALUE.sub(lambda found: f"{found[1]} {float(found[2]) * factor}", page)


def seconds(once: Callable[[int], object], times: int) -> float:
    """The median over rounds of what one call takes of the processor."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for place in range(times):
            once(place)
        taken.append((time.process_time() - began) / times)
    return statistics.median(taken)


def half_an_hour(page: str) -> Track:
    """A pod that was busy all the time."""
    track = Track()
    for place in range(int(32 * 60 / EVERY_S)):
        seen = reading(later(page, place + 1), at_s=place * EVERY_S)
        following = None if seen is None else told(track, seen, window_s=WINDOW_S)
        if following is None:
            raise SystemExit("the page is no reading")
        track = following
    return track


def costs(page: str) -> Costs:
    """Everything that is measured here."""
    track = half_an_hour(page)
    tracemalloc.start()
    several = [half_an_hour(page) for _ in range(ROUNDS)]
    gc.collect()  # and with it what Python keeps of tuples for the next ones
    track_bytes = tracemalloc.get_traced_memory()[0] // len(several)
    tracemalloc.stop()
    end_s = track.points[-1].at_s
    following = reading(later(page, 1000), at_s=end_s + EVERY_S)
    if following is None:
        raise SystemExit("the page is no reading")
    tracks = {str(number): track for number in range(PODS)}
    rows = rows_of(0, *([(7919 * (n + 1) * (k + 3)) % 100_003 / 7.0 for n in range(ROWS)] for k in range(3)))

    def loaded(_: int) -> object:
        return load(tracks, list(tracks), Objectives(), now_s=end_s, window_s=WINDOW_S, stale_s=3 * EVERY_S)

    def learned(place: int) -> object:
        # No two alike: a load that stands still teaches less, sooner.
        decoding = 4.0 + place % 30
        stint = Stint(0.0, 30.0, 300 * decoding, 0.0, 0.0, decoding, 0.0, 300.0, 300 * decoding, 30 * decoding, 0.5)
        seen = observation(stint, STEP)
        if seen is None:
            raise SystemExit("the stint teaches nothing")
        return NOTHING.after(MAKE, seen, STEP)

    parse_s = seconds(lambda place: reading(page, at_s=float(place)), 200)
    track_s = seconds(lambda _: told(track, following, window_s=WINDOW_S), 500)
    load_s = seconds(loaded, 200)
    learn_s = seconds(learned, 200)
    looks = 60 / EVERY_S * DEPLOYMENTS
    return Costs(
        page_bytes=len(page),
        page_lines=page.count("\n"),
        parse_s=parse_s,
        track_s=track_s,
        load_s=load_s,
        learn_s=learn_s,
        # A look asks twice for the load, to decide and to say; every other one ends half a minute.
        minute_s=looks * (PODS * (parse_s + track_s) + 2 * load_s + learn_s / 2),
        track_bytes=track_bytes,
        rows_bytes=_size(rows),
        history_bytes=len(written(rows)),
        write_s=seconds(lambda _: written(rows), 5),
    )


def _size(rows: Rows) -> int:
    return rows.figures.itemsize * len(rows.figures)


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--page", type=Path, default=PAGE, help="a page of an engine (default: the tests')")
    given = parser.parse_args()
    found = asdict(costs(given.page.read_text(encoding="utf-8")))
    for name, value in found.items():
        print(f"{name:14} {value:.6g}")
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
