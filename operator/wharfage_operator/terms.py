"""From an LLMBudget to what a look at it needs: the dollars that hold now, its period, its stages."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wharfage_api.llmbudget import Basis, BudgetMode, LLMBudgetSpec
from wharfage_api.periods import span
from wharfage_autoscaler.reckoning import Terms
from wharfage_autoscaler.stages import Stage

from wharfage_operator.conditions import instant


def terms(spec: LLMBudgetSpec, now_s: float) -> Terms:
    """What holds at a moment (Unix seconds). `ZoneInfoNotFoundError` where nobody knows the time zone."""
    period = span(spec.period, ZoneInfo(spec.time_zone), now_s)
    return Terms(
        usd=dollars(spec, now_s),
        stages=tuple(Stage(each.action, float(each.at), each.of is Basis.FORECAST) for each in spec.stages),
        enforced=spec.mode is BudgetMode.ENFORCE,
        begins_s=period.begins_s,
        ends_s=period.ends_s,
    )


def told_of(status: Mapping[str, Any], begins_s: float) -> Mapping[str, Any]:
    """What a budget's status says of the period that begins then: nothing where it is of another."""
    return status if status.get("periodStart") == instant(begins_s) else {}


def dollars(spec: LLMBudgetSpec, now_s: float) -> float:
    """Those of the override while it holds, else the budget's own."""
    return float(spec.override.usd if overridden(spec, now_s) and spec.override is not None else spec.usd)


def overridden(spec: LLMBudgetSpec, now_s: float) -> bool:
    """Whether its override holds now."""
    return spec.override is not None and now_s < spec.override.until.timestamp()


def exists(zone: str) -> bool:
    """Whether the machine's time zone database knows a zone; where there is no database every zone may exist."""
    return _known(zone) or not _known("UTC")


def _known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, OSError, ValueError):  # OSError for the name of a folder, such as Europe
        return False
    return True
