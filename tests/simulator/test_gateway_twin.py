"""The compiled gateway of the replay and the one that ships give every request the same answer."""

import math
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.capacity import AtOnce
from wharfage_gateway.answer import Admit, Answer, Refuse
from wharfage_gateway.asked import Asked
from wharfage_gateway.board import Board
from wharfage_gateway.ticket import Called, Used
from wharfage_gateway.view import Model, Replica, Throttle, View
from wharfage_simulator import admission
from wharfage_simulator.gateway import Allowance, Gate, Gateway, Senders, Standing, waits_s
from wharfage_simulator.records import NOBODY, Outcome
from wharfage_simulator.replica import Replicas, Service
from wharfage_simulator.traces import RequestTrace

from tests.simulator.engines import profile, random_trace

REASONS = {
    "context_length_exceeded": Standing.TOO_LONG,
    "tokens_exhausted": Standing.TOKENS_EXHAUSTED,
    "queue_full": Standing.QUEUE_FULL,
    "queue_timeout": Standing.QUEUE_TIMEOUT,
    "cold_start_timeout": Standing.COLD_START_TIMEOUT,
}
CLASSES: tuple[dict[str, int], ...] = ({}, {"interactive": 4, "bulk": 1}, {"a": 3, "b": 3, "default": 2})
SLOTS = 5


def named(slot: int) -> str:
    return f"replica-{slot:03}"


def tenant_named(tenant: int) -> str:
    return f"tenant-{tenant:02}"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one request was told: its standing, and the replica's slot where it was let in."""

    request: int
    standing: Standing
    slot: int = NOBODY


def heard(request: int, answer: Answer) -> Heard:
    if isinstance(answer, Admit):
        return Heard(request, Standing.ADMITTED, int(answer.replica.removeprefix("replica-")))
    return Heard(request, REASONS[answer.reason] if isinstance(answer, Refuse) else Standing.WAITING)


@dataclass(frozen=True, slots=True)
class Opened:
    """A replica by its slot: requests at once as its due, and at the most."""

    slot: int
    slots: float
    burst: float
    is_open: bool


class Real:
    """The gateway's own board, with requests by number."""

    def __init__(self, gateway: Gateway) -> None:
        self.board = Board("b", stream_limit_s=math.inf)
        self.gateway = gateway
        self.slots: dict[int, str] = {}
        self.requests: dict[str, int] = {}

    def see(self, replicas: Iterable[Opened], now_s: float) -> list[Heard]:
        own, allowance = self.gateway, self.gateway.allowance
        model = Model(
            key="chat",
            served="chat",
            replicas=tuple(
                Replica(named(each.slot), "10.0.0.1", 8000, each.slots, "", each.is_open, burst=each.burst)
                for each in replicas
            ),
            hold_s=own.hold_s,
            most_waiting=own.most_waiting,
            classes=own.classes,
            most_prompt_tokens=own.most_prompt_tokens,
            most_output_tokens=own.most_output_tokens,
            throttle=None if allowance is None else Throttle(allowance.tokens_per_s, allowance.burst_tokens),
        )
        return self._called(self.board.see(View({"chat": model}), now_s))

    def arrive(self, request: int, asked: Asked, now_s: float) -> tuple[Heard, list[Heard]]:
        slot, answer, called = self.board.arrive(asked, now_s)
        self.slots[request], self.requests[slot] = slot, request
        return heard(request, answer), self._called(called)

    def ended(self, request: int, prompt: int, output: int, now_s: float) -> list[Heard]:
        return self._called(self.board.ended(self.slots[request], Used(prompt, output), now_s))

    def tick(self, now_s: float) -> list[Heard]:
        return self._called(self.board.tick(now_s))

    def _called(self, called: Iterable[Called]) -> list[Heard]:
        return [heard(self.requests[each.slot], each.answer) for each in called]


def told(gate: Gate, request: int) -> Heard:
    ticket = gate.tickets[request]
    standing = Standing(int(ticket["standing"]))
    return Heard(request, standing, int(ticket["slot"]) if standing is Standing.ADMITTED else NOBODY)


