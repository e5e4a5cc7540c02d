"""What an `LLMDeployment` shows: the fleet, its cost and load, and the last decision with its reasons."""

from typing import Annotated

from pydantic import Field, StringConstraints
from wharfage_autoscaler.offers import Market

from wharfage_api.conditions import Condition
from wharfage_api.decimals import Figure
from wharfage_api.instants import Instant
from wharfage_api.model import Shape
from wharfage_api.part import StatusPart, keyed, replaced

Line = Annotated[str, StringConstraints(max_length=256)]
Paragraph = Annotated[str, StringConstraints(max_length=1024)]
Name = Annotated[str, StringConstraints(max_length=253)]
Cost = Figure | None


class Summary(StatusPart):
    """Ready-made texts of the printer columns: JSONPath cannot build them."""

    fleet: Line | None = Field(default=None, description="The pools in words: 3xL40S spot, 2xL40S.")
    replicas: Line | None = Field(default=None, description="Ready and wanted replicas: 5/5.")
    usd_per_hour: Line | None = Field(default=None, description="Dollars per hour of the machines that run.")
    usd_per_million_tokens: Line | None = Field(default=None, description="Dollars per million output tokens.")
    month: Line | None = Field(default=None, description="Dollars this month, and the share of the tightest budget.")
    lead_time: Line | None = Field(default=None, description="The longest of the wanted pools' lead times.")
    reason: Line | None = Field(default=None, description="Reason of the condition that blocks, or Serving.")


class PoolStatus(StatusPart):
    """One pool: equal replicas of one variant on one offer."""

    catalog: Name = Field(description="OfferCatalog of the offer.")
    offer: Name = Field(description="Offer within the catalog.")
    market: Market = Field(description="How the machines are rented: OnDemand, Spot or Reserved.")
    zone: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="Zone of the offer; empty: any."
    )
    variant: Annotated[str, StringConstraints(max_length=63)] = Field(default="", description="Variant that is served.")
    on_trial: bool | None = Field(default=None, description="Whether it answers the share of gateway.split alone.")
    accelerator: Line | None = Field(default=None, description="What one replica takes: L40S x1.")
    wanted: int = Field(default=0, ge=0, le=100000, description="Replicas to run.")
    ready: int = Field(default=0, ge=0, le=100000, description="Replicas that serve.")
    ahead: int | None = Field(
        default=None, ge=0, le=100000, description="Replicas whose machines are ordered before they are needed."
    )
    usd_per_hour: Cost = Field(default=None, description="Dollars per hour of the pool's machines.")
    lead_time: Cost = Field(
        default=None, description="From an order to its first answer, as learned: so far ahead the load is forecast."
    )
    machine_lead_time: Cost = Field(
        default=None, description="Of the lead time, what it takes until there is a machine."
    )
    pool: str | None = Field(
        default=None, max_length=63, description="Value of the label wharfage.dev/pool of its Deployment and pods."
    )
    slots: int | None = Field(
        default=None,
        ge=1,
        description="Requests that a replica carries at once within the objectives: by them the gateway shares out.",
    )
    burst_slots: int | None = Field(
        default=None,
        ge=1,
        description="The most requests that the gateway sends one replica at once: three standard deviations above the "
        "average, where slots are one.",
    )


class CostStatus(StatusPart):
    """What the deployment costs; what is not known yet is absent, never 0."""

    usd_per_hour: Cost = Field(
        default=None, description="Dollars per hour now, with machines ordered ahead and replicas that stand in."
    )
    usd_per_million_tokens: Cost = Field(
        default=None, description="Dollars per million output tokens at the present load."
    )
    usd_today: Cost = Field(default=None, description="Dollars since midnight.")
    usd_this_month: Cost = Field(default=None, description="Dollars since the first of the month.")
    usd_month_forecast: Cost = Field(default=None, description="Dollars expected for the whole month.")


class LoadStatus(StatusPart):
    """What the deployment is asked to do; what is not known yet is absent, never 0."""

    requests_per_second: Cost = Field(default=None, description="Requests that arrive per second.")
    prompt_tokens_per_second: Cost = Field(default=None, description="Prompt tokens per second.")
    output_tokens_per_second: Cost = Field(default=None, description="Tokens generated per second.")
    ttft_p95: Cost = Field(default=None, description="95th percentile of the time to first token.")
    tpot_p95: Cost = Field(default=None, description="95th percentile of the time per output token.")


