"""Scale to zero: what silence is, when doing without the last replica pays, and what never leads there."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.behavior import Behavior, Direction, Select
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.idle import Idle, Silence
from wharfage_autoscaler.law import Held
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot

from tests.autoscaler.test_decide_auto import allotment, portion
from tests.builders import offer, snapshot, wanted

NOW = 1_000_000.0
MINUTE, HOUR = 60.0, 3600.0
L4 = offer("g6.xlarge", usd_per_hour=0.8)
NONE = Load(60.0, 0.0, 0.0, 0.0, running=0.0, waiting=0.0)
LAST = Pool(L4, "bf16", 1, 1, ready=1)
ONE = Memory(held=Held(replicas=1.0))
WEIGHED = Idle(
    so_far_s=7 * HOUR, left_s=7 * HOUR, after_s=15 * MINUTE, lead_s=300.0, usd_per_bad_minute=1.0, asleep=False
)
"""At 0.80 usd/h seven hours cost 5.60 usd, and a cold start of five bad minutes 5.00."""


def look(silence: Silence, silent_s: float | None, *, now: float = NOW, woken: float = -math.inf) -> Silence:
    return silence.heard(now, silent_s, woken_s=woken, after_s=15 * MINUTE)


def since(ago_s: float, *lasted_s: float, asleep: bool = False) -> Silence:
    return Silence(NOW - ago_s, lasted_s, asleep, heard_s=NOW - 15.0)


@pytest.mark.parametrize(
    ("before", "silent_s", "woken", "after"),
    [
        pytest.param(Silence(), 60.0, -math.inf, Silence(NOW), id="it begins at the first look"),
        pytest.param(since(90.0), 60.0, -math.inf, since(90.0), id="it goes on while nobody asks"),
        pytest.param(since(90.0), 0.0, -math.inf, since(0.0, 90.0), id="a request ends it, and it is remembered"),
        pytest.param(since(15.0), 0.0, -math.inf, since(0.0), id="less than a minute is no silence"),
        pytest.param(since(90.0), None, -math.inf, since(0.0), id="what is not known is no silence"),
        pytest.param(since(90.0), 60.0, NOW - 30.0, since(30.0), id="to be woken while awake is like a request"),
        pytest.param(
            since(9000.0, asleep=True), None, -math.inf, since(9000.0, asleep=True), id="asleep it goes on unmeasured"
        ),
        pytest.param(since(9000.0, asleep=True), None, NOW - 60.0, since(60.0, 8940.0), id="a wish ends the sleep"),
        pytest.param(
            since(9000.0, asleep=True), None, NOW - 10_000.0, since(9000.0, asleep=True), id="one of before does not"
        ),
        pytest.param(
            since(90_000.0, asleep=True),
            None,
            NOW - 5000.0,
            since(5000.0, 85_000.0),
            id="an old one does that nobody has heard, for want of an operator",
        ),
        pytest.param(since(9000.0, asleep=True), None, NOW + HOUR, since(0.0, 9000.0), id="a time ahead counts as now"),
        pytest.param(
            replace(Silence(), asleep=True),
            None,
            NOW - HOUR,
            replace(Silence(), asleep=True),
            id="an old one wakes nobody where nothing is remembered",
        ),
    ],
)
def test_silence(before: Silence, silent_s: float | None, woken: float, after: Silence) -> None:
    assert look(before, silent_s, woken=woken) == replace(after, heard_s=NOW)


def test_what_nobody_looked_at_is_no_silence() -> None:
    unseen = replace(since(HOUR), heard_s=NOW - 61.0)
    assert look(unseen, 60.0).since_s == NOW
    assert look(unseen, 300.0).since_s == NOW - HOUR
    assert look(replace(unseen, asleep=True), None).since_s == NOW - HOUR


def test_it_remembers_no_more_than_the_latest_silences() -> None:
    silence = Silence(NOW)
    for number in range(1, 200):
        silence = look(silence, 0.0, now=silence.since_s + 60.0 + number)
    assert len(silence.lasted_s) == 64
    assert silence.lasted_s[-1] == 60.0 + 199


@pytest.mark.parametrize(
    ("lasted_s", "left_s"),
    [
        pytest.param((), HOUR, id="as much again where nothing is known"),
        pytest.param((120.0,) * 60, HOUR, id="shorter ones say nothing any more"),
        pytest.param((23 * HOUR,), 2 * HOUR, id="one that had 22 hours left counts as one of 21"),
        pytest.param((3 * HOUR,) * 60, 1.75 * HOUR, id="many outweigh the guess"),
    ],
)
def test_what_is_left_of_an_hours_silence(lasted_s: tuple[float, ...], left_s: float) -> None:
    assert since(HOUR, *lasted_s).left_s(NOW) == pytest.approx(left_s)


@given(st.lists(st.floats(60.0, 1e6), max_size=64), st.floats(0.0, 1e6))
def test_what_is_left_is_never_negative_and_always_a_number(lasted_s: list[float], so_far_s: float) -> None:
    assert 0.0 <= since(so_far_s, *lasted_s).left_s(NOW) < math.inf


@pytest.mark.parametrize(
    ("change", "pays"),
    [
        pytest.param({}, True, id="long enough"),
        pytest.param({"left_s": 6 * HOUR}, False, id="the next request is expected too soon"),
        pytest.param({"so_far_s": 14 * MINUTE}, False, id="not yet what the user calls idle"),
        pytest.param({"lead_s": 400.0}, False, id="a longer cold start"),
        pytest.param({"usd_per_bad_minute": 2.0}, False, id="dearer minutes"),
        pytest.param({"usd_per_bad_minute": 0.01, "left_s": 300.0}, True, id="cheaper minutes"),
    ],
)
def test_when_zero_pays(change: dict[str, float], pays: bool) -> None:
    assert replace(WEIGHED, **change).pays(0.8) is pays  # type: ignore[arg-type]


def seen(idle: Idle | None = WEIGHED, *, load: Load | None = NONE, runs: tuple[Pool, ...] = (LAST,)) -> Snapshot:
    """One replica of a deployment that may go to zero."""
    asked = wanted(mode=Mode.AUTO, min_replicas=1, rests=True)
    base = snapshot(offers=(L4,), wanted=asked, pools=runs, now=NOW)
    return replace(base, load=load, allotment=allotment(portion(L4, 1)), idle=idle)


def behaving(down: Direction) -> Snapshot:
    """With the user's `scaling.behavior.scaleDown`."""
    return replace(seen(), wanted=replace(seen().wanted, behavior=Behavior(down=down)))


