"""When an offer counts as short, for how long it is left alone, and when it is tried again."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_api.labels import POOL
from wharfage_autoscaler.offers import Market
from wharfage_operator.leads import Lead, Leads
from wharfage_operator.notices import Fate, Notice, Notices
from wharfage_operator.shortages import PATIENCE, News, Report, Shortages, read, reports

from tests.operator.objects import event

Object = dict[str, Any]
NOW_S = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
SPOT, FIXED = ("aws", "g6.xlarge", Market.SPOT, "a"), ("aws", "g6.xlarge", Market.ON_DEMAND, "")
OFFERS = {"p": SPOT}
USUALLY = Leads(prior=Lead(100.0, 200.0))


def pod(name: str = "chat-a", *, ago_s: float, scheduled: str = "False", node: str = "", **labels: str) -> Object:
    since = datetime.fromtimestamp(NOW_S - ago_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {
            "name": name,
            "labels": {POOL: "p", "pod-template-hash": "t", **{key.replace("_", "-"): v for key, v in labels.items()}},
            "creationTimestamp": since,
        },
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "PodScheduled", "status": scheduled, "lastTransitionTime": since}]},
    }


def told(*pods: Object, events: tuple[Object, ...] = (), notices: Notices | None = None) -> list[News]:
    seen = reports(pods, events, notices or Notices(), OFFERS, USUALLY, now_s=NOW_S)
    assert all(report.offer == SPOT for report in seen)
    return [report.news for report in seen]


def noticed(fate: Fate, *, spot: bool = True) -> Notices:
    return Notices({"gpu-1": Notice("gpu-1", fate, "a sign", NOW_S - 5.0, spot)})


REFUSAL = event("FailedScheduling", "no instance type met the requirements", about="chat-a", source="karpenter")
PROMISE = event("Nominated", "Pod should schedule on: nodeclaim/gpu-x", about="chat-a", source="karpenter")


@pytest.mark.parametrize(
    ("pods", "events", "expected"),
    [
        ((pod(ago_s=199.0),), (), []),
        ((pod(ago_s=201.0),), (), [News.WAITS]),
        ((pod(ago_s=201.0),), (PROMISE,), [News.WAITS]),
        ((pod(ago_s=10.0),), (REFUSAL,), [News.REFUSED]),
        ((pod(ago_s=10.0, scheduled="True", node="gpu-2"),), (), [News.CAME]),
        ((pod(ago_s=900.0), pod("chat-b", ago_s=9e3, scheduled="True", pod_template_hash="u")), (), [News.CAME]),
        ((pod(ago_s=900.0, **{POOL: "another"}),), (), []),
        ((pod(ago_s=900.0), pod("chat-b", ago_s=150.0, scheduled="True")), (), [News.CAME]),
        ((pod(ago_s=900.0), pod("chat-b", ago_s=300.0, scheduled="True")), (), [News.WAITS, News.CAME]),
    ],
    ids=[
        "it waits as long as orders do",
        "it waits twice as long as orders do",
        "it waits twice as long, and a machine was promised",
        "an autoscaler will not buy a machine",
        "it has its machine",
        "in a rollout it waits for the place of another",
        "it is of no pool that is known",
        "it waits long, and another's machine came a while ago",
        "it waits long, and no other's machine came for as long as orders take twice",
    ],
)
def test_what_a_pod_tells_of_its_offer(
    pods: tuple[Object, ...], events: tuple[Object, ...], expected: list[News]
) -> None:
    assert told(*pods, events=events) == expected


@pytest.mark.parametrize(
    ("notices", "expected"),
    [
        (noticed(Fate.INTERRUPTION), News.LOST),
        (noticed(Fate.GONE), News.LOST),
        (noticed(Fate.GONE, spot=False), News.CAME),
        (noticed(Fate.DRAIN), News.CAME),
        (noticed(Fate.SILENT), News.CAME),
    ],
    ids=["taken back", "gone without a word", "a machine that was switched off", "emptied", "silent"],
)
def test_a_spot_machine_that_is_taken_back_is_a_loss(notices: Notices, expected: News) -> None:
    assert told(pod(ago_s=900.0, scheduled="True", node="gpu-1"), notices=notices) == [expected]


def heard(seen: Shortages, news: News, now_s: float, *, at_s: float | None = None) -> Shortages:
    return seen.heard([Report(SPOT, news, now_s if at_s is None else at_s)], now_s)


@pytest.mark.parametrize("news", [News.LOST, News.REFUSED, News.WAITS])
def test_a_short_offer_is_left_alone_for_a_while_and_no_other_is(news: News) -> None:
    seen = heard(Shortages(), news, NOW_S)
    assert not seen.obtainable(SPOT, NOW_S + 299.0)
    assert seen.obtainable(SPOT, NOW_S + 300.0)
    assert seen.obtainable(FIXED, NOW_S)
    assert (seen.again_s(NOW_S + 100.0), seen.again_s(NOW_S + 300.0)) == (200.0, None)


def test_each_time_it_is_left_alone_for_twice_as_long_up_to_a_bound() -> None:
    seen, now_s, pauses = Shortages(), NOW_S, []
    for _ in range(5):
        seen = heard(seen, News.WAITS, now_s)
        pauses.append(seen.again_s(now_s))
        now_s += pauses[-1] or 0.0
    assert pauses == [300.0, 600.0, 1200.0, 1800.0, 1800.0]


def test_what_goes_on_while_it_is_left_alone_is_no_further_strike() -> None:
    seen = heard(heard(Shortages(), News.WAITS, NOW_S), News.WAITS, NOW_S + 200.0)
    assert (seen.by_offer[SPOT].strikes, seen.again_s(NOW_S + 200.0)) == (1, 100.0)


def test_a_further_loss_begins_the_pause_anew() -> None:
    seen = heard(heard(Shortages(), News.LOST, NOW_S), News.LOST, NOW_S + 200.0)
    assert (seen.by_offer[SPOT].strikes, seen.again_s(NOW_S + 200.0)) == (1, 300.0)


def test_spot_that_is_lost_every_five_minutes_is_left_alone_for_longer_and_longer() -> None:
    seen, lost = Shortages(), 0
    for minute in range(240):
        now_s = NOW_S + 60.0 * minute
        if minute % 5 == 0 and seen.obtainable(SPOT, now_s):
            seen, lost = heard(seen, News.LOST, now_s), lost + 1
    assert lost == 10


def test_after_quiet_hours_it_is_as_if_it_had_never_been_short() -> None:
    seen = heard(heard(Shortages(), News.WAITS, NOW_S), News.WAITS, NOW_S + 300.0)
    later = seen.heard([], NOW_S + 300.0 + PATIENCE.reset_s)
    assert later == Shortages()


def test_a_machine_that_comes_after_all_ends_the_pause_and_is_not_forgotten() -> None:
    seen = heard(heard(Shortages(), News.WAITS, NOW_S), News.CAME, NOW_S + 60.0)
    assert seen.obtainable(SPOT, NOW_S + 60.0)
    assert heard(seen, News.WAITS, NOW_S + 90.0).again_s(NOW_S + 90.0) == 600.0


@pytest.mark.parametrize(
    ("before", "at_s"),
    [(News.WAITS, NOW_S - 60.0), (News.LOST, NOW_S + 60.0)],
    ids=["one that came before says nothing", "one that came after a loss says nothing"],
)
def test_a_machine_that_does_not_end_the_pause(before: News, at_s: float) -> None:
    seen = heard(heard(Shortages(), before, NOW_S), News.CAME, NOW_S + 60.0, at_s=at_s)
    assert not seen.obtainable(SPOT, NOW_S + 60.0)


def test_an_offer_of_which_one_came_and_one_waits_is_short() -> None:
    seen = Shortages().heard([Report(SPOT, News.CAME, NOW_S), Report(SPOT, News.WAITS, NOW_S)], NOW_S)
    assert not seen.obtainable(SPOT, NOW_S)


def test_of_several_causes_the_gravest_counts() -> None:
    seen = Shortages().heard([Report(SPOT, News.WAITS, NOW_S), Report(SPOT, News.LOST, NOW_S)], NOW_S)
    assert seen.by_offer[SPOT].cause is News.LOST


def test_what_changes_nothing_leaves_the_same_value() -> None:
    seen = heard(Shortages(), News.WAITS, NOW_S)
    assert heard(seen, News.CAME, NOW_S + 400.0) is seen
    assert seen.heard([], NOW_S + 400.0) is seen


@pytest.mark.parametrize(("usual_s", "wait_s"), [(0.0, 60.0), (100.0, 200.0), (3600.0, 900.0)])
def test_patience_has_bounds(usual_s: float, wait_s: float) -> None:
    assert PATIENCE.wait_s(usual_s) == wait_s


def test_patience_of_a_world_that_runs_faster() -> None:
    assert PATIENCE.scaled(40.0).pause_s(1) == 7.5
    assert PATIENCE.scaled(1.0) == PATIENCE


def test_shortages_read_back_as_they_were_written() -> None:
    seen = heard(heard(Shortages(), News.LOST, NOW_S), News.REFUSED, NOW_S + 400.0)
    assert read(seen.written()) == seen


@pytest.mark.parametrize("text", ["{", '[["aws"]]', '[["aws", "g6", "Spot", "", "Bored", 1, 2, 3, 4]]', "5"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no record of shortages"):
        read(text)


def test_a_pause_does_not_overflow_however_often_it_strikes() -> None:
    shortage = replace(heard(Shortages(), News.WAITS, NOW_S).by_offer[SPOT], strikes=10_000, retry_s=NOW_S)
    assert heard(Shortages({SPOT: shortage}), News.WAITS, NOW_S).again_s(NOW_S) == PATIENCE.longest_s


def test_what_a_clock_ahead_has_shut_is_open_once_the_clock_is_right() -> None:
    shut = Shortages().heard([Report(SPOT, News.LOST, NOW_S + 3e7)], NOW_S + 3e7)
    assert not shut.obtainable(SPOT, NOW_S)
    assert shut.heard((), NOW_S) == Shortages()
    a_little = Shortages().heard([Report(SPOT, News.LOST, NOW_S)], NOW_S)
    assert a_little.heard((), NOW_S - 30.0) is a_little, "clocks are set back by seconds, too"
