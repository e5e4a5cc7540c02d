"""How much capacity the work needs: what is seen now, what is expected, what went wrong; and the count that follows."""

import math
from dataclasses import replace

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.law import Held, Law, Signals
from wharfage_autoscaler.model import Mode, Wanted
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot

_BURN_5M, _BURN_30M = 6.0, 3.0  # of the error budget per unit of time; both must exceed, so that no blip counts
_BURN_GAIN, _BURN_MOST = 0.1, 0.5
_TREND_S = 300.0


def wanted_rps(law: Law, signals: Signals, held: Held) -> float:
    """The rate that should be carried once what is ordered now serves; NaN where nothing at all is known.

    The largest of three: the load with headroom, plus its trend and its backlog; the forecast's quantile at the
    lead time; and more than is ready while objectives are being missed. Concurrency and KV use are no input:
    both stay flat until the knee and explode behind it (`algorithms.md` 3.1: 381 against 304 GPU hours).
    """
    wanted = signals.expected_rps
    if not math.isnan(signals.rps_1m):
        seen = signals.rps_1m * law.headroom + law.swing_gain * held.swing_rps
        rise = signals.rps_1m - signals.rps_5m
        if rise > (law.trend_ratio - 1.0) * signals.rps_5m:
            seen += rise * min(law.trend_reach, signals.lead_s / _TREND_S)
        seen += signals.waiting / law.drain_s
        if math.isnan(wanted) or seen > wanted:
            wanted = seen
    burn = signals.bad_5m / law.bad_budget
    if burn > _BURN_5M and signals.bad_30m / law.bad_budget > _BURN_30M:  # NaN compares false
        more = signals.ready * signals.unit_rps * (1.0 + min(_BURN_MOST, _BURN_GAIN * burn))
        if math.isnan(wanted) or more > wanted:
            wanted = more
    return wanted


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
