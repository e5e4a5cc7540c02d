"""Real vLLM in pods that the operator made, behind a real Service: from the first token to the drain."""

import time
from collections.abc import Iterator

import pytest

from tests.engine.lab import READY_WITHIN_S, Lab, example, stream, until

LESS_THAN_GRACE_S = 90.0
"""Of the 120 s that a replica has to drain."""


@pytest.fixture(scope="module")
def lab(empty_lab: Lab) -> Iterator[Lab]:
    """The example, Ready with one replica."""
    empty_lab.apply(example())
    until("the model is Ready", empty_lab.readiness, timeout_s=READY_WITHIN_S)
    yield empty_lab
    empty_lab.clear()


def test_an_answer_streams_through_the_service(lab: Lab) -> None:
    pieces = [piece for _, piece in stream(lab.asking("How much does a berth cost?"))]
    assert len(pieces) > 5
    assert "".join(pieces).strip()


def test_the_pod_keeps_to_the_restricted_level_and_its_machine(lab: Lab) -> None:
    (pod,) = lab.pods()
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["enableServiceLinks"] is False
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_load_and_price_come_from_the_engines_own_metrics(lab: Lab) -> None:
    with lab.clients(2) as running:
        until(
            "status says dollars per million tokens",
            lambda: (
                "usdPerMillionTokens" in lab.cost() and float(lab.load().get("requestsPerSecond", 0)) > 0,
                str(lab.deployment()["status"]),
            ),
            timeout_s=180,
        )
        figures = lab.figures(lab.ready_pods()[0])
        load, cost = lab.load(), lab.cost()
    assert running.tally is not None
    assert running.tally.failures == []
    assert figures["vllm:generation_tokens_total"] > 0
    assert float(load["outputTokensPerSecond"]) > 0
    assert float(cost["usdPerHour"]) == pytest.approx(0.0832, abs=0.006)
    assert float(cost["usdPerMillionTokens"]) > 0


def test_a_replica_is_drained_under_load_without_a_failed_request(lab: Lab) -> None:
    lab.scale(2)
    until("two replicas serve", lab.readiness, timeout_s=READY_WITHIN_S)
    before = lab.ready_pods()
    with lab.clients(4) as running:
        time.sleep(3)
        leaving, _ = lab.busiest()
        lab.take_away(leaving)
        until(f"{leaving} is gone", lambda: (lab.gone(leaving), "it drains"), timeout_s=180)
        time.sleep(3)
    assert running.tally is not None
    assert running.tally.failures == []
    assert running.tally.requests > 20
    assert running.tally.connections > 4, "no client had to move: the drain was not put to the test"
    until("a replacement serves", lab.readiness, timeout_s=READY_WITHIN_S)
    assert len(set(lab.ready_pods()) - set(before)) == 1


def test_a_replica_that_is_still_starting_holds_its_machine_no_longer_than_it_must(lab: Lab) -> None:
    lab.scale(1)  # the machine has two places, and the new replica of the next edit comes before the old one goes
    until("one replica serves", lab.readiness, timeout_s=READY_WITHIN_S)
    ready = set(lab.ready_pods())
    lab.scale(2)
    until("an engine starts", lambda: (bool(lab.begun() - ready), "not yet"), timeout_s=READY_WITHIN_S)
    (starting,) = lab.begun() - ready
    lab.scale(1)
    until(f"{starting} is gone", lambda: (lab.gone(starting), "it runs"), timeout_s=LESS_THAN_GRACE_S)
    assert set(lab.ready_pods()) == ready


def test_a_model_that_does_not_exist_is_said_in_vllms_own_words(lab: Lab) -> None:
    lab.kubectl("patch", "llm", "tiny", "--type=merge", "-p", '{"spec":{"model":{"source":"pvc://weights/not-there"}}}')
    until(
        "the status carries the engine's error",
        lambda: ("not-there" in lab.readiness()[1] or "EngineFailed" in str(lab.deployment()["status"]), ""),
        timeout_s=180,
    )
    progressing = next(c for c in lab.deployment()["status"]["conditions"] if c["type"] == "Progressing")
    assert lab.ready_pods(), "the replicas from before the edit go on serving"
    assert progressing["reason"] in ("EngineFailed", "StartingEngine", "RollingOut")
