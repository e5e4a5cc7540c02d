"""What is told of a budget: what changed since it was told last, once, in the words of what changed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_autoscaler.projection import Projection
from wharfage_autoscaler.reckoning import Reckoning
from wharfage_autoscaler.stages import Action, Outlook, Standing
from wharfage_operator.terms import terms
from wharfage_operator.transitions import Course, Notification, transitions
from wharfage_operator.treasury import Account

MIDNIGHT, HOUR_S, DAY_S = 1_790_035_200.0, 3600.0, 86_400.0
TODAY = Course(MIDNIGHT, MIDNIGHT + DAY_S, 100.0)


def account(
    *actions: Action, now_s: float = MIDNIGHT, expected: float = 90.0, spent: float = 60.0, **spec: Any
) -> Account:
    written = LLMBudgetSpec.model_validate({"usd": "100", "period": "Day", **spec})
    held = terms(written, now_s)
    outlook = Outlook(held.usd, spent, expected, held.begins_s, held.ends_s - held.begins_s)
    standing = Standing(held.begins_s, dict.fromkeys(actions))
    reckoning = Reckoning(outlook, Projection(80.0, expected, 150.0), allowance=2.5, standing=standing)
    return Account("uid-1", written, held, reckoning, reckoning.cap(enforced=held.enforced))


def told(
    seen: Account, before: Course | None, *, after_s: float = HOUR_S
) -> tuple[Course | None, Sequence[Notification]]:
    held = seen.terms
    assert held is not None
    return transitions("all", seen, before, held.begins_s + after_s, spent=lambda begins_s, ends_s: 98.5)


def occasions(news: Sequence[Notification]) -> list[tuple[str, str]]:
    return [(each.body["occasion"], each.body.get("stage", "")) for each in news]


def test_a_stage_that_begins_is_told_with_where_the_budget_stands() -> None:
    course, (news,) = told(account(Action.PREFER_CHEAPER), TODAY)
    assert course == replace(TODAY, stages=frozenset({Action.PREFER_CHEAPER}))
    assert news.id == "uid-1/StageBegan/PreferCheaper/2026-09-22T01:00:00Z"
    assert news.body == {
        "id": news.id,
        "text": "LLMBudget all: stage PreferCheaper begins. 60.00 of 100.00 usd are spent, 90.00 (80.00 to 150.00) are "
        "expected by the end of the period if nothing is held down.",
        "occasion": "StageBegan",
        "stage": "PreferCheaper",
        "at": "2026-09-22T01:00:00Z",
        "budget": "all",
        "mode": "Enforce",
        "period": "Day",
        "periodStart": "2026-09-22T00:00:00Z",
        "periodEnd": "2026-09-23T00:00:00Z",
        "stages": ["PreferCheaper"],
        "usd": "100.00",
        "usdSpent": "60.00",
        "usdForecast": {"low": "80.00", "mid": "90.00", "high": "150.00"},
        "usdPerHour": "2.50",
    }


def test_the_same_again_is_no_news() -> None:
    course, news = told(account(Action.NOTIFY, expected=120.0), None)
    assert occasions(news) == [("StageBegan", "Notify"), ("ForecastAboveBudget", "")]
    assert told(account(Action.NOTIFY, expected=120.0), course) == (course, ())


def test_stages_begin_and_recede_mildest_first() -> None:
    before = replace(TODAY, stages=frozenset({Action.NOTIFY, Action.STOP}))
    _, news = told(account(Action.NOTIFY, Action.FREEZE, Action.FLOOR), before)
    assert occasions(news) == [("StageBegan", "Freeze"), ("StageBegan", "Floor"), ("StageReceded", "Stop")]
    assert news[0].body["stages"] == ["Notify", "Freeze", "Floor"]


@pytest.mark.parametrize(
    ("was", "expected", "found"),
    [
        (False, 100.0, []),
        (False, 100.01, [("ForecastAboveBudget", "")]),
        (True, 95.01, []),
        (True, 95.0, [("ForecastWithinBudget", "")]),
    ],
)
def test_what_is_expected_is_told_once_until_it_is_clearly_less(
    *, was: bool, expected: float, found: list[tuple[str, str]]
) -> None:
    _, news = told(account(expected=expected), replace(TODAY, above=was))
    assert occasions(news) == found


def test_a_period_that_ended_is_told_with_all_of_its_dollars_once_they_are_charged() -> None:
    before = replace(TODAY, stages=frozenset({Action.FREEZE}))
    tomorrow = account(now_s=MIDNIGHT + DAY_S, spent=0.1)
    assert told(tomorrow, before, after_s=29.0) == (before, ())
    course, news = told(tomorrow, before, after_s=31.0)
    assert occasions(news) == [("PeriodEnded", ""), ("StageReceded", "Freeze")]
    assert "its Day from 2026-09-22T00:00:00Z has ended, 98.50 of 100.00 usd were spent" in news[0].body["text"]
    assert told(tomorrow, course, after_s=60.0) == (course, ())


def test_a_period_that_was_changed_has_not_ended() -> None:
    course, news = told(account(period="Hour"), TODAY)
    assert news == ()
    assert course is not None
    assert course.ends_s == MIDNIGHT + HOUR_S


def test_one_that_observes_says_that_it_does_not_act() -> None:
    _, (news,) = told(account(Action.FLOOR, mode="Observe"), TODAY)
    assert "stage Floor begins (mode Observe: it does not act)." in news.body["text"]
    assert "usdPerHour" not in news.body


def test_before_it_was_looked_at_there_is_nothing_to_tell() -> None:
    spec = LLMBudgetSpec.model_validate({"usd": "100"})
    assert transitions("all", Account("uid-1", spec), TODAY, MIDNIGHT, spent=lambda *_: 0.0) == (TODAY, ())
