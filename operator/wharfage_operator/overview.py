"""What the page shows, as JSON: of the fleet, its dollars and its budgets that much as somebody may see.

All of it is in the statuses and the ledger's ConfigMaps, so that every replica tells the same. What is not known is
null, never 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wharfage_api.conditions import ConditionType
from wharfage_api.llmbudget import LLMBudgetSpec

from wharfage_operator.gather import PAUSED, is_paused
from wharfage_operator.kinds import Object, key_of
from wharfage_operator.spending import HOURS, QUARTER_S, Course
from wharfage_operator.terms import dollars, exists, overridden, terms, told_of
from wharfage_operator.visitors import Rights

_DIGITS = 5  # of a dollar
_DRAWN_DIGITS = 3  # of one that is only drawn
_DETAILS = ("fleet", "load", "budget", "decision", "models", "conditions", "endpoint")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replica:
    """Which replica of the operator answers, and who leads ("": nobody that it knows of)."""

    identity: str
    leads: bool
    leader: str


def overview(
    deployments: Iterable[Object],
    budgets: Mapping[str, tuple[LLMBudgetSpec, Mapping[str, Any]]],
    course: Course | None,
    rights: Rights,
    replica: Replica,
    *,
    now_s: float,
    trouble: str = "",
) -> Row:
    """The page for somebody with these rights.

    `budgets` are specs and statuses by name; `trouble` says why there is no course; `now_s` is in Unix seconds.
    """
    seen = (each for each in deployments if rights.sees(key_of(each)[0]))
    weeks = {} if course is None else course.by_uid
    return {
        "now": now_s,
        "user": rights.user,
        "everywhere": rights.everywhere,
        "replica": {"identity": replica.identity, "leads": replica.leads, "leader": replica.leader},
        "deployments": [line(each, weeks.get(each["metadata"]["uid"])) for each in sorted(seen, key=key_of)],
        "budgets": (
            [budget_line(name, spec, status, now_s=now_s) for name, (spec, status) in budgets.items()]
            if rights.budgets
            else None
        ),
        "spending": None if course is None else _spending(course, rights),
        "trouble": trouble,
    }


def line(deployment: Object, week: Iterable[float] | None = None) -> Row:
    """One deployment in a row of the table; `week` are dollars of the quarters of seven days."""
    (namespace, name), status = key_of(deployment), deployment.get("status") or {}
    summary, cost, decision = (status.get(part) or {} for part in ("summary", "cost", "decision"))
    ready, says = _readiness(deployment, status)
    return {
        "namespace": namespace,
        "name": name,
        "team": (deployment["metadata"].get("labels") or {}).get("team"),
        "model": ((deployment.get("spec") or {}).get("model") or {}).get("source"),
        "ready": ready,
        "reason": summary.get("reason"),
        "says": says,
        "replicas": status.get("replicas"),
        "readyReplicas": status.get("readyReplicas"),
        "wanted": _wanted(status),
        "fleet": summary.get("fleet"),
        "usdPerHour": number(cost.get("usdPerHour")),
        "usdPerMillionTokens": number(cost.get("usdPerMillionTokens")),
        "usdToday": number(cost.get("usdToday")),
        "usdThisMonth": number(cost.get("usdThisMonth")),
        "requestsPerSecond": number((status.get("load") or {}).get("requestsPerSecond")),
        "stage": (status.get("budget") or {}).get("stage"),
        "budget": (status.get("budget") or {}).get("name"),
        "decidedAt": decision.get("at"),
        "decision": decision.get("summary"),
        "week": None if week is None else [round(usd, _DRAWN_DIGITS) for usd in week],
    }


def details(deployment: Object) -> Row:
    """One deployment in full: those parts of its status that say why it is as it is."""
    status = deployment.get("status") or {}
    return line(deployment) | {"status": {part: status[part] for part in _DETAILS if part in status}}


def budget_line(name: str, spec: LLMBudgetSpec, status: Mapping[str, Any], *, now_s: float) -> Row:
    """One budget; what its status says of an earlier period is not shown."""
    held = terms(spec, now_s) if exists(spec.time_zone) else None
    current = {} if held is None else told_of(status, held.begins_s)
    forecast = current.get("usdForecast") or {}
    return {
        "name": name,
        "period": spec.period.value,
        "timeZone": spec.time_zone,
        "begins": None if held is None else held.begins_s,
        "ends": None if held is None else held.ends_s,
        "mode": spec.mode.value,
        "usd": dollars(spec, now_s),
        "overridden": overridden(spec, now_s),
        "usdSpent": number(current.get("usdSpent")),
        "usdForecast": {part: number(forecast.get(part)) for part in ("low", "mid", "high")},
        "usdPerHourAllowance": number(current.get("usdPerHourAllowance")),
        "stage": current.get("stage"),
        "stages": [{"action": each.action.value, "at": float(each.at), "of": each.of.value} for each in spec.stages],
        "deployments": (status.get("deployments") or {}).get("count"),
        "says": _blocking(status, (ConditionType.ACCEPTED, ConditionType.ENFORCED)),
    }


def number(text: object) -> float | None:
    """A figure of a status; None where there is none."""
    try:
        return None if text is None else float(str(text))
    except ValueError:
        return None


def _spending(course: Course, rights: Rights) -> Row:
    parts = ("serving", "startup", "idle", "estimated")
    seen = {name: hours for name, hours in course.by_namespace.items() if rights.sees(name)}
    return {
        "from": course.from_s,
        "hours": HOURS,
        "quarter": QUARTER_S,
        "keptUntil": course.kept_s,
        "late": course.late,
        "namespaces": {
            name: {part: [round(getattr(spend, part), _DIGITS) for spend in hours] for part in parts}
            for name, hours in sorted(seen.items())
        },
    }


def _readiness(deployment: Object, status: Mapping[str, Any]) -> tuple[str, str]:
    """Whether it is ready, "Unknown" where nobody says, and the sentence of what keeps it from being so."""
    rows = {row["type"]: row for row in status.get("conditions") or ()}
    ready = str(rows.get(ConditionType.READY.value, {}).get("status", "Unknown"))
    if is_paused(deployment):
        return ready, f"the annotation {PAUSED} stops every write for it, its status included"
    if not rows:
        return ready, "no operator has looked at it yet"
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return ready, "no operator has looked at the last edit yet"
    return ready, _blocking(status, (ConditionType.ACCEPTED, ConditionType.READY))


def _blocking(status: Mapping[str, Any], about: Iterable[ConditionType]) -> str:
    """What the first of these conditions says that does not hold; empty where all do."""
    rows = {row["type"]: row for row in status.get("conditions") or ()}
    found = (rows[each.value] for each in about if each.value in rows)
    return next((str(row.get("message", "")) for row in found if row["status"] != "True"), "")


def _wanted(status: Mapping[str, Any]) -> int | None:
    """How many replicas are wanted; None where nothing is decided."""
    fleet = status.get("fleet")
    return None if fleet is None else sum(int(row.get("wanted", 0)) for row in fleet)
