"""All budgets looked at, minute by minute: caps, bounds, and who is told."""

import asyncio
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_autoscaler.bounds import FREE
from wharfage_autoscaler.reckoning import RESERVE
from wharfage_autoscaler.stages import Action
from wharfage_operator.budget import announced, budget_status
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Key
from wharfage_operator.terms import terms
from wharfage_operator.unrestricted import Course, read, written
from wharfage_operator.wishes import Cost, Wishes

from tests.operator.town import (
    CHAT,
    CODE,
    HOUR_S,
    LEFT_AT_NOON,
    MIDNIGHT,
    TODAY,
    YESTERDAY,
    Noon,
    Watched,
    budget,
    watched,
)


def test_a_budget_that_lasts_holds_nobody_down() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(5.0, 10.0)})
    seen.look(12, all=60.0)
    assert seen.treasury.caps() == ()
    assert seen.treasury.bounds(CHAT) == FREE
    assert seen.town.woken == [(LLM_BUDGETS, ("", "all"))]
    assert not seen.town.renewed


def test_one_that_does_not_is_a_cap_for_those_that_follow_their_load_and_a_bound_for_the_others() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(15.0, 10.0), CODE: Cost(5.0)})
    seen.look(12, all=120.0)
    (cap,) = seen.treasury.caps()
    assert (cap.name, cap.keys) == ("all", frozenset({CHAT}))
    assert seen.treasury.bounds(CODE).usd_per_hour == pytest.approx(2.0)
    assert cap.usd_per_hour == pytest.approx(LEFT_AT_NOON / 12 - 2.0)
    assert seen.treasury.bounds(CHAT).economises
    assert {(LLM_DEPLOYMENTS, CHAT), (LLM_DEPLOYMENTS, CODE)} <= set(seen.town.woken)
    assert seen.town.renewed == 1


def test_what_is_charged_at_twice_the_price_is_expected_at_twice_and_leaves_half_to_order() -> None:
    dear = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)})
    stale = watched(budget("all"), costs={CHAT: Cost(10.0, 10.0)})
    stale.town.markups["all"] = 2.0
    for seen in (dear, stale):
        seen.look(12, all=120.0)
    (cap,), (half,) = dear.treasury.caps(), stale.treasury.caps()
    assert half.usd_per_hour == pytest.approx(cap.usd_per_hour / 2)
    charged, known = stale.treasury.account("all"), dear.treasury.account("all")
    assert charged is not None
    assert known is not None
    assert charged.reckoning is not None
    assert known.reckoning is not None
    assert charged.reckoning.forecast.mid == pytest.approx(known.reckoning.forecast.mid)
    assert charged.ordered == known.ordered
    assert charged.charged_cap == pytest.approx(known.cap)


def test_what_it_saves_does_not_end_a_stage() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)})
    seen.look(11.9, all=118.0)
    for minute in range(60):
        seen.town.costs[CHAT] = Cost(10.0, 10.0)
        seen.look(12 + minute / 60, all=120.0 + minute / 6)
    assert seen.treasury.caps()
    account = seen.treasury.account("all")
    assert account is not None
    assert account.reckoning is not None
    assert account.reckoning.forecast.mid > 240.0


def test_caps_that_move_by_a_hundredth_allot_nothing_anew() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)})
    seen.look(12, all=120.0)
    seen.town.woken.clear()
    seen.look(12.01, all=120.2)
    assert seen.town.renewed == 1
    assert seen.town.woken == []


def test_of_two_budgets_the_tightest_holds() -> None:
    team = budget("team", usd="120", selector={"matchLabels": {"team": "search"}})
    seen = watched(budget("all"), team, costs={CHAT: Cost(10.0), CODE: Cost(10.0)}, labels={CHAT: {"team": "search"}})
    seen.look(12, all=120.0, team=90.0)
    assert seen.treasury.bounds(CODE).usd_per_hour == pytest.approx(4.0)
    chat = seen.treasury.bounds(CHAT)
    assert chat.why == "LLMBudget team"
    assert chat.usd_per_hour == pytest.approx((120.0 * (1 - RESERVE) - 90.0) / 12)


