"""What the operator's worker takes for three hundred deployments: memory, and processor time a minute.

The real worker is asked by the real foreman, over its pipe. Every five minutes the optimiser is asked twice, a tenth of
the demands changed since, and every deployment is forecast; every hour the forecasters are brought up to date, and once
a day each is chosen anew and each law is tuned. What is done once a day is measured on a few and multiplied.

`in_process` says what the same would be in the operator's own process: the memory of its libraries, and for how long
its event loop stands still while the optimiser works, in the loop's own thread or in another.

    python -m benchmarks.worker --json out.json
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.foresight import STEP_S
from wharfage_autoscaler.history import DAY_S
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.supply import Supply
from wharfage_operator.errands import Allotting, Errand, Foreseeing, Tuning
from wharfage_operator.foreman import Foreman
from wharfage_operator.frames import framed
from wharfage_operator.telemetry import Telemetry
from wharfage_simulator.tuning import LEVELS

from benchmarks.deployments import needs, reserved_machines

T = TypeVar("T")
Figures = dict[str, float]

DEPLOYMENTS = 300
ROUNDS = 6  # of five minutes
CHANGED_SHARE = 0.1
A_FEW = 6
HISTORY_DAYS, TUNED_DAYS = 28, 4
NOW_S = 1_795_000_200.0 // STEP_S * STEP_S
TICK_S = 15.0
_POLLED_EVERY_S = 0.02
_MIB = 1024.0
_LOOP_STEP_S = 0.001


class Asked:
    """A foreman, and what its worker and this process have taken since it was last asked for that."""

    def __init__(self) -> None:
        self._telemetry = Telemetry()
        self.foreman = Foreman(self._telemetry, most_rss_mib=math.inf)
        self._worker_s = 0.0
        self._own_s = time.process_time()

    async def ask(self, errand: Errand[T]) -> T:
        """The answer."""
        return await self.foreman.ask(errand, timeout_s=600.0)

    def took(self) -> tuple[float, float]:
        """Processor seconds of the worker, and of this process."""
        worker_s, own_s = self._sample("wharfage_worker_cpu_seconds_total"), time.process_time()
        took = worker_s - self._worker_s, own_s - self._own_s
        self._worker_s, self._own_s = worker_s, own_s
        return took

    @property
    def rss_mib(self) -> float:
        """Of the worker."""
        return self._sample("wharfage_worker_resident_memory_bytes") / _MIB / _MIB

    def _sample(self, name: str) -> float:
        return self._telemetry.registry.get_sample_value(name) or 0.0


async def measured() -> Figures:
    """All figures of the worker."""
    asked, began_s = Asked(), time.perf_counter()
    try:
        await asked.ask(Allotting(ClusterSnapshot(()), "none"))
        figures = {"worker_start_s": time.perf_counter() - began_s, "worker_rss_mib_idle": asked.rss_mib}
        asked.took()
        figures |= await _foreseen(asked)
        figures |= await _allotted(asked)
        figures["worker_rss_mib_300"] = asked.rss_mib
        figures |= await _tuned(asked)
        figures["worker_rss_mib_300_after_tuning"] = asked.rss_mib
    finally:
        await asked.foreman.close()
    return figures | _a_minute(figures)


def _a_minute(figures: Figures) -> Figures:
    """Of all that recurs, a minute's part."""
    recurs = {
        "allot_round": 1 / 5,
        "foresee_round": 1 / 5,
        "follow_round": 1 / 60 - 1 / 5 / 12,  # every twelfth round of forecasts is one of these
        "choose": DEPLOYMENTS / 1440,
        "tune": DEPLOYMENTS / 1440,
    }
    return {
        f"{whose}_cpu_s_per_min_{DEPLOYMENTS}": sum(figures[f"{what}_{whose}_cpu_s"] * a for what, a in recurs.items())
        for whose in ("worker", "own")
    }


