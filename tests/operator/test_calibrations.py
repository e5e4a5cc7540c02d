"""An engine that is not what the model takes it for is planned for as it is, and nobody's lies are learned."""

import json
import math
from dataclasses import replace

import pytest
from wharfage_api.labels import POOL
from wharfage_autoscaler.calibration import Calibration, Observation
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.model import SpotPolicy
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.snapshot import Snapshot
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_autoscaler.traffic import Traffic
from wharfage_operator.calibrations import Calibrations, middle, reviewed
from wharfage_operator.gather import Subject
from wharfage_operator.kinds import Object
from wharfage_operator.lessons import NOTHING, Lessons, Make, read, written
from wharfage_operator.pools import pool_hash
from wharfage_operator.spec import wanted
from wharfage_operator.stints import Stint
from wharfage_operator.telemetry import Telemetry

from tests.builders import offer
from tests.operator.closed_loop import OUTPUT, PROMPT, Loop, model_step, moving
from tests.operator.objects import UID, deployment

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


def test_the_load_leads_the_count_once_engines_have_shown_that_they_meet_what_the_model_thinks_out_of_reach() -> None:
    spec = {"scaling": {"minReplicas": 2, "maxReplicas": 60}, "objectives": {"tpot": {"p95": "50ms"}}}
    assert not isinstance(capacity(STEP, CHAT, Objectives(tpot_p95_s=0.05)), Capacity)
    loops = [Loop(FASTER, moving(4.0, 16), spec=spec, counts_steps=True, deaf=deaf) for deaf in (False, True)]
    for loop in loops:
        loop.minutes(16)
    assert [max(loop.counts) > 2 for loop in loops] == [True, False]


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
    ("lessons", "expected"),
    [
        pytest.param(learned(SLOWER), rate(SLOWER), id="a slower engine as it is"),
        pytest.param(learned(FASTER), 1.5 * rate(Theta()), id="a faster one by half more at a time"),
        pytest.param(learned(Theta(1.02, 1.02, 1.02)), rate(Theta()), id="not anew for two per cent"),
        pytest.param(learned(SLOWER, accepted=3), rate(Theta()), id="not after three windows"),
        pytest.param(NOTHING, rate(Theta()), id="not while nothing is known"),
    ],
)  # fmt: skip
def test_what_was_learned_is_planned_with_in_steps(lessons: Lessons, expected: float) -> None:
    after = reviewed(lessons, L4, STEP, CHAT, WANTED)
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


def test_of_several_pods_those_in_the_middle_are_learned_from() -> None:
    seen = [Observation(step_s, 200 * step_s, 0.0, 1000.0) for step_s in (0.001, 9.0, 0.05, 0.06)]
    both = middle(seen)
    assert (both.seconds_per_step, both.decoding) == pytest.approx((0.055, 11.0))
    assert both.prompt_tokens is None
    assert middle(seen[:3]) == middle(seen[1:3]) == seen[2]
    assert middle(seen[:1]) == seen[0]


def stint(end_s: float, slow: float = 1.5) -> Stint:
    """Half a minute of ten sequences on an engine whose steps take so many times as long as the model says."""
    step_s = slow * STEP.seconds(10.0, PROMPT + OUTPUT / 2)
    steps = 30.0 / step_s
    resident = 10.0 * (PROMPT + OUTPUT / 2) / STEP.kv_tokens
    return Stint(end_s - 30.0, end_s, 10 * steps, 0.0, 0.0, 10.0, 0.0, steps, 10 * steps, 300.0, resident)


class Engines:
    """Deployment `chat` on these machines, whose engines tell what a test says; a look every half minute."""

    def __init__(self, *machines: Offer) -> None:
        self.stints: dict[str, Stint] = {}
        self.pods = tuple(_pod(place, machine) for place, machine in enumerate(machines))
        self.fleet = Fleet(tuple(Pool(machine, "", 1, 1, ready=1) for machine in sorted(machines, key=_key)))
        self.calibrations = Calibrations(lambda key: self.stints, image="engine")
        self.calibrations.restore(KEY, NOTHING)
        self.now_s = 1_790_000_000.0

    def looks(self, count: int, *uids: str, moving: bool = False, slow: float = 1.5) -> Lessons:
        """So many, at each of which these have done half a minute more."""
        asked = deployment(objectives={"ttft": {"p95": "4s"}, "tpot": {"p95": "200ms"}})
        for _ in range(count):
            self.now_s += 30.0
            self.stints = {uid: stint(self.now_s, slow) for uid in uids}
            subject = Subject({"metadata": {"uid": UID}}, asked, (), self.pods, None)
            seen = Snapshot(
                now=self.now_s,
                key=KEY,
                wanted=wanted(asked, spot_default=SpotPolicy.FORBID),
                offers=(),
                fleet=self.fleet,
                load=None,
            )
            self.calibrations.heard(subject, seen, CHAT, moving=moving)
        lessons = self.calibrations.lessons(KEY)
        assert lessons is not None
        return lessons


def _key(machine: Offer) -> tuple[str, ...]:
    return tuple(map(str, machine.key))


def _pod(place: int, machine: Offer) -> Object:
    pool = pool_hash(Pool(machine, "", 1, 1).key)
    return {"metadata": {"uid": str(place), "labels": {POOL: pool}}}


CHEAP = offer("g6.xlarge")
SPOT = replace(CHEAP, market=Market.SPOT, zone="a")
OTHER = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48)


def test_pods_on_spot_and_on_demand_teach_the_same() -> None:
    lessons = Engines(CHEAP, SPOT).looks(8, "0", "1")
    assert list(lessons.known) == list(lessons.planned) == [L4]
    assert rate(lessons.theta(L4)) == pytest.approx(rate(SLOWER), rel=0.1)


def test_what_is_planned_with_stays_as_it_is_during_a_move_and_while_two_makes_run() -> None:
    engines = Engines(CHEAP)
    moving, then = engines.looks(8, "0", moving=True), engines.looks(8, "0")
    assert moving.known
    assert not moving.planned
    assert then.planned
    both = Engines(CHEAP, OTHER).looks(8, "0", "1")
    assert len(both.known) == 2
    assert not both.planned


def test_the_mean_of_all_pods_teaches_only_where_all_are_of_one_make() -> None:
    assert Engines(CHEAP, SPOT).looks(8, "").known
    assert not Engines(CHEAP, OTHER).looks(8, "").known


def test_pods_of_no_pool_and_a_stint_that_was_learned_from_teach_nothing() -> None:
    engines = Engines(CHEAP)
    assert not engines.looks(8, "somebody else").known
    before = engines.looks(1, "0").known[L4]
    engines.now_s -= 30.0
    assert engines.looks(1, "0").known[L4] == before


def test_a_liar_alone_teaches_what_the_limits_allow_and_is_planned_for_by_half_more_at_a_time() -> None:
    engines = Engines(CHEAP)
    first = engines.looks(6, "0", slow=0.001)
    assert rate(first.theta(L4)) <= 1.51 * rate(Theta())
    last = engines.looks(60, "0", slow=0.001)
    assert rate(last.theta(L4)) <= 1.01 * rate(Theta(0.3, 0.3, 0.3))
