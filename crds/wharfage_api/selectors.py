"""Label selectors, as everywhere in Kubernetes."""

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


class LabelSelector(Part):
    """Selects objects by their labels; all requirements must hold."""

    match_labels: Labels = Field(
        default_factory=dict, max_length=32, description="Labels an object must carry, with these values."
    )
    match_expressions: tuple[Expression, ...] = Field(
        default=(), max_length=16, description="Further requirements on labels.", json_schema_extra=replaced()
    )
