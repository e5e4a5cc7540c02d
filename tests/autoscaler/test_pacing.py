"""How fast a count may change, however often it is looked at."""

from dataclasses import dataclass, field, replace

import pytest
from wharfage_autoscaler.behavior import Behavior, Direction, Limit, Select, Unit
from wharfage_autoscaler.decision import Decision, Demand
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.law import Held
from wharfage_autoscaler.pacing import keep_pace
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory
from wharfage_autoscaler.tempo import Tempo, at, since

from tests.autoscaler.test_count import signals
from tests.builders import snapshot, wanted

TWO_A_MINUTE = Limit(Unit.PODS, 2, 60)
HALF_A_MINUTE = Limit(Unit.PERCENT, 50, 60)


@dataclass
class Fleetwise:
    """Looks at a deployment whenever it is told to; the law has said already what it would hold."""

    behavior: Behavior | None = None
    memory: Memory = field(default_factory=lambda: Memory(held=Held(replicas=10.0)))
    now_s: float = 1000.0
    unit_rps: float = 1.0
    said: tuple[str, ...] = ()

    def look(self, asked: float, *, after_s: float = 15.0) -> float:
        self.now_s += after_s
        seen = replace(snapshot(wanted=replace(wanted(), behavior=self.behavior)), now=self.now_s)
        told = signals(ready=self.memory.held.replicas, unit_rps=self.unit_rps)
        held = self.memory.held._replace(replicas=asked)
        before = Decision(Fleet(), demand=Demand(told, asked, held, self.memory.tempo))
        decision = keep_pace(seen, self.memory, before)
        assert decision.demand is not None
        self.memory = Memory(held=decision.demand.held, tempo=decision.demand.tempo)
        self.said = tuple(step.message for step in decision.steps)
        assert {step.reason for step in decision.steps} <= {Reason.STEADY}
        return self.memory.held.replicas


def test_looks_between_ticks_add_no_more_than_a_tick_does() -> None:
    fleet = Fleetwise()
    fleet.look(10.0)
    assert [fleet.look(count, after_s=1.0) for count in (20.0, 40.0, 80.0)] == [20.0, 20.0, 20.0]
    assert fleet.look(40.0, after_s=13.0) == 40.0
    assert fleet.said == ()


def test_ticks_are_not_slowed() -> None:
    fleet = Fleetwise()
    assert [fleet.look(count) for count in (20.0, 40.0, 80.0)] == [20.0, 40.0, 80.0]


def test_replicas_that_carry_another_rate_begin_anew() -> None:
    fleet = Fleetwise()
    fleet.look(10.0)
    fleet.unit_rps = 0.1
    assert fleet.look(100.0, after_s=1.0) == 100.0


BEHAVIORS = [
    pytest.param(Behavior(), [20.0, 40.0, 5.0], [20.0, 40.0, 5.0], id="nothing written limits nothing"),
    pytest.param(
        Behavior(up=Direction((TWO_A_MINUTE,))), [20.0] * 5, [12.0, 12.0, 12.0, 12.0, 14.0], id="pods in any minute"
    ),
    pytest.param(
        Behavior(up=Direction((HALF_A_MINUTE,))), [20.0] * 5, [15.0, 15.0, 15.0, 15.0, 20.0], id="percent of what was"
    ),
    pytest.param(
        Behavior(up=Direction((TWO_A_MINUTE, HALF_A_MINUTE))), [20.0], [15.0], id="of several the one that allows most"
    ),
    pytest.param(
        Behavior(up=Direction((TWO_A_MINUTE, HALF_A_MINUTE), select=Select.MIN)), [20.0], [12.0], id="or least"
    ),
    pytest.param(
        Behavior(down=Direction(select=Select.DISABLED)), [5.0, 12.0, 5.0], [10.0, 12.0, 12.0], id="no change this way"
    ),
    pytest.param(
        Behavior(down=Direction((TWO_A_MINUTE,))), [2.0] * 5, [8.0, 8.0, 8.0, 8.0, 6.0], id="down by so many a minute"
    ),
    pytest.param(
        Behavior(up=Direction(window_s=30)),
        [10.0, 20.0, 20.0, 20.0],
        [10.0, 10.0, 10.0, 20.0],
        id="up to the least that was asked for within the window",
    ),
    pytest.param(
        Behavior(down=Direction(window_s=30)),
        [10.0, 5.0, 4.0, 4.0, 4.0],
        [10.0, 10.0, 10.0, 5.0, 4.0],
        id="down to the most",
    ),
]


@pytest.mark.parametrize(("behavior", "asked", "held"), BEHAVIORS)
def test_the_users_behavior_is_that_of_a_horizontal_pod_autoscaler(
    behavior: Behavior, asked: list[float], held: list[float]
) -> None:
    fleet = Fleetwise(behavior)
    assert [fleet.look(count) for count in asked] == held


def test_the_bounds_win_over_any_limit_of_speed() -> None:
    fleet = Fleetwise(Behavior(up=Direction((TWO_A_MINUTE,))), memory=Memory(held=Held(replicas=200.0)))
    assert fleet.look(250.0) == 100.0


def test_who_is_held_back_by_what_is_said() -> None:
    fleet = Fleetwise(Behavior(up=Direction((TWO_A_MINUTE,))))
    fleet.look(20.0)
    assert fleet.said == ("20 replicas asked for, 12 replicas held: scaling.behavior, or the largest step in 15 s",)


def test_what_is_remembered_ends_with_the_longest_window() -> None:
    tempo = Tempo(1.0)
    for second in range(0, 600, 10):
        tempo = tempo.after(float(second), held=float(second), asked=float(-second), keep_s=60.0)
    assert len(tempo.held) == 7
    assert at(tempo.held, 540.0, 0.0) == 530.0 + 10.0
    assert since(tempo.asked, 560.0)[0] == -560.0


def test_a_clock_that_was_set_back_does_no_harm() -> None:
    tempo = Tempo(1.0).after(100.0, held=3.0, asked=3.0, keep_s=60.0).after(50.0, held=4.0, asked=4.0, keep_s=60.0)
    assert tempo.held == ((50.0, 4.0),)