def called(gate: Gate) -> list[Heard]:
    """Who was called, in order; the list is empty after it."""
    found = [told(gate, int(request)) for request in gate.called[: gate.desk["called"]]]
    gate.desk["called"] = 0
    return found


@dataclass(frozen=True, slots=True)
class Load:
    """What comes, as arrays by request; `serves_s` is how long each is served."""

    t_s: list[float]
    serves_s: list[float]
    prompt: list[int]
    output: list[int]
    senders: Senders


def load_of(chance: random.Random, gateway: Gateway, requests: int) -> Load:
    tenants = chance.choice((1, 2, 5))
    per_s = chance.choice((3.0, 12.0, 40.0))
    t_s, now_s = [], 0.0
    for _ in range(requests):
        now_s += chance.choice((0.0, chance.expovariate(per_s)))  # some come at the same instant
        t_s.append(now_s)

    def drawn(values: Iterable[int]) -> np.ndarray[Any, np.dtype[np.int32]]:
        pool = list(values)
        return np.array([chance.choice(pool) for _ in range(requests)], dtype=np.int32)

    senders = Senders(
        tenants=tenants,
        cls=drawn(range(len(gateway.class_names))),
        tenant=drawn([*range(tenants), 0, 0]),
        most_output=drawn((NOBODY, 5, 60)),
    )
    return Load(
        t_s,
        [chance.choice((0.25, chance.uniform(0.05, 2.0))) for _ in range(requests)],
        [chance.randint(1, 90) for _ in range(requests)],
        [chance.randint(0, 60) for _ in range(requests)],
        senders,
    )


def asked_of(load: Load, gateway: Gateway, i: int) -> Asked:
    senders = load.senders
    assert senders.cls is not None
    assert senders.tenant is not None
    assert senders.most_output is not None
    most = int(senders.most_output[i])
    return Asked(
        model="chat",
        tenant=tenant_named(int(senders.tenant[i])),
        key_class=gateway.class_names[int(senders.cls[i])],
        most_output_tokens=None if most == NOBODY else most,
        prompt_bytes=4 * load.prompt[i],
    )


def gateway_of(chance: random.Random) -> Gateway:
    rate = chance.choice((0.0, 50.0, 400.0))
    return Gateway(
        hold_s=chance.choice((0.3, 2.0, 600.0)),
        most_waiting=chance.choice((0, 1, 4, 20)),
        classes=chance.choice(CLASSES),
        most_prompt_tokens=chance.choice((None, None, 80)),
        most_output_tokens=chance.choice((None, 40)),
        allowance=chance.choice((None, Allowance(rate, 300.0))),
    )


def fleet_of(chance: random.Random) -> list[Opened]:
    """Replicas of which now and then none is open."""
    share = chance.choice((0.0, 0.5, 0.8))
    sizes = [chance.choice((0.5, 1.0, 2.0, 3.7, 6.0)) for _ in range(SLOTS)]
    return [
        Opened(slot, size, size * chance.choice((1.0, 1.5)), chance.random() < share) for slot, size in enumerate(sizes)
    ]


