"""Of every minute it is written down how full the replicas stood and whether it was bad, where that is known."""

import math
from dataclasses import replace

import pytest
from wharfage_autoscaler.sight import Sight
from wharfage_autoscaler.tide import Minute, Tide, missed

from tests.sights import pool, sight


def looked(*views: Sight, worth: float = 1.0) -> list[Minute | None]:
    """What each look says of the minute before it."""
    tide, found = Tide(), []
    for view in views:
        tide, minute = tide.heard(view, worth)
        found.append(minute)
    return found


def at(now_s: float, *, ready: int = 4, running: float = 0.0, bad: float = 0.0) -> Sight:
    """Four requests a second on replicas of two."""
    return sight(pool(ready=ready, good_rps=2.0, running=running), now_s=now_s, rps=4.0, bad=bad)


def test_a_minute_is_told_by_the_first_look_after_its_end() -> None:
    assert looked(*(at(now_s) for now_s in (15.0, 30.0, 45.0, 60.0, 75.0))) == [None] * 3 + [Minute(0.5, False), None]
    assert (
        looked(*(at(now_s) for now_s in (50.0, 59.0, 61.3, 62.0, 119.0)))
        == [None] * 2 + [Minute(0.5, False)] + [None] * 2
    ), "looks that an event asked for"
    assert looked(at(60.0)) == [None], "nobody saw it begin"


def test_work_counts_not_heads() -> None:
    assert looked(at(45.0), at(60.0), worth=1.5)[-1] == Minute(0.75, False)


def test_a_minute_is_as_full_as_it_was_at_any_time_while_its_requests_ran() -> None:
    """Each takes 100 s."""
    views = [at(60.0 * minute, ready=ready, running=400.0) for minute, ready in enumerate((4, 2, 4, 4, 4, 4))]
    told = [minute for minute in looked(*views) if minute is not None]
    assert [minute.filled for minute in told] == [1.0, 1.0, 1.0, 0.5, 0.5]


SHARES = [
    pytest.param(0.0, False, id="none missed"),
    pytest.param(0.05, False, id="as many missed as may"),
    pytest.param(0.2, True, id="more than may"),
    pytest.param(math.nan, False, id="nobody measured"),
]


@pytest.mark.parametrize(("share", "bad"), SHARES)
def test_a_minute_is_bad_when_more_than_one_in_twenty_missed(share: float, bad: bool) -> None:
    assert missed(share) is bad


UNKNOWN = [
    pytest.param(at(60.0, bad=math.nan), id="how many missed"),
    pytest.param(replace(at(60.0), rps_1m=math.nan), id="how many came"),
    pytest.param(at(60.0, running=math.nan), id="how long requests take"),
    pytest.param(at(60.0, ready=0), id="how full, since nothing serves"),
]


@pytest.mark.parametrize("view", UNKNOWN)
def test_of_a_minute_of_which_something_is_not_known_nothing_is_told(view: Sight) -> None:
    assert looked(at(45.0), view)[-1] is None


def test_no_more_than_an_hour_is_kept() -> None:
    tide = Tide()
    for minute in range(200):
        tide, _ = tide.heard(at(60.0 * minute), 1.0)
    assert len(tide.filled) == 60
