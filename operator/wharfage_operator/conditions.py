"""Conditions as the API has them; `lastTransitionTime` moves only when the status does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wharfage_api.conditions import ConditionStatus, ConditionType, Reason

_LONGEST_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about one condition now. `holds` None is Unknown."""

    type: ConditionType
    holds: bool | None
    reason: Reason
    message: str


def conditions(
    verdicts: Iterable[Verdict], *, previous: Mapping[str, Any], generation: int, now: float
) -> list[dict[str, Any]]:
    """The list for a status; `previous` is the status as it stands, `now` Unix seconds."""
    known = {row["type"]: row for row in previous.get("conditions") or ()}
    return [_condition(verdict, known.get(verdict.type.value), generation, now) for verdict in verdicts]


def _condition(verdict: Verdict, before: Mapping[str, Any] | None, generation: int, now: float) -> dict[str, Any]:
    status = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}[verdict.holds]
    since = before["lastTransitionTime"] if before is not None and before["status"] == status else instant(now)
    return {
        "type": verdict.type.value,
        "status": status.value,
        "reason": verdict.reason.value,
        "message": verdict.message[:_LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }


def instant(now: float) -> str:
    """Unix seconds as the API writes them."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
