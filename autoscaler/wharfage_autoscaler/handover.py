"""Make before break: what serves is kept until what takes its place serves.

A target that runs elsewhere (another shape, another zone, spot again after an outage) is there a lead time later. Until
then as much of the surplus is kept as is missing, so a move costs money for minutes and never capacity.
"""

import math
from dataclasses import replace

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.words import offer_words, replica_words

_ROUNDING = 1e-9


def keep_until_served(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Keep serving replicas that the target does without, as long as others that it wants do not serve yet.

    Nothing where the count does not follow the load, and nothing beyond its ceilings: there a move breaks before it
    makes. Pools that can be had are kept before those that cannot, those of the target before others, the cheapest
    first.
    """
    if decision.demand is None:
        return decision
    rates = _rates(seen, memory, decision)
    ready = {pool.key: pool.ready for pool in seen.fleet.pools}
    missing_rps = sum(
        max(0, pool.replicas - ready.get(pool.key, 0)) * rates.get(pool.key, 0.0) for pool in decision.target.pools
    )
    wanted = {pool.key: pool for pool in decision.target.pools}
    gone = {offer.key for offer in seen.offers if not offer.obtainable}
    room = max(0, decision.demand.signals.most - decision.target.replicas)
    dollars = _cap(seen, decision) - decision.target.usd_per_hour
    kept: dict[PoolKey, Pool] = {}
    for pool in sorted(
        seen.fleet.pools,
        key=lambda each: (each.offer.key in gone, each.key not in wanted, each.offer.usd_per_hour, each.key),
    ):
        surplus = pool.ready - (wanted[pool.key].replicas if pool.key in wanted else 0)
        rate = rates.get(pool.key, 0.0)  # of what nobody knows all is kept
        more = 0
        while more < min(surplus, room) and missing_rps > _ROUNDING and pool.offer.usd_per_hour <= dollars + _ROUNDING:
            more += 1
            missing_rps -= rate
            dollars -= pool.offer.usd_per_hour
        if more:
            room -= more
            kept[pool.key] = replace(pool, replicas=more, ready=0)
    if not kept:
        return decision
    pools = [
        replace(pool, replicas=pool.replicas + kept[pool.key].replicas) if pool.key in kept else pool
        for pool in decision.target.pools
    ]
    target = Fleet((*pools, *(pool for key, pool in kept.items() if key not in wanted)))
    words = ", ".join(f"{replica_words(pool.replicas)} on {offer_words(pool.offer)}" for pool in kept.values())
    return decision.amended(target, Reason.SCALING, f"{words} kept until what takes over serves")


def _rates(seen: Snapshot, memory: Memory, decision: Decision) -> dict[PoolKey, float]:
    """What a replica carries, as far as an allotment of now or before has said it."""
    found = dict(memory.rates)
    allotments = (None if seen.elsewhere is None else seen.elsewhere.allotment, seen.allotment, decision.allotment)
    for allotment in allotments:
        found |= {} if allotment is None else allotment.rates
    return found


def _cap(seen: Snapshot, decision: Decision) -> float:
    """Dollars per hour that nothing may cross."""
    allotted = None if decision.allotment is None else decision.allotment.usd_per_hour
    limits = (limit for limit in (allotted, seen.wanted.usd_per_hour_limit) if limit is not None)
    return min(limits, default=math.inf)
