"""Which forecaster a deployment gets, and when it changes."""

import numpy as np
import pytest
from wharfage_autoscaler.forecasters.calibrated import Calibrated
from wharfage_autoscaler.forecasters.flat import LastValue
from wharfage_autoscaler.forecasters.seasonal import SeasonalRatio
from wharfage_autoscaler.forecasters.selection import Score, preferred, scored, selected
from wharfage_autoscaler.history import DAY_S, History

STEP_S = 1200.0
DAY = 72
LAST, SEASONAL = Calibrated(LastValue()), Calibrated(SeasonalRatio())


def _history(days: float) -> History:
    steps = np.arange(round(days * DAY))
    noise = np.random.default_rng(5).normal(0, 0.05, len(steps))
    return History(0.0, STEP_S, 10 * (1 + 0.7 * np.sin(2 * np.pi * steps / DAY)) * np.exp(noise))


@pytest.mark.parametrize(
    ("losses", "current", "expected"),
    [
        pytest.param({"a": 0.10, "b": 0.20}, "b", "a", id="a clearly better one is taken"),
        pytest.param({"a": 0.099, "b": 0.10}, "b", "b", id="one better by a hundredth is not"),
        pytest.param({"a": 0.10, "b": 0.10}, "gone", "a", id="the earlier of equals, where the current one is gone"),
        pytest.param({"a": 0.0, "b": 0.0}, "b", "b", id="nothing to gain on a load without errors"),
        pytest.param({"a": float("inf"), "b": 0.3}, "a", "b", id="one that could not be judged gives way"),
    ],
)
def test_the_current_forecaster_stays_unless_clearly_beaten(
    losses: dict[str, float], current: str, expected: str
) -> None:
    assert preferred([Score(name, loss, 0.9) for name, loss in losses.items()], current) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(0.05, None, id="an hour: none, the reactive law alone"),
        pytest.param(0.5, "young", id="half a day: that of the young"),
        pytest.param(2.5, "seasonal", id="two days and a half: too few to judge by, so the first that can"),
        pytest.param(9.0, "seasonal", id="nine days: the one that knows the day"),
    ],
)
def test_history_decides_what_can_be_had(days: float, expected: str | None) -> None:
    chosen = selected(_history(days), level=0.9, candidates=(SEASONAL, LAST))
    assert (chosen.forecaster.name if chosen else None) == expected


def test_the_scores_say_why() -> None:
    chosen = selected(_history(9), level=0.9, current="last", candidates=(LAST, SEASONAL))
    assert chosen is not None
    losses = {score.forecaster: score.pinball for score in chosen.scores}
    assert losses["seasonal"] < 0.9 * losses["last"]
    assert all(0.8 < score.coverage <= 1 for score in chosen.scores)


def test_gaps_are_not_scored() -> None:
    history = _history(8)
    values = history.values.copy()
    values[-DAY:] = np.nan
    holey = History(0.0, STEP_S, values)
    whole = scored(LAST, history.until(7 * DAY_S), judged_s=2 * DAY_S, level=0.9)
    assert scored(LAST, holey, judged_s=3 * DAY_S, level=0.9).pinball == pytest.approx(whole.pinball, rel=0.1)


def test_a_forecaster_that_could_not_be_judged_has_no_score() -> None:
    values = np.append(_history(5).values, np.full(2 * DAY, np.nan))
    assert scored(LAST, History(0.0, STEP_S, values), judged_s=2 * DAY_S, level=0.9).pinball == np.inf
