"""The rule that moves a deployment: more of the same, or what the optimiser would take instead."""

import math
from dataclasses import replace

from wharfage_autoscaler.allotment import Allotment, demand_of
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.demand import misses
from wharfage_autoscaler.guard import counted_anew
from wharfage_autoscaler.law import Law, Signals
from wharfage_autoscaler.move import State, move
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot


def weigh_move(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Work within the other allotment if moving there is worth it, and name what was not chosen with its price.

    A move that was begun is not weighed again while the snapshot still holds what it moved from.
    """
    if seen.elsewhere is None or seen.allotment is None or decision.demand is None:
        return decision
    there = seen.elsewhere.allotment
    if memory.moved_to and memory.moved_to == tuple(sorted(there.rates)):
        return _within(there, decision)
    verdict = move(
        seen.allotment,
        there,
        seen.elsewhere.ahead,
        state=_state(seen.law, decision.demand.signals, seen.now - memory.moved_s),
        switch=seen.elsewhere.switch,
        force=seen.elsewhere.force,
        min_savings=seen.elsewhere.min_savings,
        cooldown_s=seen.elsewhere.cooldown_s,
        enabled=seen.elsewhere.enabled,
    )
    reason = Reason.CHEAPEST_OFFER if verdict.moves else Reason.KEPT_OFFER
    decision = replace(decision.amended(decision.target, reason, verdict.message), rejected=verdict.rejected)
    return replace(_within(there, decision), moves=True) if verdict.moves else decision


def _within(allotment: Allotment, decision: Decision) -> Decision:
    """The same demand in replicas of another allotment."""
    demand = decision.demand
    if demand is not None:
        unit_rps = demand_of(allotment, 1)
        held = counted_anew(demand.held, demand.signals.unit_rps, unit_rps)
        demand = replace(demand, signals=demand.signals._replace(unit_rps=unit_rps), held=held)
    return replace(decision, allotment=allotment, demand=demand)


def _state(law: Law, signals: Signals, moved_s_ago: float) -> State:
    """What may keep a move back. Where the load is not known there is no headroom to rely on."""
    served = signals.ready * signals.unit_rps
    known = served > 0 and not math.isnan(signals.rps_1m)
    return State(
        moved_s_ago=None if math.isinf(moved_s_ago) else moved_s_ago,
        alert_burns=misses(law, signals),
        headroom=1.0 - signals.rps_1m / served if known else 0.0,
    )
