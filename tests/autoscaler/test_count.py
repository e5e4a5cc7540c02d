"""The law of the count: what is wanted, and how the count follows it."""

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.demand import wanted_rps
from wharfage_autoscaler.guard import steadied
from wharfage_autoscaler.law import Held, Law, Signals

LAW = Law(headroom=1.2)
STEADY = Held(replicas=12.0)


def signals(
    rps: float = 10.0,
    *,
    now_s: float = 1000.0,
    rps_15s: float | None = None,
    rps_5m: float | None = None,
    expected_rps: float = math.nan,
    waiting: float = 0.0,
    bad_1m: float = math.nan,
    bad_5m: float = math.nan,
    bad_30m: float = math.nan,
    lead_s: float = 300.0,
    unit_rps: float = 1.0,
    slots: float = 64.0,
    ready: float = 12.0,
    starting: float = 0.0,
    least: float = 1.0,
    most: float = 100.0,
) -> Signals:
    """Twelve replicas of one request per second under a steady ten."""
    return Signals(
        now_s=now_s,
        rps_15s=rps if rps_15s is None else rps_15s,
        rps_1m=rps,
        rps_5m=rps if rps_5m is None else rps_5m,
        expected_rps=expected_rps,
        waiting=waiting,
        bad_1m=bad_1m,
        bad_5m=bad_5m,
        bad_30m=bad_30m,
        lead_s=lead_s,
        unit_rps=unit_rps,
        slots=slots,
        ready=ready,
        starting=starting,
        least=least,
        most=most,
    )


WANTED = [
    pytest.param(signals(10), Held(), 12.0, id="the load with headroom"),
    pytest.param(signals(10, waiting=120), Held(), 14.0, id="and what waits, within a minute"),
    pytest.param(signals(10, expected_rps=30), Held(), 30.0, id="the forecast, where it is more"),
    pytest.param(signals(10, expected_rps=5), Held(), 12.0, id="the load, where the forecast is less"),
    pytest.param(signals(20, rps_5m=10), Held(), 34.0, id="a rise of more than a third goes on for a lead time"),
    pytest.param(signals(20, rps_5m=10, lead_s=3000), Held(), 44.0, id="and at most twice as far"),
    pytest.param(signals(13, rps_5m=10), Held(), 15.6, id="a smaller rise does not"),
    pytest.param(signals(10, bad_5m=0.07, bad_30m=0.04), Held(), 18.0, id="half as much again while objectives burn"),
    pytest.param(signals(10, bad_5m=0.07, bad_30m=0.02), Held(), 12.0, id="but not for a blip"),
    pytest.param(signals(10, bad_1m=0.08, bad_5m=0.07, bad_30m=0.04), Held(), 18.0, id="as long as they still burn"),
    pytest.param(
        signals(10, bad_1m=0.02, bad_5m=0.07, bad_30m=0.04), Held(), 12.0, id="and not once what serves now meets them"
    ),
    pytest.param(signals(math.nan, expected_rps=7), Held(), 7.0, id="blind: the forecast"),
    pytest.param(signals(0.0), Held(), 0.0, id="no load: nothing"),
]


@pytest.mark.parametrize(("seen", "held", "rps"), WANTED)
def test_what_is_wanted_is_the_largest_of_what_is_seen_expected_and_missed(
    seen: Signals, held: Held, rps: float
) -> None:
    assert wanted_rps(LAW, seen, held) == pytest.approx(rps)


def test_blind_and_without_a_forecast_nothing_is_known() -> None:
    assert math.isnan(wanted_rps(LAW, signals(math.nan), Held()))


def test_load_that_moves_a_lot_gets_more_room_than_load_that_rests() -> None:
    law = LAW._replace(swing_gain=2.0)
    assert wanted_rps(law, signals(10), Held(swing_rps=3.0)) == pytest.approx(18.0)


@given(
    rps=st.floats(0, 1e4),
    more=st.floats(0, 1e4),
    waiting=st.floats(0, 1e5),
    longer=st.floats(0, 3600),
    expected=st.one_of(st.just(math.nan), st.floats(0, 1e4)),
)
def test_more_load_queue_or_lead_never_want_less(
    rps: float, more: float, waiting: float, longer: float, expected: float
) -> None:
    base = signals(rps, rps_5m=rps / 2, waiting=waiting, expected_rps=expected)
    least = wanted_rps(LAW, base, Held()) - 1e-6
    assert wanted_rps(LAW, base._replace(rps_1m=rps + more), Held()) >= least
    assert wanted_rps(LAW, base._replace(waiting=waiting + more), Held()) >= least
    assert wanted_rps(LAW, base._replace(lead_s=base.lead_s + longer), Held()) >= least


