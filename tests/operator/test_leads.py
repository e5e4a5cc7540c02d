"""Lead times, from the timestamps of pods."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from wharfage_api.labels import POOL
from wharfage_autoscaler.offers import Market
from wharfage_operator.leads import PRIOR, Lead, Leads, read, start_of

Object = dict[str, Any]
BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)
CHAT, CODE = ("shop", "chat"), ("shop", "code")
L4, L40S = ("aws", "g6.xlarge", Market.SPOT, "a"), ("aws", "g6e.xlarge", Market.ON_DEMAND, "")
OFFERS = {"p": L4}


def after(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def started(
    name: str,
    machine_s: float = 60.0,
    engine_s: float = 100.0,
    *,
    at_s: float = 0.0,
    ready: str = "True",
    restarts: int = 0,
    pool: str = "p",
) -> Object:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": after(at_s + machine_s)}
    is_ready = {"type": "Ready", "status": ready, "lastTransitionTime": after(at_s + machine_s + engine_s)}
    return {
        "metadata": {"name": name, "uid": name, "labels": {POOL: pool}, "creationTimestamp": after(at_s)},
        "status": {"conditions": [scheduled, is_ready], "containerStatuses": [{"restartCount": restarts}]},
    }


def waiting(name: str) -> Object:
    unscheduled = {"type": "PodScheduled", "status": "False", "lastTransitionTime": after(0)}
    return {**started(name), "status": {"conditions": [unscheduled]}}


def test_a_start_has_two_parts() -> None:
    found = start_of(CHAT, started("a", 60.0, 100.0))
    assert found is not None
    assert (found.lead, found.lead.total_s) == (Lead(60.0, 100.0), 160.0)
    assert found.ready_s == (BEGAN + timedelta(seconds=160)).timestamp()


@pytest.mark.parametrize(
    "pod",
    [
        waiting("a"),
        started("a", ready="False"),
        started("a", restarts=1),
        started("a", engine_s=86_400.0),
        {"metadata": {"name": "a", "uid": "a"}},
    ],
    ids=[
        "has no machine yet",
        "is not ready yet",
        "failed on the way",
        "became ready once more, after its node came back",
        "says nothing",
    ],
)
def test_what_is_no_start(pod: Object) -> None:
    assert start_of(CHAT, pod) is None


def test_clocks_that_differ_make_no_time_negative() -> None:
    found = start_of(CHAT, started("a", -1.0, 100.0))
    assert found is not None
    assert found.lead.machine_s == 0.0


def test_an_offer_that_was_never_ordered_takes_what_others_take() -> None:
    assert Leads().of(L4) == PRIOR


def test_few_starts_move_the_prior_and_many_replace_it() -> None:
    one = Leads().heard(CHAT, [started("a", 20.0, 500.0)], OFFERS)
    assert PRIOR.machine_s >= one.of(L4).machine_s > 20.0
    assert PRIOR.engine_s < one.of(L4).engine_s < 500.0
    many = Leads().heard(CHAT, [started(f"{n}", 20.0, 500.0, at_s=n) for n in range(3)], OFFERS)
    assert many.of(L4) == Lead(20.0, 500.0)


def test_one_start_that_took_an_age_hardly_counts() -> None:
    usual = [started(f"{n}", 60.0, 100.0, at_s=n) for n in range(7)]
    found = Leads().heard(CHAT, [*usual, started("late", 3000.0, 3000.0, at_s=9)], OFFERS)
    assert found.of(L4) == Lead(60.0, 100.0)


def test_what_changed_is_learned_within_eight_starts() -> None:
    before = Leads().heard(CHAT, [started(f"{n}", 60.0, at_s=n) for n in range(8)], OFFERS)
    after_it = before.heard(CHAT, [started(f"now-{n}", 300.0, at_s=1000 + n) for n in range(8)], OFFERS)
    assert after_it.of(L4).machine_s == 300.0


def test_pods_that_are_seen_again_tell_nothing_new() -> None:
    pods = [started(f"{n}", at_s=n) for n in range(12)]
    once = Leads().heard(CHAT, pods, OFFERS)
    assert once.heard(CHAT, pods, OFFERS) is once
    again = [{**pods[11], "status": started("11", engine_s=900.0, at_s=11)["status"]}]
    assert once.heard(CHAT, again, OFFERS) is once


def test_a_machine_is_of_all_and_an_engine_is_of_its_deployment() -> None:
    chat = Leads().heard(CHAT, [started(f"chat-{n}", 60.0, 100.0, at_s=n) for n in range(8)], OFFERS)
    both = chat.heard(CODE, [started(f"code-{n}", 60.0, 700.0, at_s=100 + n) for n in range(8)], OFFERS)
    assert both.of(L4, CHAT) == Lead(60.0, 100.0)
    assert both.of(L4, CODE) == Lead(60.0, 700.0)
    assert both.of(L4, ("shop", "new")).machine_s == 60.0
    assert both.of(L40S, CHAT) == PRIOR


def test_of_deployments_that_are_gone_only_what_tells_of_machines_is_kept() -> None:
    found = Leads()
    for owner in range(5):
        pods = [started(f"{owner}-{n}", 60.0, 100.0, at_s=100.0 * owner + n) for n in range(6)]
        found = found.heard(("shop", f"{owner}"), pods, OFFERS)
    left = found.among([("shop", "0")])
    owners = [start.owner[1] for start in left.starts[L4]]
    assert owners == ["0"] * 6 + ["3"] * 2 + ["4"] * 6
    assert left.of(L4) == found.of(L4)
    assert left.among([("shop", "0")]) is left


def test_a_pod_of_no_pool_that_is_known_tells_nothing() -> None:
    assert Leads().heard(CHAT, [started("a", pool="old")], OFFERS) == Leads()


def test_starts_read_back_as_they_were_written() -> None:
    found = Leads().heard(CHAT, [started(f"{n}", at_s=n) for n in range(5)], OFFERS)
    assert read(found.written()) == found


@pytest.mark.parametrize(
    "text", ["{", "{}x", '[["aws"]]', '[["aws", "g6", "Barter", "", "s", "c", "u", 1, 2, 3]]', "5"]
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no record of starts"):
        read(text)


def test_a_start_that_lies_ahead_counts_for_nothing() -> None:
    ahead = Leads().heard(CHAT, [started(f"ahead-{n}", 900.0, at_s=3e7 + n) for n in range(8)], OFFERS)
    now_s = (BEGAN + timedelta(seconds=400)).timestamp()
    kept = ahead.until(now_s).heard(CHAT, [started("a")], OFFERS)
    assert [start.uid for start in kept.starts[L4]] == ["a"]
    assert kept.until(now_s) is kept
