"""What the requests of late are worth follows what finishes, some minutes behind."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from wharfage_autoscaler.lately import MEMORY_S, Lately
from wharfage_autoscaler.pace import Pace
from wharfage_autoscaler.sight import Sight
from wharfage_autoscaler.work import Work

from tests.sights import pool, sight

BY_ANSWER = Work(output_tokens=100.0, output_power=1.0)
"""A request with a hundred tokens of answer is a planned one, one with two hundred is worth two."""
PACE = Pace(idle_s=0.01, full_s=0.03)


def seen(now_s: float, *, finished_rps: float, answer_tokens: float, running: float = 0.0) -> Sight:
    """Four replicas of two requests per second each, which serve what finishes."""
    serving = pool(ready=4, good_rps=2.0, running=running)
    return sight(serving, now_s=now_s, rps=finished_rps, finished_rps=finished_rps, answer_tokens=answer_tokens)


def test_a_request_is_worth_one_until_something_has_finished() -> None:
    assert Lately().heard(seen(15.0, finished_rps=math.nan, answer_tokens=500), BY_ANSWER).worth == 1.0
    assert Lately().heard(seen(15.0, finished_rps=0.0, answer_tokens=500), BY_ANSWER).worth == 1.0


def test_tokens_that_are_not_known_change_nothing() -> None:
    lately = Lately().heard(seen(15.0, finished_rps=2.0, answer_tokens=100), BY_ANSWER)
    assert lately.heard(seen(30.0, finished_rps=2.0, answer_tokens=math.nan), BY_ANSWER, PACE) == lately


def test_the_first_look_is_believed_and_later_ones_are_averaged_in() -> None:
    lately = Lately().heard(seen(15.0, finished_rps=2.0, answer_tokens=100), BY_ANSWER)
    assert lately.worth == pytest.approx(1.0)
    after = lately.heard(seen(15.0 + MEMORY_S, finished_rps=2.0, answer_tokens=300), BY_ANSWER)
    assert after.worth == pytest.approx((1.0 / math.e + 3.0) / (1.0 / math.e + 1.0))


def test_the_more_finishes_the_more_it_counts_and_silence_changes_nothing() -> None:
    lately = Lately().heard(seen(0.0, finished_rps=9.0, answer_tokens=100), BY_ANSWER)
    lately = lately.heard(seen(0.0, finished_rps=1.0, answer_tokens=200), BY_ANSWER)
    assert lately.worth == pytest.approx(1.1)
    assert lately.heard(seen(60.0, finished_rps=0.0, answer_tokens=900), BY_ANSWER) == lately


RUNNING = [
    pytest.param(16.0, 1.0, id="two thirds of a full replica's busy time: what the lengths say too"),
    pytest.param(8.0, 0.5, id="tokens as in an idle replica: less than the lengths say"),
    pytest.param(48.0, 2.0, id="twice as long: more"),
]


@pytest.mark.parametrize(("running", "between"), RUNNING)
def test_what_runs_corrects_what_the_lengths_say(running: float, between: float) -> None:
    view = seen(15.0, finished_rps=6.0, answer_tokens=130.0, running=running)
    by_lengths = Lately().heard(view, BY_ANSWER).worth
    worth = Lately().heard(view, BY_ANSWER, PACE).worth
    assert by_lengths == pytest.approx(1.3)
    assert min(by_lengths, between) - 0.2 < worth < max(by_lengths, between) + 0.2
    assert (worth < by_lengths) == (between < by_lengths)


@pytest.mark.parametrize("replicas", [1, 2, 8])
def test_an_engine_that_is_slow_and_nearly_idle_is_not_full_and_more_of_them_are_no_fuller(replicas: int) -> None:
    slow = Pace(idle_s=0.0012, full_s=0.0036)  # of a model three times as fast as the engine
    view = sight(
        pool(ready=replicas, good_rps=58.0, running=0.5),
        now_s=15.0,
        rps=0.9,
        finished_rps=0.9,
        answer_tokens=60.0,  # 9 ms a token
    )
    worth = Lately().heard(view, Work(output_tokens=100.0, output_power=1.0), slow).worth
    assert worth * view.rps_1m < 0.8 * 58.0


def test_after_an_overload_replicas_that_came_meanwhile_are_not_taken_for_full() -> None:
    lately = Lately()
    for look in range(40):  # ten minutes of eight times what two replicas carry
        crowd = sight(
            pool(ready=2, good_rps=2.0, running=400.0, waiting=2000.0),
            now_s=15.0 * look,
            rps=32.0,
            finished_rps=4.4,
            answer_tokens=100.0,
        )
        lately = lately.heard(crowd, BY_ANSWER, PACE)
    assert lately.worth == pytest.approx(0.5, abs=0.5)
    worths = []
    for look in range(40, 60):  # then sixteen, under what four would carry
        calm = sight(
            pool(ready=16, good_rps=2.0, running=12.0),
            now_s=15.0 * look,
            rps=8.0,
            finished_rps=8.0,
            answer_tokens=100.0,
        )
        lately = lately.heard(calm, BY_ANSWER, PACE)
        worths.append(lately.worth)
    assert max(worths) < 1.1
    assert worths[-1] == pytest.approx(1.0, abs=0.2)


def test_a_backlog_that_is_worked_off_makes_no_request_dearer() -> None:
    draining = sight(
        pool(ready=4, good_rps=2.0, running=100.0), now_s=15.0, rps=2.0, finished_rps=8.0, answer_tokens=100.0
    )
    assert Lately().heard(draining, BY_ANSWER, PACE).worth == pytest.approx(1.05, abs=0.06)


def without_arrivals(view: Sight) -> Sight:
    return replace(view, rps_1m=math.nan)


def without_replicas(view: Sight) -> Sight:
    return replace(view, pools=tuple(replace(each, ready=0) for each in view.pools))


def without_gauge(view: Sight) -> Sight:
    return replace(view, pools=tuple(replace(each, running=math.nan) for each in view.pools))


def with_nothing_running(view: Sight) -> Sight:
    return replace(view, pools=tuple(replace(each, running=0.0) for each in view.pools))


@pytest.mark.parametrize("blinded", [without_arrivals, without_replicas, without_gauge, with_nothing_running])
def test_what_is_not_measured_shrinks_nothing_and_is_forgotten(blinded: Callable[[Sight], Sight]) -> None:
    view = seen(15.0, finished_rps=6.0, answer_tokens=130.0, running=8.0)
    lately = Lately().heard(blinded(view), BY_ANSWER, PACE)
    assert lately.worth == Lately().heard(view, BY_ANSWER).worth
    after = lately.heard(replace(view, now_s=30.0), BY_ANSWER, PACE)
    assert after.worth == Lately().heard(view, BY_ANSWER, PACE).worth


def test_replicas_that_are_as_fast_when_full_say_nothing() -> None:
    view = seen(15.0, finished_rps=6.0, answer_tokens=130.0, running=8.0)
    assert Lately().heard(view, BY_ANSWER, Pace(0.01, 0.01)).worth == Lately().heard(view, BY_ANSWER).worth
