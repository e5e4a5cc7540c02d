"""A deployment that may go to zero, over values: down when nobody asks, up when woken, the same after any restart."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.reasons import Reason
from wharfage_operator.archive import Before
from wharfage_operator.errors import Rejected
from wharfage_operator.pilotage import TICK_S
from wharfage_operator.spec import refuse_zero, wanted
from wharfage_operator.wake import WAKE, how_to_wake, woken_s

from tests.operator.objects import UID, deployment
from tests.operator.test_pilotage import KEY, NOW, World, reasons

AFTER = 20  # ticks
CHEAP = {"objectives": {"usdPerBadMinute": "0.01"}}
"""A cold start of a minute costs a cent, which an L4 at 0.80 usd/h costs in 45 s."""


def resting(**scaling: Any) -> World:
    """Idle after five minutes, a minute to start."""
    return World(lead=4, spec={"scaling": {"minReplicas": 0, "idleAfter": "5m", **scaling}, **CHEAP})


def woken(world: World, *, ago_s: float = 0.0) -> None:
    at = datetime.fromtimestamp(world.now - ago_s, UTC)
    world.annotations = {WAKE: at.isoformat()}


def restart(world: World, *, archived: bool) -> None:
    known = world.pilotage.experience(KEY, UID) if archived else Experience()
    assert known is not None
    world.before = Before(known, measured=archived)
    world.restart()


def counts(world: World, ticks: int, rate: float | None = None) -> list[int]:
    """The targets of so many ticks; where nothing runs nothing is measured."""
    told = []
    for _ in range(ticks):
        measured = rate if sum(pool.ready for pool in world.fleet.pools) else None
        told.append(world.tick(measured).target.replicas)
    return told


def asleep(**scaling: Any) -> World:
    world = resting(**scaling)
    assert counts(world, 20, 0.5)[-1] >= 1
    assert counts(world, AFTER + 60, 0.0)[-1] == 0
    return world


def test_it_goes_to_zero_once_nobody_has_asked_for_long_enough_and_stays_there() -> None:
    world = resting()
    counts(world, 20, 0.5)
    told = counts(world, AFTER + 60, 0.0)
    assert told[: AFTER - 1] == [1] * (AFTER - 1)
    assert set(told[AFTER + 1 :]) == {0}
    assert Reason.AT_ZERO in reasons(world.decision)
    assert world.decision.target.usd_per_hour == 0.0


@pytest.mark.parametrize("rate", [None, 0.05], ids=["the load is not known", "somebody asks now and then"])
def test_it_never_does_while(rate: float | None) -> None:
    world = resting()
    counts(world, 20, 0.5)
    assert set(counts(world, 200, rate)) == {1}


def test_a_cold_start_that_costs_more_than_idling_keeps_it_warm() -> None:
    world = resting()
    world.spec = {**world.spec, "objectives": {"usdPerBadMinute": "5"}}
    counts(world, 20, 0.5)
    assert set(counts(world, 400, 0.0)) == {1}


def test_without_leave_it_never_does() -> None:
    world = resting(minReplicas=1)
    assert set(counts(world, 20, 0.5) + counts(world, 200, 0.0)) == {1}


def test_a_wish_wakes_it_at_the_next_look_and_it_stays_for_a_while_though_nobody_asks() -> None:
    world = asleep()
    woken(world)
    assert world.tick(None).target.replicas == 1
    assert Reason.WAKING in reasons(world.decision)
    told = counts(world, AFTER + 2, 0.0)
    assert set(told) == {1}
    assert counts(world, 10, 0.0)[-1] == 0


def test_wished_again_and_again_it_stays() -> None:
    world = asleep()
    for _ in range(10):
        woken(world)
        assert set(counts(world, AFTER // 2, 0.0)) == {1}
    assert counts(world, AFTER + 10, 0.0)[-1] == 0


def test_woken_while_it_goes_down_it_comes_back() -> None:
    world = resting()
    counts(world, 20, 0.5)
    while counts(world, 1, 0.0) != [0]:
        pass
    woken(world)
    assert world.tick(None).target.replicas == 1


def test_a_load_after_waking_is_followed_as_ever() -> None:
    world = asleep(maxReplicas=40)
    woken(world)
    world.tick(None)
    assert counts(world, 60, 10.0)[-1] > 5


@pytest.mark.parametrize("archived", [True, False], ids=["with its memory", "with nothing remembered"])
def test_a_restart_at_zero_wakes_nobody_and_loses_no_wish(archived: bool) -> None:
    world = asleep()
    woken(world, ago_s=3600.0)  # of before it slept
    restart(world, archived=archived)
    assert set(counts(world, 40)) == {0}
    woken(world)
    restart(world, archived=archived)
    assert set(counts(world, 30)) == {1}


def test_a_restart_before_anything_was_read_back_keeps_it_at_zero() -> None:
    world = asleep()
    world.before = None
    world.restart()
    assert set(counts(world, 10)) == {0}


def test_a_restart_while_it_wakes_takes_nothing_away() -> None:
    world = asleep()
    woken(world)
    world.tick(None)
    restart(world, archived=False)
    world.annotations = {}
    assert set(counts(world, 8, 0.0)) == {1}


def test_a_wish_of_the_time_without_an_operator_is_heard_however_late() -> None:
    world = asleep()
    woken(world)
    world.now += 3600.0
    restart(world, archived=True)
    assert world.tick(None).target.replicas == 1


def test_to_forbid_it_wakes_it() -> None:
    world = asleep()
    world.spec = {"scaling": {"minReplicas": 1}}
    assert world.tick(None).target.replicas == 1


def test_a_pin_wakes_it_and_what_follows_goes_down_only_when_nobody_asks() -> None:
    world = asleep()
    until = datetime.fromtimestamp(world.now + 10 * TICK_S, UTC).isoformat().replace("+00:00", "Z")
    before, pinned = world.spec, {"replicas": 2, "until": until}
    world.spec = {**before, "scaling": {**before["scaling"], "pin": pinned}}
    assert world.tick(None).target.replicas == 2
    assert counts(world, 8 + AFTER, 0.0)[-1] >= 1
    assert counts(world, 20, 0.0)[-1] == 0


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        pytest.param({"scaling": {"minReplicas": 0}}, "scaling.minReplicas", id="by load"),
        pytest.param({"scaling": {"mode": "Manual"}, "replicas": 0}, "replicas", id="by hand"),
        pytest.param({"scaling": {"mode": "Recommend"}, "replicas": 0}, "replicas", id="with advice"),
    ],
)
def test_zero_without_anything_that_wakes_it_is_refused_with_what_to_do(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(
        Rejected, match=f"^{field}: 0 needs .* write 1 or more, or routing: Gateway .* scale_to_zero: Annotation"
    ) as told:
        refuse_zero(deployment(**spec))
    assert told.value.reason is Reason.NOT_IMPLEMENTED


def test_a_count_that_auto_ignores_is_refused_for_nothing() -> None:
    refuse_zero(deployment(replicas=0))


def test_while_awake_one_is_the_least() -> None:
    asked = wanted(deployment(scaling={"minReplicas": 0}))
    assert (asked.min_replicas, asked.rests) == (1, True)
    assert not wanted(deployment()).rests


def annotated(text: str | None) -> dict[str, Any]:
    annotations = {} if text is None else {WAKE: text}
    return {"metadata": {"name": "chat", "namespace": "shop", "annotations": annotations}}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-26T22:00:00Z", datetime(2026, 11, 26, 22, tzinfo=UTC).timestamp()),
        ("2026-11-26T23:00:00.5+01:00", datetime(2026, 11, 26, 22, tzinfo=UTC).timestamp() + 0.5),
        (None, float("-inf")),
        ("", float("-inf")),
        ("now", float("-inf")),
        ("2026-11-26T22:00:00", float("-inf")),
        ("9999999999999999999999", float("-inf")),
    ],
)
def test_a_wish_is_a_time_with_its_zone(text: str | None, read: float) -> None:
    assert woken_s(annotated(text)) == read


def test_what_to_type_is_said_and_what_was_typed_wrong() -> None:
    command = 'kubectl annotate llm chat -n shop --overwrite wharfage.dev/wake="$(date -u +%FT%TZ)"'
    assert how_to_wake(annotated(None)) == f"Wake it: {command}"
    told = how_to_wake(annotated("now"))
    assert told.startswith("wharfage.dev/wake is 'now', which is no time with date and zone")
    assert told.endswith(command)


def test_the_silences_of_before_are_remembered_over_a_restart() -> None:
    world = asleep()
    woken(world)
    counts(world, 3)
    known = world.pilotage.experience(KEY, UID)
    assert known is not None
    assert len(known.silence.lasted_s) == 1
    assert known.silence.lasted_s[0] > AFTER * TICK_S
    restart(world, archived=True)
    counts(world, 3)
    again = world.pilotage.experience(KEY, UID)
    assert again is None or again.silence.lasted_s == known.silence.lasted_s
    assert world.now > NOW
    assert replace(known.silence, asleep=False) == known.silence


def test_what_slept_and_serves_since_is_not_put_to_sleep_by_going_back_to_auto() -> None:
    world = asleep()
    spec = world.spec
    world.spec = {**spec, "scaling": {**spec["scaling"], "mode": "Recommend"}, "replicas": 2}
    counts(world, 40, 5.0)
    world.spec = spec
    assert min(counts(world, 8, 5.0)) > 0


def test_a_zero_that_a_limit_made_is_no_sleep_after_a_restart() -> None:
    world = resting()
    assert counts(world, 20, 0.5)[-1] >= 1
    world.spec = {**world.spec, "limits": {"usdPerHour": "0.10"}}
    assert counts(world, 8, 0.5)[-1] == 0
    restart(world, archived=True)
    counts(world, 2)
    assert Reason.AT_ZERO not in reasons(world.decision)
    del world.spec["limits"]
    assert counts(world, 8)[-1] > 0
