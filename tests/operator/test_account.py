"""What a decision looked at, written down and decided again: the same fleet by the same steps."""

import json
import logging
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.decision import Decision, Rejected, Step
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.law import thrifty
from wharfage_autoscaler.move import Ahead
from wharfage_autoscaler.reasons import Reason
from wharfage_operator.account import Account, accounted, digest, read, replayed, written
from wharfage_operator.telemetry import JsonLines
from wharfage_operator.telling import Telling, differences, outcome, page, record

from tests.operator.test_pilotage import KEY, L4, L40S, SPOTS, World

SPOT: dict[str, Any] = {"scaling": {"maxReplicas": 60}, "placement": {"spot": {"policy": "Allow"}}}
RECOMMEND: dict[str, Any] = {"scaling": {"mode": "Recommend", "maxReplicas": 40}, "replicas": 9}
EXPECTED: dict[str, Any] = {"traffic": {"peakRequestsPerSecond": "10"}, "scaling": {"maxReplicas": 40}}


def told(world: World) -> Telling:
    """The last decision, told as the operator does."""
    world.pilotage.stands(KEY, world.decision)
    telling = world.pilotage.telling(KEY)
    assert telling is not None
    return telling


def through_json(account: Account) -> Account:
    again = read(orjson.loads(orjson.dumps(written(account))))
    assert again is not None
    return again


def moving() -> World:
    world = World((L4, L40S), {"scaling": {"maxReplicas": 40}}, lead=8)
    world.ticks(10, 0.2)
    for _ in range(400):
        if world.tick(12.0).moves:
            break
    assert world.decision.moves
    return world


def ticked(spec: dict[str, Any], ticks: int, rate: float | None, *offers: Any) -> World:
    world = World(offers or (L4, L40S), spec, lead=4)
    world.ticks(ticks, rate)
    return world


WORLDS = {
    "before any load is known": lambda: ticked({"scaling": {"minReplicas": 2}}, 3, None),
    "the load leads": lambda: ticked({"scaling": {"maxReplicas": 40}}, 40, 10.0),
    "the load is not known any more": lambda: _deaf(),
    "the user expects a peak": lambda: ticked(EXPECTED, 10, None),
    "the user decides": lambda: ticked({"scaling": {"mode": "Manual"}, "replicas": 3}, 3, 50.0),
    "the user decides, and is advised": lambda: ticked(RECOMMEND, 40, 0.3),
    "spot": lambda: ticked(SPOT, 60, 60.0, L40S, *SPOTS),
    "objectives are out of reach": lambda: ticked({"objectives": {"tpot": {"p95": "1ms"}}}, 2, None),
    "a move": moving,
}


def _deaf() -> World:
    world = ticked({"scaling": {"maxReplicas": 40}}, 40, 10.0)
    world.ticks(40, None)
    return world


@pytest.fixture(scope="module")
def account() -> Account:
    return told(moving()).account


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_decision_is_repeated_from_its_account_where(world: Any) -> None:
    telling = told(world())
    again = through_json(telling.account)
    assert replayed(again) == telling.decision
    assert digest(again) == digest(telling.account)


def test_the_number_that_a_forecast_said_is_enough_to_repeat_what_it_led_to() -> None:
    grounds = told(ticked({"scaling": {"maxReplicas": 40}}, 40, 1.0)).account.grounds
    rising = Forecast(grounds.seen.now, 300.0, (0.5, 0.9), ((9.0,) * 12, (17.0,) * 12), "test")
    decision, _ = (ahead := accounted(replace(grounds.seen, forecast=rising), grounds.memory)).decided()
    assert ahead.expected_rps == 17.0
    assert {step.reason for step in decision.steps} & {Reason.DEMAND_FORECAST}
    assert replayed(through_json(Account(ahead))) == decision


def test_under_a_budget_both_numbers_that_a_forecast_said_are_repeated() -> None:
    grounds = told(ticked({"scaling": {"maxReplicas": 40}}, 40, 1.0)).account.grounds
    rising = Forecast(grounds.seen.now, 300.0, (0.5, 0.8, 0.9), ((9.0,) * 12, (15.0,) * 12, (17.0,) * 12), "test")
    law = grounds.seen.law
    held_down = replace(grounds.seen, forecast=rising, law=thrifty(law), usual_law=law)
    decision, _ = (ahead := accounted(held_down, grounds.memory)).decided()
    assert decision.demand is not None
    assert (ahead.expected_rps, ahead.usually_rps) == (15.0, 17.0)
    assert (decision.demand.wanted_rps, decision.demand.unrestricted_rps) == (15.0, 17.0)
    assert replayed(through_json(Account(ahead))) == decision


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=4), st.none() | st.floats(allow_nan=False))
def test_any_number_comes_back(account: Account, peaks: list[float], expected: float | None) -> None:
    seen = account.grounds.seen
    assert seen.elsewhere is not None
    elsewhere = replace(seen.elsewhere, ahead=Ahead(tuple(peaks), 900.0))
    other = Account(replace(account.grounds, seen=replace(seen, elsewhere=elsewhere), expected_rps=expected))
    assert through_json(other) == other


