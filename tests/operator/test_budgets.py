"""Budgets in the cache: whose stages bind whom, and whose status says otherwise."""

import logging
from typing import Any

import pytest
from wharfage_operator.budgets import Budgets
from wharfage_operator.cache import Cache
from wharfage_operator.errors import Rejected
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, NAMESPACES, Kind, Object
from wharfage_operator.scopes import Scopes

BOUND = {"name": "search", "stage": "Freeze", "mode": "Enforce"}


def budget(version: int, *, stage: str | None = "Freeze", **spec: Any) -> Object:
    metadata = {"name": "search", "uid": "b", "resourceVersion": str(version)}
    status = {} if stage is None else {"stage": stage}
    return {"metadata": metadata, "spec": {"usd": "100", **spec}, "status": status}


def chat(version: int, *, says: Object | None = None, **labels: str) -> Object:
    metadata = {"name": "chat", "namespace": "shop", "uid": "c", "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, "spec": {}, "status": {} if says is None else {"budget": says}}


def namespace(version: int, **labels: str) -> Object:
    metadata = {"name": "shop", "uid": "n", "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def held(*objects: tuple[Kind, Object], required: bool = False) -> tuple[Budgets, Cache]:
    cache = Cache()
    for kind, obj in objects:
        cache.put(kind, obj)
    return Budgets(cache, Scopes(cache), required=required), cache


def test_a_stage_that_begins_recedes_or_goes_with_its_budget_is_to_be_told() -> None:
    budgets, cache = held((LLM_BUDGETS, budget(1, stage=None)), (LLM_DEPLOYMENTS, chat(2)))
    assert budgets.misstated() == []
    cache.put(LLM_BUDGETS, budget(3))
    assert budgets.misstated() == [("shop", "chat")]
    assert budgets.binding(chat(2)) == BOUND
    cache.put(LLM_DEPLOYMENTS, chat(4, says=BOUND))
    assert budgets.misstated() == []
    cache.drop(LLM_BUDGETS, ("", "search"), uid="b", version=5)
    assert budgets.misstated() == [("shop", "chat")]
    assert budgets.binding(chat(4)) is None


def test_the_labels_of_its_namespace_count_and_what_else_changes_there_does_not() -> None:
    selector = {"matchLabels": {"env": "prod"}}
    budgets, cache = held((LLM_BUDGETS, budget(1, namespaceSelector=selector)), (LLM_DEPLOYMENTS, chat(2)))
    assert budgets.misstated() == []
    cache.put(NAMESPACES, namespace(3, env="prod"))
    assert budgets.misstated() == [("shop", "chat")]
    terminating = {**namespace(4, env="prod"), "status": {"phase": "Terminating"}}
    assert not cache.put(NAMESPACES, terminating)


def test_a_namespace_is_known_by_its_name_before_it_was_heard_of() -> None:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
    budgets, _ = held((LLM_BUDGETS, budget(1, namespaceSelector=selector)))
    assert budgets.binding(chat(2)) == BOUND


def test_a_budget_that_cannot_be_read_binds_nobody_and_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    budgets, _ = held((LLM_BUDGETS, budget(1, period="Fortnight")))
    with caplog.at_level(logging.WARNING):
        assert budgets.binding(chat(2)) is None
    assert [getattr(record, "budget", "") for record in caplog.records] == ["search"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"selector": {"matchLabels": {"team": "x"}}}, "no LLMBudget selects it: have an LLMBudget with mode: Enforce"),
        ({"mode": "Observe"}, "LLMBudget search only observes, or is not accepted"),
        ({"timeZone": "Europe/Atlantis"}, "LLMBudget search only observes, or is not accepted"),
    ],
)
def test_where_everybody_needs_a_budget_that_acts_one_without_is_refused(spec: dict[str, Any], words: str) -> None:
    theirs = (LLM_BUDGETS, budget(1, stage=None, **spec)), (LLM_DEPLOYMENTS, chat(2))
    held(*theirs)[0].require(chat(2))
    budgets, _ = held(*theirs, required=True)
    with pytest.raises(Rejected, match=words):
        budgets.require(chat(2))
    assert budgets.misstated() == [("shop", "chat")]


def test_a_refusal_ends_when_a_budget_selects_it() -> None:
    refused = {**chat(2), "status": {"conditions": [{"type": "Accepted", "reason": "BudgetRequired"}]}}
    budgets, cache = held((LLM_DEPLOYMENTS, refused), required=True)
    assert budgets.misstated() == []
    cache.put(LLM_BUDGETS, budget(3, stage=None))
    assert budgets.misstated() == [("shop", "chat")]
    budgets.require(refused)