def together(seed: int, requests: int) -> set[Standing]:
    """Drive both by the same events, and require the same of both at each; what was ever told."""
    chance = random.Random(seed)
    gateway = gateway_of(chance)
    load = load_of(chance, gateway, requests)
    real, gate = Real(gateway), gateway.opened(requests, SLOTS, load.senders)
    ends: list[tuple[float, int]] = []
    seen: set[Standing] = set()

    def agreed(ours: list[Heard], now_s: float) -> None:
        assert called(gate) == ours
        for each in ours:
            seen.add(each.standing)
            if each.standing is Standing.ADMITTED:
                heappush(ends, (now_s + load.serves_s[each.request], each.request))
        assert gate.desk["waiting"] == len(real.board.waiting)

    events = sorted(
        [(t, 1, i) for i, t in enumerate(load.t_s)]
        + [(0.1 * k, 0, NOBODY) for k in range(math.ceil(load.t_s[-1] / 0.1) + 40)]
        + [(chance.uniform(0.0, load.t_s[-1]), 2, NOBODY) for _ in range(4)]
        + [(0.0, -1, NOBODY)]
    )
    for now_s, what, i in events:
        while ends and ends[0][0] <= now_s:
            end_s, request = heappop(ends)
            prompt, output = load.prompt[request], load.output[request]
            admission.ended(gate, request, prompt, output, end_s)
            agreed(real.ended(request, prompt, output, end_s), end_s)
        if what == 0:
            admission.expire(gate, now_s)
            agreed(real.tick(now_s), now_s)
        elif what == 1:
            standing = admission.arrive(gate, i, load.prompt[i], now_s)
            answer, pushed = real.arrive(i, asked_of(load, gateway, i), now_s)
            assert (told(gate, i), standing) == (answer, answer.standing)
            agreed(pushed, now_s)
            seen.add(answer.standing)
            if answer.standing is Standing.ADMITTED:
                heappush(ends, (now_s + load.serves_s[i], i))
        else:
            fleet = fleet_of(chance)
            for each in fleet:
                gate.berths[each.slot]["slots"], gate.berths[each.slot]["burst"] = each.slots, each.burst
                gate.berths[each.slot]["open"] = each.is_open
            admission.pump(gate, now_s)
            agreed(real.see(fleet, now_s), now_s)
    return seen


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_every_request_is_told_the_same(seed: int) -> None:
    together(seed, 60)


def test_all_that_can_be_told_is_told_in_some_of_them() -> None:
    assert set().union(*(together(seed, 60) for seed in range(60))) == set(Standing) - {Standing.UNTOLD}


KINDS = (profile(sequences=32, kv_tokens=20_000), profile(sequences=8, kv_tokens=6_000))
FLEET = {0: (0, AtOnce(12, 13)), 1: (1, AtOnce(5, 5)), 2: (0, AtOnce(9, 10))}
"""By slot: the kind, and requests at once."""
CHANGES = {5: ("serve", 0), 8: ("serve", 1), 10: ("serve", 2), 20: ("drain", 0), 23: ("kill", 2), 26: ("serve", 0)}
"""What happens to a slot after so many seconds. At first nothing serves."""


