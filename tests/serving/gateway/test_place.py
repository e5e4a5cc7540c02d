"""Which replica takes a request."""

import random
from collections import Counter
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_gateway.place import BOUND, IDLE, drawn, limit, place, uniform
from wharfage_gateway.view import Model, Replica


def replica(name: str, slots: float = 10.0, **fields: Any) -> Replica:
    return Replica(name, "10.0.0.1", slots=slots, **fields)


def model(*replicas: Replica, **fields: Any) -> Model:
    return Model(key="chat", served="chat", replicas=replicas, **fields)


def name_of(found: Replica | None) -> str | None:
    return found.name if found is not None else None


@pytest.mark.parametrize(
    ("slots", "gateways", "most"),
    [
        pytest.param(10.0, 1, 10, id="all of them for the only gateway"),
        pytest.param(10.0, 2, 5, id="half for each of two"),
        pytest.param(11.0, 2, 5, id="rounded down, so that together they stay within"),
        pytest.param(1.0, 2, 1, id="but one for each, or it would never answer"),
        pytest.param(0.4, 1, 1, id="so too for what carries less than one"),
        pytest.param(12.999999999999, 1, 13, id="and a number that was computed is not a hair too small"),
    ],
)
def test_gateways_divide_the_slots_of_a_replica(slots: float, gateways: int, most: int) -> None:
    assert limit(replica("a", slots), gateways) == most


