"""Which Events a change of status is worth: transitions only, never a state that lasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wharfage_api.conditions import ConditionType, Reason
from wharfage_autoscaler.words import replica_words

from wharfage_operator.lines import tidy

_LONGEST = 900
# In this order, so that the last line of `kubectl describe` is the one that counts.
_TOLD = (
    ConditionType.ACCEPTED,
    ConditionType.CAPACITY_AVAILABLE,
    ConditionType.PROGRESSING,  # only that a surge found no machine: the rest is told by READY
    ConditionType.WITHIN_BUDGET,
    ConditionType.PRICES_FRESH,
    ConditionType.READY,
)
# What a user or administrator has to mend; the rest passes by itself.
_ACTIONABLE = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.UNKNOWN_CATALOG,
        Reason.BUDGET_REQUIRED,
        Reason.UNKNOWN_SHAPE,
        Reason.MODEL_DOES_NOT_FIT,
        Reason.CAPACITY_UNAVAILABLE,
        Reason.NAME_CONFLICT,
        Reason.IMAGE_NOT_ALLOWED,
        Reason.PODS_FORBIDDEN,
        Reason.QUOTA_EXCEEDED,
        Reason.SECRET_MISSING,
        Reason.UNSCHEDULABLE,
        Reason.IMAGE_PULL_FAILED,
        Reason.ENGINE_FAILED,
        Reason.FORBIDDEN,
        Reason.RECONCILE_ERROR,
        Reason.NOT_IMPLEMENTED,
        Reason.PRICES_STALE,
        Reason.LIMIT_REACHED,
        Reason.BUDGET_STOPPED,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One Event to record about a deployment."""

    reason: str
    message: str
    warning: bool


def events(previous: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[Event, ...]:
    """The Events between two statuses: a new fleet, and conditions whose status or reason changed."""
    return (*_fleet(previous, current), *_conditions(previous, current))


def turn(previous: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[str, str] | None:
    """Where a change of what is wanted leads (Up, Down, Elsewhere), and the reason of its last step; None without."""
    before, after = _wanted(previous), _wanted(current)
    steps = (current.get("decision") or {}).get("steps")
    if before == after or not steps:
        return None
    change = sum(after.values()) - sum(before.values())
    return "Up" if change > 0 else "Down" if change < 0 else "Elsewhere", steps[-1]["reason"]


def _fleet(previous: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[Event, ...]:
    before, after = _wanted(previous), _wanted(current)
    decision = current.get("decision") or {}
    if before == after or not after or not decision.get("steps"):
        return ()
    return (
        Event(decision["steps"][-1]["reason"], tidy(_moved(before, after, decision), longest=_LONGEST), warning=False),
    )


def _moved(before: dict[str, int], after: dict[str, int], decision: Mapping[str, Any]) -> str:
    from_count, to_count = sum(before.values()), sum(after.values())
    count = f"{from_count} -> {replica_words(to_count)}: " if from_count != to_count else ""
    return f"{count}{decision.get('summary', '')}"


def _wanted(status: Mapping[str, Any]) -> dict[str, int]:
    """Wanted replicas by pool."""
    names = ("catalog", "offer", "market", "zone", "variant")
    rows = status.get("fleet") or ()
    return {"/".join(str(row.get(name) or "") for name in names): row["wanted"] for row in rows if row.get("wanted")}


def _conditions(previous: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[Event, ...]:
    before, after = _by_type(previous), _by_type(current)
    found: list[Event] = []
    for about in _TOLD:
        now, then = after.get(about.value), before.get(about.value)
        if now is None or now["status"] == "Unknown" or (then and _gist(then) == _gist(now)):
            continue
        if about is ConditionType.PROGRESSING and now["reason"] != Reason.SURGE_WITHOUT_CAPACITY:
            continue
        if then is None and (now["status"] == "True" or now["reason"] not in _ACTIONABLE):
            continue  # the first status: that all is well, or on its way, is no news
        warning = now["status"] == "False" and now["reason"] in _ACTIONABLE
        found.append(Event(now["reason"], tidy(now["message"], longest=_LONGEST), warning))
    # One cause shows in several conditions: tell it once.
    return tuple({(event.reason, event.message): event for event in found}.values())


def _by_type(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {row["type"]: row for row in status.get("conditions") or ()}


def _gist(condition: Mapping[str, Any]) -> tuple[str, str]:
    return condition["status"], condition["reason"]