def test_whatever_differs_has_another_digest(account: Account) -> None:
    grounds = account.grounds
    later = Account(replace(grounds, seen=replace(grounds.seen, now=grounds.seen.now + 1.0)))
    other = Account(replace(grounds, expected_rps=1.5))
    assert len({digest(account), digest(later), digest(other)}) == 3
    assert len(digest(account)) == 16


def test_another_releases_account_is_not_read(account: Account) -> None:
    assert read(written(account) | {"form": "00000000"}) is None
    assert read(None) is None


def test_a_page_says_what_the_replay_comes_to() -> None:
    telling = told(ticked({"scaling": {"maxReplicas": 40}}, 40, 10.0))
    seen = json.loads(json.dumps(page(telling)))
    again = read(seen["account"])
    assert again is not None
    assert differences(seen["decision"], outcome(replayed(again))) == []
    other = replace(telling.decision, target=Fleet())
    assert differences(seen["decision"], outcome(other)) == ["fleet", "usd_per_hour", "replicas"]


def test_a_decision_is_logged_with_its_grounds_candidates_and_steps(caplog: pytest.LogCaptureFixture) -> None:
    world = ticked({"scaling": {"maxReplicas": 40}}, 40, 10.0)
    with caplog.at_level(logging.INFO, logger="wharfage_operator.pilotage"):
        telling = told(world)
    (logged,) = caplog.records
    line = json.loads(JsonLines().format(logged))
    assert line["message"] == "decided"
    assert line["deployment"] == "shop/chat"
    assert line["digest"] == digest(telling.account)
    assert telling.decision.demand is not None
    assert line["demand"]["rps_1m"] == pytest.approx(telling.decision.demand.signals.rps_1m, rel=1e-5)
    assert line["demand"]["expected_rps"] is None
    assert line["demand"]["level"] == 0.9
    usd_per_hour = pytest.approx(telling.decision.target.usd_per_hour, rel=1e-5)
    assert line["candidates"][0] == {"fleet": line["chosen"], "usd_per_hour": usd_per_hour}
    assert {row["fleet"] for row in line["candidates"][1:]} == {row.fleet for row in telling.decision.rejected}
    assert line["binding"] == line["steps"][-1]["reason"] == telling.decision.steps[-1].reason.value


def test_the_same_for_the_same_reasons_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    world = ticked({"scaling": {"maxReplicas": 40}}, 40, 10.0)
    with caplog.at_level(logging.INFO, logger="wharfage_operator.pilotage"):
        first = told(world)
        world.tick(10.0)
        assert told(world).account != first.account
        assert len(caplog.records) == 1
        world.ticks(20, 90.0)
        told(world)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("text", ["x" * 5000, "\u6e2f" * 5000, '"\\\n' * 2000], ids=["long", "not ASCII", "escaped"])
def test_a_record_is_less_than_four_kilobytes_whatever_is_said(account: Account, text: str) -> None:
    decision = told(moving()).decision
    steps = (Step(Reason.USD_PER_HOUR_LIMIT, text, Fleet(), Fleet()),) * 40
    wordy = replace(decision, steps=steps, rejected=(Rejected(text, 12345.678901, text),) * 40)
    logged = logging.makeLogRecord({"msg": "decided", **record(("n" * 63, "m" * 63), Telling(wordy, account))})
    line = JsonLines().format(logged)
    assert len(line.encode()) < 4000
    assert json.loads(line)["steps"]


def test_a_secret_in_a_step_does_not_reach_the_log(account: Account) -> None:
    said = Decision(Fleet(), (Step(Reason.PINNED, "1 replica: hf_abcdefghijklmnop", Fleet(), Fleet()),))
    logged = logging.makeLogRecord({"msg": "decided", **record(KEY, Telling(said, account))})
    assert "hf_" not in JsonLines().format(logged)