@settings(deadline=None)
@given(st.integers(1, 320), st.integers(1, 5))
def test_gateways_that_know_their_turns_use_every_slot_and_no_more(quarters: int, gateways: int) -> None:
    together = sum(limit(replica("a", quarters / 4), gateways, turn) for turn in range(gateways))
    assert together == max(gateways, quarters // 4)


def test_the_emptiest_for_its_slots_is_next() -> None:
    three = model(replica("a", 20.0), replica("b", 50.0), replica("c", 10.0))
    running: Counter[str] = Counter()
    for _ in range(72):
        found = place(three, running)
        assert found is not None
        running[found.name] += 1
    assert running == {"a": 18, "b": 45, "c": 9}


def test_a_burst_is_shared_by_slots_and_goes_no_further_than_each_may_have() -> None:
    two = model(replica("a", 20.0, burst=30.0), replica("b", 40.0, burst=50.0))
    running: Counter[str] = Counter()
    shares = []
    while (found := place(two, running)) is not None:
        running[found.name] += 1
        shares.append(running["b"] / running.total())
    assert shares[65] == pytest.approx(2 / 3, rel=0.02)
    assert running == {"a": 30, "b": 50}


@pytest.mark.parametrize(
    "closed",
    [
        pytest.param({"ready": False}, id="not ready"),
        pytest.param({"draining": True}, id="draining"),
    ],
)
def test_what_is_closed_gets_nothing(closed: dict[str, bool]) -> None:
    assert name_of(place(model(replica("a", **closed), replica("b")), {"b": 9})) == "b"
    assert place(model(replica("a", **closed)), {}) is None


def test_variants_are_filled_in_their_order() -> None:
    two = model(replica("cheap", 1.0, variant="int4"), replica("dear", 1.0, variant="bf16"), order=("int4", "bf16"))
    assert name_of(place(two, {})) == "cheap"
    assert name_of(place(two, {"cheap": 1})) == "dear"
    assert name_of(place(replace(two, order=("bf16",)), {})) == "dear"
    assert place(two, {"cheap": 1, "dear": 1}) is None


def test_a_trial_gets_its_share_and_no_more() -> None:
    trial = model(replica("old", 1e6, variant="bf16"), replica("new", 1e6, variant="int4"), split={"int4": 0.1})
    names = Counter(name_of(place(trial, {}, draw=uniform(f"request {number}"))) for number in range(5000))
    assert names["new"] == pytest.approx(500, rel=0.15)


def test_a_trial_that_has_no_room_is_answered_by_the_others_and_never_helps_them_out() -> None:
    trial = model(replica("old", 1.0, variant="bf16"), replica("new", 1.0, variant="int4"), split={"int4": 0.5})
    assert name_of(place(trial, {"new": 1}, draw=0.1)) == "old"
    assert place(trial, {"old": 1}, draw=0.9) is None


def test_a_trial_answers_all_where_nothing_else_is_open() -> None:
    trial = model(replica("old", variant="bf16", ready=False), replica("new", variant="int4"), split={"int4": 0.5})
    assert name_of(place(trial, {}, draw=0.9)) == "new"


def test_a_variant_that_is_a_fallback_answers_while_nothing_else_is_open() -> None:
    small = replica("small", variant="small")
    both = model(replica("usual", 1.0, variant="bf16"), small, fallback=("variant/small",))
    assert place(both, {"usual": 1}) is None
    assert name_of(place(replace(both, replicas=(small,)), {})) == "small"


@pytest.mark.parametrize(
    ("draw", "variant"),
    [(0.0, "a"), (0.09, "a"), (0.1, "b"), (0.29, "b"), (0.31, None), (0.99, None)],
)
def test_a_draw_falls_to_the_variants_by_their_shares(draw: float, variant: str | None) -> None:
    assert drawn({"b": 0.2, "a": 0.1}, draw) == variant


def test_a_prefix_comes_back_to_its_replica() -> None:
    five = model(*(replica(f"r{number}", 50.0) for number in range(5)))
    running = {f"r{number}": 10 for number in range(5)}
    for prefix in range(200):
        names = {name_of(place(five, {**running, "r0": running["r0"] + extra}, prefix=prefix)) for extra in range(2)}
        assert len(names) == 1


@pytest.mark.parametrize(
    ("slots", "load", "least"),
    [
        pytest.param([50.0] * 4, 0.7, 0.95, id="four large ones, busy"),
        pytest.param([20.0, 50.0, 10.0], 0.5, 0.9, id="a mixed fleet, half busy"),
        pytest.param([16.0] * 8, 0.3, 0.95, id="eight smaller ones, not busy"),
    ],
)
def test_repeated_prefixes_come_back_and_load_nobody_above_the_bound(
    slots: list[float], load: float, least: float
) -> None:
    chance = random.Random(7)
    prefixes = [chance.getrandbits(64) for _ in range(1000)]
    fleet = model(*(replica(f"r{number}", each) for number, each in enumerate(slots)))
    running: Counter[str] = Counter()
    ends: list[tuple[float, str]] = []
    last: dict[int, str] = {}
    taken: Counter[str] = Counter()
    now_s, returned = 0.0, 0
    for _ in range(4000):
        now_s += chance.expovariate(load * sum(slots))
        while ends and ends[0][0] <= now_s:
            running[heappop(ends)[1]] -= 1
        prefix = chance.choice(prefixes)
        found = place(fleet, running, prefix=prefix)
        assert found is not None
        running[found.name] += 1
        taken[found.name] += 1
        heappush(ends, (now_s + chance.expovariate(1.0), found.name))
        returned += last.get(prefix, found.name) == found.name
        last[prefix] = found.name
    assert returned / 4000 >= least
    for each in fleet.replicas:
        assert taken[each.name] / 4000 <= BOUND * each.slots / sum(slots)


def test_prefixes_spread_by_slots() -> None:
    three = model(replica("a", 20.0), replica("b", 50.0), replica("c", 10.0))
    even = {"a": 2, "b": 5, "c": 1}
    names = Counter(name_of(place(three, even, prefix=int(uniform(str(n)) * 2**64))) for n in range(8000))
    assert names["a"] == pytest.approx(2000, rel=0.1)
    assert names["b"] == pytest.approx(5000, rel=0.1)
    assert names["c"] == pytest.approx(1000, rel=0.1)


def test_a_replica_that_goes_moves_only_its_own_prefixes() -> None:
    five = model(*(replica(f"r{number}", 50.0) for number in range(5)))
    four = replace(five, replicas=five.replicas[:-1])
    for prefix in range(500):
        before, after = name_of(place(five, {}, prefix=prefix)), name_of(place(four, {}, prefix=prefix))
        assert before in ("r4", after)


FLEETS = st.lists(st.tuples(st.floats(0.5, 60.0), st.booleans(), st.integers(0, 60)), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(FLEETS, st.one_of(st.none(), st.integers(0, 2**64 - 1)), st.integers(1, 3))
def test_no_replica_is_filled_above_its_slots(
    fleet: list[tuple[float, bool, int]], prefix: int | None, gateways: int
) -> None:
    replicas = [replica(f"r{number}", slots, ready=ready) for number, (slots, ready, _) in enumerate(fleet)]
    running = {f"r{number}": count for number, (_, _, count) in enumerate(fleet)}
    found = place(model(*replicas), running, gateways=gateways, prefix=prefix)
    room = [each for each in replicas if each.open and running[each.name] < limit(each, gateways)]
    assert (found is None) == (not room)
    assert found is None or found in room


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(10, 60), min_size=2, max_size=8), st.integers(0, 2**64 - 1), st.integers(1, 200))
def test_one_hot_prefix_loads_no_replica_above_the_bound(slots: list[int], prefix: int, requests: int) -> None:
    replicas = [replica(f"r{number}", float(each)) for number, each in enumerate(slots)]
    running: Counter[str] = Counter()
    for _ in range(min(requests, sum(slots))):
        found = place(model(*replicas), running, prefix=prefix)
        assert found is not None
        running[found.name] += 1
        mean = running.total() / sum(slots)
        assert running[found.name] <= max(BOUND * mean * found.slots, IDLE * found.slots) + 1
