"""What status, explain and doctor say about dollars."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.spend import Spend
from wharfage_cli.doctor import Level
from wharfage_cli.money import of_budgets, of_ledger, spent, tightest
from wharfage_cli.status import line
from wharfage_operator.books import Open

from tests.ledgers import chat

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SEARCH = {"matchLabels": {"team": "search"}}


def deployment(**status: Any) -> dict[str, Any]:
    spec = {"model": {"source": "hf://Qwen/Qwen3-8B"}}
    metadata = {"namespace": "shop", "name": "chat", "labels": {"team": "search"}}
    return {"metadata": metadata, "spec": spec, "status": status}


def budget(name: str, *, spent: str | None = "320", reason: str = "WithinBudget", **spec: Any) -> dict[str, Any]:
    conditions = [
        {"type": "Accepted", "status": "True", "reason": "Accepted"},
        {"type": "Enforced", "status": "True", "reason": reason, "message": ""},
    ]
    stage = spec.pop("stage", None)
    status = {"usdSpent": spent, "stage": stage, "conditions": conditions}
    known = {key: value for key, value in status.items() if value is not None}
    return {"metadata": {"name": name}, "spec": {"usd": "500", "selector": SEARCH, **spec}, "status": known}


def test_the_budget_that_is_used_most_is_shown_with_its_stage() -> None:
    found = [
        budget("month", usd="1000"),
        budget("team", stage="PreferCheaper"),
        budget("others", usd="1", selector={"matchLabels": {"team": "data"}}),
    ]
    assert tightest(deployment(), found, {}, now=NOW) == "team 64 %, PreferCheaper"
    assert line(deployment(), budget="team 64 %").budget == "team 64 %"


def test_one_that_only_observes_says_so_and_one_that_nobody_looked_at_is_not_zero() -> None:
    assert (
        tightest(deployment(), [budget("team", stage="Floor", mode="Observe")], {}, now=NOW)
        == "team 64 %, Floor (Observe)"
    )
    assert tightest(deployment(), [budget("team", spent=None)], {}, now=NOW) == "team <none>"


def test_one_that_acts_comes_before_one_that_only_observes() -> None:
    found = [budget("tried", spent="450", stage="Freeze", mode="Observe"), budget("team", stage="PreferCheaper")]
    assert tightest(deployment(), found, {}, now=NOW) == "team 64 %, PreferCheaper"


def test_namespaces_are_selected_by_their_labels() -> None:
    only = budget("eu", namespaceSelector={"matchLabels": {"region": "eu"}})
    assert tightest(deployment(), [only], {"shop": {"region": "eu"}}, now=NOW) == "eu 64 %"
    assert tightest(deployment(), [only], {"shop": {"region": "us"}}, now=NOW) == ""


def test_who_may_not_list_budgets_sees_what_the_status_tells() -> None:
    told = deployment(budget={"name": "team", "stage": "Floor", "mode": "Enforce"})
    assert tightest(told, [], {}, now=NOW) == "team, Floor"
    told["status"]["budget"]["mode"] = "Observe"
    assert tightest(told, [], {}, now=NOW) == "team, Floor (Observe)"


def test_what_was_spent_in_a_sentence() -> None:
    cost = {"usdToday": "12.30", "usdThisMonth": "310.00", "usdPerMillionTokens": "0.41"}
    said = spent(deployment(cost=cost, budget={"name": "team", "stage": "Freeze", "mode": "Enforce"}))
    assert said.startswith("12.30 usd today, 310.00 this month (UTC); 0.41 per million tokens of output")
    assert said.endswith("; budget team, Freeze")
    assert spent(deployment()) == ""


def test_a_budget_that_selects_nothing_is_found() -> None:
    found = of_budgets([budget("team", reason="NothingSelected"), budget("month")], NOW)
    assert [(each.level, each.subject) for each in found] == [
        (Level.WARNING, "budget team"),
        (Level.OK, "budget month"),
    ]
    assert "selects no deployment" in found[0].message
    unseen = {"metadata": {"name": "new"}, "spec": {"usd": "5"}}
    assert of_budgets([unseen], NOW)[0].level is Level.WARNING


def test_a_budget_whose_webhook_is_not_told_is_found() -> None:
    mute = budget("month")
    mute["status"]["conditions"][0] |= {"reason": "WebhookFails", "message": "the operator may not read Secret s/x"}
    (found,) = of_budgets([mute], NOW)
    assert (found.level, found.message) == (Level.WARNING, "the operator may not read Secret s/x")


def books(ago: timedelta, *, running: bool = True, guessed: float = 0.0) -> Open:
    at_s = (NOW - ago).timestamp()
    machine = Machine(1.0, whole=True, since_s=0.0, stays={"pod": Stay(chat(), 1.0, 0.0)})
    rows = {at_s: {chat(): Spend(serving=9.0, estimated=guessed)}} if guessed else {}
    return Open(Meter(at_s, {"node": machine} if running else {}), Ledger(rows), 0.0, at_s)


@pytest.mark.parametrize(
    ("kept", "level", "says"),
    [
        pytest.param(None, Level.WARNING, "there is none in namespace system", id="none"),
        pytest.param(books(timedelta(minutes=50)), Level.OK, "last written 50 minutes ago", id="kept"),
        pytest.param(books(timedelta(hours=5)), Level.ERROR, "5 hours ago: what ran since then is a gap", id="a gap"),
        pytest.param(books(timedelta(days=5), running=False), Level.OK, "machines charged: 0", id="nothing runs"),
        pytest.param(books(timedelta(minutes=1), guessed=2.5), Level.OK, "2.50 usd of its open", id="guesses"),
    ],
)
def test_the_ledger_is_there_and_charged_until_lately(kept: Open | None, level: Level, says: str) -> None:
    (found,) = of_ledger(kept, "system", NOW)
    assert found.level is level
    assert says in found.message
