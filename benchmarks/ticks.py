"""How long one decision between two rounds of the mix takes, and how fast decisions are replayed.

What is decided on are the deployments of `benchmarks.deployments`, each allotted alone. A count is decided by the tick
at which the load has moved: its forecast, the law, the allotted pools filled anew, ceilings. Nothing is cached.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.forecaster import Fitted
from wharfage_autoscaler.forecasters.selection import CANDIDATES
from wharfage_autoscaler.history import DAY_S, History
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode, Wanted
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.snapshot import ClusterSnapshot, Memory, Snapshot
from wharfage_autoscaler.supply import Supply
from wharfage_simulator.fluid import Plant, run
from wharfage_simulator.routing import Routing

from benchmarks.deployments import needs, reserved_machines
from benchmarks.replay import MIXES, WARM_UP, measured

Figures = dict[str, float]
T = TypeVar("T")

TICK_S = 15.0
DEPLOYMENTS = 30  # behind a Service, and as many behind the gateway
UNCHANGED = 40  # ticks of each
MOVED = tuple(np.geomspace(0.4, 2.5, 8).tolist())  # times the usual load
HISTORY_DAYS, HISTORY_STEP_S, AHEAD = 28, 300.0, 24
NOW_S = HISTORY_DAYS * DAY_S
REPLAYED = 1_000_000  # requests
WEEKS = 15


def decisions() -> Figures:
    """Per deployment and tick: with the load of before, and with a load that moved."""
    fitted = CANDIDATES[0].fit(_history())
    recent = _history().recent(12)
    unchanged: list[tuple[float, float]] = []
    counted: list[tuple[float, float]] = []
    for need, allotted in _allotted():
        rps = need.usual_rps
        forecast = _scaled(fitted.predict(recent, AHEAD), rps)
        seen, memory = _snapshot(need, allotted, rps, forecast), Memory()
        for _ in range(UNCHANGED):  # until what is held follows the load
            decision, memory = decide(seen, memory)
            seen = replace(seen, now=seen.now + TICK_S, fleet=_ready(decision.target))
        _, wall_s, cpu_s = timed(partial(_again, seen, memory))
        unchanged.append((wall_s / UNCHANGED, cpu_s / UNCHANGED))
        for times in MOVED:
            moved = replace(seen, load=_load(rps * times))
            counted.append(timed(partial(_counted, moved, memory, fitted, recent))[1:])
    return spread_ms("count", counted) | spread_ms("decide_unchanged", unchanged)


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What it returns, its time, and the processor's."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def spread_ms(name: str, took: Sequence[tuple[float, float]]) -> Figures:
    """Median and 95th percentile by the clock, and the median of the processor's, from seconds."""
    wall_s, cpu_s = ([each[at] for each in took] for at in (0, 1))
    return {
        f"{name}_ms": 1e3 * statistics.median(wall_s),
        f"{name}_p95_ms": 1e3 * statistics.quantiles(wall_s, n=20)[-1],
        f"{name}_cpu_ms": 1e3 * statistics.median(cpu_s),
    }


def replay() -> Figures:
    """A million requests of a chat through sixteen engines, two choices each, with all gauges read every 15 s."""
    measured(MIXES[0], Routing.POWER_OF_TWO, WARM_UP, 1)
    row = measured(MIXES[0], Routing.POWER_OF_TWO, REPLAYED, 3)
    return {"replay_requests_per_s": row.requests_per_s, "replay_requests_per_cpu_s": row.requests_per_cpu_s}


def fluid() -> Figures:
    """A week of ticks of a load with a daily swing, under the law with and without a forecast in turn."""
    ticks = round(7 * DAY_S / TICK_S)
    rates = 40.0 * (1.0 + 0.6 * np.sin(np.arange(ticks) * 2 * np.pi * TICK_S / DAY_S))
    arrivals = np.random.default_rng(1).poisson(rates * TICK_S).astype(np.float64)
    plant = Plant(planned_rps=2.0, good_rps=2.35, saturated_rps=2.6, slots=256.0, lead_s=300.0, ttft_s=2.0)
    run(arrivals[:100], Law(), plant)
    took = [
        timed(partial(run, arrivals, Law(), plant, expected=expected))[1:]
        for expected in itertools.islice(itertools.cycle((None, rates)), WEEKS)
    ]
    wall_s, cpu_s = zip(*took, strict=True)
    return {"fluid_week_ms": 1e3 * statistics.median(wall_s), "fluid_week_cpu_ms": 1e3 * statistics.median(cpu_s)}


def _again(seen: Snapshot, memory: Memory) -> None:
    for tick in range(UNCHANGED):
        decide(replace(seen, now=seen.now + tick * TICK_S), memory)


def _counted(seen: Snapshot, memory: Memory, fitted: Fitted, recent: History) -> None:
    fitted.predict(recent, AHEAD)
    decide(seen, memory)


def _allotted() -> list[tuple[Need, Allotment]]:
    supply = Supply(machines=reserved_machines())
    asked = [each for shapes in (1, 3) for each in needs(DEPLOYMENTS, shapes=shapes)]
    return [(need, allot(ClusterSnapshot((need,), supply)).by_key[need.key]) for need in asked]


def _snapshot(need: Need, allotted: Allotment, rps: float, forecast: Forecast) -> Snapshot:
    variants = {berth.candidate.variant.name: berth.candidate.variant for berth in need.berths}
    offers = {berth.offer.key: replace(berth.offer, obtainable="NodePool gpu") for berth in need.berths}
    return Snapshot(
        now=NOW_S,
        key=need.key,
        wanted=Wanted(
            variants=tuple(variants.values()),
            max_model_tokens=8192,
            mode=Mode.AUTO,
            min_replicas=need.min_replicas,
            max_replicas=need.max_replicas,
            placement=need.placement,
        ),
        offers=tuple(offers.values()),
        fleet=_ready(allotted.planned),
        load=_load(rps),
        allotment=allotted,
        forecast=forecast,
    )


def _ready(fleet: Fleet) -> Fleet:
    return Fleet(tuple(replace(pool, ready=pool.replicas) for pool in fleet.pools))


def _load(rps: float) -> Load:
    return Load(60.0, rps, 900 * rps, 200 * rps, 5 * rps, 0.0, 0.4, 0.03, rps, rps, 0.0, 0.0)


def _history() -> History:
    """Four weeks of a load around 1 with a daily swing."""
    steps = np.arange(round(NOW_S / HISTORY_STEP_S))
    noise = np.random.default_rng(2).normal(0.0, 0.1, len(steps))
    rates = (1.0 + 0.3 * np.sin(2 * np.pi * steps * HISTORY_STEP_S / DAY_S)) * np.exp(noise)
    return History(0.0, HISTORY_STEP_S, rates)


def _scaled(forecast: Forecast, times: float) -> Forecast:
    return replace(forecast, rates=tuple(tuple(rate * times for rate in row) for row in forecast.rates))
