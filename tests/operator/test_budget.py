"""What a budget says of itself."""

import math
from dataclasses import replace
from typing import Any

import pytest
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_autoscaler.projection import Projection
from wharfage_autoscaler.reckoning import Reckoning
from wharfage_autoscaler.stages import Action, Outlook, Standing
from wharfage_operator.budget import announced, budget_status
from wharfage_operator.kinds import Object
from wharfage_operator.terms import dollars, exists, terms
from wharfage_operator.treasury import Account
from wharfage_operator.wishes import Cost

NOW = 1_790_035_200.0
OUTLOOK = Outlook(usd=100.0, spent_usd=60.0, forecast_usd=120.0, period_begins_s=NOW, period_s=86_400.0)
COSTS = {("shop", "chat"): Cost(3.0, 10.0), ("shop", "code"): Cost(5.0)}


def budget(**spec: Any) -> Object:
    return {"metadata": {"name": "all", "generation": 3}, "spec": {"usd": "100", "period": "Day", **spec}}


def account(*actions: Action, outlook: Outlook = OUTLOOK, **spec: Any) -> Account:
    written = LLMBudgetSpec.model_validate(budget(**spec)["spec"])
    standing = Standing(NOW, dict.fromkeys(actions))
    reckoning = Reckoning(outlook, Projection(90.0, 120.0, 150.0), allowance=2.5, standing=standing)
    held = terms(written, NOW)
    return Account("uid", written, held, reckoning, reckoning.cap(enforced=held.enforced), COSTS)


def said(status: Object, about: str) -> tuple[str, str, str]:
    row = next(row for row in status["conditions"] if row["type"] == about)
    return row["status"], row["reason"], row["message"]


@pytest.mark.parametrize(
    ("zone", "known"),
    [("UTC", True), ("Europe/Berlin", True), ("Europe/Atlantis", False), ("Europe", False), ("../etc/passwd", False)],
)
def test_a_time_zone_exists_where_the_database_has_it(zone: str, *, known: bool) -> None:
    assert exists(zone) is known


def test_a_budget_in_no_time_zone_is_not_accepted_and_says_what_to_write() -> None:
    status = budget_status(budget(timeZone="Europe/Atlantis"), None, now=NOW)
    assert said(status, "Accepted") == (
        "False",
        "InvalidSpec",
        "there is no time zone Europe/Atlantis: write one by its IANA name, such as Europe/Berlin or UTC",
    )
    assert status["observedGeneration"] == 3
    for about in ("Enforced", "WithinBudget"):
        assert said(status, about)[:2] == ("Unknown", "InvalidSpec")
        assert "its time zone does not exist" in said(status, about)[2]


def test_where_the_ledger_cannot_be_read_it_says_so_and_leaves_its_money_as_it_was() -> None:
    blind = Account("uid", LLMBudgetSpec.model_validate(budget()["spec"]), unbooked="ConfigMap s/x cannot be read")
    status = budget_status({**budget(), "status": {"usdSpent": "60.00"}}, blind, now=NOW)
    for about in ("Enforced", "WithinBudget"):
        assert said(status, about) == ("Unknown", "LedgerUnreadable", "ConfigMap s/x cannot be read")
    assert status["usdSpent"] == "60.00"


def test_it_tells_its_money_and_the_dearest_of_those_it_selects() -> None:
    status = budget_status(budget(), account(Action.NOTIFY, Action.PREFER_CHEAPER), now=NOW)
    assert (status["usdLimit"], status["usdSpent"]) == ("100.00", "60.00")
    assert status["usdForecast"] == {"low": "90.00", "mid": "120.00", "high": "150.00"}
    assert status["usdPerHourAllowance"] == "2.50"
    assert status["stage"] == "PreferCheaper"
    assert status["deployments"]["count"] == 2
    assert [row["name"] for row in status["deployments"]["top"]] == ["code", "chat"]


@pytest.mark.parametrize(("until", "limit"), [("2100-01-01T00:00:00Z", "150.00"), ("2020-01-01T00:00:00Z", "100.00")])
@pytest.mark.parametrize("looked_at", [None, account()], ids=["not looked at", "looked at"])
def test_its_limit_is_that_of_the_override_while_it_lasts(until: str, limit: str, looked_at: Account | None) -> None:
    raw = budget(override={"usd": "150", "until": until, "reason": "launch week"})
    assert budget_status(raw, looked_at, now=NOW)["usdLimit"] == limit


def test_figures_that_hardly_moved_and_conditions_that_hold_are_no_reason_to_write() -> None:
    first = budget_status(budget(), account(Action.PREFER_CHEAPER), now=NOW)
    crept = account(Action.PREFER_CHEAPER, outlook=replace(OUTLOOK, spent_usd=61.0))
    assert budget_status({**budget(), "status": first}, crept, now=NOW + 300.0) == first


