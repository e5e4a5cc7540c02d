"""Time that passes faster: what is measured over it comes out as if nothing were unusual."""

import time

import pytest
from wharfage_operator.clock import Clock


def test_it_shows_the_walls_time_where_nothing_is_scaled() -> None:
    before_s = time.time()
    assert before_s - 1.0 < Clock().unix_s < time.time() + 1.0


def test_a_moment_of_the_wall_has_its_place_on_it() -> None:
    clock = Clock(40.0)
    begun_s = clock.own_s(0.0)
    assert clock.own_s(10.0) - begun_s == pytest.approx(400.0)
    assert clock.wall_s(400.0) == pytest.approx(10.0)


def test_it_never_goes_back() -> None:
    clock = Clock(40.0)
    first, second = (clock.unix_s, clock.elapsed_s), (clock.unix_s, clock.elapsed_s)
    assert second >= first
