"""Stages of a budget begin, hold and recede."""

import math

import pytest
from wharfage_autoscaler.stages import Action, Outlook, Stage, Standing, climbed, resumed

MONTH_S = 30 * 86_400.0
LADDER = (
    Stage(Action.NOTIFY, 0.7),
    Stage(Action.PREFER_CHEAPER, 1.0, of_forecast=True),
    Stage(Action.FREEZE, 0.95),
    Stage(Action.FLOOR, 1.0),
)


def outlook(spent: float, forecast: float = 0.0, *, begins_s: float = 0.0, period_s: float = MONTH_S) -> Outlook:
    return Outlook(usd=100.0, spent_usd=spent, forecast_usd=forecast, period_begins_s=begins_s, period_s=period_s)


def after(looks: list[tuple[float, Outlook]], standing: Standing | None = None) -> Standing:
    standing = standing or Standing()
    for now_s, seen in looks:
        standing = climbed(LADDER, standing, seen, now_s)
    return standing


@pytest.mark.parametrize(
    ("spent", "forecast", "in_force"),
    [
        (69.9, 99.9, set()),
        (70.0, 99.9, {Action.NOTIFY}),
        (10.0, 100.0, {Action.PREFER_CHEAPER}),
        (95.0, 99.0, {Action.NOTIFY, Action.FREEZE}),
        (100.0, 120.0, {Action.NOTIFY, Action.PREFER_CHEAPER, Action.FREEZE, Action.FLOOR}),
    ],
)
def test_a_stage_begins_at_its_share_to_the_dollar(spent: float, forecast: float, in_force: set[Action]) -> None:
    assert after([(0.0, outlook(spent, forecast))]).actions == in_force


def test_a_stage_recedes_once_it_was_005_below_for_half_an_hour() -> None:
    held = after([(0.0, outlook(0, 104)), (60.0, outlook(0, 96)), (3600.0, outlook(0, 95.1))])
    assert held.actions == {Action.PREFER_CHEAPER}
    held = after([(3660.0, outlook(0, 94.9)), (5459.0, outlook(0, 94.9))], held)
    assert held.actions == {Action.PREFER_CHEAPER}
    assert after([(5460.0, outlook(0, 94.9))], held).actions == set()


def test_what_comes_back_within_the_half_hour_has_not_receded() -> None:
    held = after([(0.0, outlook(0, 104)), (60.0, outlook(0, 90)), (1800.0, outlook(0, 97)), (3500.0, outlook(0, 90))])
    assert held.actions == {Action.PREFER_CHEAPER}


def test_stages_on_spent_dollars_begin_anew_with_the_period_those_on_the_forecast_have_to_recede() -> None:
    held = after([(0.0, outlook(120, 150))])
    held = after([(MONTH_S, outlook(0, 94, begins_s=MONTH_S))], held)
    assert held.actions == {Action.PREFER_CHEAPER}


def test_in_an_hour_a_stage_recedes_after_six_minutes() -> None:
    hour = [(at_s, outlook(0, 104 if not at_s else 90, period_s=3600.0)) for at_s in (0.0, 60.0, 419.0)]
    assert after(hour).actions == {Action.PREFER_CHEAPER}
    assert after([*hour, (420.0, outlook(0, 90, period_s=3600.0))]).actions == set()


def test_a_clock_that_was_set_back_does_not_hold_a_stage_for_ever() -> None:
    held = after([(0.0, outlook(0, 104)), (1e9, outlook(0, 90)), (100.0, outlook(0, 90)), (1900.0, outlook(0, 90))])
    assert held.actions == set()


def test_lowering_the_dollars_below_what_is_spent_is_the_harshest_stage_at_once() -> None:
    assert after([(0.0, outlook(50)), (1.0, Outlook(40.0, 50.0, 60.0, 0.0, MONTH_S))]).harshest is Action.FLOOR


def test_a_budget_of_nothing_is_used_up_by_the_first_cent() -> None:
    assert Outlook(0.0, 0.0, 0.0, 0.0, MONTH_S).share(LADDER[0]) == 0.0
    assert Outlook(0.0, 0.01, 0.0, 0.0, MONTH_S).share(LADDER[0]) == math.inf


@pytest.mark.parametrize("spent", [96.0, 91.0, 80.0])
def test_after_a_restart_what_was_in_force_is(spent: float) -> None:
    before = after([(0.0, outlook(96.0)), (60.0, outlook(spent))])
    found = resumed(LADDER, before.harshest, outlook(spent))
    assert found.harshest is before.harshest
    assert found.actions <= before.actions


def test_one_that_nobody_has_looked_at_has_no_stage() -> None:
    assert resumed(LADDER, None, outlook(99.0)).actions == set()
