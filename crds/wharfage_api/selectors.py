"""Label selectors, as everywhere in Kubernetes."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import ConfigDict, Field

from wharfage_api.names import LabelKey, Labels, LabelValue
from wharfage_api.part import Part, Rule, replaced, rules


class Comparison(StrEnum):
    """How a label is compared with the values of an expression."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Expression(Part):
    """One requirement on a label."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                "write values with In and NotIn, and none with Exists and DoesNotExist",
            )
        )
    )

    key: LabelKey = Field(description="Label the requirement is about.")
    operator: Comparison = Field(description="How the label is compared: In, NotIn, Exists or DoesNotExist.")
    values: tuple[LabelValue, ...] = Field(
        default=(),
        max_length=32,
        description="Values to compare with; for In and NotIn only.",
        json_schema_extra=replaced(),
    )

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels meets it; what lacks the label is not in any values."""
        match self.operator:
            case Comparison.IN:
                return labels.get(self.key) in self.values
            case Comparison.NOT_IN:
                return labels.get(self.key) not in self.values
            case Comparison.EXISTS:
                return self.key in labels
            case Comparison.DOES_NOT_EXIST:
                return self.key not in labels


class LabelSelector(Part):
    """Selects objects by their labels; all requirements must hold."""

    match_labels: Labels = Field(
        default_factory=dict, max_length=32, description="Labels an object must carry, with these values."
    )
    match_expressions: tuple[Expression, ...] = Field(
        default=(), max_length=16, description="Further requirements on labels.", json_schema_extra=replaced()
    )

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects an object with these labels; an empty selector selects all."""
        alike = all(labels.get(key) == value for key, value in self.match_labels.items())
        return alike and all(each.holds(labels) for each in self.match_expressions)
