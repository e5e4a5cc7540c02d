"""What the page shows of statuses and the ledger, to whom."""

from typing import Any

import pytest
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_autoscaler.metering import HOUR_S
from wharfage_autoscaler.spend import Spend
from wharfage_operator.overview import Replica, budget_line, details, line, overview
from wharfage_operator.spending import course, first_hour
from wharfage_operator.visitors import Rights

NOW_S = 1_790_000_000.0  # 2026-09-21T14:13:20Z
LEADER = Replica("one", leads=True, leader="one")
Object = dict[str, Any]


def deployment(namespace: str = "shop", name: str = "chat", **status: Any) -> Object:
    labels = {"team": "search"}
    metadata = {"namespace": namespace, "name": name, "uid": f"uid-{name}", "generation": 1, "labels": labels}
    return {
        "metadata": metadata,
        "spec": {"model": {"source": "hf://a/b"}},
        "status": {"observedGeneration": 1, **status},
    }


def ready(status: str, message: str = "") -> Object:
    return {"type": "Ready", "status": status, "reason": "R", "message": message}


def shown(rights: Rights, replica: Replica = LEADER, **more: Any) -> Object:
    from_s = first_hour(NOW_S)
    rows = {from_s + HOUR_S: {("shop", "uid-chat"): Spend(1.0, 0.25), ("team", "uid-big"): Spend(7.0)}}
    spent = course([rows], from_s, kept_s=NOW_S - 5.0, late=False)
    budgets: dict[str, tuple[LLMBudgetSpec, Object]] = {"month": (LLMBudgetSpec.model_validate({"usd": "100"}), {})}
    fleet = [deployment("team", "big"), deployment(), deployment("shop", "a")]
    return overview(fleet, budgets, spent, rights, replica, now_s=NOW_S, **more)


def test_who_may_list_everywhere_sees_all_in_order() -> None:
    found = shown(Rights("admin", everywhere=True, budgets=True))
    assert [(row["namespace"], row["name"]) for row in found["deployments"]] == [
        ("shop", "a"),
        ("shop", "chat"),
        ("team", "big"),
    ]
    assert [each["name"] for each in found["budgets"]] == ["month"]
    assert found["spending"]["namespaces"].keys() == {"shop", "team"}


def test_who_may_list_in_one_namespace_sees_nothing_of_the_others() -> None:
    found = shown(Rights("viewer", namespaces=frozenset({"shop"})))
    assert {row["namespace"] for row in found["deployments"]} == {"shop"}
    assert found["spending"]["namespaces"].keys() == {"shop"}
    assert found["budgets"] is None
    assert "team" not in str(found["spending"])
    assert "big" not in str(found)


def test_who_may_list_nothing_sees_nothing() -> None:
    found = shown(Rights("nobody"))
    assert (found["deployments"], found["budgets"], found["spending"]["namespaces"]) == ([], None, {})


def test_dollars_are_told_by_hour_in_parts_and_by_quarter_of_a_day_for_each() -> None:
    found = shown(Rights("admin", everywhere=True))
    hours = found["spending"]["namespaces"]["shop"]
    assert (hours["serving"][:3], hours["idle"][:3]) == ([0.0, 1.0, 0.0], [0.0, 0.25, 0.0])
    assert found["spending"]["keptUntil"] == NOW_S - 5.0
    weeks = {row["name"]: row["week"] for row in found["deployments"]}
    assert weeks["a"] is None
    assert weeks["chat"][:2] == [1.25, 0.0]


def test_one_that_was_made_again_has_no_dollars_of_the_one_before() -> None:
    from_s = first_hour(NOW_S)
    spent = course([{from_s: {("shop", "uid-of-before"): Spend(5.0)}}], from_s, kept_s=NOW_S, late=False)
    found = overview([deployment()], {}, spent, Rights("a", everywhere=True), LEADER, now_s=NOW_S)
    assert found["deployments"][0]["week"] is None
    assert found["spending"]["namespaces"]["shop"]["serving"][0] == 5.0


def test_without_a_ledger_the_fleet_is_shown_and_why() -> None:
    found = overview([deployment()], {}, None, Rights("a", everywhere=True), LEADER, now_s=NOW_S, trouble="broken")
    assert (found["spending"], found["trouble"], len(found["deployments"])) == (None, "broken", 1)


def test_what_is_not_known_is_null() -> None:
    found = line({"metadata": {"namespace": "shop", "name": "chat"}})
    unknown = ("usdPerHour", "usdToday", "usdThisMonth", "wanted", "requestsPerSecond", "stage", "week", "fleet")
    assert [found[name] for name in unknown] == [None] * len(unknown)
    assert (found["ready"], found["says"]) == ("Unknown", "no operator has looked at it yet")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"conditions": [ready("False", "no machine")]}, "no machine", id="not ready"),
        pytest.param({"conditions": [ready("True", "all is well")]}, "", id="ready"),
        pytest.param(
            {"conditions": [ready("True")], "observedGeneration": 0},
            "no operator has looked at the last edit yet",
            id="an edit that nobody saw",
        ),
    ],
)
def test_what_it_waits_for(changes: Object, says: str) -> None:
    assert line(deployment(**changes))["says"] == says


def test_a_paused_one_says_so() -> None:
    paused = deployment(conditions=[ready("True")])
    paused["metadata"]["annotations"] = {"wharfage.dev/paused": "true"}
    assert "wharfage.dev/paused" in line(paused)["says"]


def test_details_are_of_the_status_alone() -> None:
    found = details(deployment(decision={"summary": "s", "steps": []}, selector="x"))
    assert found["status"] == {"decision": {"summary": "s", "steps": []}}
    assert found["decision"] == "s"


def budget(status: Object, **spec: Any) -> Object:
    return budget_line("b", LLMBudgetSpec.model_validate({"usd": "100", "period": "Day", **spec}), status, now_s=NOW_S)


def test_a_budget_tells_its_period_and_what_its_status_says_of_it() -> None:
    forecast = {"low": "90", "mid": "110.5", "high": "130"}
    status = {"periodStart": "2026-09-21T00:00:00Z", "usdSpent": "75.5", "usdForecast": forecast, "stage": "Notify"}
    found = budget(status)
    assert (found["usd"], found["usdSpent"], found["stage"]) == (100.0, 75.5, "Notify")
    assert found["usdForecast"] == {"low": 90.0, "mid": 110.5, "high": 130.0}
    assert found["ends"] - found["begins"] == 86400.0


def test_of_an_earlier_period_nothing_is_told() -> None:
    found = budget({"periodStart": "2026-09-20T00:00:00Z", "usdSpent": "99", "stage": "Floor"})
    assert (found["usdSpent"], found["stage"]) == (None, None)


def test_a_budget_in_a_time_zone_that_nobody_knows_is_shown_with_its_complaint() -> None:
    rows = [{"type": "Accepted", "status": "False", "message": "there is no time zone"}]
    found = budget({"conditions": rows, "usdSpent": "1"}, timeZone="Europe/Nowhere")
    assert (found["begins"], found["usdSpent"], found["says"]) == (None, None, "there is no time zone")


def test_an_override_is_told_as_such() -> None:
    until = {"usd": "250", "until": "2026-09-22T00:00:00Z", "reason": "launch"}
    found = budget({}, override=until)
    assert (found["usd"], found["overridden"]) == (250.0, True)


def test_a_standby_says_who_leads() -> None:
    found = shown(Rights("a"), Replica("two", leads=False, leader="one"))
    assert found["replica"] == {"identity": "two", "leads": False, "leader": "one"}
