"""What a replay would have heard of the future at each moment: what was known then, and nothing of what came."""

import numpy as np
import pytest
from wharfage_simulator.fluid import Floats
from wharfage_simulator.outlook import Outlook
from wharfage_simulator.tuning import LEVELS, grid

DAY = 5760  # ticks
LEAD_S = 300.0


def waves(days: float, seed: int = 1) -> Floats:
    """A tide of ten to thirty requests a second, with some noise."""
    ticks = np.arange(int(days * DAY))
    rates = 20.0 + 10.0 * np.sin(2 * np.pi * ticks / DAY)
    return np.random.default_rng(seed).poisson(15.0 * rates).astype(np.float64)


def heard(arrivals: Floats) -> Outlook:
    outlook = Outlook(LEAD_S, LEVELS)
    outlook.hear(arrivals)
    return outlook


def test_what_was_said_does_not_depend_on_what_came_later() -> None:
    past = waves(1.25)
    calm, wild = (heard(np.concatenate([past, after])).said() for after in (np.zeros(DAY // 4), 9.0 * waves(0.25)))
    for level in LEVELS:
        assert np.array_equal(calm[level][: len(past)], wild[level][: len(past)], equal_nan=True)
        assert not np.array_equal(calm[level][len(past) :], wild[level][len(past) :], equal_nan=True)


def test_nothing_is_said_before_two_hours_were_heard() -> None:
    said = heard(waves(0.5)).said()[LEVELS[0]]
    assert np.isnan(said[:479]).all()
    assert np.isfinite(said[480:]).all()


def test_there_is_one_quantile_a_tick_and_a_surer_one_is_no_lower() -> None:
    said = heard(waves(0.5)).said()
    rows = np.array([said[level] for level in LEVELS])
    assert rows.shape == (len(LEVELS), DAY // 2)
    assert (np.diff(rows[:, 480:], axis=0) >= 0).all()


def test_a_tide_that_comes_every_day_is_expected_where_the_lead_time_ends() -> None:
    outlook = heard(waves(3.0))
    actual = waves(3.0).reshape(-1, 20).sum(axis=1) / LEAD_S
    expected = outlook.said()[0.95].reshape(-1, 20)[:, 0]
    last = slice(-288, -1)  # a day of steps; what is said in one is about the next but one
    covered = np.mean(actual[: len(expected)][1:][last] <= expected[:-1][last])
    assert 0.85 < covered <= 1.0
    assert np.mean(expected[last]) < 1.25 * np.mean(actual[: len(expected)][last])


def test_ticks_may_come_one_by_one_or_all_at_once() -> None:
    arrivals = waves(0.25)
    single = Outlook(LEAD_S, LEVELS)
    for came in arrivals:
        single.hear([came])
    whole = heard(arrivals)
    assert single.forecast == whole.forecast
    assert all(np.array_equal(single.said()[level], whole.said()[level], equal_nan=True) for level in LEVELS)


@pytest.mark.parametrize("level", [0.0, *LEVELS])
def test_every_level_is_among_the_laws_that_are_tried(level: float) -> None:
    assert any(law.level == level for law in grid((0.0, *LEVELS)))
