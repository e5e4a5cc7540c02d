"""What of a budget's course is told by its webhook: the transitions from what was told last to what is so now."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wharfage_autoscaler.stages import HYSTERESIS, Action, Outlook

from wharfage_operator.budget import stage_words
from wharfage_operator.conditions import instant
from wharfage_operator.treasury import Account

_SETTLES_S = 30.0  # after a period, until the ledger has charged all of it

Spent = Callable[[float, float], float]
"""Dollars that were spent under the budget from one moment to another, both in Unix seconds."""


class Occasion(StrEnum):
    """What there is to tell."""

    STAGE_BEGAN = "StageBegan"
    STAGE_RECEDED = "StageReceded"
    FORECAST_ABOVE = "ForecastAboveBudget"
    FORECAST_WITHIN = "ForecastWithinBudget"
    PERIOD_ENDED = "PeriodEnded"


@dataclass(frozen=True, slots=True)
class Course:
    """What was told of a budget last: its period and dollars, the stages in force, whether more is expected."""

    begins_s: float
    ends_s: float
    usd: float
    stages: frozenset[Action] = frozenset()
    above: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """One transition as it is sent; its `id` stays the same however often that is. `at_s` is Unix seconds."""

    id: str
    uid: str
    budget: str
    at_s: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _News:
    occasion: Occasion
    words: str
    stage: str = ""


def transitions(
    name: str, account: Account, before: Course | None, now_s: float, *, spent: Spent
) -> tuple[Course | None, tuple[Notification, ...]]:
    """Where a budget is now, and what has happened since `before`; None of a budget of which nothing was told yet.

    Of that one all stages in force are told, as if they had begun just now.
    """
    reckoning, held = account.reckoning, account.terms
    if reckoning is None or held is None:
        return before, ()
    ended = before is not None and held.begins_s >= before.ends_s
    if ended and now_s < held.begins_s + _SETTLES_S:
        return before, ()
    outlook = reckoning.outlook
    known = before or Course(held.begins_s, held.ends_s, held.usd)
    after = Course(held.begins_s, held.ends_s, held.usd, reckoning.standing.actions, _above(outlook, known.above))
    news = [*_stages(known.stages, after.stages), *_forecast(known.above, after.above)]
    if ended:
        news.insert(0, _period(account, known, spent(known.begins_s, known.ends_s)))
    return after, tuple(_notification(name, account, each, now_s) for each in news)


def _above(outlook: Outlook, was: bool) -> bool:
    """Whether more is expected than there is; once it was, until it is clearly less."""
    return outlook.forecast_usd > outlook.usd * (1.0 - HYSTERESIS if was else 1.0)


def _stages(before: frozenset[Action], after: frozenset[Action]) -> Iterator[_News]:
    for action in Action:
        if action in after - before:
            yield _News(Occasion.STAGE_BEGAN, f"stage {action.value} begins", action.value)
        elif action in before - after:
            yield _News(Occasion.STAGE_RECEDED, f"stage {action.value} recedes", action.value)


def _forecast(before: bool, after: bool) -> Iterator[_News]:
    if after and not before:
        yield _News(Occasion.FORECAST_ABOVE, "more is expected to be spent than there is")
    elif before and not after:
        yield _News(Occasion.FORECAST_WITHIN, "what is expected to be spent is within it again")


def _period(account: Account, ended: Course, spent_usd: float) -> _News:
    period = account.spec.period.value
    money = f"{spent_usd:.2f} of {ended.usd:.2f} usd were spent"
    return _News(Occasion.PERIOD_ENDED, f"its {period} from {instant(ended.begins_s)} has ended, {money}")


def _notification(name: str, account: Account, news: _News, now_s: float) -> Notification:
    reckoning, held = account.reckoning, account.terms
    assert reckoning is not None  # noqa: S101 - whoever has news was reckoned
    assert held is not None  # noqa: S101 - and has terms
    at, forecast = instant(now_s), reckoning.forecast
    acts = "" if held.enforced else " (mode Observe: it does not act)"
    identity = "/".join(filter(None, (account.uid, news.occasion.value, news.stage, at)))
    body: dict[str, Any] = {
        "id": identity,
        "text": f"LLMBudget {name}: {news.words}{acts}. {stage_words(reckoning)}.",
        "occasion": news.occasion.value,
        "at": at,
        "budget": name,
        "mode": account.spec.mode.value,
        "period": account.spec.period.value,
        "periodStart": instant(held.begins_s),
        "periodEnd": instant(held.ends_s),
        "stages": [action.value for action in Action if action in reckoning.standing.actions],
        "usd": f"{held.usd:.2f}",
        "usdSpent": f"{reckoning.outlook.spent_usd:.2f}",
        "usdForecast": {case: f"{getattr(forecast, case):.2f}" for case in ("low", "mid", "high")},
    }
    if news.stage:
        body["stage"] = news.stage
    if account.charged_cap is not None:
        body["usdPerHour"] = f"{account.charged_cap:.2f}"
    return Notification(identity, account.uid, name, now_s, body)
