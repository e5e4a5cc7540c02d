"""The conditions each kind always carries, and the reasons they give.

Positive polarity throughout: `True` is good. Further states are reasons, never new conditions.
"""

from enum import StrEnum

from pydantic import Field
from wharfage_autoscaler.reasons import Reason

from wharfage_api.instants import Instant
from wharfage_api.part import StatusPart

__all__ = [
    "BUDGET_CONDITIONS",
    "CATALOG_CONDITIONS",
    "DEPLOYMENT_CONDITIONS",
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "Reason",
]


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    READY = "Ready"
    PROGRESSING = "Progressing"
    CAPACITY_AVAILABLE = "CapacityAvailable"
    OBJECTIVES_MET = "ObjectivesMet"
    WITHIN_BUDGET = "WithinBudget"
    METRICS_FRESH = "MetricsFresh"
    PRICES_FRESH = "PricesFresh"
    ENFORCED = "Enforced"


CONDITIONS = {
    ConditionType.ACCEPTED: "The spec is understood and allowed.",
    ConditionType.READY: "It serves as asked; the message of a `False` one names what blocks.",
    ConditionType.PROGRESSING: "What runs is on its way to what was decided.",
    ConditionType.CAPACITY_AVAILABLE: "Every replica has, or will get, its machine.",
    ConditionType.OBJECTIVES_MET: "Latency is within its thresholds.",
    ConditionType.WITHIN_BUDGET: "The cost is within every ceiling that applies.",
    ConditionType.METRICS_FRESH: "The replicas' metrics are recent.",
    ConditionType.PRICES_FRESH: "The prices decided upon are recent.",
    ConditionType.ENFORCED: "The stages act on the deployments.",
}
"""What `True` means, for each condition of the API."""


DEPLOYMENT_CONDITIONS = (
    ConditionType.ACCEPTED,
    ConditionType.READY,
    ConditionType.PROGRESSING,
    ConditionType.CAPACITY_AVAILABLE,
    ConditionType.OBJECTIVES_MET,
    ConditionType.WITHIN_BUDGET,
    ConditionType.METRICS_FRESH,
    ConditionType.PRICES_FRESH,
)
"""Conditions of an `LLMDeployment`, in the order they are written."""

BUDGET_CONDITIONS = (ConditionType.ACCEPTED, ConditionType.ENFORCED, ConditionType.WITHIN_BUDGET)
"""Conditions of an `LLMBudget`."""

CATALOG_CONDITIONS = (ConditionType.ACCEPTED, ConditionType.PRICES_FRESH)
"""Conditions of an `OfferCatalog`."""


class Condition(StatusPart):
    """One observation about an object, as everywhere in Kubernetes."""

    type: str = Field(
        min_length=1, max_length=63, pattern="^[A-Z][A-Za-z]*$", description="What the condition is about."
    )
    status: ConditionStatus = Field(description="True, False or Unknown.")
    observed_generation: int = Field(default=0, ge=0, description="Generation of the spec this was observed for.")
    last_transition_time: Instant = Field(description="When status last changed.")
    reason: str = Field(
        min_length=1, max_length=64, pattern="^[A-Z][A-Za-z]*$", description="Why, in one word of a closed list."
    )
    message: str = Field(default="", max_length=4096, description="Why, in a sentence, with what to do next.")
