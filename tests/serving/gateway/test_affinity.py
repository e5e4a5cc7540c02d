"""Prompts that come again, near full load, in virtual time: how many meet the replica that has them cached."""

import random
from collections import Counter
from heapq import heappop, heappush

import pytest
from wharfage_gateway.answer import Admit, Answer
from wharfage_gateway.asked import Asked
from wharfage_gateway.board import Board
from wharfage_gateway.place import BOUND, home
from wharfage_gateway.ticket import Used
from wharfage_gateway.view import Model, Replica, View

REQUESTS = 6000


def course(slots: list[float], load: float, *, affinity: bool = True) -> tuple[float, float, float]:
    """The share that came home, the most that a replica got of its share by slots, and the 99th of 100 waits in
    services. Lengths are exponential with the mean 1."""
    chance = random.Random(7)
    prefixes = [chance.getrandbits(64) for _ in range(1000)]
    replicas = tuple(Replica(f"r{number}", f"10.0.0.{number}", slots=each) for number, each in enumerate(slots))
    at = Board("b")
    at.see(View({"chat": Model(key="chat", served="chat", replicas=replicas, prefix_affinity=affinity)}), 0.0)
    came: dict[str, tuple[float, int]] = {}
    ends: list[tuple[float, str]] = []
    waits, got, at_home = list[float](), Counter[str](), 0

    def hear(slot: str, answer: Answer, now_s: float) -> None:
        nonlocal at_home
        if isinstance(answer, Admit):
            began_s, prefix = came[slot]
            waits.append(now_s - began_s)
            got[answer.replica] += 1
            at_home += home(replicas, prefix).name == answer.replica
            heappush(ends, (now_s + chance.expovariate(1.0), slot))

    now_s = 0.0
    for _ in range(REQUESTS):
        now_s += chance.expovariate(load * sum(slots))
        while ends and ends[0][0] <= now_s:
            end_s, slot = heappop(ends)
            for each in at.ended(slot, Used(100, 10), end_s):
                hear(each.slot, each.answer, end_s)
        prefix = chance.choice(prefixes)
        slot, answer, _ = at.arrive(Asked("chat", prefix=prefix), now_s)
        came[slot] = (now_s, prefix)
        hear(slot, answer, now_s)
    most = max(got[each.name] / got.total() / (each.slots / sum(slots)) for each in replicas)
    return at_home / got.total(), most, sorted(waits)[int(0.99 * len(waits))]


@pytest.mark.parametrize(
    ("slots", "load", "least"),
    [
        pytest.param([50.0] * 4, 0.9, 0.88, id="four large ones at 90 %"),
        pytest.param([16.0] * 8, 0.9, 0.7, id="eight smaller ones at 90 %"),
        pytest.param([20.0, 50.0, 10.0], 0.9, 0.82, id="a mixed fleet at 90 %"),
        pytest.param([50.0] * 4, 1.0, 0.75, id="four large ones, full"),
        pytest.param([16.0] * 8, 1.0, 0.55, id="eight smaller ones, full"),
        pytest.param([20.0, 50.0, 10.0], 1.0, 0.8, id="a mixed fleet, full"),
    ],
)
def test_prompts_come_home_also_near_full_load_and_nobody_waits_longer_for_it(
    slots: list[float], load: float, least: float
) -> None:
    share, most, waited = course(slots, load)
    assert share >= least
    assert most <= BOUND
    assert waited <= 1.25 * course(slots, load, affinity=False)[2] + 0.1
