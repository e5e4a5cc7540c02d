"""Questions of all deployments, asked together; answers that wait until they are fetched."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.need import Key
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.supply import Supply
from wharfage_operator.rounds import Question, Rounds, Unsolved

from tests.sights import charter, pool, sight

CHAT, CODE = ("shop", "chat"), ("shop", "code")
SMALL = pool("g6.xlarge")
LARGE = pool("g6e.xlarge", accelerator="L40S", good_rps=9.0, usd_per_hour=1.9)


@dataclass(slots=True)
class Solver:
    """Allots as the worker does, and remembers what it was asked."""

    fails: str = ""
    asked: list[tuple[str, set[Key]]] = field(default_factory=list)
    woken: list[Key] = field(default_factory=list)

    async def __call__(self, seen: ClusterSnapshot, chain: str) -> Mapping[Key, Allotment]:
        self.asked.append((chain, {need.key for need in seen.needs}))
        if self.fails:
            raise Unsolved(self.fails)
        return allot(seen).by_key

    def rounds(self) -> Rounds:
        return Rounds(self, Supply, answered=self.woken.append, settle_s=0.0, first_pause_s=0.1)


def question(key: Key = CHAT, *, rps: float = 1.0, ready: int = 0) -> Question:
    seen = sight(pool("g6.xlarge", ready=ready), LARGE, rps=rps)
    return Question(Experience(), seen, _named(key))


def _named(key: Key) -> Charter:
    return replace(charter(SMALL, LARGE), key=key)


def test_a_round_takes_in_everybody_though_one_alone_is_due() -> None:
    solver = Solver()
    rounds = solver.rounds()
    rounds.ask(CHAT, question(CHAT), due=True)
    rounds.ask(CODE, question(CODE), due=False)
    asyncio.run(rounds.hold())
    assert solver.asked == [("best", {CHAT, CODE})]
    assert solver.woken == [CHAT, CODE]


def test_an_answer_is_fetched_once() -> None:
    rounds = Solver().rounds()
    rounds.ask(CHAT, question(), due=True)
    assert rounds.answer(CHAT) is None
    asyncio.run(rounds.hold())
    told = rounds.answer(CHAT)
    assert told is not None
    assert told.best.shapes
    assert rounds.answer(CHAT) is None


def test_where_the_best_is_elsewhere_what_serves_is_asked_about_as_well() -> None:
    solver = Solver()
    rounds = solver.rounds()
    rounds.ask(CHAT, question(rps=12.0, ready=8), due=True)
    asyncio.run(rounds.hold())
    told = rounds.answer(CHAT)
    assert [chain for chain, _ in solver.asked] == ["best", "here"]
    assert told is not None
    assert told.current is not None
    assert {each.pool.offer.name for each in told.best.shapes if each.pool.replicas} == {"g6e.xlarge"}
    assert {each.pool.offer.name for each in told.current.shapes if each.pool.replicas} == {"g6.xlarge"}


def test_who_has_gone_meanwhile_gets_no_answer() -> None:
    rounds = Solver().rounds()
    rounds.ask(CHAT, question(), due=True)
    rounds.forget(CHAT)
    asyncio.run(rounds.hold())
    assert rounds.answer(CHAT) is None


def test_rounds_that_fail_say_why_from_the_second_on_and_leave_the_question_open() -> None:
    solver = Solver(fails="the worker took longer than 30 s")
    rounds = solver.rounds()
    rounds.ask(CHAT, question(), due=True)

    said: dict[int, str] = {}

    async def until_it_is_said() -> None:
        running = asyncio.create_task(rounds.run())
        while not rounds.trouble:
            await asyncio.sleep(0.01)
            said[len(solver.asked)] = rounds.trouble
        running.cancel()

    asyncio.run(until_it_is_said())
    assert said == {1: "", 2: solver.fails} | ({0: ""} if 0 in said else {})
    solver.fails = ""
    asyncio.run(rounds.hold())
    assert rounds.answer(CHAT) is not None


@pytest.mark.parametrize("known", [0, 1], ids=["nobody", "one of whom nothing can be had"])
def test_there_may_be_nobody_to_ask_for(known: int) -> None:
    solver = Solver()
    rounds = solver.rounds()
    if known:
        rounds.ask(CHAT, question(), due=False)
        rounds.forget(CHAT)
    asyncio.run(rounds.hold())
    assert solver.asked == []


def test_a_deployment_with_a_number_that_cannot_be_is_left_out_and_the_others_are_served() -> None:
    solver = Solver()
    rounds = solver.rounds()
    absurd = question(CODE, rps=1e308)
    absurd = replace(
        absurd, experience=replace(absurd.experience, lately=replace(absurd.experience.lately, worth=1e10))
    )
    rounds.ask(CHAT, question(CHAT), due=True)
    rounds.ask(CODE, absurd, due=True)
    asyncio.run(rounds.hold())
    assert solver.asked == [("best", {CHAT})]
    assert rounds.answer(CHAT) is not None
