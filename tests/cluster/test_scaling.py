"""Deployments that scale themselves: engines serve a trace behind fake pods, and the count follows what they say."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from wharfage_api.labels import POOL
from wharfage_operator.kinds import CONFIG_MAPS

from tests.cluster.emulated import READS, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.server import Object, condition, eventually

LONG = (900, 220)
CALM, BUSY = 0.2, 5.0

Start = Callable[..., EmulatorProcess]


@pytest.fixture
def emulated(lab: Lab) -> Iterator[Start]:
    """Starts an emulator, and ends it."""
    started: list[EmulatorProcess] = []

    def start(*rates: float) -> EmulatorProcess:
        started.append(EmulatorProcess(lab, *rates, tokens=LONG))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def fleet(lab: Lab) -> list[Object]:
    return ((lab.llm() or {}).get("status") or {}).get("fleet") or []


def replicas(lab: Lab) -> int:
    """That are wanted and serve; 0 while it is on its way."""
    rows = fleet(lab)
    return sum(row["wanted"] for row in rows) if all(row["wanted"] == row["ready"] for row in rows) else 0


def decision(lab: Lab) -> Object:
    return ((lab.llm() or {}).get("status") or {}).get("decision") or {}


def reasons(lab: Lab) -> set[str]:
    return {step["reason"] for step in decision(lab)["steps"]}


def test_the_count_follows_the_load_up_and_down(lab: Lab, emulated: Start) -> None:
    emulator = emulated(*[CALM] * 8, *[BUSY] * 16, CALM)
    operator = lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create(scaling={"maxReplicas": 8}, placement={"accelerators": ["L4"]})
    lab.ready()
    eventually(lambda: replicas(lab) == 1, what="one")
    eventually(lambda: replicas(lab) >= 5, within_s=300.0, what="five or more for the busy minutes")
    assert {"DemandSeen", "Allotted"} <= reasons(lab)
    eventually(lambda: replicas(lab) == 1, within_s=300.0, what="one again")
    assert operator.tracebacks == []


def test_it_moves_to_larger_machines_for_a_larger_load_and_never_serves_with_less_meanwhile(
    lab: Lab, emulated: Start
) -> None:
    emulator = emulated(*[CALM] * 4, 12.0)
    operator = lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create(scaling={"maxReplicas": 16})
    lab.ready()
    assert {row["accelerator"] for row in fleet(lab)} == {"L4 x1"}
    seen: list[float] = []

    def moved() -> bool:
        pools = lab.pools()
        seen.append(sum(_carried(pool) for pool in pools))
        there = {row["accelerator"] for row in fleet(lab)}
        return there == {"L40S x1"} and replicas(lab) > 0 and len(pools) == 1

    eventually(moved, within_s=300.0, what="L40S alone")
    assert all(after >= before for before, after in pairwise(seen) if before < 12.0)
    assert operator.tracebacks == []


def _carried(pool: Object) -> float:
    """Requests a second that a pool's serving replicas carry, roughly as planned."""
    machine = json.loads(pool["metadata"]["annotations"][POOL])["accelerator"]
    return {"L4": 0.65, "L40S": 4.6}[machine] * int((pool.get("status") or {}).get("readyReplicas", 0))


def test_a_restarted_operator_takes_nothing_away(lab: Lab, emulated: Start) -> None:
    emulator = emulated(BUSY)
    first = lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create(scaling={"maxReplicas": 8}, placement={"accelerators": ["L4"]})
    eventually(lambda: replicas(lab) == 8, within_s=300.0, what="eight")
    written = (CONFIG_MAPS, lab.namespace, "chat-history")
    eventually(lambda: lab.server.get(*written), what="what is known is written down")
    first.kill()
    wanted: list[int] = []
    second = lab.start(None, scrape_proxy=emulator.address, **READS)
    eventually(lambda: second.ready)

    def decided() -> bool:
        wanted.append(sum(int(pool["spec"]["replicas"]) for pool in lab.pools()))
        return second.metric('wharfage_worker_errands_total{kind="allot"') >= 2

    eventually(decided, within_s=300.0, what="the second operator has asked its optimiser")
    assert set(wanted) == {8}
    assert second.tracebacks == []


def test_a_history_that_cannot_be_read_is_said_with_what_to_do_and_nothing_is_taken_away(
    lab: Lab, emulated: Start
) -> None:
    emulator = emulated(BUSY)
    name = (CONFIG_MAPS, lab.namespace, "chat-history")
    lab.server.create(CONFIG_MAPS, {"metadata": {"name": name[2], "namespace": name[1]}, "data": {"mine": "yes"}})
    lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create(scaling={"maxReplicas": 8}, placement={"accelerators": ["L4"]})
    lab.ready()
    eventually(lambda: condition(lab.llm(), "MetricsFresh").get("reason") == "HistoryUnreadable", what="it is said")
    assert "chat-history does not belong to this deployment" in condition(lab.llm(), "MetricsFresh")["message"]
    assert replicas(lab) == 1
    lab.server.delete(*name)
    eventually(lambda: replicas(lab) >= 4, within_s=180.0, what="the load leads")
    eventually(
        lambda: condition(lab.llm(), "MetricsFresh").get("status") == "True", what="and nothing is wrong any more"
    )


def test_recommend_changes_nothing_and_says_what_would_be_saved(lab: Lab, emulated: Start) -> None:
    emulator = emulated(CALM)
    lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create(scaling={"mode": "Recommend", "maxReplicas": 8}, replicas=4, placement={"accelerators": ["L4"]})
    eventually(lambda: replicas(lab) == 4, within_s=300.0, what="four, as written")
    eventually(lambda: "would run 1x" in str(decision(lab)), within_s=300.0, what="one, recommended")
    assert "Recommended" in reasons(lab)
    assert "usdPerHour" in decision(lab)["savings"]
    assert replicas(lab) == 4
