"""A budget on a real control plane: its stage is told by the deployments that it selects, and holds at the gateway."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from wharfage_gateway.headers import client
from wharfage_gateway.unixhttp import UnixConnection
from wharfage_operator.kinds import LLM_BUDGETS

from tests.cluster.brain import BrainProcess
from tests.cluster.lab import Lab
from tests.cluster.money import has_spent, lasts, runs_out
from tests.cluster.server import eventually

SLOW = {"action": "Throttle", "at": "1.0", "of": "Spent", "tokensPerSecondPerTenant": 1, "burstTokens": 40}
ENOUGH = 0.01
"""Dollars: a replica takes three quarters of a minute for them, so that a stage lasts until it is seen."""


@pytest.fixture
def budget(lab: Lab) -> Iterator[str]:
    """A budget over the test's namespace alone, at no stage."""
    spec = {
        "usd": "1000",
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}},
        "stages": [{"action": "PreferCheaper", "at": "1.0"}, SLOW, {"action": "Freeze", "at": "2.0"}],
    }
    lab.server.create(LLM_BUDGETS, {"metadata": {"name": lab.namespace}, "spec": spec})
    yield lab.namespace
    if lab.server.get(LLM_BUDGETS, "", lab.namespace) is not None:
        lab.server.delete(LLM_BUDGETS, "", lab.namespace)


def told(lab: Lab) -> Any:
    return ((lab.llm() or {}).get("status") or {}).get("budget")


def asked(brain: BrainProcess, tenant: str) -> tuple[int, dict[str, Any]]:
    """What Envoy is told about a request of a tenant for at most a hundred tokens."""
    connection = UnixConnection(brain.folder / "brain.sock", timeout_s=30.0)
    headers = {"x-model": "chat", "x-client": client(tenant, ""), "x-most-tokens": "100", "content-length": "0"}
    connection.request("POST", "/check/v1/chat/completions", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body)["error"] if answer.status == 429 else {}


def test_a_stage_that_throttles_holds_at_the_gateway_as_long_as_it_is_in_force(
    lab: Lab, budget: str, brains: Callable[[str], BrainProcess]
) -> None:
    brain = brains("gateway-a")
    running = lab.start(gateways=lab.namespace, budgets_every_s="1")
    lab.create(routing="Gateway", scaling={"mode": "Manual"}, replicas=1)
    lab.ready()
    eventually(lambda: asked(brain, "red")[0] == 200, what="a request is let in")
    eventually(lambda: has_spent(lab, budget) > ENOUGH, within_s=120.0, what="what runs is counted")
    assert told(lab) is None

    runs_out(lab, budget)
    row = eventually(lambda: told(lab), within_s=90.0, what="the deployment tells of its budget")
    told_at = time.monotonic()
    assert row == {
        "name": budget,
        "stage": "Throttle",
        "mode": "Enforce",
        "tokensPerSecondPerTenant": 1,
        "burstTokens": 40,
    }
    refused = eventually(lambda: asked(brain, "red")[1], what="a tenant has used its tokens")
    print(f"refused {time.monotonic() - told_at:.2f} s after it was told")
    assert refused["code"] == "tokens_exhausted"
    assert f"LLMBudget {budget} is at stage Throttle, 1 tokens per second" in refused["message"]
    assert asked(brain, "blue")[0] == 200, "another tenant has tokens of its own"

    lasts(lab, budget, has_spent(lab, budget) / 3)
    eventually(lambda: (told(lab) or {}).get("stage") == "Freeze", what="a harsher stage is told")
    assert told(lab)["tokensPerSecondPerTenant"] == 1, "the throttle stays on"

    lab.server.delete(LLM_BUDGETS, "", budget)
    eventually(lambda: told(lab) is None, what="a budget that is gone is not told of")
    eventually(lambda: asked(brain, "red")[0] == 200, what="and throttles nobody")
    assert running.tracebacks == []
