"""What is lost is replaced where it can be had: on-demand while spot is away."""

import math
from dataclasses import replace

from wharfage_autoscaler.allotment import Allotment, Portion, Role
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.words import offer_words, replica_words


def survive_interruption(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Move what a pool cannot give at present to one that can, until the next allotment.

    That a loss is survived at all is the allotment's doing: no pool carries so much that the others could not serve
    their share without it. This rule only orders what is missing, at once and not when it is missed.
    """
    allotment = decision.allotment
    if decision.demand is None or allotment is None:
        return decision
    gone = {offer.key for offer in seen.offers if not offer.obtainable}
    short = [pool for pool in decision.target.pools if pool.offer.key in gone and _missing(seen.fleet, pool)]
    refuge = _refuge(allotment, gone)
    if not short or refuge is None:
        return decision
    rates = allotment.rates
    lost_rps = sum(_missing(seen.fleet, pool) * rates[pool.key] for pool in short)
    kept = {pool.key: replace(pool, replicas=pool.replicas - _missing(seen.fleet, pool)) for pool in short}
    pools = [kept.get(pool.key, pool) for pool in decision.target.pools]
    more = math.ceil(lost_rps / refuge.requests_per_second - 1e-9)
    target = Fleet(tuple(pool for pool in _with(pools, refuge, more) if pool.replicas))
    away = ", ".join(offer_words(pool.offer) for pool in short)
    message = f"{away} cannot be had: {replica_words(more)} on {offer_words(refuge.pool.offer)} instead"
    return decision.amended(target, Reason.SPOT_INTERRUPTED, message)


def _missing(fleet: Fleet, wanted: Pool) -> int:
    """Replicas of a pool that are wanted and not there; what still serves is kept as long as it does."""
    there = fleet.pool(wanted.key)
    return max(0, wanted.replicas - (there.ready if there else 0))


def _refuge(allotment: Allotment, gone: set[tuple[str, str, Market, str]]) -> Portion | None:
    """The pool to fall back to: one that cannot be taken away before another spot pool, the cheapest first."""
    there = [portion for portion in allotment.shapes if portion.pool.offer.key not in gone]
    floor = [portion for portion in there if portion.role is Role.FLOOR]
    return next(iter(floor or there), None)


def _with(pools: list[Pool], refuge: Portion, more: int) -> list[Pool]:
    if any(pool.key == refuge.pool.key for pool in pools):
        return [replace(pool, replicas=pool.replicas + more) if pool.key == refuge.pool.key else pool for pool in pools]
    return [*pools, replace(refuge.pool, replicas=more)]