def test_one_that_observes_does_nothing() -> None:
    seen = watched(budget("all", mode="Observe"), costs={CHAT: Cost(50.0, 10.0)})
    seen.look(12, all=300.0)
    account = seen.treasury.account("all")
    assert account is not None
    assert account.reckoning is not None
    assert account.reckoning.standing.harshest is Action.FLOOR
    assert seen.treasury.caps() == ()
    assert seen.treasury.bounds(CHAT) == FREE


def test_stop_stops_and_says_so() -> None:
    stages = [{"action": "Floor", "at": "1.0"}, {"action": "Stop", "at": "1.1"}]
    seen = watched(budget("all", stages=stages), costs={CHAT: Cost(10.0, 10.0)})
    seen.look(12, all=265.0)
    assert "LLMBudget all is at its stage Stop (265.00 of 240.00 usd are spent)" in seen.treasury.bounds(CHAT).stopped


def test_no_trial_begins_under_freeze_and_none_runs_at_the_floor() -> None:
    stages = [{"action": "Freeze", "at": "0.9"}, {"action": "Floor", "at": "1.0"}]
    seen = watched(budget("all", stages=stages), costs={CHAT: Cost(10.0, 10.0)})
    seen.look(12, all=100.0)
    assert seen.treasury.bounds(CHAT) == FREE
    seen.look(12.1, all=220.0)
    assert (seen.treasury.bounds(CHAT).frozen, seen.treasury.bounds(CHAT).floored) == (
        "LLMBudget all at its stage Freeze",
        "",
    )
    seen.look(12.2, all=240.0)
    assert seen.treasury.bounds(CHAT).floored == "LLMBudget all at its stage Floor"


def test_after_a_restart_no_trial_begins_before_the_first_look_at_a_budget_that_was_frozen() -> None:
    stages = [{"action": "Freeze", "at": "0.9"}]
    status = {"stage": "Freeze", "periodStart": TODAY}
    seen = watched(budget("all", stages=stages, status=status), costs={CHAT: Cost(10.0, 10.0)})
    seen.look(12, all=math.nan)
    assert seen.treasury.bounds(CHAT).frozen == "LLMBudget all at its stage Freeze"


TO_STOP = [{"action": "Floor", "at": "1.0"}, {"action": "Stop", "at": "1.1"}]


@pytest.mark.parametrize(("spent", "bound"), [(100.0, None), (245.0, 0.0), (265.0, 0.0)])
def test_one_that_comes_once_all_is_spent_begins_with_nothing(spent: float, bound: float | None) -> None:
    seen = watched(budget("all", stages=TO_STOP), costs={CHAT: Cost(10.0, 10.0)})
    seen.look(12, all=spent)
    metadata = {"name": "code", "namespace": "shop", "uid": "uid-code", "resourceVersion": "8", "labels": {}}
    seen.town.cache.put(LLM_DEPLOYMENTS, {"metadata": metadata, "spec": {}})
    found = seen.treasury.bounds(CODE)
    assert found.usd_per_hour == bound
    assert bool(found.stopped) is (spent > 264.0)


@pytest.mark.parametrize(
    ("status", "mode", "stops"),
    [
        ({"stage": "Stop", "periodStart": TODAY}, "Enforce", True),
        ({"stage": "Stop", "periodStart": YESTERDAY}, "Enforce", False),
        ({"stage": "Stop", "periodStart": TODAY}, "Observe", False),
        ({"stage": "Freeze", "periodStart": TODAY}, "Enforce", False),
        ({}, "Enforce", False),
    ],
)
def test_what_an_earlier_process_had_stopped_stays_so_while_nobody_knows_what_is_spent(
    status: Mapping[str, str], mode: str, *, stops: bool
) -> None:
    seen = watched(budget("all", stages=TO_STOP, status=status, mode=mode), costs={CHAT: Cost(10.0, 10.0)})
    seen.look(12, all=math.nan)
    assert bool(seen.treasury.bounds(CHAT).stopped) is stops


