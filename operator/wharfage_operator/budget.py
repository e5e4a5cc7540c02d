"""What an LLMBudget shows as long as nothing enforces it: that nothing does."""

from collections.abc import Mapping
from typing import Any

from wharfage_api.conditions import ConditionType, Reason

from wharfage_operator.conditions import Verdict, conditions


def budget_status(*, previous: Mapping[str, Any], generation: int, now: float) -> dict[str, Any]:
    """The whole status."""
    verdicts = (
        Verdict(ConditionType.ACCEPTED, holds=True, reason=Reason.ACCEPTED, message="The budget is understood."),
        Verdict(
            ConditionType.ENFORCED,
            holds=False,
            reason=Reason.NOT_IMPLEMENTED,
            message="This version does not track spend yet: no stage acts. "
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
