"""The API as users write it: three kinds, parsed and bounded; the CRDs are generated from these types."""

from wharfage_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from wharfage_api.llmbudget import LLMBudget
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_api.offercatalog import OfferCatalog
from wharfage_api.version import GROUP, VERSION

__all__ = [
    "GROUP",
    "VERSION",
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "LLMBudget",
    "LLMDeployment",
    "OfferCatalog",
    "Reason",
]