def test_a_stage_of_the_period_before_ends_with_it_though_nobody_looked_meanwhile() -> None:
    before = {"stage": "Stop", "periodStart": YESTERDAY}
    seen = watched(budget("all", stages=TO_STOP, status=before), costs={CHAT: Cost(0.1, 10.0)})
    seen.look(0.1, all=0.5)
    assert seen.treasury.bounds(CHAT) == FREE


def test_an_override_holds_until_it_ends() -> None:
    override = {"usd": "1000", "until": "2026-09-22T13:00:00Z", "reason": "launch"}
    seen = watched(budget("all", override=override), costs={CHAT: Cost(10.0, 10.0)})
    seen.look(12.9, all=250.0)
    assert seen.treasury.bounds(CHAT) == FREE
    seen.look(13.0, all=251.0)
    assert seen.treasury.bounds(CHAT).usd_per_hour == 0.0


@pytest.mark.parametrize(("spent", "lasts"), [(226.0, True), (200.0, False)])
def test_after_a_restart_a_stage_is_in_force_until_it_would_recede(spent: float, *, lasts: bool) -> None:
    seen = watched(budget("all", status={"stage": "Freeze", "periodStart": TODAY}), costs={CHAT: Cost(0.1, 10.0)})
    seen.look(23.0, all=spent)
    account = seen.treasury.account("all")
    assert account is not None
    assert Action.FREEZE in account.actions
    seen.look(23.6, all=spent)
    assert (Action.FREEZE in account.actions) is lasts


TO_STOP_BY_ALL = [
    {"action": "PreferCheaper", "at": "1.0", "of": "Forecast"},
    {"action": "Freeze", "at": "0.95"},
    *TO_STOP,
]
RESTARTED = {"stage": "PreferCheaper", "periodStart": TODAY}


@pytest.mark.parametrize("stage", ["PreferCheaper", "Freeze", "Floor", "Stop"])
@pytest.mark.parametrize("looked", [False, True])
def test_after_a_restart_nothing_is_added_to_what_runs_before_it_is_counted(stage: str, *, looked: bool) -> None:
    status = {**RESTARTED, "stage": stage}
    seen = watched(budget("all", stages=TO_STOP_BY_ALL, status=status), costs={CHAT: Cost(10.0, 10.0)})
    if looked:
        asyncio.run(seen.treasury.turn(seen.town.now_s))
    found = seen.treasury.bounds(CHAT)
    assert (found.still, found.economises, found.why) == (True, True, "LLMBudget all")
    assert found.usd_per_hour == (0.0 if stage in ("Floor", "Stop") else None)
    assert bool(found.stopped) is (stage == "Stop")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"mode": "Observe"}, RESTARTED, id="one that observes"),
        pytest.param({}, {**RESTARTED, "stage": "Throttle"}, id="a stage that holds no dollars down"),
        pytest.param({}, {**RESTARTED, "periodStart": YESTERDAY}, id="the period before"),
        pytest.param({"selector": {"matchLabels": {"team": "other"}}}, RESTARTED, id="somebody else's"),
        pytest.param({"timeZone": "Europe/Atlantis"}, RESTARTED, id="a time zone that does not exist"),
    ],
)
def test_what_held_nothing_down_holds_nothing_after_a_restart(
    changes: Mapping[str, Any], status: Mapping[str, str]
) -> None:
    seen = watched(budget("all", status=status, **changes), costs={CHAT: Cost(10.0, 10.0)})
    assert seen.treasury.bounds(CHAT) == FREE


