"""Periods of budgets with the shipping functions: the fluid twin takes their steps, and the dollars last."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from wharfage_autoscaler.allotment import Allotment, Portion
from wharfage_autoscaler.bounds import Bounds
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.ladder import Shares
from wharfage_autoscaler.law import Held, thrifty
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.seats import Short
from wharfage_autoscaler.snapshot import Memory
from wharfage_autoscaler.stages import Stage
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Object
from wharfage_operator.scopes import Scopes
from wharfage_operator.treasury import Treasury
from wharfage_operator.wishes import cost
from wharfage_simulator import fluid
from wharfage_simulator.fluid import Floats, Plant
from wharfage_simulator.looks import HOUR_S

from benchmarks.forecast_traces import four_weeks
from benchmarks.periods import DAY_S, LAW, STAGES, STOPPING, Period, drawn
from tests.builders import offer, snapshot, wanted
from tests.simulator.loads import load

MIDNIGHT_S = 1_790_035_200.0
KEY = ("shop", "chat")
HISTORIES, WITHIN = 200, 0.95
"""Of hours of a budget, with the shipping functions; and the share of them that is to end within it."""
_ROUNDING = 1e-6


@dataclass(slots=True)
class Books:
    """Dollars as they are spent, by hour."""

    spent_usd: float = 0.0
    by_hour: dict[int, float] = field(default_factory=dict)

    def spent(self, budget: str, from_s: float, to_s: float) -> float:
        return self.spent_usd

    def markup(self, budget: str) -> float:
        return 1.0

    def hours(self, budget: str, from_s: float, to_s: float) -> Sequence[float]:
        return [self.by_hour.get(hour, math.nan) for hour in range(round(from_s / HOUR_S), round(to_s / HOUR_S))]


@dataclass(slots=True)
class Shipped:
    """The course of a period as the shipping functions take it: `decide`, `cost`, and the treasury once a minute."""

    counts: list[float] = field(default_factory=list)
    ordered: list[float] = field(default_factory=list)
    caps: list[float] = field(default_factory=list)
    paid: list[float] = field(default_factory=list)
    spent_usd: float = 0.0
    floor_usd: float = 0.0
    held_down: bool = False


def allotment(plant: Plant, price: float, cap: float) -> Allotment:
    """One pool; the dollars that were allotted with it."""
    count = int(plant.most / 4)
    pool = Pool(offer("g6.xlarge", usd_per_hour=price), "bf16", count, 1)
    return Allotment(
        key=KEY,
        shapes=(Portion(pool, plant.planned_rps, plant.lead_s, usd_per_hour=count * price),),
        peak_rps=0.0,
        usual_rps=0.0,
        usd_per_hour=None if math.isinf(cap) else cap,
        usd_per_hour_limit=None,
        min_replicas=int(plant.least),
        max_replicas=int(plant.most),
        shares=Shares(floor=0.0, survive=0.0, max_spot=1.0, lost=()),
        short=Short(0.0, 0.0, 0.0, 0),
        caps=frozenset() if math.isinf(cap) else frozenset({"all"}),
    )


def objects(usd: float, period: str, stages: Sequence[Stage]) -> tuple[Object, Object]:
    """A deployment, and a budget over it with these stages."""
    metadata = {"generation": 1, "resourceVersion": "5"}
    rows = [
        {"action": each.action.value, "at": str(each.at), "of": "Forecast" if each.of_forecast else "Spent"}
        for each in stages
    ]
    budget = {"period": period, "usd": f"{usd:.2f}", "stages": rows}
    return (
        {"metadata": {"namespace": KEY[0], "name": KEY[1], "uid": "uid-chat", **metadata}, "spec": {}},
        {"metadata": {"name": "all", "uid": "uid-all", **metadata}, "spec": budget, "status": {}},
    )


def shipped(played: Period, usd: float, period: str, stages: Sequence[Stage] = STAGES) -> Shipped:
    """The same as `budgeted.run`, step by step."""
    plant, books, cache, course = played.plant, Books(), Cache(), Shipped()
    deployment, budget = objects(usd, period, stages)
    cache.put(LLM_DEPLOYMENTS, deployment)
    told, loop = math.inf, asyncio.new_event_loop()

    def renewed() -> None:
        nonlocal told
        told = min((cap.usd_per_hour for cap in treasury.caps()), default=math.inf)

    treasury = Treasury(cache, books, Clock(), scopes=Scopes(cache), wake=lambda kind, key: None, renew=renewed)
    base = snapshot(wanted=wanted(mode=Mode.AUTO, min_replicas=int(plant.least), max_replicas=int(plant.most)))
    starts_s = MIDNIGHT_S - played.begins_s
    ticks, lead_ticks = len(played.arrivals), math.ceil(plant.lead_s / plant.tick_s)
    orders, leaving = np.zeros(ticks + lead_ticks + 2), np.zeros(ticks + 3)
    seen, missed = np.zeros(ticks + 1), np.zeros(ticks + 1)
    first = float(np.mean(played.arrivals[:5])) / plant.tick_s
    ready = max(plant.least, math.ceil(first * LAW.headroom / plant.planned_rps))
    starting, waiting, memory = 0.0, 0.0, Memory(held=Held(ready))
    for tick in range(ticks):
        price, end_s = float(played.usd_per_hour[tick]), (tick + 1) * plant.tick_s
        ready += orders[tick]
        starting -= orders[tick]
        orders[tick] = 0.0
        ready -= math.floor(ready * played.lost[tick] + 1e-9)
        waiting, bad = fluid.served(plant, ready, waiting, played.arrivals[tick])
        waiting = min(waiting, 60.0 * ready * plant.saturated_rps)
        seen[tick + 1], missed[tick + 1] = seen[tick] + played.arrivals[tick], missed[tick] + bad
        running = ready + starting + leaving[tick]
        course.paid.append(running * price)
        hour = int((starts_s + end_s - plant.tick_s) // HOUR_S)
        books.by_hour[hour] = books.by_hour.get(hour, 0.0) + running * price * plant.tick_s / HOUR_S
        if end_s > played.begins_s:
            books.spent_usd += running * price * plant.tick_s / HOUR_S
            course.floor_usd += plant.least * price * plant.tick_s / HOUR_S
        now = fluid.signals(tick, seen, missed, math.nan, plant, ready, starting, waiting)
        offered = offer("g6.xlarge", usd_per_hour=price)
        bounds = treasury.bounds(KEY) if end_s > played.begins_s else Bounds()
        world = replace(
            base,
            now=now.now_s,
            offers=(offered,),
            fleet=Fleet((Pool(offered, "bf16", int(ready + starting), 1, ready=int(ready)),)),
            load=load(now, waiting),
            allotment=allotment(plant, price, told),
            law=thrifty(LAW) if bounds.economises else LAW,
            usual_law=LAW if bounds.economises else None,
            bounds=bounds,
        )
        decision, memory = decide(world, memory)
        count = float(decision.target.replicas)
        course.counts.append(count)
        course.ordered.append(decision.target.usd_per_hour)
        course.caps.append(told)
        with_leaving = replace(world, fleet=Fleet((Pool(offered, "bf16", int(running), 1, ready=int(ready)),)))
        treasury.noted(KEY, cost(with_leaving, decision, Fleet()))
        before = ready
        ready, starting = fluid.ordered(orders, tick, lead_ticks, ready, starting, count)
        leaving[tick + 1] += max(0.0, before - ready)
        if played.begins_s <= end_s:
            cache.put(LLM_BUDGETS, budget)
        if end_s < played.ends_s:
            loop.run_until_complete(treasury.turn(starts_s + end_s))
        course.held_down |= not math.isinf(told)
    loop.close()
    course.spent_usd = books.spent_usd
    return course


def rates(seed: int) -> Floats:
    """Ten minutes each of four synthetic weeks."""
    return np.asarray(four_weeks(seed).values.reshape(-1, 2).mean(axis=1))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_twin_takes_the_steps_of_what_ships(seed: int) -> None:
    played = drawn(np.random.default_rng(seed), rates(seed), most_past_s=0.0 if seed == 3 else DAY_S)
    twin, usd = played.played()
    ours = shipped(played, usd, "Day")
    assert ours.held_down
    np.testing.assert_array_equal(ours.counts, twin.counts)
    np.testing.assert_allclose(ours.caps, twin.caps, rtol=1e-6)
    np.testing.assert_allclose(ours.paid, twin.paid)
    assert ours.spent_usd == pytest.approx(twin.spent_usd)
    assert ours.floor_usd == pytest.approx(twin.floor_usd)


@pytest.mark.parametrize("seed", [2, 8])
def test_where_a_budget_stops_all_that_runs_the_twin_does_as_well(seed: int) -> None:
    played = drawn(np.random.default_rng(seed), rates(seed % 4), period_s=HOUR_S, most_past_s=0.0)
    dear = played.plant._replace(least=np.ceil(played.plant.most / 5))  # more than the limit pays for
    played = replace(played, plant=dear, part=0.3)
    twin, usd = played.played(STOPPING)
    ours = shipped(played, usd, "Hour", STOPPING)
    np.testing.assert_array_equal(ours.counts, twin.counts)
    np.testing.assert_allclose(ours.paid, twin.paid)
    spent = np.cumsum(ours.paid) * played.plant.tick_s / HOUR_S
    over = np.flatnonzero(spent > usd)
    assert len(over)
    assert not np.any(np.array(ours.counts)[over[0] + 1 :])
    assert not np.any(np.array(ours.paid)[over[0] + 3 :]), "and what drains is gone"


def test_two_hundred_hours_of_what_ships_keep_their_caps_and_end_within_their_budgets() -> None:
    ended = []
    for number in range(HISTORIES):
        played = drawn(np.random.default_rng((1, number)), rates(number % 4), period_s=HOUR_S, most_past_s=0.0)
        _, usd = played.played()
        ours = shipped(played, usd, "Hour")
        floor = played.plant.least * played.usd_per_hour
        assert np.all(np.array(ours.ordered) <= np.maximum(floor, ours.caps) + _ROUNDING), f"history {number}"
        if ours.held_down and ours.floor_usd <= usd:
            ended.append(ours.spent_usd <= usd)
    assert len(ended) > HISTORIES / 2
    assert np.mean(ended) >= WITHIN
