"""A budget on a real control plane: what runs is counted in dollars, and the stages act on what runs."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from wharfage_operator.kinds import EVENTS, LLM_BUDGETS, LLM_DEPLOYMENTS, PODS, SECRETS

from tests.cluster.lab import Lab
from tests.cluster.money import has_spent, lasts, runs_out
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Object, condition, eventually, eventually_is
from tests.operator.servers import Asked, answering, body

Budget = Callable[..., str]
ENOUGH = 0.03
"""Dollars: three replicas take three quarters of a minute for them, so that a stage lasts until it is seen."""
FAST = {"budgets_every_s": "1", "resync_s": "2"}
ALL_STAGES = [
    {"action": "Notify", "at": "0.5"},
    {"action": "Freeze", "at": "0.95"},
    {"action": "Floor", "at": "1.0"},
    {"action": "Stop", "at": "2.0"},
]


@pytest.fixture
def budget(lab: Lab) -> Iterator[Budget]:
    """Makes a budget over the test's namespace, and removes it."""
    names: list[str] = []

    def make(usd: str, **spec: Any) -> str:
        name = f"{lab.namespace}-{len(names)}"
        selector = {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}
        body = {"metadata": {"name": name}, "spec": {"usd": usd, "namespaceSelector": selector, **spec}}
        answer = lab.server.create(LLM_BUDGETS, body)
        assert answer["httpStatus"] == 201, answer
        names.append(name)
        return name

    yield make
    for name in names:
        lab.server.delete(LLM_BUDGETS, "", name)


def seen(lab: Lab, name: str) -> Object:
    return (lab.server.get(LLM_BUDGETS, "", name) or {}).get("status") or {}


def tells(lab: Lab, name: str, words: str) -> bool:
    """Whether an Event of a budget has these words; it comes after what it tells of."""
    ours = (each for each in lab.server.all(EVENTS, "default") if each["involvedObject"]["name"] == name)
    return any(words in each["message"] for each in ours)


def replicas(lab: Lab) -> int:
    return sum(row["wanted"] for row in ((lab.llm() or {}).get("status") or {}).get("fleet") or ())


def test_stages_act_as_the_money_goes_and_end_at_once_when_there_is_more(lab: Lab, budget: Budget) -> None:
    running = lab.start(None, **FAST)
    name = budget("1000", stages=ALL_STAGES)
    lab.create(scaling={"mode": "Manual", "minReplicas": 1}, replicas=3, placement={"accelerators": ["L4"]})
    lab.ready()
    eventually(lambda: has_spent(lab, name) > ENOUGH, within_s=300.0, what="what runs is counted")
    assert condition(lab.server.get(LLM_BUDGETS, "", name), "Enforced")["reason"] == "WithinBudget"
    assert replicas(lab) == 3

    runs_out(lab, name)
    eventually_is(lambda: seen(lab, name).get("stage"), "Floor", within_s=300.0, what="all of it is spent")
    eventually_is(lambda: replicas(lab), 1, what="down to minReplicas")
    eventually(lambda: condition(lab.llm(), "WithinBudget").get("reason") == "BudgetAllotment", what="and it says why")
    assert ((lab.llm() or {})["status"]["budget"]["name"]) == name

    lasts(lab, name, has_spent(lab, name) / 3)
    eventually_is(lambda: seen(lab, name).get("stage"), "Stop", what="twice as much is spent")
    eventually_is(lambda: len(lab.server.all(PODS, lab.namespace)), 0, what="nothing runs")
    eventually_is(lambda: condition(lab.llm(), "WithinBudget").get("reason"), "BudgetStopped", what="and it says why")
    assert "is at its stage Stop" in condition(lab.llm(), "WithinBudget")["message"]

    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    override = {"usd": "1000", "until": until, "reason": "the test goes on"}
    lab.server.merge(LLM_BUDGETS, "", name, {"spec": {"override": override}})
    eventually_is(lambda: replicas(lab), 3, what="there is more")
    eventually(lambda: "stage" not in seen(lab, name), what="no stage is in force")
    told = "override: 1000 usd instead of", "override to 1000 usd: the test goes on"
    for words in ("none -> ", "-> Floor", "Floor -> Stop", "Stop -> none", *told):
        eventually(partial(tells, lab, name, words), what=f"an Event with {words!r}")
    assert running.tracebacks == []


def test_a_restart_neither_forgets_what_was_spent_nor_ends_a_stage(lab: Lab, budget: Budget) -> None:
    first = lab.start(None, **FAST)
    name = budget("1000", stages=ALL_STAGES)
    lab.create(scaling={"mode": "Manual", "minReplicas": 1}, replicas=2, placement={"accelerators": ["L4"]})
    lab.ready()
    eventually(lambda: has_spent(lab, name) > ENOUGH, within_s=300.0, what="what runs is counted")
    runs_out(lab, name)
    eventually_is(lambda: replicas(lab), 1, within_s=300.0, what="down to minReplicas")
    spent = has_spent(lab, name)
    first.kill()
    second = lab.start(None, **FAST)
    eventually(lambda: second.ready, what="another operator is there")
    eventually(lambda: has_spent(lab, name) >= spent, what="it knows what was spent")
    assert seen(lab, name)["stage"] == "Floor"
    assert replicas(lab) == 1
    assert second.tracebacks == []