def test_once_it_is_counted_its_part_of_the_cap_holds_and_it_is_woken() -> None:
    seen = watched(budget("all", status=RESTARTED), costs={CHAT: Cost(20.0, 10.0)})
    asyncio.run(seen.treasury.turn(MIDNIGHT + 12 * HOUR_S))
    assert seen.treasury.bounds(CHAT).still
    seen.town.woken.clear()
    seen.look(12.001, all=120.0)
    assert not seen.treasury.bounds(CHAT).still
    assert [cap.keys for cap in seen.treasury.caps()] == [frozenset({CHAT})]
    assert (LLM_DEPLOYMENTS, CHAT) in seen.town.woken


def test_one_that_comes_while_dollars_are_held_down_waits_for_the_next_look_with_more_than_its_floor() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)})
    seen.look(12, all=120.0)
    metadata = {"name": "code", "namespace": "shop", "uid": "uid-code", "resourceVersion": "8", "labels": {}}
    seen.town.cache.put(LLM_DEPLOYMENTS, {"metadata": metadata, "spec": {}})
    assert seen.treasury.bounds(CODE).still
    assert not seen.treasury.bounds(CHAT).still


def test_while_the_ledger_cannot_be_read_the_milder_stages_of_before_hold_nothing() -> None:
    seen = watched(budget("all", status=RESTARTED), costs={CHAT: Cost(10.0, 10.0)})
    seen.town.trouble = "wharfage-ledger-open cannot be read"
    seen.look(12, all=math.nan)
    assert seen.treasury.bounds(CHAT) == FREE


async def test_what_is_not_counted_yet_is_looked_at_soon() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)}, clock=Noon(scale=1000.0), every_s=1e9)
    seen.town.now_s = MIDNIGHT + 12 * HOUR_S
    looking = asyncio.create_task(seen.treasury.run())
    try:
        async with asyncio.timeout(45.0):
            await seen.town.woke.wait()
            seen.town.woke.clear()
            seen.treasury.noted(CHAT, Cost(30.0, 10.0))
            await seen.town.woke.wait()
    finally:
        looking.cancel()
    assert [cap.keys for cap in seen.treasury.caps()] == [frozenset({CHAT})]


TEAM = {"team": "search"}


def moved_to_team(seen: Watched, key: Key) -> None:
    """Its labels are edited while it runs."""
    there = seen.town.cache.get(LLM_DEPLOYMENTS, key)
    assert there is not None
    metadata = {**there["metadata"], "labels": TEAM, "resourceVersion": "8"}
    seen.town.cache.put(LLM_DEPLOYMENTS, {**there, "metadata": metadata})


def test_one_that_moves_into_a_frozen_budget_is_allotted_anew_though_the_dollars_are_the_same() -> None:
    frozen = budget("all", stages=[{"action": "Freeze", "at": "0.9"}], selector={"matchLabels": TEAM})
    seen = watched(frozen, costs={CHAT: Cost(1.0, 10.0), CODE: Cost(0.001, 10.0)}, labels={CHAT: TEAM})
    seen.look(12, all=220.0)
    (before,), renewed = seen.treasury.caps(), seen.town.renewed
    moved_to_team(seen, CODE)
    assert (seen.treasury.bounds(CODE).still, seen.treasury.bounds(CODE).caps) == (True, frozenset())
    seen.look(12.001, all=220.0)
    assert (seen.treasury.bounds(CODE).still, seen.treasury.bounds(CODE).caps) == (False, frozenset({"all"}))
    (after,) = seen.treasury.caps()
    assert (before.keys, after.keys) == (frozenset({CHAT}), frozenset({CHAT, CODE}))
    assert after.usd_per_hour == pytest.approx(before.usd_per_hour, rel=0.01)
    assert seen.town.renewed == renewed + 1