@pytest.mark.parametrize(
    ("actions", "mode", "enforced", "within"),
    [
        ((), "Enforce", ("True", "WithinBudget"), ("WithinBudget", "No stage is in force.")),
        ((Action.NOTIFY,), "Enforce", ("True", "WithinBudget"), ("BudgetNotifies", "Stage Notify is in force.")),
        (
            (Action.PREFER_CHEAPER,),
            "Enforce",
            ("True", "BudgetRestricts"),
            ("BudgetRestricts", "Stage PreferCheaper is in force."),
        ),
        (
            (Action.FREEZE, Action.FLOOR),
            "Enforce",
            ("True", "BudgetSpent"),
            ("BudgetSpent", "Stage Floor is in force."),
        ),
        (
            (Action.FLOOR,),
            "Observe",
            ("False", "BudgetObserves"),
            ("BudgetSpent", "Stage Floor would be in force."),
        ),
    ],
)
def test_what_acts_and_what_would(
    actions: tuple[Action, ...], mode: str, enforced: tuple[str, str], within: tuple[str, str]
) -> None:
    status = budget_status(budget(), account(*actions, mode=mode), now=NOW)
    assert said(status, "Enforced")[:2] == enforced
    assert said(status, "WithinBudget") == ("True", *within)


def test_dollars_that_only_pay_for_the_floors_are_said_to_be_no_more() -> None:
    held = account(Action.PREFER_CHEAPER)
    assert (
        said(budget_status(budget(), held, now=NOW), "Enforced")[2] == "Stage PreferCheaper: 2.50 usd/h are left to it."
    )
    floored = replace(held, costs={("shop", "chat"): Cost(3.0, 10.0, floor=2.5)})
    assert said(budget_status(budget(), floored, now=NOW), "Enforced")[2] == (
        "Stage PreferCheaper: 2.50 usd/h are left to it, no more than its floors cost."
    )


def test_more_spent_than_there_was_is_not_within() -> None:
    over = account(Action.FLOOR, outlook=replace(OUTLOOK, spent_usd=100.5))
    assert said(budget_status(budget(), over, now=NOW), "WithinBudget")[0] == "False"


def test_one_that_selects_nothing_says_so() -> None:
    nobody = replace(account(), costs={})
    assert said(budget_status(budget(), nobody, now=NOW), "Enforced")[1] == "NothingSelected"


@pytest.mark.parametrize("unread", [None, Account("uid", LLMBudgetSpec.model_validate(budget()["spec"]))])
def test_before_the_first_look_its_money_stays_as_it_was(unread: Account | None) -> None:
    status = budget_status({**budget(), "status": {"stage": "Freeze", "usdSpent": "96.00"}}, unread, now=NOW)
    assert (status["stage"], status["usdSpent"]) == ("Freeze", "96.00")
    assert said(status, "WithinBudget")[0] == "Unknown"


def test_an_allowance_of_anything_is_not_written() -> None:
    free = account()
    assert free.reckoning is not None
    free.reckoning = replace(free.reckoning, allowance=math.inf)
    assert "usdPerHourAllowance" not in budget_status(budget(), free, now=NOW)


def test_a_stage_that_begins_or_recedes_is_told_once_with_its_numbers() -> None:
    (event,) = announced(budget(), account(Action.PREFER_CHEAPER))
    assert event.reason == "BudgetRestricts"
    assert event.message == (
        "stage none -> PreferCheaper: 60.00 of 100.00 usd are spent, 120.00 (90.00 to 150.00) are expected by the end "
        "of the period if nothing is held down"
    )
    assert announced({**budget(), "status": {"stage": "PreferCheaper"}}, account(Action.PREFER_CHEAPER)) == ()
    (over,) = announced({**budget(), "status": {"stage": "PreferCheaper"}}, account())
    assert over.message.startswith("stage PreferCheaper -> none: ")


def test_an_override_is_told_with_its_reason() -> None:
    override = {"usd": "150", "until": "2026-09-23T00:00:00Z", "reason": "launch week"}
    (event,) = announced(budget(), account(Action.NOTIFY, override=override))
    assert "override to 150 usd: launch week" in event.message
    (written,) = announced(budget(override=override), account(override=override))
    assert (written.reason, written.message) == (
        "BudgetOverridden",
        "override: 150 usd instead of 100 until 2026-09-23T00:00:00Z: launch week",
    )
    assert announced({**budget(override=override), "status": {"observedGeneration": 3}}, account()) == ()
    spec = LLMBudgetSpec.model_validate(budget(override=override)["spec"])
    assert (dollars(spec, NOW), dollars(spec, NOW + 2 * 86_400.0)) == (150.0, 100.0)
