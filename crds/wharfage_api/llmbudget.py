"""`LLMBudget`: dollars per period for the deployments it selects, and what happens on the way to the limit."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from wharfage_autoscaler.stages import Action

from wharfage_api.conditions import Condition
from wharfage_api.decimals import Figure, PositiveNumber, Usd
from wharfage_api.instants import Instant
from wharfage_api.metadata import Metadata
from wharfage_api.names import SecretName
from wharfage_api.part import Checked, Part, Rule, StatusPart, also, keyed, replaced, rules
from wharfage_api.selectors import LabelSelector


class Period(StrEnum):
    """How long the dollars must last."""

    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class BudgetMode(StrEnum):
    """Whether the stages act, or only report what they would do."""

    ENFORCE = "Enforce"
    OBSERVE = "Observe"


class Basis(StrEnum):
    """Which dollars a stage looks at."""

    SPENT = "Spent"
    FORECAST = "Forecast"


class Stage(Part):
    """One step of the graduated response."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.action == 'Throttle' || (!has(self.tokensPerSecondPerTenant) && !has(self.burstTokens))",
                "write tokensPerSecondPerTenant and burstTokens only with action: Throttle",
            ),
            Rule(
                "self.action != 'Throttle' || has(self.tokensPerSecondPerTenant)",
                "write tokensPerSecondPerTenant with action: Throttle",
            ),
            Rule(
                "self.action != 'Stop' || self.of == 'Spent'",
                "write of: Spent with action: Stop; a forecast alone must not take a service down",
                field=".of",
            ),
        )
    )

    action: Action = Field(
        description="Notify, PreferCheaper (spot, cheaper variants, less headroom), Throttle (at the gateway), "
        "Freeze (no rise of dollars per hour), Floor (down to minReplicas) or Stop (everything)."
    )
    at: Annotated[
        PositiveNumber,
        Checked(
            Rule("!self.matches('^[0-9.]+$') || double(self) <= 2.0", 'write a share of the budget up to "2.0" (200 %)')
        ),
    ] = Field(description='Share of the budget at which the stage begins, as a decimal string: "0.95".')
    of: Basis = Field(
        default=Basis.SPENT,
        description="Spent: dollars spent so far. Forecast: dollars expected by the end of the period.",
    )
    tokens_per_second_per_tenant: int | None = Field(
        default=None, ge=1, le=10000000, description="With Throttle: tokens per second that each tenant keeps."
    )
    burst_tokens: int | None = Field(
        default=None,
        ge=1,
        le=100000000,
        description="With Throttle: tokens a tenant may take at once after a pause; default: those of ten seconds.",
    )


_LADDER = (
    Stage(action=Action.NOTIFY, at=Decimal("0.70"), of=Basis.SPENT),
    Stage(action=Action.PREFER_CHEAPER, at=Decimal("1.00"), of=Basis.FORECAST),
    Stage(action=Action.FREEZE, at=Decimal("0.95"), of=Basis.SPENT),
    Stage(action=Action.FLOOR, at=Decimal("1.00"), of=Basis.SPENT),
)
"""The response of a budget that names no stages; `Stop`, the last resort, must be asked for."""

_RANK = "{'Notify': 0, 'PreferCheaper': 1, 'Throttle': 2, 'Freeze': 3, 'Floor': 4, 'Stop': 5}"
_IN_ORDER = Rule(
    "self.all(a, self.all(b, a.of != b.of || a.action == 'Notify' || b.action == 'Notify'"
    f" || {_RANK}[a.action] >= {_RANK}[b.action] || double(a.at) <= double(b.at)))",
    "write harsher stages at a higher share than milder ones: PreferCheaper, Throttle, Freeze, Floor, Stop",
)


class Notification(Part):
    """Where stage changes are reported, besides events and metrics."""

    secret_ref: SecretName = Field(
        description="Secret in the operator's namespace whose key `url` is a webhook's address."
    )


class Override(Part):
    """Other dollars for a while; audited by an event, a metric and a line in the report."""

    usd: Usd = Field(description='Dollars per period until then: "15000".')
    until: Instant = Field(description="When the budget's own dollars hold again (RFC 3339).")
    reason: str = Field(
        min_length=1,
        max_length=256,
        description="Why; kept in the audit trail.",
    )


