"""What no decision may cross: the largest count, and dollars per hour. Ceilings win over floors."""

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.demand import shrunk
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot


def respect_ceilings(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Lower the count until `max_replicas` and the dollar limit hold, to zero if it must be."""
    wanted = seen.wanted
    before = decision.target.replicas
    if before > wanted.max_replicas:
        message = f"{before} replicas wanted, maxReplicas is {wanted.max_replicas}"
        decision = decision.amended(shrunk(decision.target, wanted.max_replicas), Reason.MAX_REPLICAS, message)
    limit = wanted.usd_per_hour_limit
    if limit is None or decision.target.usd_per_hour <= limit:
        return decision
    target = decision.target
    count = target.replicas
    while count > 0 and target.usd_per_hour > limit:
        count -= 1
        target = shrunk(decision.target, count)
    message = (
        f"{decision.target.replicas} replicas cost {decision.target.usd_per_hour:.2f} usd/h, limits.usdPerHour is "
        f"{limit:.2f}: {count} replicas at {target.usd_per_hour:.2f} usd/h"
    )
    return decision.amended(target, Reason.USD_PER_HOUR_LIMIT, message)
