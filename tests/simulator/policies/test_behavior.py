"""The behaviour of a HorizontalPodAutoscaler: windows and limits of speed, over virtual time."""

import pytest
from wharfage_autoscaler.behavior import KUBERNETES, Behavior, Direction, Limit, Unit
from wharfage_simulator.policies.behavior import Pace

ONE_A_MINUTE = Behavior(
    up=Direction((Limit(Unit.PODS, 1, 60),), window_s=0),
    down=Direction((Limit(Unit.PODS, 1, 60),), window_s=300),
)
STEADY_UP = Behavior(up=Direction((Limit(Unit.PERCENT, 900, 60),), window_s=30), down=KUBERNETES.down)


def follow(behavior: Behavior, wanted: list[int], *, start: int, every_s: float = 15.0, most: int = 1000) -> list[int]:
    pace, current, course = Pace(behavior), start, []
    for tick, count in enumerate(wanted):
        current = pace.next(tick * every_s, current=current, wanted=count, least=1, most=most)
        course.append(current)
    return course


@pytest.mark.parametrize(
    ("behavior", "start", "wanted", "course"),
    [
        pytest.param(KUBERNETES, 2, [100] * 4, [6, 12, 24, 48], id="four pods at first, then doubling"),
        pytest.param(KUBERNETES, 10, [12], [12], id="what is less than the limit comes at once"),
        pytest.param(KUBERNETES, 10, [3] * 21, [10] * 20 + [3], id="down after 300 s without a higher wish"),
        pytest.param(
            KUBERNETES, 10, [3] * 10 + [8] + [3] * 20, [10] * 20 + [8] * 10 + [3], id="down to the highest wish lately"
        ),
        pytest.param(ONE_A_MINUTE, 2, [9] * 9, [3, 3, 3, 3, 4, 4, 4, 4, 5], id="one pod in any minute"),
        pytest.param(ONE_A_MINUTE, 9, [1] * 25, [9] * 20 + [8] * 4 + [7], id="one pod in any minute, downwards too"),
        pytest.param(STEADY_UP, 4, [9, 9, 9], [4, 4, 9], id="up only as high as every wish of the window for up"),
        pytest.param(STEADY_UP, 4, [9, 5, 9], [4, 4, 5], id="up as high as the least of them"),
    ],
)
def test_a_count_follows_what_is_wanted(behavior: Behavior, start: int, wanted: list[int], course: list[int]) -> None:
    assert follow(behavior, wanted, start=start) == course


def test_a_second_wish_within_the_period_gets_no_second_allowance() -> None:
    assert follow(KUBERNETES, [100, 100, 100, 100], start=2, every_s=5) == [6, 6, 6, 12]


def test_the_limit_counts_from_what_the_period_began_with() -> None:
    pace = Pace(Behavior(up=KUBERNETES.up, down=Direction((Limit(Unit.PERCENT, 50, 60),), window_s=0)))
    first = pace.next(0, current=10, wanted=1, least=1, most=99)
    second = pace.next(15, current=first, wanted=1, least=1, most=99)
    assert (first, second) == (5, 5), "half of ten within the minute, not half again"
    assert pace.next(60, current=second, wanted=1, least=1, most=99) == 2


def test_bounds_hold_whatever_is_wanted() -> None:
    assert follow(KUBERNETES, [100] * 6, start=4, most=20) == [8, 16, 20, 20, 20, 20]
    assert Pace(KUBERNETES).next(0, current=5, wanted=0, least=3, most=9) == 5