async def _foreseen(asked: Asked) -> Figures:
    """Forecasters for all, then a round of forecasts, and one an hour later; a few are chosen by backtest."""
    records = [_rates(number) for number in range(DEPLOYMENTS)]
    began_s, figures = time.perf_counter(), {}
    for number, rates in enumerate(records):
        await asked.ask(replace(_foreseeing(number, rates, NOW_S, whole=True), forecaster="ensemble"))
    figures["refit_300_s"] = time.perf_counter() - began_s
    figures |= _figures("refit_300", asked.took())
    for what, later_s in (("foresee_round", STEP_S), ("follow_round", 3600.0 + STEP_S)):
        for number, rates in enumerate(records):
            await asked.ask(_foreseeing(number, rates[-24:], NOW_S + later_s, whole=False))
        figures |= _figures(what, asked.took())
    for number in range(A_FEW):
        await asked.ask(_foreseeing(DEPLOYMENTS + number, records[number], NOW_S, whole=True))
    return figures | _figures("choose", asked.took(), A_FEW)


async def _allotted(asked: Asked) -> Figures:
    """A cold start of both series, then rounds of which each changes a tenth of the demands."""
    seen = _cluster()
    began_s = time.perf_counter()
    await asked.ask(Allotting(seen, "best"))
    figures = {"allot_cold_s": time.perf_counter() - began_s}
    await asked.ask(Allotting(_here(seen), "here"))
    asked.took()
    draw, rounds = np.random.default_rng(7), []
    for _ in range(ROUNDS):
        seen = _changed(seen, draw)
        rounds += [Allotting(seen, "best"), Allotting(_here(seen), "here")]
    asked.took()
    for errand in rounds:
        await asked.ask(errand)
    figures |= _figures("allot_round", asked.took(), ROUNDS)
    began_s = time.process_time()
    frame = framed(rounds[-1])
    return figures | {"allot_question_s": time.process_time() - began_s, "allot_question_bytes": float(len(frame))}


async def _tuned(asked: Asked) -> Figures:
    """A few laws, and the most that the worker and what it forks held meanwhile."""
    peak = 0.0

    async def polled() -> None:
        nonlocal peak
        while True:
            peak = max(peak, _family_mib())
            await asyncio.sleep(_POLLED_EVERY_S)

    errands = [_tuning(number) for number in range(A_FEW)]
    await asked.ask(errands[0])  # compiles, where nothing is cached
    asked.took()
    began_s = time.perf_counter()
    for errand in errands:
        await asked.ask(errand)
    figures = {"tune_s": (time.perf_counter() - began_s) / A_FEW} | _figures("tune", asked.took(), A_FEW)
    polling = asyncio.create_task(polled())
    await asked.ask(errands[0])
    polling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await polling
    return figures | {"worker_peak_mib_300": peak}


