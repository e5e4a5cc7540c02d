"""What `wharfage budget` says, and what an override would change."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
import pytest
from wharfage_cli.budget_commands import Until
from wharfage_cli.budgets import line, more, preview

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
STAGES = [
    {"action": "PreferCheaper", "at": "1.00", "of": "Forecast"},
    {"action": "Freeze", "at": "0.95", "of": "Spent"},
]


def budget(*, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "search"}, "spec": {"usd": "1000", "stages": STAGES, **spec}, "status": status or {}}


def status(**fields: Any) -> dict[str, Any]:
    said = [
        {"type": "Accepted", "status": "True", "reason": "Accepted"},
        {"type": "Enforced", "status": "True", "reason": "WithinBudget", "message": "No stage acts now."},
    ]
    return {
        "usdSpent": "400.00",
        "usdForecast": {"low": "900", "mid": "1100", "high": "1300"},
        "conditions": said,
    } | fields


def test_a_budget_in_one_line() -> None:
    shown = line(budget(status=status(stage="PreferCheaper", usdPerHourAllowance="2.50")), now=NOW)
    assert (shown.usd, shown.spent, shown.used, shown.stage) == ("1000", "400.00", "40 %", "PreferCheaper")
    assert shown.forecast == "1100 (900 to 1300), 110 %"
    assert (shown.allowance, shown.says) == ("2.50", "")


def test_what_nobody_has_looked_at_is_not_zero() -> None:
    shown = line(budget(), now=NOW)
    assert (shown.spent, shown.used, shown.forecast) == ("<none>", "<none>", "<none>")
    assert "no operator has looked at this budget yet" in shown.says


def test_what_holds_it_down_is_said() -> None:
    held = status()
    held["conditions"][1] |= {"reason": "BudgetSpent", "message": "Stage Floor: its floors alone are paid for."}
    assert line(budget(status=held), now=NOW).says == "Stage Floor: its floors alone are paid for."


def test_an_override_counts_while_it_holds() -> None:
    raised = {"usd": "2000", "until": "2026-11-28T00:00:00Z", "reason": "launch"}
    assert line(budget(status=status(), override=raised), now=NOW).usd == "2000 (override)"
    assert line(budget(status=status(), override=raised), now=NOW.replace(month=12)).usd == "1000"


def test_a_preview_is_in_dollars_and_names_what_ends() -> None:
    until = NOW.replace(day=30)
    assert preview(budget(status=status(usdSpent="960")), Decimal(1500), until, now=NOW) == [
        "search: 1000 -> 1500 usd per Month until 2026-11-30 12:00 UTC",
        "spent 960 usd: 96 % -> 64 %",
        "expected by the end of the period 1100 usd: 110 % -> 73 %",
        "ends: PreferCheaper, Freeze",
    ]


def test_one_that_lowers_names_what_begins() -> None:
    rows = preview(budget(status=status()), Decimal(300), NOW.replace(day=30), now=NOW)
    assert rows[-1] == "begins: Freeze"
    assert rows[1] == "spent 400.00 usd: 40 % -> 133 %"


def test_what_has_no_room_in_a_line_is_shown_beside_it() -> None:
    raised = {"usd": "2000", "until": "2026-11-28T00:00:00Z", "reason": "launch"}
    top = [{"namespace": "shop", "name": "chat", "usdPerHour": "1.23"}]
    shown = budget(status=status(deployments={"count": 1, "top": top}), override=raised)
    assert list(more(shown, now=NOW)) == [
        ("override", "until 2026-11-28T00:00:00Z, then 1000: launch"),
        ("ladder", "PreferCheaper at 100 % forecast"),
        ("ladder", "Freeze at 95 % spent"),
        ("pays", "shop/chat 1.23 usd/h"),
    ]


@pytest.mark.parametrize("written", ["2026-12-01", "2026-12-01T08:00"])
def test_a_time_without_a_zone_is_answered_with_one_that_is_taken(written: str) -> None:
    with pytest.raises(click.BadParameter, match="has no time zone") as refused:
        Until().convert(written, None, None)
    proposed = str(refused.value.message).split(": write ")[1].removesuffix(" for UTC")
    assert Until().convert(proposed, None, None).tzinfo is UTC
