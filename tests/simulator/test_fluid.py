"""The law against a fluid: what is counted, and that compiled and plain code agree."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.odds import Odds, chance
from wharfage_simulator import fluid
from wharfage_simulator.fluid import Floats, Plant, run
from wharfage_simulator.oracle import targets
from wharfage_simulator.tuning import Tried, cheapest, grid, tried

PLANT = Plant(planned_rps=1.0, good_rps=1.2, saturated_rps=1.3, slots=64.0, lead_s=60.0, ttft_s=2.0)
TICK_S = PLANT.tick_s
SUDDEN = np.concatenate([np.full(240, 10.0), np.full(240, 20.0)]) * TICK_S


Followed = tuple[Floats, Floats, Floats, Floats, float, float, float]
Follow = Callable[[Floats, Floats, Law, Plant, float], Followed]


def plain(arrivals: Floats, law: Law, plant: Plant) -> Followed:
    """The course as uncompiled Python follows it."""
    follow: Follow = getattr(fluid._course, "py_func", fluid._course)
    return follow(arrivals, np.full(len(arrivals), math.nan), law, plant, 12.0)


@given(
    rates=st.lists(st.integers(0, 600), min_size=1, max_size=200),
    headroom=st.floats(0.8, 2.0),
    gain=st.floats(0.0, 6.0),
    lead_s=st.sampled_from([0.0, 15.0, 100.0, 300.0]),
    slope=st.floats(1.0, 30.0),
)
@settings(max_examples=30, deadline=None)
def test_compiled_and_plain_code_follow_the_same_course(
    rates: list[int], headroom: float, gain: float, lead_s: float, slope: float
) -> None:
    arrivals, law = np.array(rates, dtype=np.float64), Law(headroom=headroom, swing_gain=gain)
    plant = PLANT._replace(lead_s=lead_s, odds=Odds(0.0, slope))
    slow, fast = plain(arrivals, law, plant), run(arrivals, law, plant, initial=12.0)
    for ours, theirs in zip(slow, fast, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_steady_load_is_carried_by_as_many_as_the_headroom_asks_for() -> None:
    course = run(np.full(400, 10.0 * TICK_S), Law(headroom=1.2), PLANT)
    assert set(course.wanted[40:]) == {12.0}
    assert course.bad_minutes == 0
    assert course.replica_s == pytest.approx(400 * TICK_S * 12, rel=0.01)
    assert course.minutes == 100


def test_a_step_is_bad_for_the_lead_time_and_no_longer() -> None:
    course = run(SUDDEN, Law(headroom=1.2), PLANT)
    bad = np.flatnonzero(course.bad)
    assert bad[0] == 240
    assert bad[-1] <= 240 + 3 * PLANT.lead_s / TICK_S, "the lead, and what had queued up by then"
    assert course.ready[-1] in (24.0, 25.0), "what is wanted, or within the dead band of it"


def test_a_forecast_that_knew_avoids_it() -> None:
    expected = np.full(480, 10.0)
    expected[220:] = 24.0
    assert run(SUDDEN, Law(headroom=1.2), PLANT, expected=expected).bad.sum() == 0


def test_what_is_ordered_and_not_needed_any_more_is_let_go_before_it_serves() -> None:
    orders = np.zeros(20)
    ready, starting = fluid.ordered(orders, 0, 4, 10.0, 0.0, 14.0)
    ready, starting = fluid.ordered(orders, 1, 4, ready, starting, 16.0)
    assert (ready, starting, orders[5], orders[6]) == (10.0, 6.0, 4.0, 2.0)
    ready, starting = fluid.ordered(orders, 2, 4, ready, starting, 13.0)
    assert (ready, starting, orders[5], orders[6]) == (10.0, 3.0, 3.0, 0.0)
    ready, starting = fluid.ordered(orders, 3, 4, ready, starting, 8.0)
    assert (ready, starting, orders.sum()) == (8.0, 0.0, 0.0)


def test_nothing_asked_for_is_no_bad_minute_and_no_good_one() -> None:
    course = run(np.zeros(400), Law(), PLANT)
    assert (course.bad_minutes, course.minutes) == (0, 0)
    assert course.wanted[-1] == PLANT.least


def test_without_a_replica_everything_is_bad() -> None:
    waiting, bad = fluid.served(PLANT, 0.0, 0.0, 30.0)
    assert (waiting, bad) == (30.0, 30.0)


def test_the_oracle_orders_a_lead_time_ahead_and_never_short() -> None:
    counts = targets(SUDDEN, rps=1.0, lead_s=PLANT.lead_s)
    assert counts[240 - 4 - 2] == 10.0
    assert counts[240 - 4 - 1] == 20.0, "what is ordered at the end of tick 235 serves from tick 240 on"
    assert counts[-1] == 20.0


def test_the_oracle_keeps_what_would_not_be_back_in_time() -> None:
    short = np.repeat([10.0, 5.0, 10.0], [20, 4, 20]) * TICK_S
    long = np.repeat([10.0, 5.0, 10.0], [20, 40, 20]) * TICK_S
    assert set(targets(short, rps=1.0, lead_s=60.0)) == {10.0}
    assert set(targets(long, rps=1.0, lead_s=60.0)) == {5.0, 10.0}


def test_an_oracle_whose_replicas_carry_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 requests per second"):
        targets(SUDDEN, rps=0.0, lead_s=60.0)


def test_a_dear_bad_minute_buys_a_more_careful_law() -> None:
    rng = np.random.default_rng(1)
    arrivals = rng.poisson(np.repeat(rng.uniform(15, 25, 36), 40) * TICK_S).astype(np.float64)
    rows = tried(arrivals, PLANT._replace(odds=Odds(0.0, 7.0)), grid())
    careless = cheapest(rows, usd_per_replica_hour=1.0, usd_per_bad_minute=0.0)
    careful = cheapest(rows, usd_per_replica_hour=1.0, usd_per_bad_minute=100.0)
    assert careless.replica_hours < careful.replica_hours
    assert careless.bad_minutes > careful.bad_minutes
    assert careless.replica_hours == min(row.replica_hours for row in rows)


def test_minutes_below_the_capacity_count_by_their_chance_of_being_bad() -> None:
    uneven = PLANT._replace(odds=Odds(0.0, 7.0))
    load = np.full(400, 10.0 * TICK_S)
    course = run(load, Law(headroom=1.2), uneven, initial=12.0)
    assert course.bad_minutes == pytest.approx(100 * chance(uneven.odds, 10.0 / (12.0 * PLANT.good_rps)))
    np.testing.assert_array_equal(course.wanted, run(load, Law(headroom=1.2), PLANT, initial=12.0).wanted)


def test_a_load_that_is_soon_uneven_gets_a_wider_margin() -> None:
    load = np.full(2000, 10.0 * TICK_S)
    headrooms = [
        cheapest(
            tried(load, PLANT._replace(odds=odds), grid()), usd_per_replica_hour=1.0, usd_per_bad_minute=10.0
        ).law.headroom
        for odds in (Odds(0.0, 20.0), Odds(0.0, 7.0))
    ]
    assert headrooms[0] < headrooms[1]


def test_each_law_is_tried_once() -> None:
    laws = grid(levels=(0.0, 0.9))
    assert len(set(laws)) == len(laws)
    assert {law.level for law in laws} == {0.0, 0.9}


BAD_TUNING = [
    pytest.param([], 1.0, 1.0, "no law was tried", id="nothing to choose from"),
    pytest.param([Tried(Law(), 1, 0, 1)], -1.0, 1.0, "a replica hour at -1.0 usd", id="a negative price"),
    pytest.param([Tried(Law(), 1, 0, 1)], 1.0, math.nan, "a bad minute at nan usd", id="a price that is no number"),
]


@pytest.mark.parametrize(("rows", "hour", "minute", "said"), BAD_TUNING)
def test_what_cannot_be_tuned_is_refused(rows: list[Tried], hour: float, minute: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cheapest(rows, usd_per_replica_hour=hour, usd_per_bad_minute=minute)