def test_one_that_observes_reports_and_does_nothing(lab: Lab, budget: Budget) -> None:
    lab.start(None, **FAST)
    name = budget("1000", stages=ALL_STAGES, mode="Observe")
    lab.create(scaling={"mode": "Manual"}, replicas=2, placement={"accelerators": ["L4"]})
    lab.ready()
    eventually(lambda: has_spent(lab, name) > ENOUGH, within_s=300.0, what="what runs is counted")
    lasts(lab, name, has_spent(lab, name) / 3)
    eventually_is(lambda: seen(lab, name).get("stage"), "Stop", what="it says at which stage it would be")
    assert condition(lab.server.get(LLM_BUDGETS, "", name), "Enforced")["reason"] == "BudgetObserves"
    lab.ready()
    assert replicas(lab) == 2


def test_a_webhook_hears_of_each_stage_once_whatever_becomes_of_the_operator(lab: Lab, budget: Budget) -> None:
    heard: list[dict[str, Any]] = []
    statuses = iter([503])

    def listen(asked: Asked) -> None:
        status = next(statuses, 200)
        if status == 200:
            heard.append(json.loads(asked.form))
        body("", status)(asked)

    with answering(listen) as url:
        data = {"url": base64.b64encode(url.encode()).decode()}
        lab.server.create(SECRETS, {"metadata": {"name": "hook", "namespace": lab.system}, "data": data})
        first = lab.start(None, webhook_secrets="hook", webhook_allow_loopback="true", **FAST)
        name = budget("0.000001", stages=[ALL_STAGES[0]], notify={"secretRef": {"name": "hook"}})
        lab.create(scaling={"mode": "Manual", "minReplicas": 1}, replicas=1, placement={"accelerators": ["L4"]})
        eventually(lambda: "StageBegan" in [each["occasion"] for each in heard], within_s=120.0, what="it hears of it")
        eventually(partial(tells, lab, name, "it answered with status 503"), what="the first attempt failed")
        first.kill()
        second = lab.start(None, webhook_secrets="hook", webhook_allow_loopback="true", **FAST)
        eventually(lambda: second.ready, what="another operator is there")
        looked = f'wharfage_budget_stage{{budget="{name}",stage="Notify"}}'
        eventually(lambda: second.metric(looked) == 1.0, within_s=120.0, what="which has looked at the budget")
        lasts(lab, name, 1000.0)
        receded = "StageReceded"
        eventually(lambda: receded in [each["occasion"] for each in heard], within_s=120.0, what="and of its end")
    begun = [each for each in heard if each["occasion"] == "StageBegan"]
    assert len({each["id"] for each in begun}) == 1
    assert begun[0]["stage"] == "Notify"
    assert begun[0]["text"].startswith(f"LLMBudget {name}: stage Notify begins.")
    assert condition(lab.server.get(LLM_BUDGETS, "", name), "Accepted")["reason"] == "Accepted"
    assert second.tracebacks == []


def test_where_a_budget_is_required_nothing_starts_without_one_and_nothing_that_runs_ends(
    lab: Lab, budget: Budget
) -> None:
    running = lab.start(None, require_budget="true", **FAST)
    lab.create(scaling={"mode": "Manual"}, replicas=1, placement={"accelerators": ["L4"]})
    said = lab.blocked("BudgetRequired", about="Accepted", within_s=120.0)
    assert "have an LLMBudget with mode: Enforce select chat" in said["message"]
    assert lab.pools() == []
    name = budget("1000")
    lab.ready(within_s=120.0)
    (pool,) = lab.pools()

    lab.server.merge(LLM_BUDGETS, "", name, {"spec": {"mode": "Observe"}})
    lab.blocked("BudgetRequired", about="Accepted")
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"replicas": 3}})
    current = lab.llm()
    assert current is not None
    generation = current["metadata"]["generation"]
    eventually_is(
        lambda: condition(lab.llm(), "Accepted").get("observedGeneration"), generation, what="the edit was looked at"
    )
    assert [each["metadata"]["uid"] for each in lab.pools()] == [pool["metadata"]["uid"]]
    assert lab.pools()[0]["spec"]["replicas"] == 1
    lab.server.merge(LLM_BUDGETS, "", name, {"spec": {"mode": "Enforce"}})
    eventually_is(lambda: lab.pools()[0]["spec"]["replicas"], 3, what="it is served again")
    assert running.tracebacks == []


def test_of_operators_that_take_turns_each_stage_is_told_once(lab: Lab, budget: Budget) -> None:
    turns = {**FAST, "lease_name": "turns"}
    leader = lab.start(None, **turns)
    name = budget("0.000001", stages=[ALL_STAGES[0]])
    lab.create(scaling={"mode": "Manual", "minReplicas": 1}, replicas=1, placement={"accelerators": ["L4"]})
    eventually(lambda: tells(lab, name, "none -> Notify"), within_s=120.0, what="the stage begins")
    in_force, spent = f'wharfage_budget_stage{{budget="{name}",stage="Notify"}}', 0.0
    for _ in range(3):
        standby = lab.start(None, **turns)
        eventually(partial(is_ready, standby), within_s=120.0, what="the standby is ready")
        leader.stop()
        leader = standby
        eventually_is(partial(leader.metric, in_force), 1.0, within_s=120.0, what="it has looked at the budget")
        eventually(partial(spends_more, lab, name, spent), within_s=120.0, what="and what is spent grows")
        spent = has_spent(lab, name)
    said = [each for each in lab.server.all(EVENTS, "default") if each["involvedObject"]["name"] == name]
    assert [each["message"].partition(":")[0] for each in said] == ["stage none -> Notify"]
    assert all(operator.tracebacks == [] for operator in lab.operators)


def is_ready(operator: OperatorProcess) -> bool:
    return operator.ready


def spends_more(lab: Lab, name: str, usd: float) -> bool:
    return has_spent(lab, name) > usd
