"""SageServe's hybrid: the forecast, the change that is due, and the cache that has to agree."""

import math

import pytest
from wharfage_simulator.policies.sageserve import SageServe, peak_ahead

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen

DAY = 288


def daily(step: int) -> float:
    return 10.0 + 6.0 * math.sin(step * math.tau / DAY)


def test_the_forecast_knows_the_day() -> None:
    history = [daily(step) for step in range(4 * DAY)]
    ahead = [daily(4 * DAY + step - 1) for step in range(4, 13)]
    assert peak_ahead(history, first=4, last=12) == pytest.approx(max(ahead), rel=1e-6)


def test_a_busier_day_than_the_last_is_carried_on() -> None:
    history = [daily(step) * (1.0 if step < 3 * DAY else 1.5) for step in range(3 * DAY + DAY // 2)]
    today = max(daily(DAY // 2 + step - 1) for step in range(4, 13)) * 1.5
    assert peak_ahead(history, first=4, last=12) == pytest.approx(today, rel=0.1)


@pytest.mark.parametrize(
    ("history", "peak"),
    [
        pytest.param([1.0, 5.0, 2.0], 5.0, id="too short a history: the most of the last hour"),
        pytest.param([9.0] + [4.0] * 12, 4.0, id="the most of the last hour, and no more"),
        pytest.param([7.0] * 100, 7.0, id="what never moves"),
    ],
)
def test_a_short_history_is_enough_for_something(history: list[float], peak: float) -> None:
    assert peak_ahead(history, first=4, last=12) == pytest.approx(peak)


def test_no_history_is_no_forecast() -> None:
    assert math.isnan(peak_ahead([], first=4, last=12))


@pytest.mark.parametrize(
    ("rate", "used", "course"),
    [
        pytest.param(12.0, 0.6, [5, 6, 6], id="two more are due, and the cache agrees: one at a time"),
        pytest.param(12.0, 0.4, [4, 4, 4], id="two more are due, and the cache is not busy yet"),
        pytest.param(4.0, 0.2, [3, 2, 2], id="two fewer are due, and the cache agrees"),
        pytest.param(4.0, 0.3, [4, 4, 4], id="two fewer are due, and the cache is still in use"),
        pytest.param(8.0, 0.8, [4, 4, 4], id="nothing is due, and it is no emergency"),
        pytest.param(8.0, 0.95, [5, 6, 7], id="nothing is due, and it is one"),
        pytest.param(12.0, math.nan, [4, 4, 4], id="use unknown: nothing moves"),
    ],
)
def test_what_is_due_waits_for_the_cache(rate: float, used: float, course: list[int]) -> None:
    sage = SageServe(KEY, [rate] * 600)
    assert counts(sage, [seen(pool(ready=4, kv_used=used), now_s=15.0 * tick, rps=rate) for tick in range(3)]) == course


def test_while_one_starts_nothing_else_is_begun() -> None:
    sage = SageServe(KEY, [20.0] * 600)
    views = [seen(pool(ready=4, starting=int(tick > 0), kv_used=0.8), now_s=15.0 * tick, rps=20.0) for tick in range(9)]
    assert counts(sage, views) == [5] * 9


def test_a_new_plan_comes_every_hour() -> None:
    sage = SageServe(KEY, [8.0] * 600)
    views = [seen(pool(ready=4, kv_used=0.6), now_s=15.0 * tick, rps=12.0) for tick in range(245)]
    course = counts(sage, views)
    assert set(course[:240]) == {4}
    assert course[-1] > 4


def test_the_share_is_of_what_a_replica_carries() -> None:
    sage = SageServe(KEY, [8.0] * 600, share=0.5)
    views = [seen(pool(ready=4, kv_used=0.6), now_s=15.0 * tick, rps=8.0) for tick in range(6)]
    assert counts(sage, views) == [5, 6, 7, 8, 8, 8]


def test_an_unknown_rate_is_taken_from_the_day_before() -> None:
    known = [daily(minute // 5) for minute in range(3 * 1440)]
    holes = [math.nan if 2 * 1440 + 600 < minute < 2 * 1440 + 700 else rate for minute, rate in enumerate(known)]
    views = [seen(pool(ready=1, kv_used=0.6), now_s=15.0 * tick, rps=10.0) for tick in range(12)]
    assert counts(SageServe(KEY, holes), views) == counts(SageServe(KEY, known), views)


def test_thresholds_that_cross_are_refused() -> None:
    with pytest.raises(ValueError, match="down <= up <= emergency"):
        SageServe(KEY, up=0.2, down=0.3)
