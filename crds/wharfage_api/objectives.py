"""What "good" means for one served model, and what traffic to expect before there is history."""

from datetime import timedelta
from decimal import Decimal

from pydantic import ConfigDict, Field

from wharfage_api.decimals import Number, PositiveNumber, Share
from wharfage_api.durations import PositiveDuration
from wharfage_api.part import Part, Rule, rules


class FirstToken(Part):
    """Time to the first token of an answer."""

    p95: PositiveDuration = Field(
        default=timedelta(seconds=2), description="95 % of requests must see a first token within this."
    )


class NextToken(Part):
    """Time per further token of an answer."""

    p95: PositiveDuration = Field(
        default=timedelta(milliseconds=100), description="95 % of requests must average no more than this per token."
    )


class Objectives(Part):
    """What "good" means: percentiles over one minute with at least 5 requests."""

    ttft: FirstToken = Field(
        default=FirstToken(),
        description="Time to first token. Between two edges of the engine's histogram, shares are interpolated.",
    )
    tpot: NextToken = Field(
        default=NextToken(),
        description="Time per output token. Between two edges of the engine's histogram, shares are interpolated.",
    )
    attainment: Share = Field(
        default=Decimal("0.99"),
        description='Share of minutes that must meet both thresholds, as a decimal string: "0.99".',
    )
    quality_floor: Share = Field(
        default=Decimal("1.0"), description="No variant of lower quality is ever used. 1.0: the best variant only."
    )
    usd_per_bad_minute: Number = Field(
        default=Decimal("1.00"),
        description="What a minute that misses its thresholds costs you, in dollars; decides how much headroom pays.",
    )


class Tokens(Part):
    """A distribution of token counts."""

    model_config = ConfigDict(
        json_schema_extra=rules(Rule("self.mean <= self.p95", "write p95 no smaller than mean", field=".p95"))
    )

    mean: int = Field(ge=1, le=16777216, description="Tokens on average.")
    p95: int = Field(ge=1, le=16777216, description="95 % of requests have no more tokens than this.")


class Traffic(Part):
    """What to expect before there is history; measurements replace it."""

    prompt_tokens: Tokens | None = Field(default=None, description="Tokens per prompt.")
    output_tokens: Tokens | None = Field(default=None, description="Tokens per answer.")
    peak_requests_per_second: PositiveNumber | None = Field(
        default=None, description="Requests per second in the busiest hour, as a decimal string."
    )
