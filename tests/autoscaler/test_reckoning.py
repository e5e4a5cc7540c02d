"""One look at a budget after another: dollars per hour that its stages leave."""

import math
from dataclasses import replace

import pytest
from wharfage_autoscaler.projection import profiled
from wharfage_autoscaler.reckoning import RESERVE, Reckoning, Spending, Terms, news, reckoned
from wharfage_autoscaler.stages import Action, Stage, Standing

DAY_S, HOUR_S = 86_400.0, 3600.0
TERMS = Terms(
    usd=240.0,
    stages=(
        Stage(Action.NOTIFY, 0.7),
        Stage(Action.PREFER_CHEAPER, 1.0, of_forecast=True),
        Stage(Action.FREEZE, 0.95),
        Stage(Action.FLOOR, 1.0),
        Stage(Action.STOP, 1.1),
    ),
    enforced=True,
    begins_s=0.0,
    ends_s=DAY_S,
)


def looked(
    hour: float, spent: float, ordered: float, wished: float, before: Reckoning | Standing | None = None
) -> Reckoning:
    return reckoned(TERMS, Spending(spent, ordered, wished), before or Standing(), hour * HOUR_S)


def test_a_budget_that_lasts_holds_nothing_down() -> None:
    found = looked(12, 100.0, 8.0, 8.0)
    assert found.forecast.mid == pytest.approx(196.0)
    assert found.cap(enforced=True) is None


def test_one_that_does_not_last_is_spread_over_what_is_expected() -> None:
    found = looked(12, 120.0, 20.0, 20.0)
    assert found.standing.actions == {Action.PREFER_CHEAPER}
    assert found.cap(enforced=True) == pytest.approx((240.0 * (1 - RESERVE) - 120.0) / 12)
    assert found.cap(enforced=False) is None


def test_frozen_is_what_was_ordered_when_that_stage_began() -> None:
    found = looked(12, 229.0, 3.0, 3.0)
    assert found.cap(enforced=True) == min(3.0, found.allowance)
    later = looked(13, 231.0, 5.0, 50.0, found)
    assert later.frozen == 3.0
    assert later.cap(enforced=True) == pytest.approx(later.allowance)


def test_frozen_after_a_restart_is_what_is_ordered_once_that_is_known() -> None:
    resumed = Standing(TERMS.begins_s, {Action.FREEZE: None})
    first = looked(12, 229.0, 0.0, 0.0, resumed)
    assert first.frozen is None
    assert looked(12.1, 229.0, 3.0, 3.0, first).frozen == 3.0


@pytest.mark.parametrize("spent", [240.0, 265.0])
def test_spent_is_spent(spent: float) -> None:
    assert looked(12, spent, 3.0, 3.0).cap(enforced=True) == 0.0


def wish(hour: float) -> float:
    """Dollars per hour of a day with a morning that is dearer than its evening."""
    return 15.0 + 10.0 * math.sin(hour / 24 * 2 * math.pi)


@pytest.mark.parametrize(
    ("weeks", "least"), [pytest.param(0, 0.88, id="nothing known"), pytest.param(3, 0.97, id="days are known")]
)
def test_the_money_lasts_to_the_end_where_every_hour_spends_its_cap(weeks: int, least: float) -> None:
    days = [wish(hour % 24 + 0.5) for hour in range(weeks * 168)]
    profile, spent, ordered = profiled(days, -weeks * 7 * DAY_S), 0.0, wish(0.0)
    before: Reckoning | Standing = Standing()
    for minute in range(24 * 60):
        wished = wish(minute / 60)
        found = reckoned(TERMS, Spending(spent, ordered, wished, profile), before, minute * 60.0)
        before, cap = found, found.cap(enforced=True)
        ordered = wished if cap is None else min(wished, cap)
        spent += ordered / 60
    assert least * TERMS.usd <= spent <= TERMS.usd


def test_dollars_that_are_raised_end_at_once_what_their_lack_began() -> None:
    before = looked(12, 245.0, 3.0, 3.0)
    found = reckoned(replace(TERMS, usd=1000.0), Spending(245.0, 3.0, 3.0), before, 12 * HOUR_S + 60.0)
    assert found.cap(enforced=True) is None
    assert reckoned(replace(TERMS, usd=252.0), Spending(245.0, 3.0, 3.0), before, 12 * HOUR_S + 60.0).frozen == 3.0


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [([None], [None], False), ([None], [1.0], True), ([1.0], [1.01], False), ([1.0], [1.1], True), ([], [1.0], True)],
)
def test_caps_that_hardly_differ_are_no_news(
    before: list[float | None], now: list[float | None], *, found: bool
) -> None:
    assert news(before, now) is found
