"""What `status`, `explain` and `doctor` say about dollars: the tightest budget, the ledger, budgets that do nothing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from wharfage_api.conditions import Reason
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_operator.books import WRITTEN_EVERY_S, Open

from wharfage_cli.budgets import dollars, line
from wharfage_cli.doctor import Finding, Level, spoken
from wharfage_cli.output import UNKNOWN
from wharfage_cli.status import condition


def tightest(
    deployment: Mapping[str, Any],
    budgets: Iterable[Mapping[str, Any]],
    namespaces: Mapping[str, Mapping[str, str]],
    *,
    now: datetime,
) -> str:
    """Of the LLMBudgets that select a deployment the one that is used most: `search 64 %, PreferCheaper`.

    Those that act come before those that only observe. `namespaces` are the labels of namespaces by their names. Empty
    where none selects it.
    """
    metadata = deployment["metadata"]
    labels, around = metadata.get("labels") or {}, namespaces.get(metadata["namespace"], {})
    found = [(_used(each, now), each) for each in budgets if _selects(each, labels, around)]
    if not found:
        return _of_status(deployment)
    used, budget = max(found, key=_tightness)
    stage = (budget.get("status") or {}).get("stage")
    share = UNKNOWN if used is None else f"{100 * used:.0f} %"
    return f"{budget['metadata']['name']} {share}" + (f", {stage}{_mode(budget['spec'])}" if stage else "")


def spent(deployment: Mapping[str, Any]) -> str:
    """Dollars of today and this month in a sentence; empty where nothing is known."""
    status = deployment.get("status") or {}
    cost = status.get("cost") or {}
    if "usdThisMonth" not in cost:
        return ""
    words = f"{cost.get('usdToday', UNKNOWN)} usd today, {cost['usdThisMonth']} this month (UTC)"
    if "usdPerMillionTokens" in cost:
        words += f"; {cost['usdPerMillionTokens']} per million tokens of output at this load"
    budget = _of_status(deployment)
    return f"{words}; budget {budget}" if budget else words


def of_budgets(found: Sequence[dict[str, Any]], now: datetime) -> list[Finding]:
    """Budgets that select nothing, are not understood, or that nobody looks at."""
    findings = []
    for budget in found:
        shown, subject = line(budget, now=now), f"budget {budget['metadata']['name']}"
        status = budget.get("status") or {}
        enforced, accepted = condition(status, "Enforced"), condition(status, "Accepted")
        if enforced.get("reason") == "NothingSelected":
            fix = "compare spec.selector with `kubectl get llm -A --show-labels`"
            findings.append(Finding(Level.WARNING, subject, "it selects no deployment", fix))
        elif not status.get("conditions") or accepted.get("status") == "False":
            fix = "is an operator running? See above" if not status.get("conditions") else "mend its spec"
            findings.append(Finding(Level.WARNING, subject, shown.says, fix))
        elif accepted.get("reason") == Reason.WEBHOOK_FAILS:
            fix = "what happened in the last day is told once that is mended"
            findings.append(Finding(Level.WARNING, subject, shown.says, fix))
        else:
            findings.append(Finding(Level.OK, subject, f"{shown.used} used, stage {shown.stage}"))
    return findings


def of_ledger(books: Open | None, namespace: str, now: datetime) -> list[Finding]:
    """Whether the ledger is there, and charged until lately; None where there is none."""
    if books is None:
        message = f"there is none in namespace {namespace}: no operator has charged anything"
        return [Finding(Level.WARNING, "ledger", message, "is the operator of this version, and elected? See above")]
    since, mark = (datetime.fromtimestamp(at_s, UTC) for at_s in (books.since_s, books.meter.mark_s))
    age, running = now - mark, len(books.meter.machines)
    if (running or books.ledger.rows) and age.total_seconds() > WRITTEN_EVERY_S:
        message = f"charged until {mark:%Y-%m-%d %H:%M} UTC, {spoken(age)} ago: what ran since then is a gap"
        fix = "look at the operator's log and at wharfage_ledger_kept; what still runs is charged once it is kept again"
        return [Finding(Level.ERROR, "ledger", message, fix)]
    guessed = books.ledger.spend.estimated
    words = f"kept since {since:%Y-%m-%d}, last written {spoken(age)} ago, machines charged: {running}"
    words += f"; {guessed:.2f} usd of its open hours rest on a guess" if guessed >= 0.01 else ""
    return [Finding(Level.OK, "ledger", words)]


def _of_status(deployment: Mapping[str, Any]) -> str:
    """The stage that its status tells, for whoever may not list budgets."""
    said = (deployment.get("status") or {}).get("budget")
    return f"{said['name']}, {said['stage']}{_mode(said)}" if said else ""


def _mode(said: Mapping[str, Any]) -> str:
    return " (Observe)" if said.get("mode") == "Observe" else ""


def _tightness(found: tuple[float | None, Mapping[str, Any]]) -> tuple[bool, float, str]:
    used, budget = found
    return not _mode(budget["spec"]), -1.0 if used is None else used, budget["metadata"]["name"]


def _selects(budget: Mapping[str, Any], labels: Mapping[str, str], around: Mapping[str, str]) -> bool:
    try:
        return LLMBudgetSpec.model_validate(budget["spec"]).selects(labels, around)
    except ValidationError:
        return False


def _used(budget: Mapping[str, Any], now: datetime) -> float | None:
    usd, said = dollars(dict(budget["spec"]), now=now), (budget.get("status") or {}).get("usdSpent")
    return float(Decimal(said) / usd) if said is not None and usd else None