_ZONE = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"


class LLMBudgetSpec(Part):
    """Dollars per period, for whom, and what happens on the way to the limit."""

    namespace_selector: LabelSelector = Field(
        default=LabelSelector(), description="Namespaces whose deployments count; empty: all."
    )
    selector: LabelSelector = Field(
        default=LabelSelector(), description="Labels of the deployments that count; empty: all."
    )
    period: Period = Field(
        default=Period.MONTH, description="How long the dollars must last: Hour, Day, Week or Month."
    )
    time_zone: str = Field(
        default="UTC",
        max_length=64,
        pattern=_ZONE,
        description="Time zone in which periods begin, by its IANA name: Europe/Berlin.",
        json_schema_extra=rules(
            Rule(f"self.matches('{_ZONE}')", "write an IANA time zone, such as Europe/Berlin or UTC")
        ),
    )
    usd: Usd = Field(description='Dollars per period, as a decimal string: "12000".')
    mode: BudgetMode = Field(
        default=BudgetMode.ENFORCE, description="Enforce: stages act. Observe: they only report what they would do."
    )
    stages: tuple[Stage, ...] = Field(
        default=_LADDER,
        max_length=6,
        description="What happens on the way to the limit; a stage recedes at 0.05 below its share, after 30 minutes.",
        json_schema_extra=also(keyed("action"), rules(_IN_ORDER)),
    )
    notify: Notification | None = Field(
        default=None, description="Where stage changes are reported, besides events and metrics."
    )
    override: Override | None = Field(default=None, description="Other dollars for a while.")

    def selects(self, labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> bool:
        """Whether a deployment with these labels in such a namespace is under it."""
        return self.namespace_selector.selects(namespace_labels) and self.selector.selects(labels)


class UsdForecast(StatusPart):
    """Dollars expected by the end of the period."""

    low: Figure | None = Field(default=None, description="With a chance of 10 % it is less.")
    mid: Figure | None = Field(default=None, description="As likely more as less.")
    high: Figure | None = Field(default=None, description="With a chance of 10 % it is more.")


class Spender(StatusPart):
    """One deployment's part of the budget."""

    namespace: Annotated[str, StringConstraints(max_length=63)] = Field(description="Namespace of the deployment.")
    name: Annotated[str, StringConstraints(max_length=253)] = Field(description="Name of the deployment.")
    usd_spent: Figure | None = Field(default=None, description="Dollars spent in this period.")
    usd_per_hour: Figure | None = Field(default=None, description="Dollars per hour now.")


class Spenders(StatusPart):
    """The deployments the budget selects."""

    count: int = Field(default=0, ge=0, description="How many the budget selects.")
    top: tuple[Spender, ...] = Field(
        default=(), max_length=20, description="The dearest.", json_schema_extra=replaced()
    )


class LLMBudgetStatus(StatusPart):
    """Where the budget stands."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="Generation of the spec this status is about."
    )
    period_start: Instant | None = Field(default=None, description="When the present period began.")
    usd_limit: Figure | None = Field(default=None, description="Dollars of this period, by an override while it lasts.")
    usd_spent: Figure | None = Field(default=None, description="Dollars spent in this period.")
    usd_forecast: UsdForecast | None = Field(default=None, description="Dollars expected by the end of the period.")
    usd_per_hour_allowance: Figure | None = Field(
        default=None, description="Dollars per hour that make the rest last to the end of the period."
    )
    stage: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        default=None, description="The harshest active stage."
    )
    deployments: Spenders | None = Field(default=None, description="The deployments the budget selects.")
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=8, description="Observations about the budget.", json_schema_extra=keyed("type")
    )


class LLMBudget(Part):
    """Dollars per period for the deployments it selects, and what happens on the way to the limit."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "size(self.metadata.name) <= 63", "write a metadata.name of at most 63 characters: it is a metric label"
            )
        )
    )

    api_version: Literal["wharfage.dev/v1alpha1"] = "wharfage.dev/v1alpha1"
    kind: Literal["LLMBudget"] = "LLMBudget"
    metadata: Metadata
    spec: LLMBudgetSpec = Field(description="Dollars per period, for whom, and what happens on the way to the limit.")
    status: LLMBudgetStatus = Field(default=LLMBudgetStatus(), description="Where the budget stands.")