@pytest.mark.parametrize("later", ["moved by its labels", "its count follows its load"])
async def test_what_was_counted_as_something_else_is_looked_at_soon(later: str) -> None:
    held = budget("all", selector={"matchLabels": TEAM})
    counts = Cost(30.0, 10.0) if later == "moved by its labels" else Cost(30.0)
    labels = {CHAT: TEAM} if later == "moved by its labels" else {CHAT: TEAM, CODE: TEAM}
    costs = {CHAT: Cost(20.0, 10.0), CODE: counts}
    seen = watched(held, costs=costs, labels=labels, clock=Noon(scale=1000.0), every_s=1e9)
    seen.town.now_s, seen.town.spent_usd = MIDNIGHT + 12 * HOUR_S, {"all": 120.0}
    for key, each in costs.items():
        seen.treasury.noted(key, each)
    looking = asyncio.create_task(seen.treasury.run())
    try:
        async with asyncio.timeout(45.0):
            await asyncio.sleep(0)  # the first look, which waits for nothing
            assert seen.treasury.caps()[0].keys == {CHAT}
            if later == "moved by its labels":
                moved_to_team(seen, CODE)
            seen.town.woke.clear()
            seen.treasury.noted(CODE, Cost(30.0, 10.0))
            await seen.town.woke.wait()
    finally:
        looking.cancel()
    assert seen.treasury.caps()[0].keys == {CHAT, CODE}


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "Europe"])
def test_a_time_zone_that_does_not_exist_holds_nobody_down(zone: str) -> None:
    seen = watched(budget("all", timeZone=zone), costs={CHAT: Cost(10.0)})
    seen.look(12, all=1000.0)
    assert seen.treasury.bounds(CHAT) == FREE


def test_a_budget_that_selects_nothing_holds_nothing() -> None:
    seen = watched(budget("all", selector={"matchLabels": {"team": "x"}}), costs={CHAT: Cost(10.0)})
    seen.look(12, all=1000.0)
    assert seen.treasury.caps() == ()
    assert seen.treasury.bounds(CHAT) == FREE


def test_a_budget_that_is_gone_holds_nobody() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(10.0)})
    seen.look(12, all=250.0)
    seen.town.cache.forget(LLM_BUDGETS, ("", "all"))
    seen.look(12.1)
    assert seen.treasury.bounds(CHAT) == FREE


def test_what_is_held_down_is_wished_for_by_its_demand_at_the_price_of_before() -> None:
    wishes = Wishes()
    assert wishes.wished(CHAT, Cost(20.0, 10.0), held=False) == 20.0
    assert wishes.wished(CHAT, Cost(10.0, 10.0), held=True) == pytest.approx(20.0)
    assert wishes.wished(CHAT, Cost(10.0, 4.0), held=True) == 10.0
    assert wishes.wished(CODE, Cost(7.0), held=True) == 7.0


def test_what_is_held_down_is_wished_for_at_dearer_prices_but_never_at_cheaper_ones() -> None:
    wishes = Wishes()
    wishes.wished(CHAT, Cost(20.0, 10.0, 1.6), held=False)
    assert wishes.wished(CHAT, Cost(10.0, 10.0, 3.2), held=True) == pytest.approx(40.0)
    assert wishes.wished(CHAT, Cost(10.0, 10.0, 0.8), held=True) == pytest.approx(20.0)


def test_a_count_that_no_load_leads_is_wished_for_as_its_user_asks_not_as_a_budget_left_it() -> None:
    seen = watched(budget("all"), costs={CODE: Cost(20.0, seat_usd=5.0, wanted=20.0)})
    seen.look(11.9, all=118.0)
    for minute in range(60):
        seen.town.costs[CODE] = Cost(5.0, seat_usd=5.0, wanted=20.0)
        seen.look(12 + minute / 60, all=120.0 + minute / 12)
    assert seen.treasury.bounds(CODE).usd_per_hour == pytest.approx(10.0), "two of four replicas; not all four again"


