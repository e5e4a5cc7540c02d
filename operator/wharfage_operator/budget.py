"""What an LLMBudget shows as long as nothing tracks what is spent: that nothing does."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wharfage_api.conditions import ConditionType, Reason

from wharfage_operator.conditions import Verdict, conditions


def budget_status(
    zone: str, *, zone_exists: bool, previous: Mapping[str, Any], generation: int, now: float
) -> dict[str, Any]:
    """The whole status of a budget in that time zone."""
    verdicts = (
        _accepted(zone, exists=zone_exists),
        Verdict(
            ConditionType.ENFORCED,
            holds=False,
            reason=Reason.NOT_IMPLEMENTED,
            message="This version does not track spend yet: no stage begins by itself. One that is written to "
            "status.stage throttles at the gateway, and has it prefer cheaper variants. "
            "Until it does, limit a deployment by spec.limits.usdPerHour and spec.scaling.maxReplicas.",
        ),
        Verdict(
            ConditionType.WITHIN_BUDGET,
            holds=None,
            reason=Reason.NOT_IMPLEMENTED,
            message="Spend is not tracked yet.",
        ),
    )
    rows = conditions(verdicts, previous=previous, generation=generation, now=now)
    return {"observedGeneration": generation, "conditions": rows}


def stands(raw: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether the budget says as much already; what others wrote beside it, a stage, is theirs."""
    written = raw.get("status") or {}
    return all(written.get(name) == part for name, part in status.items())


def exists(zone: str) -> bool:
    """Whether the machine's time zone database knows a zone; where there is no database every zone may exist."""
    return _known(zone) or not _known("UTC")


def _known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, OSError, ValueError):  # OSError for the name of a folder, such as Europe
        return False
    return True


def _accepted(zone: str, *, exists: bool) -> Verdict:
    if not exists:
        return Verdict(
            ConditionType.ACCEPTED,
            holds=False,
            reason=Reason.INVALID_SPEC,
            message=f"there is no time zone {zone}: write one by its IANA name, such as Europe/Berlin or UTC",
        )
    return Verdict(ConditionType.ACCEPTED, holds=True, reason=Reason.ACCEPTED, message="The budget is understood.")
