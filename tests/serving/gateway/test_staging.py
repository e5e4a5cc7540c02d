"""What the stage of a budget, as the operator writes it, means for a model."""

from typing import Any

import pytest
from wharfage_gateway.staging import order, throttle
from wharfage_gateway.view import Throttle

Object = dict[str, Any]
VARIANTS = ("bf16", "fp8", "int4")


def llm(budget: Object | None = None, *fleet: Object) -> Object:
    return {"status": {"budget": budget, "fleet": list(fleet)}}


def row(stage: str = "Throttle", *, mode: str = "Enforce", **more: Any) -> Object:
    return {"name": "search", "stage": stage, "mode": mode, **more}


def pool(variant: str, usd: str, *, slots: int = 10, wanted: int = 1) -> Object:
    return {"variant": variant, "usdPerHour": usd, "slots": slots, "wanted": wanted}


def test_tokens_of_a_stage_are_shared_under_the_name_of_the_budget() -> None:
    told = row(tokensPerSecondPerTenant=50, burstTokens=900)
    assert throttle(llm(told)) == Throttle(50.0, 900.0, "Throttle", "search")


def test_where_another_budget_throttles_it_is_that_one_that_is_named() -> None:
    told = row("Freeze", tokensPerSecondPerTenant=50, burstTokens=900, throttledBy="all")
    assert throttle(llm(told)) == Throttle(50.0, 900.0, "Throttle", "all")


@pytest.mark.parametrize(
    "deployment",
    [
        pytest.param({}, id="no status"),
        pytest.param(llm(), id="no budget"),
        pytest.param(llm(row("PreferCheaper")), id="a stage that does not throttle"),
        pytest.param(llm(row(mode="Observe", tokensPerSecondPerTenant=5)), id="a budget that observes"),
        pytest.param(llm(row(tokensPerSecondPerTenant="few")), id="tokens that cannot be read"),
        pytest.param(llm(row(tokensPerSecondPerTenant=0)), id="no tokens at all"),
    ],
)
def test_nobody_is_throttled_by(deployment: Object) -> None:
    assert throttle(deployment) is None


@pytest.mark.parametrize("stage", ["PreferCheaper", "Throttle", "Freeze", "Floor", "Stop"])
def test_from_prefer_cheaper_on_what_costs_least_for_a_request_comes_first(stage: str) -> None:
    fleet = pool("bf16", "1.00", slots=40), pool("fp8", "4.00", slots=40, wanted=2), pool("int4", "0.50")
    assert order(VARIANTS, llm(row(stage), *fleet)) == ("bf16", "int4", "fp8")


@pytest.mark.parametrize(
    "deployment",
    [
        pytest.param(llm(None, pool("int4", "0.1"), pool("bf16", "9.0")), id="no budget"),
        pytest.param(llm(row("Notify"), pool("int4", "0.1"), pool("bf16", "9.0")), id="a notice"),
        pytest.param(llm(row("Freeze", mode="Observe"), pool("int4", "0.1")), id="a budget that observes"),
    ],
)
def test_the_best_comes_first_with(deployment: Object) -> None:
    assert order(VARIANTS, deployment) == VARIANTS


def test_of_what_does_not_run_the_last_named_is_taken_for_the_cheapest() -> None:
    assert order(VARIANTS, llm(row("Freeze"))) == ("int4", "fp8", "bf16")
    assert order(VARIANTS, llm(row("Freeze"), pool("fp8", "?"), pool("bf16", "1.0"))) == ("bf16", "int4", "fp8")
