"""Courses of load that every autoscaler meets: how far from the need the count may be, and how often it turns.

A turn is a change of direction: a load that comes and goes needs one, one that only scatters none.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.operator.test_pilotage import World

HOUR = 240  # ticks
MOST_EACH, LEAST_EACH = 2.2, 1.5
"""Replicas per request per second: an L4 is planned for .65, and a fifth is headroom."""

Course = Callable[[int], float]


def step(tick: int) -> float:
    return 1.0 if tick < HOUR else 10.0


def spike(tick: int) -> float:
    return 20.0 if HOUR <= tick < HOUR + 2 else 2.0


def sine(tick: int) -> float:
    return 5.0 + 4.0 * math.sin(2.0 * math.pi * tick / HOUR)


def noise(tick: int) -> float:
    return 5.0 + 0.4 * math.sin(1.7 * tick) + 0.4 * math.sin(0.31 * tick)


def silence(tick: int) -> float:
    return 4.0 if tick < HOUR else 0.0


def hour_off(tick: int) -> float:
    """A daily load an hour earlier than ever, as the clocks have been set."""
    return 6.0 if tick >= HOUR else 2.0


COURSES = [
    pytest.param(step, 0, id="ten times as much at once"),
    pytest.param(spike, 1, id="ten times as much for half a minute"),
    pytest.param(sine, 3, id="a swell an hour long: two turns in each"),
    pytest.param(noise, 0, id="noise of 16 %"),
    pytest.param(silence, 0, id="nothing any more"),
    pytest.param(hour_off, 0, id="an hour earlier than yesterday"),
]


def counted(course: Course) -> list[int]:
    """The counts over two hours."""
    world = World(lead=12, spec={"scaling": {"maxReplicas": 60}})
    return [world.tick(course(tick)).target.replicas for tick in range(2 * HOUR)]


@pytest.mark.parametrize(("course", "turns"), COURSES)
def test_the_count_follows_without_turning_more_often_than_the_load(course: Course, turns: int) -> None:
    counts = counted(course)
    moves = [after > before for before, after in pairwise(counts[HOUR // 2 :]) if after != before]
    assert sum(before != after for before, after in pairwise(moves)) <= turns
    for tick in range(HOUR // 2, 2 * HOUR):
        lately = [course(each) for each in range(tick - HOUR // 2, tick + 1)]
        assert counts[tick] <= 1.0 + MOST_EACH * max(lately), tick
        if min(lately[-40:]) == max(lately[-40:]):  # ten minutes of the same
            assert counts[tick] >= LEAST_EACH * lately[-1], tick


def test_the_least_is_kept_through_an_hour_of_nothing() -> None:
    assert counted(silence)[-1] == 1
