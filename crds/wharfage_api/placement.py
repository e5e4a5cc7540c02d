"""Where replicas may run, how they are replaced, and what they may cost per hour."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from wharfage_autoscaler.model import SpotPolicy

from wharfage_api.decimals import Share, Usd
from wharfage_api.names import LabelKey, Labels, LabelValue, ObjectName
from wharfage_api.part import Checked, Part, Rule, replaced, rules, unique

AcceleratorName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern="^[A-Za-z0-9][A-Za-z0-9.-]*$"),
    Checked(
        Rule("self.matches('^[A-Za-z0-9][A-Za-z0-9.-]*$')", "write an accelerator's short name such as L4, H100 or CPU")
    ),
]
"""An accelerator by its short name: L4, H100, CPU."""


class Spread(StrEnum):
    """What spot replicas are spread over."""

    ZONE = "zone"
    MACHINE = "machine"


class Spot(Part):
    """How far replicas may run on machines that can be taken away; shares are of capacity, not of replicas."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "(has(self.policy) && self.policy in ['Forbid', 'Require'])"
                " || double(self.maxShare) + double(self.minOnDemandShare) <= 1.000001",
                "write maxShare and minOnDemandShare so that they add up to at most 1 (unless written: 0.6 and 0.4)",
                field=".maxShare",
            )
        )
    )

    policy: SpotPolicy | None = Field(
        default=None,
        description="Forbid: never. Allow: where cheaper, within the shares. Prefer: up to maxShare first. "
        "Require: only spot. Default: the operator's setting, which is Forbid unless changed.",
    )
    max_share: Share = Field(
        default=Decimal("0.6"),
        description='Largest share of capacity on spot, as a decimal string: "0.6". Ignored by Forbid and Require.',
    )
    min_on_demand_share: Share = Field(
        default=Decimal("0.4"),
        description='Least share of capacity not on spot, as a decimal string: "0.4". Ignored by Forbid and Require.',
    )
    spread: tuple[Spread, ...] = Field(
        default=(),
        max_length=2,
        description="Spread spot replicas over zones, machine types or both, so that one withdrawal takes few.",
        json_schema_extra=unique(),
    )


class TolerationOperator(StrEnum):
    """How a toleration's value is compared."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods without a toleration."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Part):
    """Lets replicas onto nodes with a taint, as in a pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.key) || self.operator == 'Exists'",
                "write a key, or operator: Exists to tolerate every taint",
                field=".key",
            ),
            Rule(
                "self.operator != 'Exists' || !has(self.value) || self.value == ''",
                "leave out value with operator: Exists",
                field=".value",
            ),
            Rule(
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "write effect: NoExecute with tolerationSeconds; other effects evict nobody",
                field=".effect",
            ),
        )
    )

    key: LabelKey | None = Field(default=None, description="Key of the taint; without one, every taint is meant.")
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL, description="Equal: value must be the taint's. Exists: any value."
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint; with operator Equal.")
    effect: TaintEffect | None = Field(
        default=None, description="Effect of the taint; without one, all effects are meant."
    )
    toleration_seconds: int | None = Field(
        default=None, ge=0, le=86400, description="How long a pod stays after the taint appears; with effect NoExecute."
    )


class Placement(Part):
    """Where replicas may run; what is left empty allows anything."""

    catalogs: tuple[ObjectName, ...] = Field(
        default=(),
        max_length=16,
        description="OfferCatalogs to choose from; default: every catalog with an offer this cluster can give.",
        json_schema_extra=unique(),
    )
    accelerators: tuple[AcceleratorName, ...] = Field(
        default=(),
        max_length=32,
        description="Accelerators to choose from, such as L4, L40S, H100 or CPU; default: any that holds the model.",
        json_schema_extra=unique(),
    )
    spot: Spot = Field(default=Spot(), description="How far replicas may run on machines that can be taken away.")
    node_selector: Labels = Field(
        default_factory=dict, max_length=16, description="Labels a node must carry, besides those of the offer."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(),
        max_length=16,
        description="Taints the replicas tolerate, besides those of the platform.",
        json_schema_extra=replaced(),
    )


class RolloutStrategy(StrEnum):
    """What comes first when replicas are replaced."""

    SURGE = "Surge"
    REPLACE = "Replace"


class Rollout(Part):
    """How replicas are replaced when the spec changes."""

    strategy: RolloutStrategy = Field(
        default=RolloutStrategy.SURGE,
        description="Surge: new before old; becomes Replace, and says so, where no machine comes for the new one. "
        "Replace: old before new, for fixed pools of accelerators.",
    )


class Limits(Part):
    """Ceilings that no decision may cross; money per month is LLMBudget's."""

    usd_per_hour: Usd | None = Field(default=None, description='Most dollars per hour for all replicas together: "40".')