class Retold:
    """A replay, and the gateway's board that is told of every arrival and end in it."""

    def __init__(self, load: RequestTrace, gateway: Gateway, senders: Senders) -> None:
        self.fleet = Replicas(load, KINDS, SLOTS, Service(gateway=gateway), senders)
        self.gateway, self.senders = gateway, senders
        self.real = Real(gateway)
        self.open: dict[int, bool] = {}
        self.here: dict[int, Heard] = {}
        self.asked_s: dict[int, float] = {}
        self.admitted_s: dict[int, float] = {}
        self._killed: list[int] = []

    def second(self, begin: int) -> None:
        """What happens until the next second, in the replay and then on the board."""
        now_s, interval = float(begin), self.fleet.run(begin + 1.0)
        self._note(
            self.real.see(
                [
                    Opened(slot, FLEET[slot][1].slots, FLEET[slot][1].burst, is_open)
                    for slot, is_open in self.open.items()
                ],
                now_s,
            ),
            now_s,
        )
        rows, ended = self.fleet.requests, interval.finished
        assert [heard for i in self._killed for heard in self.real.ended(i, 0, 0, now_s)] == []
        for i in self._killed:
            self._ask(i, now_s)
        self._killed = []
        response_s = [KINDS[FLEET[int(slot)][0]].response_s for slot in rows["replica"][ended]]
        events = [
            (float(end_s), 1, int(i)) for end_s, i in zip(rows["finish_s"][ended] - response_s, ended, strict=True)
        ]
        events += [(float(rows["arrival_s"][i]), 0, i) for i in interval.arrived]
        events += [(0.1 * look, 2, NOBODY) for look in range(10 * begin, 10 * (begin + 1))]
        for at_s, what, i in sorted(events, key=lambda event: event[:2]):  # ends of one step in the order of the engine
            if what == 0:
                self._ask(i, at_s)
            elif what == 1:
                self._note(self.real.ended(i, int(rows["prompt"][i]), int(rows["output"][i]), at_s), at_s)
            else:
                self._note(self.real.tick(at_s), at_s)

    def change(self, what: str, slot: int) -> None:
        """A replica serves, drains or is killed."""
        kind, at_once = FLEET[slot]
        if what == "serve":
            self.fleet.serve(slot, kind, at_once=at_once)
        elif what == "drain":
            self.fleet.drain(slot)
        else:
            rows = self.fleet.requests
            there = np.flatnonzero((rows["replica"] == slot) & (rows["outcome"] == Outcome.PENDING))
            assert self.fleet.kill(slot) == len(there) > 0
            self._killed = [int(i) for i in there]
        self.open[slot] = what == "serve"

    def _ask(self, i: int, now_s: float) -> None:
        assert self.senders.cls is not None
        assert self.senders.tenant is not None
        self.asked_s[i] = now_s
        asked = Asked(
            model="chat",
            tenant=tenant_named(int(self.senders.tenant[i])),
            key_class=self.gateway.class_names[int(self.senders.cls[i])],
            prompt_bytes=4 * int(self.fleet.requests["prompt"][i]),
        )
        answer, pushed = self.real.arrive(i, asked, now_s)
        self._note([answer, *pushed], now_s)

    def _note(self, found: Iterable[Heard], now_s: float) -> None:
        for each in found:
            self.here[each.request] = each
            if each.standing is Standing.ADMITTED:
                self.admitted_s[each.request] = now_s


def retold(load: RequestTrace, gateway: Gateway, senders: Senders) -> Retold:
    """The whole load, until nobody is there any more."""
    both = Retold(load, gateway, senders)
    for second in range(math.ceil(load.duration_s) + 60):
        if second in CHANGES:
            both.change(*CHANGES[second])
        both.second(second)
    return both


def agree(both: Retold) -> None:
    """Everybody was told the same, at the same time."""
    gate, outcome = both.fleet.gate, both.fleet.requests["outcome"]
    assert gate is not None
    assert [told(gate, i) for i in sorted(both.here)] == [both.here[i] for i in sorted(both.here)]
    waits = waits_s(gate)
    for i, at_s in both.admitted_s.items():
        assert waits[i] == pytest.approx(at_s - both.asked_s[i], abs=1e-9)
    refused = [each.standing is not Standing.ADMITTED for _, each in sorted(both.here.items())]
    assert (outcome == np.where(refused, Outcome.REFUSED, Outcome.FINISHED)).all()


@pytest.mark.parametrize("allowance", [None, Allowance(1_500.0, 9_000.0)], ids=["free", "throttled"])
def test_a_replay_admits_as_the_gateway_does_when_engines_end_requests_and_replicas_come_and_go(
    allowance: Allowance | None,
) -> None:
    load, draw = random_trace(7, 6_000, req_per_s=120.0, prompt=60, output=20), np.random.default_rng(5)
    gateway = Gateway(hold_s=4.0, most_waiting=150, classes={"interactive": 4, "bulk": 1}, allowance=allowance)
    senders = Senders(tenants=3, cls=draw.integers(0, 3, 6_000), tenant=draw.integers(0, 3, 6_000))
    both = retold(load, gateway, senders)
    assert len(both.here) == 6_000
    agree(both)
    standings = Counter(each.standing for each in both.here.values())
    assert standings[Standing.ADMITTED] > 1_000
    assert min(standings[each] for each in (Standing.QUEUE_FULL, Standing.QUEUE_TIMEOUT)) > 10
    assert (standings[Standing.TOKENS_EXHAUSTED] > 10) is (allowance is not None)