@dataclass
class Ticker:
    """Follows a course of wanted rates tick by tick."""

    law: Law = LAW
    held: Held = STEADY
    now_s: float = 0.0

    def tick(self, wanted: float, seen: Signals | None = None, *, times: int = 1) -> float:
        for _ in range(times):
            self.now_s += 15.0
            self.held = steadied(self.law, (seen or signals())._replace(now_s=self.now_s), self.held, wanted)
        return self.held.replicas


def test_up_is_at_once_and_at_most_double() -> None:
    ticker = Ticker()
    assert [ticker.tick(40.0), ticker.tick(40.0)] == [24.0, 40.0]


def test_a_small_fleet_may_grow_by_four() -> None:
    assert Ticker(held=Held(replicas=1.0)).tick(40.0) == 5.0


def test_within_the_dead_band_nothing_moves() -> None:
    ticker = Ticker()
    assert ticker.tick(12.9) == 12.0
    assert ticker.tick(11.1, times=100) == 12.0


def test_down_waits_for_the_window_and_goes_by_tenths() -> None:
    ticker = Ticker(held=Held(replicas=20.0))
    ticker.tick(20.0)
    assert ticker.tick(10.0, times=20) == 20.0, "five minutes after the last that wanted 20"
    counts = [ticker.tick(10.0) for _ in range(40)]
    assert counts[-1] == 10.0
    assert max(before - after for before, after in pairwise(counts)) <= 2.0
    falls = [number for number, (before, after) in enumerate(pairwise(counts)) if after < before]
    assert min(later - sooner for sooner, later in pairwise(falls)) >= 4, "a minute of four ticks"


def test_never_below_what_was_wanted_within_the_window() -> None:
    ticker = Ticker(held=Held(replicas=20.0))
    ticker.tick(15.0, times=40)
    assert ticker.tick(5.0) == 15.0


def test_blind_nothing_goes_down_and_the_forecast_may_raise() -> None:
    ticker = Ticker()
    assert ticker.tick(math.nan, signals(math.nan), times=100) == 12.0
    assert ticker.tick(2.0, signals(math.nan), times=100) == 12.0
    assert ticker.tick(15.0, signals(math.nan)) == 15.0


def test_in_a_panic_nothing_goes_down_and_small_rises_count() -> None:
    ticker = Ticker()
    assert ticker.tick(12.5, signals(rps_15s=25.0)) == 13.0
    assert ticker.tick(1.0, signals(), times=19) == 13.0, "for five minutes"
    assert ticker.tick(1.0, signals(), times=60) < 13.0


def test_the_bounds_win() -> None:
    assert Ticker().tick(500.0, signals(most=14.0)) == 14.0
    ticker = Ticker()
    assert ticker.tick(0.0, signals(least=3.0), times=500) == 3.0


def test_the_first_count_starts_from_what_there_is() -> None:
    assert Ticker(held=Held()).tick(13.0, signals(ready=10.0, starting=3.0)) == 13.0
    assert Ticker(held=Held()).tick(math.nan, signals(math.nan, ready=0.0, starting=0.0)) == 1.0


def test_swing_is_learned_from_changes_over_a_lead_time() -> None:
    ticker = Ticker(law=LAW._replace(swing_memory_s=3000.0))
    for tick in range(2000):
        rate = 10.0 if (tick // 20) % 2 else 20.0  # every five minutes, which is the lead time
        ticker.tick(12.0, signals(rate))
    assert ticker.held.swing_rps == pytest.approx(10.0, rel=0.05)
    ticker.tick(12.0, signals(10.0), times=2000)
    assert ticker.held.swing_rps < 0.01


@given(
    wanted=st.lists(st.one_of(st.just(math.nan), st.floats(0, 500)), min_size=1, max_size=60),
    least=st.integers(0, 5),
    most=st.integers(5, 200),
)
def test_whatever_is_wanted_the_count_stays_whole_within_bounds_and_limits(
    wanted: list[float], least: int, most: int
) -> None:
    ticker = Ticker(held=Held(replicas=5.0))
    before = 5.0
    for rate in wanted:
        count = ticker.tick(rate, signals(least=float(least), most=float(most)))
        assert count == int(count)
        assert least <= count <= most
        assert count <= before + max(4.0, before)
        before = count
