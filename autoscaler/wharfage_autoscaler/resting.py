"""The rule that gives up the last replica where nobody asks, and keeps it so until somebody does."""

from wharfage_autoscaler.behavior import Select
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.demand import shrunk
from wharfage_autoscaler.idle import Idle
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot


def rest_when_idle(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Nothing runs while it sleeps. It falls asleep where the load is known to be none and zero pays.

    Never while more than the last replica is wanted, as by a forecast; and never for want of data, since a time of
    which nothing is known counts as none of silence.
    """
    idle = seen.idle
    if idle is None:
        return decision
    nothing = shrunk(decision.target, 0)
    if idle.asleep:
        return decision.amended(nothing, Reason.AT_ZERO, f"nothing runs until it is woken; {_again(idle)}")
    if idle.woken and not seen.fleet.ready and decision.target.replicas:
        return decision.amended(
            decision.target, Reason.WAKING, f"woken: it serves about {idle.lead_s:.0f} s after that"
        )
    if decision.demand is None or decision.demand.held.replicas > 1.0 or not _silent(seen) or _kept(seen, idle):
        return decision
    usd_per_hour = decision.target.usd_per_hour
    if not idle.pays(usd_per_hour):
        return decision
    message = (
        f"no request for {idle.so_far_s:.0f} s, and {idle.left_s:.0f} s more are expected: they would cost "
        f"{idle.warm_usd(usd_per_hour):.3g} usd at {usd_per_hour:.2f} usd/h, a cold start costs "
        f"{idle.cold_start_usd:.3g} usd; {_again(idle)}"
    )
    return decision.amended(nothing, Reason.AT_ZERO, message)


def _silent(seen: Snapshot) -> bool:
    load = seen.load
    return load is not None and not (load.requests_per_second or load.running or load.waiting)


def _kept(seen: Snapshot, idle: Idle) -> bool:
    """Whether the user's `behavior` has nothing go down, or not yet."""
    behavior = seen.wanted.behavior
    return behavior is not None and (behavior.down.select is Select.DISABLED or idle.so_far_s < behavior.down.window_s)


def _again(idle: Idle) -> str:
    return f"it serves about {idle.lead_s:.0f} s after it is woken"
