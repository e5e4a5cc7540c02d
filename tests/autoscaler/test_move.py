"""More of the same or something else: the sum in dollars, what holds it back, and what forces it."""

from dataclasses import replace

import pytest
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.move import Ahead, Forced, State, Switch, Verdict, forced, move

from tests.autoscaler.test_allotment import allotment, portion
from tests.builders import offer

DEAR = allotment(portion(offer("dear", usd_per_hour=2.0), 6), floor=0.0)
CHEAP = allotment(portion(offer("cheap", usd_per_hour=1.5), 6), floor=0.0)
HOURS = Ahead((24.0,) * 12, 1800.0)


def test_a_move_that_saves_more_than_it_costs_is_made_with_its_sum() -> None:
    found = move(DEAR, CHEAP, HOURS)
    assert found.moves
    assert found.horizon_s == 6 * 3600
    assert found.saves_usd == pytest.approx((12.0 - 9.0) * 6)
    assert found.switch_usd == pytest.approx(12.0 * (300 + 60) / 3600)
    assert found.margin_usd == pytest.approx(0.05 * 12.0 * 6)
    assert found.gain_usd == pytest.approx(18.0 - 1.2 - 3.6)
    assert "moves to 6x cheap" in found.message
    assert "saves 18.00 usd in 6.0 h, switching costs 1.20" in found.message
    assert found.rejected[0].fleet == "6x dear (L4 x1) on-demand"
    assert found.rejected[0].usd_per_hour == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("candidate", "switch", "ahead"),
    [
        pytest.param(
            allotment(portion(offer("close", usd_per_hour=1.92), 6), floor=0.0),
            Switch(),
            HOURS,
            id="a saving below the margin",
        ),
        pytest.param(CHEAP, Switch(cache_usd=20.0), HOURS, id="a cache that is dear to fill again"),
        pytest.param(CHEAP, Switch(quality_usd_per_hour=3.0), HOURS, id="quality that is worth more"),
        pytest.param(CHEAP, Switch(), Ahead((24.0,), 900.0), id="too short a time to save it"),
        pytest.param(DEAR, Switch(), HOURS, id="the same"),
    ],
)
def test_a_move_that_is_not_worth_it_is_named_with_its_price(
    candidate: Allotment, switch: Switch, ahead: Ahead
) -> None:
    found = move(DEAR, candidate, ahead, switch=switch)
    assert not found.moves
    assert found.gain_usd <= 0
    assert found.message.startswith("stays on 6x dear")
    assert found.rejected[0].usd_per_hour == pytest.approx(candidate.planned_usd_per_hour)


@pytest.mark.parametrize(
    ("state", "enabled", "words"),
    [
        pytest.param(State(moved_s_ago=600.0), True, "cooldown is 60", id="another move just was"),
        pytest.param(State(alert_burns=True), True, "alert", id="an alert burns"),
        pytest.param(State(headroom=0.1), True, "headroom is 10%", id="the last of the headroom"),
        pytest.param(State(), False, "vertical.enabled", id="the user does not want it"),
    ],
)
def test_a_move_that_is_worth_it_waits(state: State, enabled: bool, words: str) -> None:
    found = move(DEAR, CHEAP, HOURS, state=state, enabled=enabled)
    assert not found.moves
    assert found.gain_usd > 0
    assert words in found.message
    assert words in found.rejected[0].why
    assert move(DEAR, CHEAP, HOURS, state=State(moved_s_ago=3600.0)).moves


@pytest.mark.parametrize("force", [each for each in Forced if each is not Forced.TOO_DEAR])
def test_a_forced_move_asks_for_no_sum_and_waits_for_nothing(force: Forced) -> None:
    found = move(CHEAP, DEAR, HOURS, force=force, state=State(1.0, True, 0.0))
    assert found.moves
    assert found.gain_usd < 0
    assert str(force) in found.message
    assert found.rejected[0].why == str(force)


def test_a_budget_waits_for_nothing_and_needs_a_gain_if_below_the_margin() -> None:
    hasty = State(1.0, True, 0.0)
    close = allotment(portion(offer("close", usd_per_hour=1.92), 6), floor=0.0)
    assert not move(DEAR, close, HOURS).moves
    assert move(DEAR, close, HOURS, force=Forced.TOO_DEAR, state=hasty).moves
    for current, candidate, switch in ((CHEAP, DEAR, Switch()), (DEAR, close, Switch(cache_usd=5.0))):
        found = move(current, candidate, HOURS, force=Forced.TOO_DEAR, switch=switch)
        assert not found.moves
        assert "that is no cheaper" in found.message


def test_where_there_is_nothing_to_move_to_it_stays_even_if_forced() -> None:
    for candidate in (None, allotment()):
        found = move(DEAR, candidate, HOURS, force=Forced.TOO_SLOW)
        assert not found.moves
        assert "no other shape can be had, although" in found.message


def test_a_fleet_that_carries_less_is_no_bargain() -> None:
    found = move(DEAR, replace(CHEAP, max_replicas=3), HOURS)
    assert not found.moves
    assert "does not carry the demand" in found.message


def test_the_demand_of_each_hour_counts_and_nothing_beyond_six() -> None:
    falling = Ahead((24.0,) * 2 + (4.0,) * 10, 1800.0)
    found = move(DEAR, CHEAP, falling)
    assert found.saves_usd == pytest.approx((12.0 - 9.0) * 1 + (2.0 - 1.5) * 5)
    assert move(DEAR, CHEAP, Ahead((24.0,) * 100, 1800.0)) == move(DEAR, CHEAP, HOURS)


@pytest.mark.parametrize("ahead", [Ahead((), 900.0), Ahead((1.0,), 0.0)])
def test_without_a_demand_ahead_there_is_nothing_to_judge(ahead: Ahead) -> None:
    with pytest.raises(ValueError, match="at least one is needed"):
        move(DEAR, CHEAP, ahead)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({}, None, id="nothing forces it"),
        pytest.param({"tpot_alone_s": 0.06}, Forced.TOO_SLOW, id="slow even alone"),
        pytest.param({"longest_request_tokens": 40_000.0}, Forced.TOO_SMALL, id="a request that does not fit"),
        pytest.param({"waited_s": 700.0}, Forced.UNOBTAINABLE, id="machines asked for in vain for two lead times"),
        pytest.param({"prefers_cheaper": True}, Forced.TOO_DEAR, id="the budget's stage"),
    ],
)
def test_what_forces_a_move(change: dict[str, float], reason: Forced | None) -> None:
    facts = {
        "tpot_alone_s": 0.02,
        "tpot_objective_s": 0.05,
        "kv_tokens": 30_000.0,
        "longest_request_tokens": 8_192.0,
        "prefers_cheaper": False,
        "waited_s": 300.0,
        "start_s": 300.0,
    }
    assert forced(**{**facts, **change}) is reason  # type: ignore[arg-type]


def test_the_same_facts_give_the_same_verdict() -> None:
    verdicts: set[Verdict] = {move(DEAR, CHEAP, HOURS) for _ in range(3)}
    assert len(verdicts) == 1
