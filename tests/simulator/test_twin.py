"""The fluid twin and the shipping decision take the same steps, tick by tick."""

import math
from dataclasses import replace

import numpy as np
import pytest
from wharfage_autoscaler.allotment import Allotment, Portion
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.ladder import Shares
from wharfage_autoscaler.law import UNKNOWN, Held, Law
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.seats import Short
from wharfage_autoscaler.snapshot import Memory
from wharfage_simulator import fluid
from wharfage_simulator.fluid import Floats, Plant, run

from tests.builders import offer, snapshot, wanted
from tests.simulator.loads import load

L4 = offer("g6.xlarge", usd_per_hour=0.8)
PLANT = Plant(planned_rps=1.7, good_rps=2.0, saturated_rps=2.2, slots=256.0, lead_s=100.0, ttft_s=2.0, most=200.0)
ALLOTMENT = Allotment(
    key=("shop", "chat"),
    shapes=(Portion(Pool(L4, "bf16", 10, 1), PLANT.planned_rps, PLANT.lead_s),),
    peak_rps=17.0,
    usual_rps=17.0,
    usd_per_hour=None,
    usd_per_hour_limit=None,
    min_replicas=1,
    max_replicas=200,
    shares=Shares(floor=0.0, survive=0.0, max_spot=1.0, lost=()),
    short=Short(0.0, 0.0, 0.0, 0),
)


class Certain:
    """What was expected at one tick, whenever it is asked about."""

    def __init__(self, rps: float) -> None:
        self._rps = rps

    def highest(self, level: float, from_s: float, to_s: float) -> float | None:
        return None if math.isnan(self._rps) else self._rps


def decided(arrivals: Floats, expected: Floats, law: Law, initial: float) -> list[float]:
    """The targets that `decide` sets over the fluid plant."""
    asked = wanted(mode=Mode.AUTO, min_replicas=int(PLANT.least), max_replicas=int(PLANT.most))
    base = snapshot(offers=(L4,), wanted=asked)
    memory = Memory(held=Held(replicas=initial))
    lead_ticks = math.ceil(PLANT.lead_s / PLANT.tick_s - 1e-9)
    orders = np.zeros(len(arrivals) + lead_ticks + 2)
    seen, missed = np.zeros(len(arrivals) + 1), np.zeros(len(arrivals) + 1)
    ready, starting, waiting, targets = initial, 0.0, 0.0, []
    for tick, came in enumerate(arrivals):
        ready += orders[tick]
        starting -= orders[tick]
        orders[tick] = 0.0
        waiting, bad = fluid.served(PLANT, ready, waiting, came)
        seen[tick + 1] = seen[tick] + came
        missed[tick + 1] = missed[tick] + bad
        now = fluid.signals(tick, seen, missed, expected[tick], PLANT, ready, starting, waiting)
        world = replace(
            base,
            now=now.now_s,
            fleet=Fleet((Pool(L4, "bf16", int(ready + starting), 1, ready=int(ready)),)),
            load=load(now, waiting),
            allotment=ALLOTMENT,
            forecast=Certain(expected[tick]),
            law=law,
        )
        decision, memory = decide(world, memory)
        count = float(decision.target.replicas)
        ready, starting = fluid.ordered(orders, tick, lead_ticks, ready, starting, count)
        targets.append(count)
    return targets


def course(seed: int) -> tuple[Floats, Floats]:
    """Four hours with steps, bursts, an outage of the forecast and a quiet stretch."""
    rng = np.random.default_rng(seed)
    rates = np.repeat(rng.uniform(2.0, 60.0, 24), 40)
    rates[400:480] = 0.0
    arrivals = rng.poisson(rates * PLANT.tick_s).astype(np.float64)
    expected = np.repeat(rng.uniform(0.0, 60.0, 24), 40)
    expected[200:600] = UNKNOWN
    return arrivals, expected


LAWS = [
    pytest.param(Law(), id="untuned"),
    pytest.param(Law(level=0.0), id="without a forecast"),
    pytest.param(Law(headroom=1.0, swing_gain=4.0, swing_memory_s=7200.0), id="with swing"),
    pytest.param(Law(headroom=1.5, dead_band=0.0, down_window_s=0.0, down_share=0.5), id="restless"),
]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_twin_takes_the_decisions_steps(law: Law, seed: int) -> None:
    arrivals, expected = course(seed)
    heard = expected if law.level > 0 else np.full(len(expected), UNKNOWN)
    twin = run(arrivals, law, PLANT, expected=heard, initial=12.0)
    assert decided(arrivals, expected, law, 12.0) == list(twin.wanted)
