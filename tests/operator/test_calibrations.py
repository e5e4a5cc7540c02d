"""An engine that is not what the model takes it for is planned for as it is, and nobody's lies are learned."""

import json
import math
from dataclasses import replace

import pytest
from wharfage_autoscaler.calibration import Calibration, Observation
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_autoscaler.traffic import Traffic
from wharfage_operator.calibrations import middle, reviewed
from wharfage_operator.lessons import NOTHING, Lessons, Make, read, written
from wharfage_operator.telemetry import Telemetry

from tests.operator.closed_loop import OUTPUT, PROMPT, Loop, model_step, moving

KEY = ("shop", "chat")
STEP = model_step()
CHAT, WANTED = Traffic(PROMPT, OUTPUT), Objectives(4.0, 0.2)
L4 = Make("hf://Qwen/Qwen3-8B", "", "L4", 1, "engine")
SLOWER, FASTER = Theta(1.5, 1.5, 1.5), Theta(0.5, 0.5, 0.5)
TEN_MINUTES = 12  # the load begins with the third


def rate(theta: Theta, step: StepTime = STEP) -> float:
    found = capacity(step.scaled(theta), CHAT, WANTED)
    assert isinstance(found, Capacity)
    return found.requests_per_second


def planned(loop: Loop) -> float:
    """What the operator plans a replica for, before what it keeps in hand."""
    lessons = loop.calibrations.lessons(KEY)
    assert lessons is not None
    return rate(lessons.theta(L4))


def run(
    theta: Theta, rps: float, *, deaf: bool = False, lying: frozenset[int] = frozenset(), steps: bool = True
) -> Loop:
    loop = Loop(theta, moving(rps, 24), deaf=deaf, lying=lying, counts_steps=steps)
    loop.minutes(TEN_MINUTES)
    return loop


def bad_minutes(loop: Loop) -> int:
    return loop.served.minutes().bad_minutes()[0]


def test_a_slower_engine_is_planned_for_within_a_tenth_after_ten_minutes_and_the_fleet_is_larger() -> None:
    calibrated, deaf = run(SLOWER, 4.0), run(SLOWER, 4.0, deaf=True)
    assert planned(calibrated) == pytest.approx(rate(SLOWER), rel=0.1)
    assert planned(deaf) == rate(Theta()) > 1.4 * rate(SLOWER)
    assert calibrated.replicas > 1.15 * deaf.replicas
    for loop in (calibrated, deaf):
        loop.minutes(12)
    assert bad_minutes(calibrated) == 0


def test_a_faster_engine_is_planned_for_within_ten_minutes_and_the_fleet_shrinks_without_a_bad_minute() -> None:
    calibrated, deaf = run(FASTER, 6.0, steps=False), run(FASTER, 6.0, deaf=True)
    assert planned(calibrated) == pytest.approx(rate(FASTER), rel=0.1)
    for loop in (calibrated, deaf):
        loop.minutes(12)
    assert sum(calibrated.counts[-40:]) < 0.7 * sum(deaf.counts[-40:])
    assert bad_minutes(calibrated) == 0


def test_one_pod_that_lies_teaches_nothing() -> None:
    honest, lied_to = run(Theta(), 4.0), run(Theta(), 4.0, lying=frozenset({0}))
    assert planned(lied_to) == pytest.approx(planned(honest), rel=0.05)


def test_a_restart_goes_on_with_what_was_learned() -> None:
    loop = run(SLOWER, 4.0)
    before = loop.calibrations.lessons(KEY)
    assert before is not None
    stored = read(json.loads(json.dumps(written(before))))
    assert stored is not None
    loop.lessons = stored
    loop.start()
    loop.tick()
    after = loop.calibrations.lessons(KEY)
    assert after is not None
    assert after.planned == before.planned
    assert after.known[L4].accepted >= before.known[L4].accepted