def test_who_ranks_higher_is_given_dollars_first_and_floors_come_before_all() -> None:
    costs = {CHAT: Cost(10.0, floor=2.0), CODE: Cost(10.0)}
    seen = watched(budget("all"), costs=costs, specs={CODE: {"priority": 1000}})
    seen.look(12, all=120.0)
    chat, code = (seen.treasury.bounds(key).usd_per_hour for key in (CHAT, CODE))
    assert chat is not None
    assert code is not None
    assert chat >= 2.0
    assert code > 7.0


def test_small_steps_add_up_to_news() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)})
    for minute in range(30):
        seen.look(12 + minute / 60, all=120.0 + minute * 0.6)
    told = seen.town.renewed
    assert 2 < told < 20, "a cap that falls by one in a hundred each minute is told every third"


@pytest.mark.parametrize("remembers", [True, False])
def test_what_a_restart_would_forget_of_the_unrestricted_course_is_kept(*, remembers: bool) -> None:
    first = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)})
    first.look(11.9, all=118.0)
    for minute in range(60):
        first.town.costs[CHAT] = Cost(8.0, 10.0)
        first.look(12 + minute / 60, all=120.0 + minute / 6)
    course = read(written("wharfage-system", first.treasury.course()))
    assert course == first.treasury.course()
    assert course.known.keys() == {"uid-chat"}
    assert sum(course.saved["uid-all"].values()) == pytest.approx(12.0 * 65 / 60, rel=1e-3)

    second = watched(budget("all", status={"stage": "PreferCheaper"}), costs={CHAT: Cost(8.0, 10.0)})
    second.treasury.resume(course if remembers else Course())
    for minute in range(60):
        second.look(13 + minute / 60, all=130.0 + minute / 6)
    account = second.treasury.account("all")
    assert account is not None
    assert (Action.PREFER_CHEAPER in account.actions) is remembers
    if remembers:
        assert second.treasury.course().saved["uid-all"].keys() == {hour + int(MIDNIGHT // HOUR_S) for hour in (12, 13)}


def test_of_what_nothing_holds_down_nothing_is_kept() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(5.0, 10.0)})
    seen.look(12, all=60.0)
    assert seen.treasury.course() == Course()


