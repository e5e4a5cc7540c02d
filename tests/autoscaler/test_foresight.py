"""A forecaster through the days: when it learns, when it follows, and what it says where nobody has the record."""

import numpy as np
import pytest
from wharfage_autoscaler.foresight import STEP_S, Foresight
from wharfage_autoscaler.history import DAY_S, History

LEAD_S = 300.0


def record(end_s: float) -> History:
    """From 0 on, a load around 20 with a tide."""
    times = np.arange(0.0, end_s, STEP_S)
    noise = np.random.default_rng(3).normal(0.0, 0.5, len(times))
    return History(0.0, STEP_S, 20.0 + 10.0 * np.sin(2 * np.pi * times / DAY_S) + noise)


def after(foresight: Foresight, now_s: float, *, whole: bool = True) -> Foresight:
    known = record(now_s)
    return foresight.after(known.recent(24), (lambda: known) if whole else None, now_s)


def test_before_two_hours_nothing_is_expected() -> None:
    young = after(Foresight(), 6000.0)
    assert young.expected(record(6000.0), LEAD_S) is None
    assert young.due(6300.0)


def test_it_learns_once_a_day() -> None:
    learned = after(Foresight(), DAY_S)
    assert not learned.due(DAY_S + 86_100.0)
    assert after(learned, DAY_S + 900.0) is learned
    assert after(learned, 2 * DAY_S).learned_s == 2 * DAY_S


def test_it_follows_every_hour_what_it_was_not_taught() -> None:
    learned = after(Foresight(), DAY_S)
    followed = after(learned, DAY_S + 3600.0)
    assert followed.updated_s == DAY_S + 3600.0
    assert followed.learned_s == DAY_S
    assert followed.fitted is not learned.fitted


def test_a_night_without_the_record_goes_on_and_is_due() -> None:
    learned = after(Foresight(), DAY_S)
    night = after(learned, 2 * DAY_S, whole=False)
    assert night.due(2 * DAY_S)
    assert night.updated_s == 2 * DAY_S
    assert night.expected(record(2 * DAY_S).recent(24), LEAD_S) is not None


def test_without_record_or_fit_nothing_is_expected() -> None:
    assert after(Foresight(), DAY_S, whole=False).expected(record(DAY_S).recent(24), LEAD_S) is None


def test_it_reaches_two_steps_beyond_the_lead_time() -> None:
    forecast = after(Foresight(), DAY_S).expected(record(DAY_S).recent(24), 700.0)
    assert forecast is not None
    assert forecast.start_s == DAY_S
    assert forecast.end_s == DAY_S + 5 * STEP_S


def test_what_was_lost_is_fitted_again_without_choosing() -> None:
    known = record(4 * DAY_S)
    again = Foresight().refitted("ridge", known, 4 * DAY_S)
    assert again.forecaster == "ridge"
    assert again.fitted is not None
    assert not again.due(4 * DAY_S + 3600.0)


@pytest.mark.parametrize(("name", "days"), [("ridge", 1.5), ("crystal ball", 4.0)])
def test_where_there_is_no_such_choice_nothing_is_fitted(name: str, days: float) -> None:
    assert Foresight().refitted(name, record(days * DAY_S), days * DAY_S) == Foresight()
