"""How many replicas, decided by whom, within which bounds."""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from pydantic import ConfigDict, Field
from wharfage_autoscaler.model import Mode

from wharfage_api.decimals import PositiveNumber, Share
from wharfage_api.durations import Duration, PositiveDuration
from wharfage_api.instants import Instant
from wharfage_api.names import ShortName
from wharfage_api.part import Part, Rule, keyed, replaced, rules


class Event(Part):
    """A known future rise (or fall) of demand."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("timestamp(self.start) < timestamp(self.end)", "write an end later than start", field=".end")
        )
    )

    name: ShortName = Field(description="Name of the event, unique in the list.")
    start: Instant = Field(description="When demand changes (RFC 3339).")
    end: Instant = Field(description="When demand is back to normal (RFC 3339).")
    multiplier: PositiveNumber = Field(description='Demand relative to a normal day, as a decimal string: "3".')


class Forecast(Part):
    """Looking ahead by the time a new replica needs to start."""

    enabled: bool = Field(default=True, description="false: scale on what is measured now only.")
    history: PositiveDuration = Field(
        default=timedelta(hours=672), description="How much history a forecast is learnt from; 672h are four weeks."
    )
    events: tuple[Event, ...] = Field(
        default=(), max_length=32, description="Known future changes of demand.", json_schema_extra=keyed("name")
    )


class Vertical(Part):
    """Moving to another accelerator or variant where that is cheaper."""

    enabled: bool = Field(default=True, description="false: stay on the accelerator once chosen while it can be had.")
    min_savings: Share = Field(
        default=Decimal("0.05"), description='Least saving that is worth a move, as a share: "0.05" is 5 %.'
    )
    cooldown: Duration = Field(default=timedelta(hours=1), description="Least time between two moves.")


class PolicyType(StrEnum):
    """What a scaling policy's value counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class SelectPolicy(StrEnum):
    """Which of several policies applies."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingPolicy(Part):
    """At most `value` replicas, or percent of them, in `periodSeconds`."""

    type: PolicyType = Field(description="Pods: value counts replicas. Percent: value is a percentage of them.")
    value: int = Field(ge=1, le=1000, description="Replicas, or percent.")
    period_seconds: int = Field(ge=1, le=1800, description="Length of the window in seconds.")


class ScalingRules(Part):
    """How fast the count may change in one direction; the vocabulary and meaning of HorizontalPodAutoscaler v2."""

    stabilization_window_seconds: int | None = Field(
        default=None, ge=0, le=3600, description="Seconds of past recommendations that are taken into account."
    )
    select_policy: SelectPolicy = Field(
        default=SelectPolicy.MAX,
        description="Max: the policy that allows most. Min: least. Disabled: no change this way.",
    )
    policies: tuple[ScalingPolicy, ...] = Field(
        default=(), max_length=8, description="Limits on the change.", json_schema_extra=replaced()
    )


class Behavior(Part):
    """Limits on how fast the count changes."""

    scale_up: ScalingRules | None = Field(default=None, description="Limits on adding replicas.")
    scale_down: ScalingRules | None = Field(default=None, description="Limits on removing replicas.")


class Pin(Part):
    """A count that overrides the automatic one for a while."""

    replicas: int = Field(ge=1, le=1000, description="Replicas to run until then.")
    until: Instant = Field(description="When the automatic count takes over again (RFC 3339).")
    reason: str = Field(default="", max_length=256, description="Why; shown in the status and the events.")


class Scaling(Part):
    """How many replicas, decided by whom, within which bounds."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.minReplicas <= self.maxReplicas",
                "write minReplicas no greater than maxReplicas (10 unless written)",
                field=".minReplicas",
            ),
            Rule(
                "!has(self.pin) || (self.pin.replicas >= self.minReplicas && self.pin.replicas <= self.maxReplicas)",
                "write a pin between minReplicas and maxReplicas, or widen those; ceilings win over any count",
                field=".pin",
            ),
        )
    )

    mode: Mode = Field(
        default=Mode.AUTO,
        description="Auto: wharfage decides the count. Recommend: it publishes its decision and runs spec.replicas. "
        "Manual: spec.replicas run, wharfage only places them.",
    )
    min_replicas: int = Field(
        default=1,
        ge=0,
        le=1000,
        description="Least replicas, whatever the demand. 0 lets it go to zero while idle; needs routing: Gateway, "
        "or the operator's setting scale_to_zero.",
    )
    max_replicas: int = Field(
        default=10, ge=1, le=1000, description="Most replicas, whatever the demand; wins over any other count."
    )
    idle_after: PositiveDuration = Field(
        default=timedelta(minutes=15),
        description="With minReplicas: 0, how long the last replica is kept at least after a request or a wake-up.",
    )
    forecast: Forecast = Field(
        default=Forecast(), description="Looking ahead by the time a new replica needs to start."
    )
    vertical: Vertical = Field(
        default=Vertical(), description="Moving to another accelerator or variant where that is cheaper."
    )
    behavior: Behavior | None = Field(
        default=None, description="Limits on how fast the count changes, as in HorizontalPodAutoscaler."
    )
    pin: Pin | None = Field(default=None, description="A count that overrides the automatic one for a while.")
