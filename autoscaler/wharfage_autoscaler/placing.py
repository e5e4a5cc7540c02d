"""Where the replicas run: the cheapest offer that fits and that this cluster can give, kept while it stays so."""

from dataclasses import replace

from wharfage_autoscaler.allotment import Allotment, demand_of, spread
from wharfage_autoscaler.choice import Candidate, Options, options, ranked
from wharfage_autoscaler.decision import Decision, Rejected
from wharfage_autoscaler.demand import replicas_wanted
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.model import Placement, SpotPolicy, Wanted
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.refusal import refused
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.words import (
    admission_words,
    fleet_words,
    offer_words,
    pools_words,
    priced_words,
    replica_words,
)

_SHOWN = 3  # rows of each kind: enough to act on, short enough to read
_CENT = 0.005  # usd/h; smaller differences read as 0.00


def choose_shape(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Pick one offer and market for all replicas, or leave what runs and say what stands in the way."""
    wanted = seen.wanted
    if decision.demand is not None and decision.allotment is not None:
        return _allotted(decision.allotment, int(decision.demand.held.replicas), decision)
    if seen.kept > wanted.min_replicas and seen.fleet.pools:
        return decision  # where it runs is as little known to be wrong as how many
    found = tuple(
        options(wanted, variant, seen.offers)
        for variant in wanted.variants
        if variant.quality >= wanted.quality_floor and variant.shape is not None
    )
    best = next((look for look in found if look.admitted), None)
    if best is None:
        reason, message = refused(seen, found)
        return decision.amended(decision.target, reason, message)

    count, _, _ = replicas_wanted(seen)
    order = ranked(best.admitted, wanted, count)
    current = _current(seen.fleet, memory, found)
    if current is not None and current.carries(wanted, count) >= order[0].carries(wanted, count):
        runs = seen.fleet.replicas > 0
        taken, reason, message = current, Reason.KEPT_OFFER, _kept(current, order[0], count, runs=runs)
    else:
        taken, reason, message = order[0], Reason.CHEAPEST_OFFER, _cheapest(order, count)
    rejected = _next_best(taken, order, wanted, count) + _out_of_reach(taken, found, wanted.placement, count)
    return replace(decision.amended(Fleet((taken.pool(count),)), reason, message), rejected=rejected)


def _allotted(allotment: Allotment, count: int, decision: Decision) -> Decision:
    """The pools that were allotted, at a size that so many replicas of their mixture are worth."""
    fleet = spread(allotment, demand_of(allotment, count))
    message = f"{', '.join(pools_words(fleet)) or 'nothing'} at {fleet.usd_per_hour:.2f} usd/h, as allotted"
    decision = replace(decision, rejected=decision.rejected or allotment.rejected)
    return decision.amended(fleet, Reason.ALLOTTED, message)


def _current(fleet: Fleet, memory: Memory, found: tuple[Options, ...]) -> Candidate | None:
    """The admitted candidate that already runs: the one last aimed for, else the one that serves most."""
    if not fleet.pools:
        return None
    admitted = {candidate.pool(0).key: candidate for look in found for candidate in look.admitted}
    pools = sorted(fleet.pools, key=lambda pool: (pool.key not in memory.target, -pool.ready, -pool.replicas, pool.key))
    return next((admitted[pool.key] for pool in pools if pool.key in admitted), None)


def _cheapest(order: tuple[Candidate, ...], count: int) -> str:
    taken = order[0]
    among = f"cheapest of {len(order)} that fit and are obtainable" if len(order) > 1 else "the only one that fits"
    return f"{priced_words(taken, count)}, {among}, through {taken.offer.obtainable}: {taken.fit}"


def _kept(taken: Candidate, cheapest: Candidate, count: int, *, runs: bool) -> str:
    saving = taken.usd_per_hour(count) - cheapest.usd_per_hour(count)
    cheaper = f"; {offer_words(cheapest.offer)} would save {saving:.2f} usd/h" if saving >= _CENT else ""
    return f"{priced_words(taken, count)}, as it {'runs' if runs else 'ran'}{cheaper}: {taken.fit}"


def _next_best(taken: Candidate, order: tuple[Candidate, ...], wanted: Wanted, count: int) -> tuple[Rejected, ...]:
    """What could be had instead, best first."""
    others = [other for other in order if other is not taken][:_SHOWN]
    return tuple(
        Rejected(fleet_words(other, count), other.usd_per_hour(count), _why_not(other, taken, wanted, count))
        for other in others
    )


def _why_not(other: Candidate, taken: Candidate, wanted: Wanted, count: int) -> str:
    carried = other.carries(wanted, count)
    if carried < taken.carries(wanted, count):
        return f"carries {carried} of {replica_words(max(1, count))} within {wanted.usd_per_hour_limit or 0:.2f} usd/h"
    difference = other.usd_per_hour(count) - taken.usd_per_hour(count)
    if difference >= _CENT:
        return f"dearer by {difference:.2f} usd/h"
    if difference > -_CENT:
        return "costs the same"
    if wanted.placement.spot is SpotPolicy.PREFER and taken.offer.market != other.offer.market:
        return f"cheaper by {-difference:.2f} usd/h, but not spot, which placement prefers"
    return f"cheaper by {-difference:.2f} usd/h; what runs is kept"


def _out_of_reach(
    taken: Candidate, found: tuple[Options, ...], placement: Placement, count: int
) -> tuple[Rejected, ...]:
    """What would be cheaper but for the spot shares, the cluster or the quality of the variant; cheapest first."""
    shares = f"all spot: maxShare {placement.max_spot_share:g}, minOnDemandShare {placement.min_on_demand_share:g}"
    rows = [
        *((candidate, shares) for look in found for candidate in look.against_shares),
        *((c, f"not obtainable: {admission_words(c.offer)}") for look in found for c in look.unobtainable),
        *(
            (candidate, f"variant {candidate.variant.name} has quality {candidate.variant.quality:g}")
            for look in found
            for candidate in look.admitted
            if candidate.variant.quality < taken.variant.quality
        ),
    ]
    cheaper = [row for row in rows if taken.usd_per_hour(count) - row[0].usd_per_hour(count) >= _CENT]
    cheaper.sort(key=lambda row: (row[0].usd_per_hour(count), row[0].pool(0).key))
    return tuple(Rejected(fleet_words(c, count), c.usd_per_hour(count), why) for c, why in cheaper[:_SHOWN])
