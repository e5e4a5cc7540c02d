"""What users read back: complete, true, and still while nothing happens."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_api.conditions import DEPLOYMENT_CONDITIONS
from wharfage_api.llmdeployment_status import LLMDeploymentStatus
from wharfage_autoscaler.capacity import AtOnce
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory
from wharfage_autoscaler.spend import Spend
from wharfage_operator.blockers import Blocker
from wharfage_operator.errors import NotYet, Rejected
from wharfage_operator.leads import Lead
from wharfage_operator.pools import pool_hash
from wharfage_operator.status import lasting, status
from wharfage_operator.surge import GAVE_UP
from wharfage_operator.verdicts import Seen, progressing

from tests.builders import offer, pool, snapshot
from tests.operator.objects import deployment, pool_object

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
L4 = offer(usd_per_hour=0.8)
SPOT = offer(market=Market.SPOT, usd_per_hour=0.3)
LOAD = Load(60, 8.1, 7300, 1790, 3, 0, ttft_p95_s=0.41, tpot_p95_s=0.038)
PRICES = {"cloud": NOW - 86400}
UNREAD = {Reason.HISTORY_UNREADABLE: "ConfigMap shop/chat-history does not belong to this deployment"}
UNFORESEEN = {Reason.FORECAST_DEGRADED: "the worker ran out of memory"}
UNSOLVED = {Reason.DECISION_HELD: "the worker took longer than 30 s"}
WAITS = Blocker(Reason.UNSCHEDULABLE, "0/3 nodes are available")


def seen(
    running: Fleet = Fleet((pool(L4, 2),)),  # noqa: B008 - immutable
    target: Fleet | None = None,
    **more: Any,
) -> Seen:
    """Two replicas serve, as decided."""
    decision = Decision(target or running).amended(target or running, Reason.CHEAPEST_OFFER, "2x L4 is cheapest")
    pools = tuple(pool_object(each.replicas, each.ready) for each in running.pools)
    usual: dict[str, Any] = {"fleet": running, "decision": decision, "pools": pools, "prices_observed_at": PRICES}
    return Seen(**usual | more)


def conditions(of: Seen, *, now: float = NOW, **spec: Any) -> dict[str, tuple[str, str]]:
    """Status and reason by type."""
    found = status(deployment(**spec), of, now=now, previous={})
    return {row["type"]: (row["status"], row["reason"]) for row in found["conditions"]}


def test_what_is_on_trial_is_said_in_the_fleet_and_in_the_decision() -> None:
    serving, tried = pool(L4, 2), pool(L4, 1, variant="int4")
    decision = Decision(Fleet((serving,))).amended(Fleet((serving,)), Reason.CHEAPEST_OFFER, "2x L4 is cheapest")
    decision = decision.amended(Fleet((serving, tried)), Reason.ON_TRIAL, "5 % of the requests are for variant int4")
    decision = replace(decision, on_trial=Fleet((tried,)))
    found = status(deployment(), seen(Fleet((serving, tried)), decision=decision), now=NOW, previous={})
    assert found["summary"]["fleet"] == "2xL4, 1xL4 on trial"
    assert [(row["variant"], row.get("onTrial", False)) for row in found["fleet"]] == [("bf16", False), ("int4", True)]
    assert found["decision"]["summary"] == "2x L4 is cheapest; 5 % of the requests are for variant int4"
    LLMDeploymentStatus.model_validate(found)


def test_serving_in_full() -> None:
    found = status(deployment(generation=4), seen(load=LOAD), now=NOW, previous={})
    del found["conditions"]
    assert found == {
        "observedGeneration": 4,
        "replicas": 2,
        "readyReplicas": 2,
        "selector": "wharfage.dev/llmdeployment=chat",
        "endpoint": "http://chat.shop.svc:8000/v1",
        "summary": {
            "fleet": "2xL4",
            "replicas": "2/2",
            "usdPerHour": "1.60",
            "usdPerMillionTokens": "0.248",
            "leadTime": "<none>",
            "month": "<none>",
            "reason": "Serving",
        },
        "fleet": [
            {
                "catalog": "cloud",
                "offer": "g6.xlarge",
                "market": "OnDemand",
                "zone": "",
                "variant": "bf16",
                "accelerator": "L4 x1",
                "wanted": 2,
                "ready": 2,
                "usdPerHour": "1.60",
                "pool": pool_hash(pool(L4, 2).key),
            }
        ],
        "cost": {"usdPerHour": "1.60", "usdPerMillionTokens": "0.248"},
        "load": {
            "requestsPerSecond": "8.10",
            "promptTokensPerSecond": "7300",
            "outputTokensPerSecond": "1790",
            "ttftP95": "410ms",
            "tpotP95": "38ms",
        },
        "decision": {
            "at": "2026-11-22T10:00:00Z",
            "summary": "2x L4 is cheapest",
            "steps": [{"reason": "CheapestOffer", "message": "2x L4 is cheapest"}],
        },
    }


def test_the_api_takes_it() -> None:
    found = status(deployment(), seen(load=LOAD, blocker=WAITS), now=NOW, previous={})
    assert LLMDeploymentStatus.model_validate(found).summary is not None


def test_all_conditions_are_always_there() -> None:
    for of in (seen(), seen(Fleet()), Seen(problem=Rejected(Reason.INVALID_SPEC, "no"))):
        found = status(deployment(generation=7), of, now=NOW, previous={})["conditions"]
        assert [row["type"] for row in found] == [about.value for about in DEPLOYMENT_CONDITIONS]
        assert {row["observedGeneration"] for row in found} == {7}


def test_looking_again_changes_nothing() -> None:
    first = status(deployment(), seen(load=LOAD), now=NOW, previous={})
    nearly = replace(LOAD, requests_per_second=8.3, ttft_p95_s=0.42)
    assert status(deployment(), seen(load=nearly), now=NOW + 3600, previous=first) == first


def test_what_a_replica_carries_is_told_and_moves_only_when_it_moved_by_much() -> None:
    key = pool(L4, 2).key
    first = status(deployment(), seen(slots={key: AtOnce(40, 60)}), now=NOW, previous={})
    assert (first["fleet"][0]["slots"], first["fleet"][0]["burstSlots"]) == (40, 60)
    for slots, told in ((41, 40), (43, 43), (37, 37)):
        again = status(deployment(), seen(slots={key: AtOnce(slots, slots + 21)}), now=NOW, previous=first)
        assert again["fleet"][0]["slots"] == told
        assert again["fleet"][0]["burstSlots"] == (60 if abs(slots + 21 - 60) <= 3 else slots + 21)


def test_how_long_an_order_takes_is_told_of_each_pool_and_the_longest_of_those_that_are_wanted() -> None:
    leads = {L4.key: Lead(83.0, 217.0), SPOT.key: Lead(20.0, 100.0)}
    both = Fleet((pool(L4, 2), pool(SPOT, 1)))
    found = status(deployment(), seen(both, leads=leads), now=NOW, previous={})
    told = [(row["market"], row["leadTime"], row["machineLeadTime"]) for row in found["fleet"]]
    assert told == [("OnDemand", "300s", "83s"), ("Spot", "120s", "20s")]
    assert found["summary"]["leadTime"] == "300s"
    leaves = status(deployment(), seen(both, Fleet((pool(SPOT, 1),)), leads=leads), now=NOW, previous={})
    assert leaves["summary"]["leadTime"] == "120s"
    assert LLMDeploymentStatus.model_validate(found).fleet[0].lead_time == "300s"


def test_what_waits_ahead_and_what_stands_in_is_paid_for_and_not_wanted() -> None:
    one, two = Fleet((pool(L4, 1),)), Fleet((pool(L4, 2),))
    found = status(deployment(), seen(two, ahead=one, stand_ins=two), now=NOW, previous={})
    assert found["cost"]["usdPerHour"] == "4.00"
    assert [(row["wanted"], row["ahead"], row["usdPerHour"]) for row in found["fleet"]] == [(2, 1, "1.60")]
    assert found["replicas"] == 2
    assert LLMDeploymentStatus.model_validate(found).fleet[0].ahead == 1


def test_a_lead_time_that_hardly_moved_is_no_news() -> None:
    first = status(deployment(), seen(leads={L4.key: Lead(83.0, 217.0)}), now=NOW, previous={})
    same = status(deployment(), seen(leads={L4.key: Lead(84.0, 226.0)}), now=NOW + 60, previous=first)
    assert same == first
    longer = status(deployment(), seen(leads={L4.key: Lead(83.0, 300.0)}), now=NOW + 60, previous=first)
    assert longer["fleet"][0]["leadTime"] == "383s"
    assert lasting(longer) == lasting(first), "it moves by itself, and waits for its turn"


def test_a_figure_that_moved_by_a_tenth_is_news() -> None:
    first = status(deployment(), seen(load=LOAD), now=NOW, previous={})
    busier = replace(LOAD, requests_per_second=9.0)
    found = status(deployment(), seen(load=busier), now=NOW + 60, previous=first)
    assert found["load"]["requestsPerSecond"] == "9.00"
    assert found["load"]["outputTokensPerSecond"] == first["load"]["outputTokensPerSecond"]
    assert found["conditions"] == first["conditions"]


def test_the_transition_time_moves_only_with_the_status() -> None:
    def ready_row(of: Seen, now: float, previous: dict[str, Any]) -> dict[str, Any]:
        rows = status(deployment(), of, now=now, previous=previous)["conditions"]
        return next(row for row in rows if row["type"] == "Ready")

    waiting = seen(Fleet((pool(L4, 2, ready=0),)), blocker=WAITS)
    first = ready_row(waiting, NOW, {})
    pulling = replace(waiting, blocker=Blocker(Reason.PULLING_IMAGE, "Pulling"))
    second = ready_row(pulling, NOW + 60, {"conditions": [first]})
    assert second["reason"] == "PullingImage"
    assert second["lastTransitionTime"] == first["lastTransitionTime"] == "2026-11-22T10:00:00Z"
    assert ready_row(seen(), NOW + 120, {"conditions": [second]})["lastTransitionTime"] == "2026-11-22T10:02:00Z"


def test_what_is_not_known_is_absent_and_a_column_says_none() -> None:
    found = status(deployment(), Seen(), now=NOW, previous={})
    assert "cost" not in found
    assert "fleet" not in found
    assert "load" not in found
    assert "decision" not in found
    unknown = {column for column, text in found["summary"].items() if text == "<none>"}
    assert unknown == {"fleet", "usdPerHour", "usdPerMillionTokens", "leadTime", "month"}


def test_without_a_price_there_is_no_cost() -> None:
    found = status(deployment(), seen(Fleet((pool(offer(usd_per_hour=0.0), 2),))), now=NOW, previous={})
    assert "cost" not in found
    assert "usdPerHour" not in found["fleet"][0]


def test_during_a_move_both_pools_are_shown_and_paid() -> None:
    old, new = pool(L4, 2), pool(SPOT, 2, ready=0)
    found = status(deployment(), seen(Fleet((old, new)), Fleet((new,))), now=NOW, previous={})
    assert found["summary"]["fleet"] == "2xL4, 2xL4 spot"
    assert found["summary"]["replicas"] == "2/2"
    assert [(row["market"], row["wanted"], row["ready"]) for row in found["fleet"]] == [
        ("OnDemand", 0, 2),
        ("Spot", 2, 0),
    ]
    assert found["cost"] == {"usdPerHour": "2.20"}


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (pool(offer(accelerator="H100", accelerators=8), 2, accelerators=4), "2x(4xH100)"),
        (pool(offer(zone="us-east-1a", market=Market.SPOT)), "1xL4 spot us-east-1a"),
        (pool(offer(market=Market.RESERVED), 3), "3xL4 reserved"),
        (pool(offer(accelerator="CPU", accelerators=8), 2, accelerators=4), "2xCPU"),
    ],
    ids=["several per replica", "spot in a zone", "reserved", "cores"],
)
def test_fleets_in_words(of: Any, words: str) -> None:
    assert status(deployment(), seen(Fleet((of,))), now=NOW, previous={})["summary"]["fleet"] == words


STARTING = Fleet((pool(L4, 2, ready=0),))
HALF = Fleet((pool(L4, 2, ready=1),))


@pytest.mark.parametrize(
    ("of", "spec", "about", "expected"),
    [
        (seen(), {}, "Accepted", ("True", "Accepted")),
        (seen(), {"replicas": 3}, "Accepted", ("True", "ScaleIgnored")),
        (seen(), {"replicas": 3, "scaling": {"mode": "Manual"}}, "Accepted", ("True", "Accepted")),
        (seen(scaled="an HPA does"), {"scaling": {"mode": "Manual"}}, "Accepted", ("True", "ScaleIgnored")),
        (seen(problem=Rejected(Reason.IMAGE_NOT_ALLOWED, "no")), {}, "Accepted", ("False", "ImageNotAllowed")),
        (seen(problem=NotYet(Reason.NAME_CONFLICT, "taken", 1)), {}, "Accepted", ("True", "Accepted")),
        (seen(), {}, "Ready", ("True", "Serving")),
        (seen(STARTING, blocker=WAITS), {}, "Ready", ("False", "Unschedulable")),
        (seen(HALF, blocker=WAITS), {}, "Ready", ("True", "Serving")),
        (seen(HALF, blocker=WAITS), {"scaling": {"minReplicas": 2}}, "Ready", ("False", "Unschedulable")),
        (seen(STARTING), {}, "Ready", ("False", "Scaling")),
        (seen(STARTING, problem=NotYet(Reason.NAME_CONFLICT, "taken", 1)), {}, "Ready", ("False", "NameConflict")),
        (seen(problem=Rejected(Reason.IMAGE_NOT_ALLOWED, "no")), {}, "Ready", ("True", "Serving")),
        (seen(), {}, "Progressing", ("False", "Steady")),
        (seen(STARTING), {}, "Progressing", ("True", "Scaling")),
        (seen(HALF, blocker=WAITS), {}, "Progressing", ("True", "Scaling")),
        (seen(HALF, Fleet((pool(SPOT, 2, ready=0),))), {}, "Progressing", ("True", "RollingOut")),
        (seen(), {}, "CapacityAvailable", ("True", "CapacityBound")),
        (seen(STARTING, blocker=WAITS), {}, "CapacityAvailable", ("False", "Unschedulable")),
        (seen(Fleet()), {}, "CapacityAvailable", ("Unknown", "Scaling")),
        (seen(load=LOAD), {}, "ObjectivesMet", ("True", "ObjectivesMet")),
        (seen(load=LOAD), {"objectives": {"ttft": {"p95": "300ms"}}}, "ObjectivesMet", ("False", "ObjectivesMissed")),
        (seen(load=replace(LOAD, ttft_p95_s=None)), {}, "ObjectivesMet", ("Unknown", "NoMetrics")),
        (seen(), {}, "WithinBudget", ("True", "NoBudget")),
        (seen(), {"limits": {"usdPerHour": "40"}}, "WithinBudget", ("True", "WithinLimit")),
        (seen(load=LOAD), {}, "MetricsFresh", ("True", "MetricsFresh")),
        (seen(), {}, "MetricsFresh", ("False", "NoMetrics")),
        (seen(STARTING), {}, "MetricsFresh", ("Unknown", "NoMetrics")),
        (seen(load=LOAD, hindrances=UNREAD), {}, "MetricsFresh", ("False", "HistoryUnreadable")),
        (seen(load=LOAD, hindrances=UNFORESEEN), {}, "MetricsFresh", ("True", "ForecastDegraded")),
        (seen(hindrances=UNFORESEEN), {}, "MetricsFresh", ("False", "NoMetrics")),
        (seen(load=LOAD, hindrances=UNSOLVED), {}, "Progressing", ("False", "DecisionHeld")),
        (seen(STARTING, hindrances=UNSOLVED), {}, "Progressing", ("True", "Scaling")),
        (seen(), {}, "PricesFresh", ("True", "PricesCurrent")),
        (seen(prices_observed_at={"cloud": NOW - 31 * 86400}), {}, "PricesFresh", ("False", "PricesStale")),
        (seen(prices_observed_at={"other": NOW}), {}, "PricesFresh", ("Unknown", "PricesUnknown")),
    ],
)
def test_conditions(of: Seen, spec: dict[str, Any], about: str, expected: tuple[str, str]) -> None:
    assert conditions(of, **spec)[about] == expected


def test_the_reason_column_names_what_blocks_even_while_enough_replicas_serve() -> None:
    found = status(deployment(), seen(HALF, blocker=WAITS), now=NOW, previous={})
    assert found["summary"]["reason"] == "Unschedulable"


def test_a_refused_decision_reaches_the_right_conditions() -> None:
    decision, _ = decide(snapshot(offers=(offer(accelerator="T4", accelerator_memory_gib=16),)), Memory())
    found = conditions(Seen(decision=decision))
    assert found["Accepted"] == ("True", "Accepted")
    assert found["CapacityAvailable"] == ("False", "ModelDoesNotFit")
    assert found["Ready"] == ("False", "ModelDoesNotFit")


def test_the_limit_in_dollars_is_why_nothing_runs() -> None:
    stopped = Decision(Fleet((pool(L4, 0),))).amended(Fleet((pool(L4, 0),)), Reason.USD_PER_HOUR_LIMIT, "0 replicas")
    found = conditions(seen(Fleet((pool(L4, 0),)), decision=stopped), limits={"usdPerHour": "0.1"})
    assert found["Ready"] == ("False", "UsdPerHourLimit")
    assert found["WithinBudget"] == ("False", "LimitReached")


def test_a_rollout_past_its_deadline_is_not_progress() -> None:
    late = pool_object(2, 1, conditions=({"type": "Progressing", "reason": "ProgressDeadlineExceeded"},))
    assert conditions(seen(HALF, pools=(late,), blocker=WAITS))["Progressing"] == ("False", "Unschedulable")


def test_the_status_stays_under_ten_kilobytes() -> None:
    long = Blocker(Reason.UNSCHEDULABLE, "x" * 5000)
    found = status(deployment(), seen(STARTING, blocker=long, load=LOAD), now=NOW, previous={})
    assert len(repr(found)) < 10_000


@pytest.mark.parametrize(
    ("ready", "reason"), [(1, "SurgeWithoutCapacity"), (2, "Steady")], ids=["while it replaces", "once it is done"]
)
def test_a_surge_without_a_machine_is_said(ready: int, reason: str) -> None:
    row = pool_object(2, ready)
    row["metadata"]["annotations"] = {GAVE_UP: "0123456789abcdef"}
    found = progressing(seen(Fleet((replace(pool(L4, 2), ready=ready),)), pools=(row,)))
    assert found.reason == reason
    assert "no machine came" in found.message


def test_a_rollout_is_not_over_while_the_old_replica_serves_beside_the_new_one_that_waits() -> None:
    row = pool_object(1, 1)
    row["status"]["replicas"] = 2
    assert conditions(seen(Fleet((pool(L4, 1),)), pools=(row,)))["Progressing"] == ("True", "RollingOut")


NOTHING = Fleet((pool(L4, 0),))
WOKEN = Decision(Fleet((pool(L4, 1),))).amended(Fleet((pool(L4, 1),)), Reason.WAKING, "woken: it serves in 300 s")


def asleep() -> Seen:
    decision = Decision(NOTHING).amended(NOTHING, Reason.AT_ZERO, "nothing runs until it is woken")
    return seen(NOTHING, decision=decision, how_to_wake="Wake it: kubectl annotate")


def test_at_zero_it_is_ready_costs_nothing_and_says_what_wakes_it() -> None:
    found = status(deployment(scaling={"minReplicas": 0}), asleep(), now=NOW, previous={})
    said = {row["type"]: row for row in found["conditions"]}
    assert (said["Ready"]["status"], said["Ready"]["reason"]) == ("True", "AtZero")
    assert said["Ready"]["message"] == "nothing runs until it is woken. Wake it: kubectl annotate"
    assert (said["Progressing"]["status"], said["Progressing"]["reason"]) == ("False", "Steady")
    assert found["cost"] == {"usdPerHour": "0.00"}
    assert found["summary"]["replicas"] == "0/0"
    assert found["summary"]["reason"] == "AtZero"


@pytest.mark.parametrize(
    ("blocker", "reason"),
    [
        pytest.param(None, "Waking", id="nothing is known yet"),
        pytest.param(Blocker(Reason.STARTING_ENGINE, "the engine loads"), "Waking", id="it passes by itself"),
        pytest.param(Blocker(Reason.IMAGE_PULL_FAILED, "no such image"), "ImagePullFailed", id="somebody must mend it"),
    ],
)
def test_waking_it_is_not_ready_and_what_stands_in_the_way_is_said(blocker: Blocker | None, reason: str) -> None:
    waking = seen(Fleet((pool(L4, 1, ready=0),)), decision=WOKEN, blocker=blocker)
    assert conditions(waking, scaling={"minReplicas": 0})["Ready"] == ("False", reason)
    assert conditions(seen(Fleet((pool(L4, 1),)), decision=WOKEN))["Ready"] == ("True", "Serving")


def test_none_by_hand_is_ready_too() -> None:
    by_hand = conditions(seen(NOTHING), replicas=0, scaling={"mode": "Manual"})
    assert by_hand["Ready"] == ("True", "AtZero")


def test_the_budget_that_binds_it_is_told_and_written_at_once() -> None:
    row = {"name": "search", "stage": "Throttle", "mode": "Enforce", "tokensPerSecondPerTenant": 50}
    before = status(deployment(), seen(), now=NOW, previous={})
    after = status(deployment(), seen(budget=row), now=NOW, previous=before)
    assert after["budget"] == row
    assert "budget" not in before
    assert lasting(before) != lasting(after)


def test_what_was_spent_holds_while_the_ledger_is_read_and_its_first_figure_is_written_at_once() -> None:
    unknown = status(deployment(), seen(), now=NOW, previous={})
    assert unknown["summary"]["month"] == "<none>"
    first = status(deployment(), seen(spent=(Spend(1.0), Spend(2.0))), now=NOW, previous=unknown)
    assert first["summary"]["month"] == "2.00"
    assert lasting(first) != lasting(unknown)
    restarted = status(deployment(), seen(), now=NOW, previous=first)
    assert restarted == first
    later = status(deployment(), seen(spent=(Spend(2.0), Spend(3.0))), now=NOW, previous=first)
    assert lasting(later) == lasting(first)
