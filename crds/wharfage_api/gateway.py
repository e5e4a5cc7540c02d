"""How requests reach the replicas, and the settings of the gateway."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from wharfage_api.decimals import Share
from wharfage_api.durations import DURATION, Duration
from wharfage_api.names import ObjectName, ShortName
from wharfage_api.part import Checked, Part, Rule, also, keyed, replaced, rules

_HELD_SHORTLY = Rule(
    f"!self.matches('{DURATION}') || duration(self) <= duration('15m')",
    "write a hold of at most 15m: clients and whatever stands in front of the gateway wait no longer",
)


class Routing(StrEnum):
    """What stands before the replicas."""

    SERVICE = "Service"
    GATEWAY = "Gateway"


class Affinity(StrEnum):
    """What keeps requests together on a replica."""

    NONE = "None"
    PREFIX = "Prefix"


class Queue(Part):
    """Requests waiting for a replica."""

    max_requests: int = Field(
        default=1000, ge=1, le=1000000, description="Requests that may wait; further ones are answered 429."
    )


class RequestClass(Part):
    """A class of requests with its share of capacity when it is scarce."""

    name: ShortName = Field(description="Name of the class, unique in the list.")
    weight: int = Field(default=1, ge=1, le=1000, description="Share of capacity relative to the other classes.")


class Split(Part):
    """A trial of a variant on real traffic."""

    variant: ShortName = Field(description="Name of the variant that is tried, unique in the list.")
    share: Share = Field(description='Share of requests it receives, as a decimal string: "0.05".')


class Fallback(Part):
    """Who answers while this deployment has no capacity; exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra=rules(Rule("has(self.variant) != has(self.deployment)", "write either variant or deployment"))
    )

    variant: ShortName | None = Field(default=None, description="A variant of this deployment.")
    deployment: ObjectName | None = Field(
        default=None,
        description="Another LLMDeployment behind the gateway of this namespace; one that is not there is passed over.",
    )


class Gateway(Part):
    """Settings of the gateway; only with routing: Gateway."""

    hold: Annotated[Duration, Checked(_HELD_SHORTLY)] | None = Field(
        default=None,
        description="How long a request may wait for a cold model before it is answered 503; default: twice the lead "
        "time learned, 10 minutes while none is known; at most 15 minutes.",
    )
    queue: Queue = Field(default=Queue(), description="Bounds of the queue before the replicas.")
    classes: tuple[RequestClass, ...] = Field(
        default=(), max_length=8, description="Classes of requests and their weights.", json_schema_extra=keyed("name")
    )
    affinity: Affinity = Field(
        default=Affinity.PREFIX,
        description="None: any replica. Prefix: prompts with the same beginning go to the same replica.",
    )
    max_prompt_tokens: int | None = Field(
        default=None,
        ge=1,
        le=16777216,
        description="Longer prompts are refused, by an estimate of four bytes to a token; "
        "default: what the engine takes.",
    )
    max_output_tokens: int | None = Field(
        default=None, ge=1, le=16777216, description="Longer answers are cut; default: what the engine gives."
    )
    split: tuple[Split, ...] = Field(
        default=(),
        max_length=4,
        description="Variants tried on a share of the traffic.",
        json_schema_extra=also(
            keyed("variant"),
            rules(
                Rule(
                    "self.map(s, double(s.share)).sum() <= 1.0",
                    "write shares that add up to at most 1; what is left goes to the chosen variant",
                )
            ),
        ),
    )
    fallback: tuple[Fallback, ...] = Field(
        default=(),
        max_length=4,
        description="Who answers while this deployment has no capacity, or its queue is full; tried in order.",
        json_schema_extra=replaced(),
    )
