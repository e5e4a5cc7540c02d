"""What no decision may cross: the largest count, and dollars per hour. Ceilings win over floors."""

from collections.abc import Callable

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.demand import shrunk
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.words import replica_words

_ROUNDING = 1e-9  # three machines at 0.1 usd/h are within 0.3


def stay_within_budget(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Lower the count to what the allotted dollars pay for, but not below the least; nothing after this raises cost.

    Of machines that others share it is charged its part, as it was when the dollars were allotted.
    """
    unsaid = seen.unsaid(decision)
    if unsaid:
        return _held_still(seen, decision, unsaid)
    if decision.demand is None:
        return _held_down(seen, decision)
    if decision.allotment is None or decision.allotment.usd_per_hour is None:
        return decision
    cap, charged = decision.allotment.usd_per_hour, decision.allotment.charged
    if charged(decision.target) <= cap + _ROUNDING:
        return decision
    target = _affordable(decision.target, cap, charged)
    if target.replicas < seen.wanted.min_replicas:
        target = shrunk(decision.target, min(decision.target.replicas, seen.wanted.min_replicas))
    message = (
        f"{replica_words(decision.target.replicas)} cost {charged(decision.target):.2f} usd/h, "
        f"{cap:.2f} are allotted: {replica_words(target.replicas)} at {charged(target):.2f} usd/h"
    )
    return decision.amended(target, Reason.BUDGET_ALLOTMENT, message)


def respect_ceilings(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Lower the count until `max_replicas` and the dollar limit hold, to zero if it must be or a budget stops it."""
    if seen.bounds.stopped:
        return decision.amended(shrunk(decision.target, 0), Reason.BUDGET_STOPPED, seen.bounds.stopped)
    count, most = decision.target.replicas, seen.wanted.max_replicas
    if count > most:
        message = f"{replica_words(count)} wanted, maxReplicas is {most}"
        decision = decision.amended(shrunk(decision.target, most), Reason.MAX_REPLICAS, message)
    limit = seen.wanted.usd_per_hour_limit
    if limit is None or decision.target.usd_per_hour <= limit + _ROUNDING:
        return decision
    count = decision.target.replicas
    target = _affordable(decision.target, limit, lambda fleet: fleet.usd_per_hour)
    message = (
        f"{replica_words(count)} cost{'s' if count == 1 else ''} {decision.target.usd_per_hour:.2f} usd/h, "
        f"limits.usdPerHour is {limit:.2f}: {replica_words(target.replicas)} at {target.usd_per_hour:.2f} usd/h"
    )
    return decision.amended(target, Reason.USD_PER_HOUR_LIMIT, message)


def _held_down(seen: Snapshot, decision: Decision) -> Decision:
    """A count that no load leads, so that nothing was allotted: what its budget leaves, but not below the least."""
    cap = seen.bounds.usd_per_hour
    return decision if cap is None else _cut(seen, decision, cap, f"{seen.bounds.why} leaves {cap:.2f}")


def _held_still(seen: Snapshot, decision: Decision, unsaid: str) -> Decision:
    """What runs may cost what it does until its budgets have said more, or less where less is left already."""
    cap, left = seen.fleet.usd_per_hour, seen.bounds.usd_per_hour
    if left is not None and (seen.bounds.still or left == 0.0):  # else the solver says how much less it is
        cap = min(left, cap)
    running, dearer = seen.fleet, decision.target.usd_per_hour > cap + _ROUNDING
    if dearer and running.usd_per_hour <= cap + _ROUNDING and running.replicas >= seen.wanted.min_replicas:
        # Others for the same dollars would end what serves for what is yet to start.
        return decision.amended(running, Reason.BUDGET_ALLOTMENT, f"{unsaid}: until then what runs stays")
    return _cut(seen, decision, cap, f"{unsaid}: until then {cap:.2f}")


def _cut(seen: Snapshot, decision: Decision, cap: float, said: str) -> Decision:
    """What costs no more than `cap` dollars per hour, but not below the least."""
    if decision.target.usd_per_hour <= cap + _ROUNDING:
        return decision
    count = decision.target.replicas
    target = _affordable(decision.target, cap, lambda fleet: fleet.usd_per_hour)
    if target.replicas < seen.wanted.min_replicas:
        target = shrunk(decision.target, min(count, seen.wanted.min_replicas))
    if target.replicas == count:
        return decision
    message = (
        f"{replica_words(count)} cost {decision.target.usd_per_hour:.2f} usd/h, {said}: "
        f"{replica_words(target.replicas)} at {target.usd_per_hour:.2f} usd/h"
    )
    return decision.amended(target, Reason.BUDGET_ALLOTMENT, message)


def _affordable(fleet: Fleet, limit_usd_per_hour: float, usd_per_hour: Callable[[Fleet], float]) -> Fleet:
    counts = range(fleet.replicas - 1, 0, -1)
    smaller = (shrunk(fleet, count) for count in counts)
    return next(
        (target for target in smaller if usd_per_hour(target) <= limit_usd_per_hour + _ROUNDING), shrunk(fleet, 0)
    )