def reasons(decision: Decision) -> set[Reason]:
    return {step.reason for step in decision.steps}


def test_the_last_replica_goes_where_that_pays_and_its_pool_stays_with_none() -> None:
    decision, _ = decide(seen(), ONE)
    assert [(pool.offer, pool.replicas) for pool in decision.target.pools] == [(L4, 0)]
    assert decision.steps[-1].reason is Reason.AT_ZERO
    assert decision.steps[-1].message == (
        "no request for 25200 s, and 25200 s more are expected: they would cost 5.6 usd at 0.80 usd/h, "
        "a cold start costs 5 usd; it serves about 300 s after it is woken"
    )


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(seen(None), id="it may not"),
        pytest.param(seen(load=None), id="the load is not known"),
        pytest.param(seen(load=replace(NONE, running=1.0)), id="a request runs"),
        pytest.param(seen(load=replace(NONE, waiting=1.0)), id="a request waits"),
        pytest.param(seen(load=replace(NONE, requests_per_second=0.1)), id="requests come"),
        pytest.param(replace(seen(), allotment=None), id="nobody has looked at all deployments yet"),
        pytest.param(replace(seen(), wanted=wanted(mode=Mode.MANUAL)), id="the user decides"),
        pytest.param(behaving(Direction(select=Select.DISABLED)), id="nothing may go down"),
        pytest.param(behaving(Direction(window_s=8 * HOUR)), id="the window for down has not passed"),
    ],
)
def test_the_last_replica_stays_where(look: Snapshot) -> None:
    decision, _ = decide(look, ONE)
    assert decision.target.replicas == 1


def test_a_window_for_down_that_has_passed_holds_nothing() -> None:
    decision, _ = decide(behaving(Direction(window_s=6 * HOUR)), ONE)
    assert decision.target.replicas == 0


def test_more_than_the_last_replica_never_goes_at_once() -> None:
    decision, _ = decide(seen(runs=(replace(LAST, replicas=3, ready=3),)), Memory(held=Held(replicas=3.0)))
    assert decision.target.replicas >= 1


@pytest.mark.parametrize("load", [None, NONE], ids=["nothing measured", "a last reading"])
def test_asleep_nothing_runs_with_or_without_an_allotment(load: Load | None) -> None:
    asleep = seen(replace(WEIGHED, asleep=True), load=load, runs=(replace(LAST, replicas=0, ready=0),))
    for look in (asleep, replace(asleep, allotment=None), replace(asleep, offers=())):
        decision, memory = decide(look, ONE)
        assert decision.target.replicas == 0
        assert decision.target.usd_per_hour == 0.0
        assert Reason.AT_ZERO in reasons(decision)
        again, _ = decide(look, memory)
        assert again.target == decision.target


def test_woken_it_runs_what_it_ran_and_says_for_how_long_one_waits() -> None:
    woken = seen(replace(WEIGHED, woken=True), load=None, runs=(replace(LAST, replicas=0, ready=0),))
    decision, _ = decide(woken, ONE)
    assert decision.target.replicas == 1
    assert decision.steps[-1].reason is Reason.WAKING
    assert decision.steps[-1].message == "woken: it serves about 300 s after that"


@given(
    so_far_s=st.floats(0.0, 1e6),
    left_s=st.floats(0.0, 1e6),
    lead_s=st.floats(0.0, 3600.0),
    usd=st.floats(0.0, 100.0),
    rps=st.one_of(st.none(), st.floats(0.0, 50.0)),
    waiting=st.floats(0.0, 5.0),
    held=st.integers(1, 10),
)
def test_nothing_but_known_silence_that_pays_leads_to_zero(
    so_far_s: float, left_s: float, lead_s: float, usd: float, rps: float | None, waiting: float, held: int
) -> None:
    idle = Idle(so_far_s, left_s, 15 * MINUTE, lead_s, usd, asleep=False)
    load = None if rps is None else Load(60.0, rps, 0.0, 0.0, running=0.0, waiting=waiting)
    pools = (replace(LAST, replicas=held, ready=held),)
    decision, _ = decide(seen(idle, load=load, runs=pools), Memory(held=Held(replicas=float(held))))
    if decision.target.replicas == 0:
        assert rps == waiting == 0.0
        assert idle.pays(0.8)
        assert Reason.AT_ZERO in reasons(decision)
