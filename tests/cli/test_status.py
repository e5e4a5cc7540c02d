from typing import Any

from wharfage_cli.status import line, together


def deployment(**status: Any) -> dict[str, Any]:
    spec = {"model": {"source": "hf://Qwen/Qwen3-8B"}}
    return {"metadata": {"namespace": "shop", "name": "chat"}, "spec": spec, "status": status}


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def test_a_serving_deployment_waits_for_nothing() -> None:
    shown = line(
        deployment(
            summary={"fleet": "3xL40S spot", "replicas": "3/3", "usdPerHour": "2.34", "leadTime": "190s"},
            cost={"usdPerHour": "2.34", "usdPerMillionTokens": "0.41"},
            conditions=[condition("Accepted", "True", "Accepted"), condition("Ready", "True", "Serving", "3 of 3")],
        )
    )
    assert (shown.ready, shown.reason, shown.fleet, shown.waiting_for) == ("True", "Serving", "3xL40S spot", "")
    assert (shown.usd_per_million_tokens, shown.lead_time) == ("0.41", "190s")
    assert (shown.model, shown.endpoint) == ("hf://Qwen/Qwen3-8B", "<none>")


def test_a_blocked_deployment_says_what_blocks_it() -> None:
    blocked = condition("Ready", "False", "WaitingForNode", "0/3 nodes are available")
    shown = line(deployment(conditions=[condition("Accepted", "True", "Accepted"), blocked]))
    assert (shown.reason, shown.waiting_for) == ("WaitingForNode", "0/3 nodes are available")


def test_what_serves_says_which_machines_it_cannot_have() -> None:
    rows = [condition("Accepted", "True", "Accepted"), condition("Ready", "True", "Serving", "1 replica serves.")]
    missing = condition("CapacityAvailable", "False", "CapacityUnavailable", "placement excludes all 55 offers")
    shown = line(deployment(conditions=[*rows, missing]))
    assert (shown.ready, shown.reason, shown.waiting_for) == ("True", "Serving", "placement excludes all 55 offers")


def test_a_spec_that_was_not_accepted_comes_before_everything_else() -> None:
    refused = condition("Accepted", "False", "ModelDoesNotFit", "short by 3.4 GiB")
    shown = line(deployment(conditions=[condition("Ready", "False", "Unschedulable", "no node"), refused]))
    assert (shown.reason, shown.waiting_for) == ("ModelDoesNotFit", "short by 3.4 GiB")


def test_what_is_not_known_is_not_zero() -> None:
    shown = line(deployment())
    assert (shown.ready, shown.usd_per_hour, shown.usd_per_million_tokens) == ("Unknown", "<none>", "<none>")
    assert "no operator has looked" in shown.waiting_for
    assert together([shown]) == "together 0.00 USD/h"


def test_what_runs_at_a_price_that_is_not_known_is_not_free() -> None:
    priced = line(deployment(summary={"fleet": "1xL4", "usdPerHour": "0.80"}))
    unpriced = line(deployment(summary={"fleet": "3xL4 spot", "usdPerHour": "<none>"}))
    assert together([priced, unpriced]) == (
        "together 0.80 USD/h, and 1 whose price is not known: `wharfage doctor` tells why"
    )


def test_a_paused_deployment_says_so_and_what_was_so_before() -> None:
    paused = deployment(
        summary={"replicas": "3/3"},
        conditions=[
            condition("Accepted", "True", "Accepted"),
            condition("Ready", "True", "Serving", "3 replicas serve."),
        ],
    )
    paused["metadata"]["annotations"] = {"wharfage.dev/paused": "true"}
    shown = line(paused)
    assert (shown.ready, shown.reason, shown.replicas) == ("True", "Paused", "3/3")
    assert shown.waiting_for == (
        "the annotation wharfage.dev/paused stops every write for it, its status included; before: 3 replicas serve."
    )


def test_an_edit_that_no_operator_has_seen_is_not_hidden_behind_the_status_of_before() -> None:
    edited = deployment(observedGeneration=2, conditions=[condition("Ready", "True", "Serving", "1 replica serves.")])
    edited["metadata"]["generation"] = 3
    shown = line(edited)
    assert (shown.reason, shown.waiting_for[:40]) == ("NotSeenYet", "no operator has looked at the last edit ")
    edited["status"]["observedGeneration"] = 3
    assert line(edited).reason == "Serving"
