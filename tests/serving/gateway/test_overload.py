"""Twenty seconds at 1.7 times what there is, in virtual time: criterion 5 of the gateway's design."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

import pytest
from wharfage_gateway.answer import Admit, Answer, Refuse
from wharfage_gateway.asked import Asked
from wharfage_gateway.board import Board
from wharfage_gateway.ticket import Used
from wharfage_gateway.view import Model, Replica, View

SLOTS, SERVICE_S, SECONDS = 10, 0.055, 20.0
CAPACITY = SLOTS / SERVICE_S
CLASSES = {"interactive": 4, "bulk": 1}


@dataclass(slots=True)
class Course:
    """What became of the requests, by (class, tenant)."""

    offered: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    slot_s: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: set[int] = field(default_factory=set)
    waits_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def course(
    rates: dict[tuple[str, str], float],
    service_s: Mapping[str, float] | None = None,
    seconds: float = SECONDS,
    most_waiting: int = 1000,
) -> Course:
    """Poisson arrivals at so many a second by class and tenant, on one replica; `service_s` by tenant."""
    chance = random.Random(5)
    at = Board("b")
    replicas = (Replica("a", "10.0.0.1", slots=SLOTS),)
    model = Model(key="chat", served="chat", replicas=replicas, classes=CLASSES, most_waiting=most_waiting)
    at.see(View({"chat": model}), 0.0)
    arrivals = []
    for who, rate in rates.items():
        now_s = chance.expovariate(rate)
        while now_s < seconds:
            arrivals.append((now_s, who))
            now_s += chance.expovariate(rate)
    found = Course()
    came: dict[str, tuple[float, tuple[str, str]]] = {}
    ends: list[tuple[float, str]] = []

    def hear(slot: str, answer: Answer, now_s: float) -> None:
        began_s, who = came[slot]
        if isinstance(answer, Admit):
            found.waits_s[who[0]].append(now_s - began_s)
            took_s = chance.expovariate(1.0 / (service_s or {}).get(who[1], SERVICE_S))
            found.slot_s[who] += min(took_s, max(0.0, seconds - now_s))
            heappush(ends, (now_s + took_s, slot))
        elif isinstance(answer, Refuse):
            found.refused[who] += 1
            found.statuses.add(answer.status)
            assert answer.retry_after_s
            assert answer.retry_after_s >= 1.0 / CAPACITY

    for now_s, who in sorted(arrivals):
        while ends and ends[0][0] <= now_s:
            end_s, slot = heappop(ends)
            found.done[came[slot][1]] += 1
            for each in at.ended(slot, Used(100, 10), end_s):
                hear(each.slot, each.answer, end_s)
        found.offered[who] += 1
        slot, answer, called = at.arrive(Asked("chat", tenant=who[1], key_class=who[0]), now_s)
        came[slot] = (now_s, who)
        for each in called:
            hear(each.slot, each.answer, now_s)
        hear(slot, answer, now_s)
    return found


def test_the_heavy_class_hardly_waits_and_the_light_one_gets_all_the_rest() -> None:
    told = course({("interactive", "red"): 50.0, ("bulk", "blue"): 1.7 * CAPACITY - 50.0})
    assert told.refused["interactive", "red"] == 0
    assert told.refused["bulk", "blue"] > 0
    assert told.statuses == {429}
    assert sorted(told.waits_s["interactive"])[int(0.99 * len(told.waits_s["interactive"]))] < 2 * SERVICE_S
    rest = CAPACITY * SECONDS - told.done["interactive", "red"]
    assert told.done["bulk", "blue"] >= 0.95 * rest


def test_a_light_class_keeps_its_share_when_the_heavy_one_alone_is_too_much() -> None:
    told = course({("interactive", "red"): CAPACITY, ("bulk", "blue"): 0.7 * CAPACITY})
    assert told.done["bulk", "blue"] / told.done.total() == pytest.approx(0.2, abs=0.02)


def test_equal_tenants_get_the_same_and_one_that_floods_gets_no_more() -> None:
    told = course({("bulk", name): rate * CAPACITY for name, rate in [("red", 0.45), ("blue", 0.45), ("flood", 2.0)]})
    shares = [told.done["bulk", name] / told.done.total() for name in ("red", "blue", "flood")]
    assert shares == pytest.approx([1 / 3] * 3, rel=0.05)


@pytest.mark.parametrize("times", [1.0, 10.0, 40.0])
def test_equal_tenants_get_the_same_time_of_slots_however_long_their_answers_are(times: float) -> None:
    lengths = {"short": SERVICE_S, "long": times * SERVICE_S}
    rates = {("bulk", name): 1.5 * SLOTS / length for name, length in lengths.items()}
    told = course(rates, lengths, seconds=300.0)
    short, long = (told.slot_s["bulk", name] for name in lengths)
    assert long / short == pytest.approx(1.0, abs=0.05)
    assert short + long == pytest.approx(300.0 * SLOTS, rel=0.02)


def test_a_tenant_with_short_answers_is_never_kept_out_by_one_with_long_ones() -> None:
    lengths = {"short": SERVICE_S, "long": 10 * SERVICE_S}
    told = course({("bulk", "short"): 0.3 * CAPACITY, ("bulk", "long"): 0.3 * CAPACITY}, lengths, seconds=60.0)
    assert told.refused["bulk", "short"] == 0
    assert told.done["bulk", "short"] >= 0.95 * told.offered["bulk", "short"]


def test_a_tenant_within_its_share_is_not_refused_while_another_floods() -> None:
    told = course({("bulk", "quiet"): 0.3 * CAPACITY, ("bulk", "flood"): 2.0 * CAPACITY})
    assert told.refused["bulk", "quiet"] == 0
    assert told.refused["bulk", "flood"] > 0
