"""Moving a deployment within `decide`: what serves is kept until what takes over serves, and a move is weighed once."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.law import Held
from wharfage_autoscaler.move import Ahead, Elsewhere, Forced
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot

from tests.autoscaler.test_decide_auto import ON_DEMAND, SPOT, allotment, counts, portion, reasons, seen
from tests.builders import offer

HERE = offer("here", usd_per_hour=2.0)
THERE = offer("there", usd_per_hour=1.0)
NOW = allotment(portion(HERE, 12))
THEN = allotment(portion(THERE, 12))
HOURS = Ahead((12.0,) * 12, 1800.0)
TWELVE = Memory(held=Held(replicas=12.0))


def running(of: Offer, replicas: int, ready: int | None = None) -> Pool:
    return Pool(of, "bf16", replicas, 1, ready=replicas if ready is None else ready)


def world(*runs: Pool, allotted: Allotment = NOW, elsewhere: Elsewhere | None = None, **of: Any) -> Snapshot:
    """Ten requests a second, which twelve replicas carry, on offers that can be had."""
    base = seen(10.0, runs=runs, allotted=allotted, offers=(HERE, THERE, ON_DEMAND, SPOT))
    return replace(base, elsewhere=elsewhere, **of)


def by_name(decision: Decision) -> dict[str, int]:
    return {pool.offer.name: pool.replicas for pool in decision.target.pools}


@pytest.mark.parametrize(
    ("new_ready", "old_kept"),
    [
        pytest.param(0, 12, id="none of the new serves"),
        pytest.param(5, 7, id="some serve"),
        pytest.param(12, 0, id="all serve"),
    ],
)
def test_as_much_of_the_old_is_kept_as_is_missing_of_the_new(new_ready: int, old_kept: int) -> None:
    runs = (running(HERE, 12), running(THERE, 12, new_ready))
    memory = replace(TWELVE, rates=tuple(NOW.rates.items()))
    decision, _ = decide(world(*runs, allotted=THEN), memory)
    assert by_name(decision) == {"there": 12} | ({"here": old_kept} if old_kept else {})
    assert (reasons(decision)[-1] is Reason.SCALING) is bool(old_kept)


def test_small_old_replicas_are_kept_for_what_they_carry() -> None:
    small = replace(portion(HERE, 12), requests_per_second=0.25)
    memory = replace(TWELVE, rates=((small.pool.key, 0.25),))
    decision, _ = decide(world(running(HERE, 48), running(THERE, 12, 8), allotted=THEN), memory)
    assert by_name(decision) == {"there": 12, "here": 16}


def test_the_stand_in_serves_until_spot_is_back() -> None:
    mixed = allotment(portion(ON_DEMAND, 4), portion(SPOT, 8))
    back = (running(ON_DEMAND, 12), running(SPOT, 8, 0))
    decision, _ = decide(world(*back, allotted=mixed), TWELVE)
    assert list(counts(decision).values()) == [12, 8]
    served = (running(ON_DEMAND, 12), running(SPOT, 8, 8))
    assert list(counts(decide(world(*served, allotted=mixed), TWELVE)[0]).values()) == [4, 8]


def test_going_down_keeps_nothing() -> None:
    decision, _ = decide(world(running(HERE, 14)), TWELVE)
    assert by_name(decision) == {"here": 12}


@pytest.mark.parametrize(
    ("cap", "limit"),
    [
        pytest.param(15.0, None, id="allotted dollars"),
        pytest.param(None, 15.0, id="the user's own limit"),
    ],
)
def test_what_is_kept_stays_within_the_dollars(cap: float | None, limit: float | None) -> None:
    capped = replace(THEN, usd_per_hour=cap)
    base = world(running(HERE, 12), running(THERE, 12, 0), allotted=capped)
    decision, _ = decide(replace(base, wanted=replace(base.wanted, usd_per_hour_limit=limit)), TWELVE)
    assert by_name(decision) == {"there": 12, "here": 1}


def test_what_is_kept_stays_within_max_replicas() -> None:
    base = world(running(HERE, 12), running(THERE, 12, 0), allotted=THEN)
    decision, _ = decide(replace(base, wanted=replace(base.wanted, max_replicas=15)), TWELVE)
    assert by_name(decision) == {"there": 12, "here": 3}


def test_a_move_that_pays_is_made_before_the_old_is_broken_and_says_its_price() -> None:
    decision, memory = decide(world(running(HERE, 15), elsewhere=Elsewhere(THEN, HOURS)), TWELVE)
    assert decision.moves
    assert decision.allotment is THEN
    assert by_name(decision) == {"there": 12, "here": 12}
    assert Reason.CHEAPEST_OFFER in reasons(decision)
    assert decision.rejected[0].usd_per_hour == pytest.approx(24.0)
    assert memory.moved_s == world().now


@pytest.mark.parametrize(("carries", "replicas"), [(0.5, 24), (1.5, 8), (1.0, 12)])
def test_what_it_moves_to_carries_as_much_whatever_its_replicas_carry(carries: float, replicas: int) -> None:
    other = replace(portion(THERE, replicas), requests_per_second=carries, usd_per_hour=6.0)
    there = replace(NOW, shapes=(other,))
    base = world(running(HERE, 15), elsewhere=Elsewhere(there, HOURS, force=Forced.UNOBTAINABLE))
    decision, memory = decide(base, TWELVE)
    assert by_name(decision)["there"] == replicas
    adopted = replace(base, now=base.now + 15.0, allotment=there, elsewhere=None)
    assert by_name(decide(adopted, memory)[0])["there"] == replicas


def test_a_count_is_that_of_its_own_unit() -> None:
    bigger = replace(NOW, shapes=(replace(portion(HERE, 6), requests_per_second=2.0),))
    decision, _ = decide(world(running(HERE, 6), allotted=bigger), replace(TWELVE, unit_rps=1.0))
    assert by_name(decision) == {"here": 6}


@pytest.mark.parametrize(
    ("rps", "carries", "replicas"),
    [
        pytest.param(0.5, 0.4, 3, id="less than was thought, and enough: as many"),
        pytest.param(2.0, 0.4, 6, id="less than was thought, and too little: as many as the load needs"),
        pytest.param(2.5, 2.5, 3, id="more than was thought: as many until the window for down is over"),
    ],
)
def test_the_same_machines_are_no_more_and_no_fewer_when_they_are_taken_to_carry_another_rate(
    rps: float, carries: float, replicas: int
) -> None:
    quiet = replace(seen(rps, runs=(running(HERE, 3),), allotted=NOW), offers=(HERE,))
    _, memory = decide(quiet, Memory(held=Held(replicas=3.0, lowered_s=quiet.now)))
    assert memory.held.replicas == 3
    learned = replace(NOW, shapes=(replace(portion(HERE, 12), requests_per_second=carries),))
    decision, _ = decide(replace(quiet, now=quiet.now + 15.0, allotment=learned), memory)
    assert by_name(decision) == {"here": replicas}


def test_a_move_that_was_begun_is_not_weighed_again() -> None:
    base = world(running(HERE, 15), elsewhere=Elsewhere(THEN, HOURS))
    _, memory = decide(base, TWELVE)
    again, after = decide(replace(base, now=base.now + 15.0), memory)
    assert not again.moves
    assert again.allotment is THEN
    assert after.moved_s == base.now


def test_a_move_back_to_where_one_came_from_is_weighed_like_any_other() -> None:
    _, memory = decide(world(running(HERE, 15), elsewhere=Elsewhere(THEN, HOURS)), TWELVE)
    there = world(running(THERE, 15), allotted=THEN)
    _, memory = decide(replace(there, now=there.now + 15.0), memory)
    back = world(running(HERE, 15), elsewhere=Elsewhere(THEN, HOURS))
    decision, _ = decide(replace(back, now=back.now + 1800.0), memory)
    assert decision.allotment is NOW
    assert "cooldown" in decision.rejected[0].why


def test_the_first_decision_of_all_may_be_a_move_and_what_serves_still_counts_for_what_it_carries() -> None:
    strong = replace(NOW, shapes=(replace(portion(THERE, 1), requests_per_second=12.0),))
    first = world(running(HERE, 12), elsewhere=Elsewhere(strong, HOURS, force=Forced.TOO_SMALL))
    _, memory = decide(first, Memory())
    adopted = replace(first, now=first.now + 15.0, allotment=strong, elsewhere=None)
    assert by_name(decide(adopted, memory)[0]) == {"there": 1, "here": 12}


STAYS = [
    pytest.param({"enabled": False}, 15, {}, "scaling.vertical.enabled", id="the user forbids it"),
    pytest.param({}, 10, {}, "headroom", id="nothing is left to move with"),
    pytest.param({}, 15, {"moved_s": 999_000.0}, "cooldown", id="it has just moved"),
    pytest.param({"ahead": Ahead((12.0,), 60.0)}, 15, {}, "too little", id="it would not pay in time"),
]


@pytest.mark.parametrize(("of", "ready", "remembered", "why"), STAYS)
def test_a_move_that_is_not_made_is_named_with_its_price(
    of: dict[str, Any], ready: int, remembered: dict[str, Any], why: str
) -> None:
    elsewhere = replace(Elsewhere(THEN, HOURS), **of)
    base = replace(world(running(HERE, ready), elsewhere=elsewhere), now=1e6)
    decision, _ = decide(base, replace(TWELVE, **remembered))
    assert not decision.moves
    assert set(by_name(decision)) == {"here"}
    assert decision.rejected[0].usd_per_hour == pytest.approx(12.0)
    assert why in decision.rejected[0].why


def test_a_forced_move_waits_for_nothing() -> None:
    elsewhere = Elsewhere(NOW, HOURS, force=Forced.UNOBTAINABLE, enabled=False)
    decision, _ = decide(world(running(THERE, 10), allotted=THEN, elsewhere=elsewhere), TWELVE)
    assert decision.moves
    assert str(Forced.UNOBTAINABLE) in next(s.message for s in decision.steps if s.reason is Reason.CHEAPEST_OFFER)


@given(
    old=st.integers(0, 30),
    new=st.integers(0, 30),
    wanted=st.integers(1, 30),
    most=st.integers(1, 40),
    cap=st.one_of(st.none(), st.floats(0.5, 60.0)),
)
def test_no_move_crosses_a_ceiling_and_identical_inputs_give_identical_decisions(
    old: int, new: int, wanted: int, most: int, cap: float | None
) -> None:
    runs = tuple(running(of, count) for of, count in ((HERE, old), (THERE, new)) if count)
    base = world(*runs, allotted=replace(THEN, usd_per_hour=cap), elsewhere=Elsewhere(NOW, HOURS))
    base = replace(base, wanted=replace(base.wanted, max_replicas=most))
    memory = Memory(held=Held(replicas=float(wanted)))
    decision, after = decide(base, memory)
    assert (decision, after) == decide(base, memory)
    assert decision.target.replicas <= most
    within = decision.allotment.usd_per_hour if decision.allotment is not None else None
    floor = max((pool.offer.usd_per_hour for pool in decision.target.pools), default=0.0)
    assert decision.target.usd_per_hour <= max(math.inf if within is None else within, floor) + 1e-9


def test_without_an_allotment_nothing_is_kept_or_moved() -> None:
    base = replace(world(running(HERE, 3), elsewhere=Elsewhere(THEN, HOURS)), allotment=None)
    decision, memory = decide(base, Memory())
    assert (decision.moves, decision.allotment, memory.rates) == (False, None, ())
    assert Reason.SCALING not in reasons(decision)