def _family_mib() -> float:
    """What the worker and what it forked hold, each page that they share counted once."""
    held, family = 0.0, {str(os.getpid())}
    for found in sorted(Path("/proc").glob("[0-9]*"), key=lambda each: int(each.name)):
        with contextlib.suppress(OSError):
            if (found / "stat").read_text().rpartition(") ")[2].split()[1] in family:
                family.add(found.name)
                rows = (found / "smaps_rollup").read_text().splitlines()
                held += next(float(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return held / _MIB


def _figures(what: str, took: tuple[float, float], times: int = 1) -> Figures:
    return {f"{what}_worker_cpu_s": took[0] / times, f"{what}_own_cpu_s": took[1] / times}


def _cluster() -> ClusterSnapshot:
    """As the operator asks: offers are the catalog's, all else is made for each deployment anew."""
    asked = needs(DEPLOYMENTS, shapes=1)
    return ClusterSnapshot(tuple(_unshared(each) for each in asked), Supply(machines=reserved_machines()))


def _unshared(need: Need) -> Need:
    return replace(
        need, berths=tuple(replace(each, candidate=replace(each.candidate)) for each in need.berths), restless={}
    )


def _changed(seen: ClusterSnapshot, draw: np.random.Generator) -> ClusterSnapshot:
    asked = list(seen.needs)
    for place in draw.choice(len(asked), round(CHANGED_SHARE * len(asked)), replace=False):
        times = float(draw.choice((0.8, 1.25)))
        need = asked[place]
        asked[place] = replace(need, peak_rps=need.peak_rps * times, usual_rps=need.usual_rps * times)
    return replace(seen, needs=tuple(asked))


def _here(seen: ClusterSnapshot) -> ClusterSnapshot:
    """A twentieth serves on something else than the best: its question is about that alone."""
    asked = [
        replace(need, berths=tuple(each for each in need.berths if each.shape == need.berths[0].shape))
        if place % 20 == 0
        else need
        for place, need in enumerate(seen.needs)
    ]
    return replace(seen, needs=tuple(asked))


def _rates(number: int) -> "array[float]":
    """Four weeks of a load with a tide, a working week, and noise."""
    draw = np.random.default_rng(number)
    times = NOW_S - HISTORY_DAYS * DAY_S + np.arange(round(HISTORY_DAYS * DAY_S / STEP_S)) * STEP_S
    tide = 1.0 + 0.5 * np.sin(2 * np.pi * times / DAY_S + draw.uniform(0, 6))
    week = np.where(times // DAY_S % 7 < 5, 1.0, 0.6)
    rates = 20.0 * np.exp(draw.normal()) * tide * week * np.exp(draw.normal(0.0, 0.1, len(times)))
    return array("d", rates.tolist())


def _foreseeing(number: int, rates: Sequence[float], end_s: float, *, whole: bool) -> Foreseeing:
    key = ("bench", f"d{number:03}")
    return Foreseeing(key=key, uid="1", rates=rates, end_s=end_s, whole=whole, lead_s=420.0)


def _tuning(number: int) -> Tuning:
    draw = np.random.default_rng(number)
    ticks = np.arange(round(TUNED_DAYS * DAY_S / TICK_S))
    rates = 40.0 * (1.0 + 0.6 * np.sin(2 * np.pi * ticks * TICK_S / DAY_S))
    said = {level: array("d", (rates * (1 + 0.2 * level)).tolist()) for level in LEVELS}
    minutes = draw.uniform(0.3, 0.9, 28 * 1440)
    return Tuning(
        key=("bench", f"d{number:03}"),
        arrivals=array("d", draw.poisson(rates * TICK_S).astype(np.float64).tolist()),
        said=said,
        filled=array("d", minutes.tolist()),
        bad=(draw.random(len(minutes)) < 0.01).tolist(),
        planned_rps=2.0,
        good_rps=2.35,
        slots=256.0,
        lead_s=420.0,
        ttft_s=2.0,
        least=1,
        most=200,
        usd_per_replica_hour=3.0,
        usd_per_bad_minute=3.0,
    )


def in_process() -> Figures:
    """What it would be without a worker."""
    seen = _cluster()
    before = allot(seen)
    changed = _changed(seen, np.random.default_rng(7))

    def work() -> None:
        allot(changed, before)

    async def threaded() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():  # noqa: ASYNC110 - a thread sets no event of the loop
            await asyncio.sleep(_LOOP_STEP_S)

    began_s = time.perf_counter()
    work()
    took_s = time.perf_counter() - began_s
    late_s = sorted(asyncio.run(_lateness(threaded)))
    spawned_s = min(_timed(("-c", "import wharfage_operator.worker")) for _ in range(3))
    return {
        "in_process_loop_stands_still_s": took_s,
        "in_a_thread_loop_late_p50_ms": 1e3 * late_s[len(late_s) // 2],
        "in_a_thread_loop_late_p99_ms": 1e3 * late_s[int(0.99 * len(late_s))],
        "operator_rss_mib": _imported_mib("wharfage_operator.__main__"),
        "operator_rss_mib_with_libraries": _imported_mib("wharfage_operator.__main__", "wharfage_operator.worker"),
        "operator_rss_mib_with_numba": _imported_mib(
            "wharfage_operator.__main__", "wharfage_operator.worker", "wharfage_simulator.tuning"
        ),
        "import_s": spawned_s,
    }


async def _lateness(work: Callable[[], Awaitable[None]]) -> list[float]:
    """By how much each wake-up of a loop came late, in seconds, while something else ran."""
    late: list[float] = []

    async def ticks() -> None:
        while True:
            began_s = time.perf_counter()
            await asyncio.sleep(_LOOP_STEP_S)
            late.append(time.perf_counter() - began_s - _LOOP_STEP_S)

    ticking = asyncio.create_task(ticks())
    await work()
    ticking.cancel()
    return late


def _imported_mib(*modules: str) -> float:
    text = f"import {', '.join(modules)}\nfrom wharfage_operator.workbench import rss_mib\nprint(rss_mib())"
    said = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return float(said.stdout)


def _timed(arguments: Sequence[str]) -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True)
    return time.perf_counter() - began_s


def main() -> None:
    """Print the figures; write them where --json says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = asyncio.run(measured()) | in_process()
    for name, value in figures.items():
        print(f"{name:40} {value:12.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