def test_what_half_an_hour_saved_is_added_to_what_the_hour_cost() -> None:
    seen = watched(budget("all"), costs={CHAT: Cost(20.0, 10.0)})
    seen.look(12, all=120.0)
    account = seen.treasury.account("all")
    assert account is not None
    for minute in range(1, 31):
        seen.town.costs[CHAT] = Cost(10.0, 10.0)
        seen.look(12 + minute / 60, all=120.0 + minute / 6)
    assert account.saved == {int(MIDNIGHT // HOUR_S) + 12: pytest.approx(5.0)}


def told(seen: Watched, name: str = "all", **spec: Any) -> list[str]:
    """The Events of a look at a budget, whose status is then written; `spec` is edited before the next."""
    raw = seen.town.cache.get(LLM_BUDGETS, ("", name))
    assert raw is not None
    account = seen.treasury.account(name)
    said = announced(raw, account)
    version = str(int(raw["metadata"]["resourceVersion"]) + 1)
    metadata = {**raw["metadata"], "resourceVersion": version}
    status = budget_status(raw, account, now=seen.town.now_s)
    seen.town.cache.put(LLM_BUDGETS, {"metadata": metadata, "spec": {**raw["spec"], **spec}, "status": status})
    return [each.message.partition(":")[0] for each in said]


LADDER = [
    {"action": "Notify", "at": "0.7"},
    {"action": "Freeze", "at": "0.95"},
    {"action": "Floor", "at": "1.0"},
    {"action": "Stop", "at": "1.1"},
]


def test_a_stage_that_is_reached_to_the_cent_is_told_once() -> None:
    seen = watched(budget("all", stages=LADDER), costs={CHAT: Cost(1.0, 10.0)})
    events = []
    for minute, spent in enumerate((167.99, 168.0, 168.0, 168.01, 227.99, 228.0, 239.99, 240.0, 264.0, 264.0)):
        seen.look(12 + minute / 60, all=spent)
        events += told(seen)
    assert events == [
        "stage none -> Notify",
        "stage Notify -> Freeze",
        "stage Freeze -> Floor",
        "stage Floor -> Stop",
    ]


def test_two_budgets_that_cross_in_one_look_are_told_once_each() -> None:
    team = budget("team", usd="120", stages=LADDER)
    seen = watched(budget("all", stages=LADDER), team, costs={CHAT: Cost(10.0)})
    for minute in range(3):
        seen.look(12 + minute / 60, all=230.0, team=121.0)
        expected = (["stage none -> Freeze"], ["stage none -> Floor"]) if not minute else ([], [])
        assert (told(seen, "all"), told(seen, "team")) == expected
    assert seen.treasury.bounds(CHAT).why == "LLMBudget team"
    assert seen.treasury.bounds(CHAT).usd_per_hour == 0.0


def test_dollars_lowered_below_what_is_spent_and_raised_while_stopped_act_at_the_next_look() -> None:
    seen = watched(budget("all", stages=LADDER), costs={CHAT: Cost(10.0)})
    seen.look(12, all=120.0)
    assert told(seen, usd="100") == []
    seen.look(12.02, all=120.2)
    assert told(seen, usd="400") == ["stage none -> Stop"]
    assert seen.treasury.bounds(CHAT).stopped
    seen.look(12.04, all=120.2)
    assert told(seen) == ["stage Stop -> none"]
    assert seen.treasury.bounds(CHAT) == FREE


def test_after_six_hours_without_an_operator_nothing_happens_at_once_but_what_the_dollars_say() -> None:
    seen = watched(budget("all", stages=LADDER), costs={CHAT: Cost(10.0, 10.0)})
    seen.look(6, all=60.0)
    assert told(seen) == []
    woken = len(seen.town.woken)
    seen.look(12, all=120.0)
    assert told(seen) == []
    assert seen.treasury.bounds(CHAT) == FREE
    assert seen.town.woken[woken:] == [(LLM_BUDGETS, ("", "all"))]
    assert not seen.town.renewed


@pytest.mark.parametrize("step_h", [1.0, -1.0])
def test_a_clock_that_is_set_by_an_hour_neither_begins_nor_ends_a_stage(step_h: float) -> None:
    seen = watched(budget("all", stages=LADDER), costs={CHAT: Cost(1.0, 10.0)})
    seen.look(12, all=230.0)
    assert told(seen) == ["stage none -> Freeze"]
    seen.look(12.0 + step_h, all=230.0)
    assert told(seen) == []
    account = seen.treasury.account("all")
    assert account is not None
    assert Action.FREEZE in account.actions


@pytest.mark.parametrize(
    ("zone", "begins", "ends"),
    [
        ("Pacific/Tongatapu", "2028-01-31T11:00:00+00:00", "2028-02-29T11:00:00+00:00"),
        ("Pacific/Pago_Pago", "2028-02-01T11:00:00+00:00", "2028-03-01T11:00:00+00:00"),
    ],
)
def test_a_month_with_a_leap_day_ends_when_it_does_there(zone: str, begins: str, ends: str) -> None:
    begins_s, ends_s = (datetime.fromisoformat(each).timestamp() for each in (begins, ends))
    spec = LLMBudgetSpec.model_validate({"usd": "100", "period": "Month", "timeZone": zone})
    for moment_s in (begins_s, ends_s - 1.0):
        held = terms(spec, moment_s)
        assert (held.begins_s, held.ends_s) == (begins_s, ends_s)
    assert terms(spec, ends_s).begins_s == ends_s


def test_at_the_floor_nothing_is_left_but_the_least_replicas_even_where_fewer_cost_the_same() -> None:
    seen = watched(budget("all", stages=LADDER), costs={CHAT: Cost(6.4, wanted=6.4, floor=6.4)})
    seen.look(12, all=241.0)
    assert seen.treasury.bounds(CHAT).usd_per_hour == 0.0
