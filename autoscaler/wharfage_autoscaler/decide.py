"""The decision: a list of rules, each of which may move the target and says why it did.

Nothing here reads a clock, a file or the network: the same snapshot and memory give the same decision,
which is what lets a simulator replay it and `explain` repeat it.
"""

from collections.abc import Callable
from dataclasses import replace

from wharfage_autoscaler.ceilings import respect_ceilings, stay_within_budget
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.demand import meet_demand, whole_rps
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.guard import hold_steady
from wharfage_autoscaler.handover import keep_until_served
from wharfage_autoscaler.interruption import survive_interruption
from wharfage_autoscaler.moving import weigh_move
from wharfage_autoscaler.pacing import keep_pace
from wharfage_autoscaler.placing import choose_shape
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.resting import rest_when_idle
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.trials import order_trials, without_trials

Rule = Callable[[Snapshot, Memory, Decision], Decision]

RULES: tuple[Rule, ...] = (
    meet_demand,
    hold_steady,
    keep_pace,
    weigh_move,
    choose_shape,
    survive_interruption,
    keep_until_served,
    stay_within_budget,
    respect_ceilings,
    rest_when_idle,
)
"""In this order; nothing after a rule about money may raise cost."""


def leave_alone(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """What is not ours stays as it is."""
    return decision.amended(decision.target, Reason.ADOPTED, seen.adopted)


def decide(seen: Snapshot, memory: Memory) -> tuple[Decision, Memory]:
    """Choose the fleet for one deployment: how many replicas, on which offer, within which ceilings.

    What is on trial comes last, within what those ceilings leave, and is remembered by nobody.
    """
    memory = memory.told(seen.allotment)
    apart = without_trials(seen)
    decision = Decision(target=apart.fleet, allotment=seen.allotment)
    for rule in RULES if not seen.adopted else (leave_alone,):
        decision = rule(apart, memory, decision)
    before, memory = memory, memory.after(decision, seen.now)
    if seen.trials:
        decision = order_trials(seen, decision, whole_rps(seen, before, decision))
    wanted = Fleet(
        tuple(replace(pool, ready=0) for pool in decision.target.pools)
    )  # readiness is observed, not aimed for
    return replace(decision, target=wanted), memory
