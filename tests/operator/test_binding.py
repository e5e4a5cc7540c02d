"""Which budget binds a deployment hardest, and what its stage gives each tenant."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_autoscaler.stages import Action
from wharfage_operator.binding import Staged, binding, staged

SEARCH = {"team": "search"}
SHOP = {"kubernetes.io/metadata.name": "shop", "env": "prod"}
NOBODY: Mapping[str, str] = {}
SLOW = {"action": "Throttle", "at": "0.9", "tokensPerSecondPerTenant": 50, "burstTokens": 900}
LADDER = [{"action": "PreferCheaper", "at": "0.8"}, SLOW, {"action": "Freeze", "at": "0.95"}]


def budget(name: str = "search", stage: str = "Throttle", **spec: Any) -> Staged:
    written = LLMBudgetSpec.model_validate({"usd": "100", "stages": LADDER, **spec})
    found = staged(name, written, stage)
    assert found is not None
    return found


def test_a_budget_that_throttles_gives_each_tenant_its_tokens() -> None:
    assert binding([budget()], SEARCH, SHOP) == {
        "name": "search",
        "stage": "Throttle",
        "mode": "Enforce",
        "tokensPerSecondPerTenant": 50,
        "burstTokens": 900,
    }


def test_who_writes_no_burst_gets_that_of_ten_seconds() -> None:
    ladder = [{"action": "Throttle", "at": "0.9", "tokensPerSecondPerTenant": 50}]
    found = binding([budget(stages=ladder)], SEARCH, SHOP)
    assert found is not None
    assert found["burstTokens"] == 500


@pytest.mark.parametrize(
    ("stage", "ladder", "throttled"),
    [
        pytest.param("PreferCheaper", LADDER, False, id="a milder stage throttles nobody"),
        pytest.param("Freeze", LADDER, True, id="under a harsher one it stays on"),
        pytest.param("Freeze", [{"action": "Freeze", "at": "0.95"}], False, id="a ladder without the stage"),
    ],
)
def test_tenants_are_throttled_by(stage: str, ladder: list[Any], throttled: bool) -> None:
    found = binding([budget(stage=stage, stages=ladder)], SEARCH, SHOP)
    assert found is not None
    assert found["stage"] == stage
    assert ("tokensPerSecondPerTenant" in found) is throttled


def test_a_budget_that_observes_is_named_and_throttles_nobody() -> None:
    assert binding([budget(mode="Observe")], SEARCH, SHOP) == {"name": "search", "stage": "Throttle", "mode": "Observe"}


def test_one_that_acts_binds_harder_than_one_that_observes() -> None:
    found = binding([budget("a", "Freeze", mode="Observe"), budget("b", "Notify")], SEARCH, SHOP)
    assert found == {"name": "b", "stage": "Notify", "mode": "Enforce"}


def test_the_fewest_tokens_hold_though_another_budget_is_at_a_harsher_stage() -> None:
    freezes = budget("all", "Freeze", stages=[{"action": "Freeze", "at": "0.95"}])
    assert binding([budget(), freezes], SEARCH, SHOP) == {
        "name": "all",
        "stage": "Freeze",
        "mode": "Enforce",
        "tokensPerSecondPerTenant": 50,
        "burstTokens": 900,
        "throttledBy": "search",
    }


@pytest.mark.parametrize(
    ("selectors", "bound"),
    [
        pytest.param({}, True, id="none: all"),
        pytest.param({"selector": {"matchLabels": SEARCH}}, True, id="its label"),
        pytest.param({"selector": {"matchLabels": {"team": "ads"}}}, False, id="another label"),
        pytest.param({"namespaceSelector": {"matchLabels": {"env": "prod"}}}, True, id="its namespace's label"),
        pytest.param({"namespaceSelector": {"matchLabels": {"env": "test"}}}, False, id="another namespace's"),
        pytest.param(
            {"selector": {"matchLabels": SEARCH}, "namespaceSelector": {"matchLabels": {"env": "test"}}},
            False,
            id="both must hold",
        ),
        pytest.param(
            {"selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["ads"]}]}},
            True,
            id="not in",
        ),
        pytest.param(
            {"selector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["ads", "search"]}]}},
            True,
            id="in",
        ),
        pytest.param({"selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}, True, id="exists"),
        pytest.param(
            {"selector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}},
            False,
            id="does not exist",
        ),
    ],
)
def test_a_budget_binds_whom_it_selects(selectors: Any, bound: bool) -> None:
    assert (binding([budget(**selectors)], SEARCH, SHOP) is not None) is bound


def test_what_lacks_a_label_is_not_in_its_values() -> None:
    absent = {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["ads"]}]}
    assert binding([budget(selector=absent)], NOBODY, NOBODY) is not None


@pytest.mark.parametrize("stage", ["", "Shrink"])
def test_a_budget_at_no_stage_that_is_known_binds_nobody(stage: str) -> None:
    assert staged("search", LLMBudgetSpec.model_validate({"usd": "100"}), stage) is None


budgets = st.builds(
    budget,
    name=st.sampled_from("abcd"),
    stage=st.sampled_from([each.value for each in Action]),
    mode=st.sampled_from(["Enforce", "Observe"]),
    stages=st.sampled_from([LADDER, [{**SLOW, "tokensPerSecondPerTenant": 7}], LADDER[2:]]),
)


@given(st.lists(budgets, max_size=4, unique_by=lambda each: each.name))
def test_the_order_of_budgets_does_not_matter_and_no_tenant_gets_more_than_the_tightest_gives(
    found: list[Staged],
) -> None:
    row = binding(found, SEARCH, SHOP)
    assert row == binding(reversed(found), SEARCH, SHOP)
    given_tokens = [each.throttle.tokens_per_second_per_tenant for each in found if each.throttle is not None]
    assert (row or {}).get("tokensPerSecondPerTenant") == min((n for n in given_tokens if n), default=None)
    acting = [each for each in found if each.enforced]
    if acting:
        ranks = [each.value for each in Action]
        assert row is not None
        assert row["stage"] == max((each.action.value for each in acting), key=ranks.index)