class StepStatus(StatusPart):
    """One rule's say in the decision."""

    reason: Annotated[str, StringConstraints(max_length=64)] = Field(description="Why, in one word.")
    message: Paragraph = Field(default="", description="Why, in a sentence with its numbers.")


class RejectedFleet(StatusPart):
    """A fleet that was considered and not taken."""

    fleet: Line = Field(description="The fleet in words.")
    usd_per_hour: Cost = Field(default=None, description="What it would cost per hour.")
    why: Paragraph = Field(default="", description="Why it was not taken.")


class Savings(StatusPart):
    """What another mode would save."""

    usd_per_hour: Cost = Field(default=None, description="Dollars per hour that mode: Auto would save now.")


class DecisionStatus(StatusPart):
    """The last decision and every reason on the way to it."""

    at: Instant | None = Field(default=None, description="When it was taken.")
    summary: Paragraph | None = Field(default=None, description="The decision in one sentence.")
    steps: tuple[StepStatus, ...] = Field(
        default=(), max_length=16, description="The rules that had a say, in order.", json_schema_extra=replaced()
    )
    rejected: tuple[RejectedFleet, ...] = Field(
        default=(), max_length=8, description="The next best fleets, with their price.", json_schema_extra=replaced()
    )
    savings: Savings | None = Field(default=None, description="In Recommend: what switching to Auto would change now.")


class ModelStatus(StatusPart):
    """What a model's own files told, where neither the spec nor the built-in table knows it."""

    source: Annotated[str, StringConstraints(max_length=512)] = Field(description="Where the weights are.")
    revision: Annotated[str, StringConstraints(max_length=128)] = Field(
        default="", description="Revision that was read; empty: the source's default."
    )
    shape: Shape = Field(description="The shape that sizing works with; it can be copied to spec.model.shape.")
    quantization: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="How the weights are stored, in the engine's words; empty: in 16 bit."
    )


class BudgetStatus(StatusPart):
    """The stage of the budget that binds the deployment hardest, and what the gateway makes of it."""

    name: Annotated[str, StringConstraints(max_length=63)] = Field(description="The LLMBudget.")
    stage: Annotated[str, StringConstraints(max_length=32)] = Field(description="The harshest stage that it is at.")
    mode: Annotated[str, StringConstraints(max_length=32)] = Field(
        description="Enforce: the stage acts. Observe: it only reports what it would do."
    )
    tokens_per_second_per_tenant: int | None = Field(
        default=None, ge=1, description="What each tenant keeps at the gateway; absent: nobody is throttled."
    )
    burst_tokens: int | None = Field(default=None, ge=1, description="What a tenant may use at once after a pause.")
    throttled_by: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        default=None, description="The LLMBudget that throttles, where it is another one."
    )


class LLMDeploymentStatus(StatusPart):
    """What the operator last observed and decided."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="Generation of the spec this status is about."
    )
    replicas: int | None = Field(default=None, ge=0, le=100000, description="Replicas that exist.")
    ready_replicas: int | None = Field(default=None, ge=0, le=100000, description="Replicas that serve.")
    selector: Line | None = Field(default=None, description="Label selector of the pods, for the scale subresource.")
    endpoint: Line | None = Field(default=None, description="Where clients send requests.")
    summary: Summary | None = Field(default=None, description="Ready-made texts of the printer columns.")
    fleet: tuple[PoolStatus, ...] = Field(
        default=(),
        max_length=32,
        description="The pools, one row each.",
        json_schema_extra=keyed("catalog", "offer", "market", "zone", "variant"),
    )
    cost: CostStatus | None = Field(default=None, description="What the deployment costs.")
    budget: BudgetStatus | None = Field(
        default=None, description="The stage of the budget that binds it hardest; absent: no budget is at a stage."
    )
    load: LoadStatus | None = Field(default=None, description="What the deployment is asked to do.")
    decision: DecisionStatus | None = Field(default=None, description="The last decision and its reasons.")
    models: tuple[ModelStatus, ...] = Field(
        default=(),
        max_length=16,
        description="What was read from config.json, for each source that neither spec nor built-in table knows.",
        json_schema_extra=keyed("source", "revision"),
    )
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=16, description="Observations about the deployment.", json_schema_extra=keyed("type")
    )