def test_what_is_learned_is_told_in_words_and_as_metrics() -> None:
    loop, telemetry = run(SLOWER, 4.0), Telemetry()
    (sentence,) = loop.calibrations.told(KEY)
    assert sentence.startswith("one replica on L4 x1: carries 0.5")
    assert "calibrated on" in sentence
    loop.calibrations.tell(telemetry)
    labels = {"namespace": "shop", "name": "chat", "variant": "", "accelerator": "L4", "accelerators": "1"}
    value = telemetry.registry.get_sample_value
    told = [
        value("wharfage_capacity_requests_per_second", {**labels, "calibrated": each}) for each in ("false", "true")
    ]
    assert told == [pytest.approx(rate(Theta())), pytest.approx(rate(SLOWER), rel=0.1)]
    assert (value("wharfage_calibration_windows", labels) or 0.0) >= 8
    assert (value("wharfage_calibration_factor", {**labels, "part": "memory"}) or 0.0) > 1.3
    loop.pilotage.forget(KEY)
    loop.calibrations.tell(telemetry)
    assert value("wharfage_calibration_windows", labels) is None


def learned(theta: Theta, accepted: int = 20) -> Lessons:
    mean = (math.log(theta.overhead), math.log(theta.memory), math.log(theta.compute))
    known = Calibration()
    return Lessons({L4: replace(known, belief=replace(known.belief, mean=mean), accepted=accepted)})


@pytest.mark.parametrize(
    ("lessons", "wanted", "expected"),
    [
        pytest.param(learned(SLOWER), WANTED, rate(SLOWER), id="a slower engine as it is"),
        pytest.param(learned(FASTER), WANTED, 1.5 * rate(Theta()), id="a faster one by half more at a time"),
        pytest.param(learned(Theta(1.02, 1.02, 1.02)), WANTED, rate(Theta()), id="not anew for two per cent"),
        pytest.param(learned(SLOWER, accepted=3), WANTED, rate(Theta()), id="not after three windows"),
        pytest.param(NOTHING, WANTED, rate(Theta()), id="not while nothing is known"),
    ],
)  # fmt: skip
def test_what_was_learned_is_planned_with_in_steps(lessons: Lessons, wanted: Objectives, expected: float) -> None:
    after = reviewed(lessons, L4, STEP, CHAT, wanted)
    assert rate(after.theta(L4)) == pytest.approx(expected, rel=0.02)


def test_what_runs_stays_plannable_where_the_objectives_seem_out_of_reach() -> None:
    tight = Objectives(4.0, 0.1)
    after = reviewed(learned(Theta(3.0, 3.0, 3.0)), L4, STEP, CHAT, tight)
    found = capacity(STEP.scaled(after.theta(L4)), CHAT, tight)
    assert isinstance(found, Capacity)
    assert found.requests_per_second < rate(Theta())


def test_objectives_that_only_the_real_engine_meets_come_within_reach() -> None:
    tight = Objectives(4.0, 0.04)
    assert not isinstance(capacity(STEP, CHAT, tight), Capacity)
    assert reviewed(learned(FASTER), L4, STEP, CHAT, tight).theta(L4) != Theta()


@pytest.mark.parametrize("step_s", [1e-6, 1e3], ids=["a thousand times as fast", "a thousand times as slow"])
def test_however_long_all_pods_lie_no_part_of_a_step_leaves_its_limits(
    step_s: float,
) -> None:
    lessons = NOTHING
    for _ in range(60):
        lessons = lessons.after(L4, Observation(step_s, 10.0, 40.0, 10_000.0, 900.0), STEP)
    theta = lessons.known[L4].theta
    assert all(0.299 < part < 3.001 for part in (theta.memory, theta.compute))
    assert 0.299 < theta.overhead < 20.001


def test_of_several_pods_the_one_in_the_middle_is_learned_from() -> None:
    seen = [Observation(step_s, 10.0, 0.0, 1000.0) for step_s in (0.001, 9.0, 0.05, 0.06)]
    assert middle(seen).seconds_per_step == 0.05
    assert middle(seen[1:3]).seconds_per_step == 0.05
