"""Many settings are sifted on the busiest quarter of the training day, before the day chooses among the best."""

import numpy as np
import pytest
from wharfage_autoscaler.offers import Market
from wharfage_simulator.run import TICK_S, ticks
from wharfage_simulator.screen import FINALISTS, Merit, busiest, sifted
from wharfage_simulator.spot import Availability, Runs
from wharfage_simulator.stage import Stage, Where, drawn, per_tick, stage
from wharfage_simulator.traces import RateTrace

from tests.simulator.test_comparison import ASKED, BUDGET, OFFERS, on

HOUR_S = 3600.0
RECORD = Availability("record", 96 * HOUR_S, {"a": Runs(tuple(np.arange(96) * HOUR_S), (0.0, 1.0) * 48)})


def two_days(where: Where) -> Stage:
    """A day to learn from that is busy from its tenth hour to its sixteenth, and another like it."""
    rates = np.ones(48 * 6)
    for day in (0, 24):
        rates[(day + 10) * 6 : (day + 16) * 6] = 3.0
    played = drawn(RateTrace("two days", 0.0, 600.0, rates), seed=1, context_tokens=8192, request_budget=BUDGET)
    return stage(played, OFFERS, ASKED, where, availability=RECORD)


def test_the_busiest_quarter_stands_for_the_day_and_nothing_is_known_of_what_follows_it() -> None:
    place = two_days(Where.ONE)
    part = busiest(place)
    assert part is not None
    begin = place.training.duration_s - len(place.history) * TICK_S + len(part.history) * TICK_S - 6 * HOUR_S
    assert part.training.duration_s == 6 * HOUR_S
    assert begin == pytest.approx(10 * HOUR_S, abs=600.0)
    assert per_tick(part.training)[:, 0].sum() == part.training.requests
    assert part.training.requests == pytest.approx(place.training.requests * 18 / 36, rel=0.05)
    assert part.scored is place.scored


def test_the_quarter_meets_the_market_of_its_own_hours() -> None:
    place = two_days(Where.SPOT)
    part = busiest(place)
    assert part is not None
    begin_s = (ticks(place.training) - (len(place.history) - len(part.history))) * TICK_S - 6 * HOUR_S
    spot = next(kind.offer for kind in place.pools.kinds if kind.offer.market is Market.SPOT)
    looks = np.arange(0.0, 6 * HOUR_S, 600.0)
    day, quarter = place.rehearsal.supply, part.rehearsal.supply
    assert [quarter.given(spot, t_s) for t_s in looks] == [day.given(spot, t_s + begin_s) for t_s in looks]
    assert len({quarter.given(spot, t_s) for t_s in looks}) == 2
    assert [quarter.changes_at(spot, t_s) + begin_s for t_s in looks] == pytest.approx(
        [day.changes_at(spot, t_s + begin_s) for t_s in looks]
    )


def test_a_day_of_few_hours_is_replayed_whole() -> None:
    assert busiest(on(Where.ONE, hours=8)) is None


QUARTER: dict[str, Merit] = {
    "dear": (False, 9.0, 9.0),
    "default": (False, 5.0, 5.0),
    "cheap": (False, 4.0, 4.0),
    "bad": (True, 7.0, 1.0),
    "equal": (False, 5.0, 5.0),
}
"""The finalists are the cheap one and the two that cost the same; `dear` is next, and `bad` may not be chosen."""


def test_the_best_of_the_quarter_meet_the_day_and_the_day_chooses() -> None:
    day: dict[str, Merit] = {"default": (False, 5.0, 5.0), "cheap": (True, 9.0, 4.0), "equal": (False, 5.0, 5.0)}
    assert len(day) == FINALISTS
    assert sifted(list(QUARTER), day.__getitem__, QUARTER.__getitem__) == "default"


def test_dearer_ones_meet_the_day_where_no_finalist_keeps_the_objectives_all_day() -> None:
    day: dict[str, Merit] = dict.fromkeys(("default", "cheap", "equal"), (True, 9.0, 1.0))
    assert sifted(list(QUARTER), (day | {"dear": (False, 9.0, 9.0)}).__getitem__, QUARTER.__getitem__) == "dear"


def test_what_spoils_the_quarter_meets_the_day_only_where_finalists_are_missing() -> None:
    over: dict[str, Merit] = {
        "a": (True, 5.0, 1.0),
        "b": (True, 4.0, 1.0),
        "c": (False, 9.0, 1.0),
        "d": (True, 3.0, 1.0),
    }
    day: dict[str, Merit] = {"b": (True, 9.0, 1.0), "c": (True, 8.0, 1.0), "d": (True, 7.0, 1.0)}
    assert sifted(list(over), day.__getitem__, over.__getitem__) == "d"


def test_few_settings_meet_the_day_at_once_and_a_single_one_meets_none() -> None:
    day: dict[str, Merit] = {"first": (False, 5.0, 5.0), "second": (False, 4.0, 4.0)}
    never: dict[str, Merit] = {}
    assert sifted(list(day), day.__getitem__, never.__getitem__) == "second"
    assert sifted(["only"], never.__getitem__, None) == "only"
