"""How many replicas the work needs."""

from dataclasses import replace

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.model import Mode, Wanted
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot


def replicas_wanted(wanted: Wanted) -> tuple[int, Reason, str]:
    """The count before any ceiling, why, and the sentence for it."""
    if wanted.mode is Mode.AUTO:
        return wanted.min_replicas, Reason.MIN_REPLICAS, f"mode Auto holds minReplicas {wanted.min_replicas}"
    return wanted.replicas, Reason.MANUAL_REPLICAS, f"mode {wanted.mode} runs replicas {wanted.replicas}"


def meet_demand(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Set the count; where nothing runs yet, the next rule builds the fleet for it."""
    count, reason, message = replicas_wanted(seen.wanted)
    return decision.amended(shrunk(decision.target, count), reason, message)


def shrunk(fleet: Fleet, replicas: int) -> Fleet:
    """At most that many replicas: pools that serve least give up theirs first, and empty pools stay listed."""
    surplus = fleet.replicas - replicas
    kept = {}
    for pool in sorted(fleet.pools, key=lambda pool: (pool.ready, -pool.usd_per_hour, pool.key)):
        taken = min(pool.replicas, max(0, surplus))
        surplus -= taken
        kept[pool.key] = replace(pool, replicas=pool.replicas - taken)
    return Fleet(tuple(kept[pool.key] for pool in fleet.pools))
