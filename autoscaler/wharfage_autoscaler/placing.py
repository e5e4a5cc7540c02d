"""Where the replicas run: the cheapest offer that fits and that this cluster can give, kept while it stays so."""

from wharfage_autoscaler.choice import Candidate, Options, options, ranked
from wharfage_autoscaler.decision import Decision, Rejected
from wharfage_autoscaler.demand import replicas_wanted
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot

_SHOWN = 3  # rows of each kind in a message or a list: enough to act on, short enough to read


def choose_shape(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Pick one offer and market for all replicas, or leave what runs and say what stands in the way."""
    wanted = seen.wanted
    count, _, _ = replicas_wanted(wanted)
    variants = tuple(variant for variant in wanted.variants if variant.quality >= wanted.quality_floor)
    if not variants:
        best = max(wanted.variants, key=lambda variant: variant.quality)
        message = (
            f"no variant reaches qualityFloor {wanted.quality_floor:g}; the best is {best.name} at {best.quality:g}"
        )
        return decision.amended(decision.target, Reason.INVALID_SPEC, message)
    known = tuple(variant for variant in variants if variant.shape is not None)
    if not known:
        message = f"the shape of {variants[0].source} is not known and not in the built-in table: set spec.model.shape"
        return decision.amended(decision.target, Reason.UNKNOWN_SHAPE, message)
    looked = tuple((variant, options(wanted, variant, seen.offers)) for variant in known)
    admitted = tuple(candidate for _, found in looked for candidate in found.admitted)
    if not admitted:
        return _refused(seen, decision, looked)

    best_variant = next(variant for variant, found in looked if found.admitted)
    order = ranked((c for c in admitted if c.variant is best_variant), wanted, count)
    chosen = order[0]
    current = _current(seen.fleet, memory, admitted)
    limit = wanted.usd_per_hour_limit
    kept = current is not None and min(count, current.affords(limit)) >= min(count, chosen.affords(limit))
    taken = current if kept and current is not None else chosen
    rejected = _rejected(taken, count, order, tuple(found for _, found in looked))
    target = Fleet((taken.pool(count),))
    if taken is current:
        reason, message = Reason.KEPT_OFFER, _kept(taken, chosen, count)
    else:
        reason, message = Reason.CHEAPEST_OFFER, _cheapest(taken, count, len(admitted))
    amended = decision.amended(target, reason, message)
    return Decision(amended.target, amended.steps, rejected)


def _current(fleet: Fleet, memory: Memory, admitted: tuple[Candidate, ...]) -> Candidate | None:
    """The admitted candidate that already runs: the one last aimed for, else the one that serves most."""
    pools = sorted(fleet.pools, key=lambda pool: (pool.key not in memory.target, -pool.ready, -pool.replicas, pool.key))
    by_key = {_key(candidate): candidate for candidate in admitted}
    return next((by_key[pool.key] for pool in pools if pool.key in by_key), None)


def _key(candidate: Candidate) -> PoolKey:
    return candidate.pool(0).key


def _cheapest(taken: Candidate, count: int, among: int) -> str:
    others = (
        f"cheapest of {among} offers that fit and are obtainable"
        if among > 1
        else "the only obtainable offer that fits"
    )
    return f"{_costed(taken, count)}, through {taken.offer.obtainable}: {others}; {taken.fit}"


def _kept(taken: Candidate, cheapest: Candidate, count: int) -> str:
    saving = taken.pool(max(1, count)).usd_per_hour - cheapest.pool(max(1, count)).usd_per_hour
    if saving < 0.005:
        return f"stays on {_costed(taken, count)}; {taken.fit}"
    return f"stays on {_costed(taken, count)}; {label(cheapest.offer)} would save {saving:.2f} usd/h; {taken.fit}"


def _rejected(
    taken: Candidate, count: int, order: tuple[Candidate, ...], found: tuple[Options, ...]
) -> tuple[Rejected, ...]:
    """The next best that could be had, then what would be cheaper but cannot."""
    price = taken.pool(max(1, count)).usd_per_hour
    next_best = tuple(_next_best(other, count, price) for other in order if other is not taken)[:_SHOWN]
    barred = [
        (candidate, "all replicas would be spot: maxShare and minOnDemandShare do not permit it")
        for options_ in found
        for candidate in options_.against_shares
    ] + [
        (candidate, f"nothing in this cluster gives it: {admits(candidate.offer)}")
        for options_ in found
        for candidate in options_.unobtainable
    ]
    barred = [row for row in barred if row[0].pool(max(1, count)).usd_per_hour < price - 0.005]
    barred.sort(key=lambda row: (row[0].pool(max(1, count)).usd_per_hour, row[0].offer.key, row[0].variant.name))
    return next_best + tuple(
        Rejected(fleet_label(candidate, count), candidate.pool(max(1, count)).usd_per_hour, why)
        for candidate, why in barred[:_SHOWN]
    )


def _next_best(other: Candidate, count: int, price: float) -> Rejected:
    cost = other.pool(max(1, count)).usd_per_hour
    if cost >= price:
        return Rejected(fleet_label(other, count), cost, f"dearer by {cost - price:.2f} usd/h")
    return Rejected(
        fleet_label(other, count), cost, f"cheaper by {price - cost:.2f} usd/h, but a running pool is not moved"
    )


def _refused(seen: Snapshot, decision: Decision, looked: tuple[tuple[Variant, Options], ...]) -> Decision:
    """Nothing can be had: the observed fleet stays, and the step says what would help."""
    if not seen.offers:
        message = "no catalog lists an offer: create an OfferCatalog, or correct placement.catalogs"
        return decision.amended(decision.target, Reason.CAPACITY_UNAVAILABLE, message)
    count, _, _ = replicas_wanted(seen.wanted)
    fitting = [c for _, found in looked for c in (*found.unobtainable, *found.against_shares)]
    if fitting:
        fitting.sort(key=lambda c: (c.pool(max(1, count)).usd_per_hour, c.offer.key, c.variant.name))
        rows = "; ".join(f"{_costed(c, count)}: {_why_not(c)}" for c in fitting[:_SHOWN])
        message = f"{len(fitting)} offers fit, but this cluster gives none of them. Cheapest: {rows}"
        return decision.amended(decision.target, Reason.CAPACITY_UNAVAILABLE, message)
    misses = sorted((m for _, found in looked for m in found.misses), key=lambda m: (m.short_by_gib, m.offer.key))
    if misses:
        rows = "; ".join(dict.fromkeys(miss.message for miss in misses))
        nearest = "; ".join(rows.split("; ")[:_SHOWN])
        message = f"none of {len(misses)} offers holds {looked[0][0].source}. Nearest: {nearest}"
        return decision.amended(decision.target, Reason.MODEL_DOES_NOT_FIT, message)
    message = f"placement excludes all {len(seen.offers)} offers"
    return decision.amended(decision.target, Reason.CAPACITY_UNAVAILABLE, message)


def _why_not(candidate: Candidate) -> str:
    if candidate.offer.obtainable:
        return "all replicas would be spot, which the shares do not permit"
    return admits(candidate.offer)


def admits(offer: Offer) -> str:
    """What would make the offer obtainable."""
    zone = f" in {offer.zone}" if offer.zone else ""
    return (
        f"needs a ready {offer.machine} node, a Karpenter NodePool that admits {offer.machine} "
        f"{_MARKETS[offer.market]}{zone}, or a declared node group"
    )


_MARKETS = {Market.ON_DEMAND: "on-demand", Market.SPOT: "spot", Market.RESERVED: "reserved"}


def label(offer: Offer) -> str:
    """An offer in words: what, how rented, where."""
    zone = f" {offer.zone}" if offer.zone else ""
    return f"{offer.name} ({offer.accelerator} x{offer.accelerators}) {_MARKETS[offer.market]}{zone}"


def fleet_label(candidate: Candidate, count: int) -> str:
    """A fleet in a few words, such as `2x H100 spot`."""
    return f"{count}x {label(candidate.offer)}"


def _costed(candidate: Candidate, count: int) -> str:
    pool = candidate.pool(count)
    return f"{count}x {label(candidate.offer)} at {pool.usd_per_hour:.2f} usd/h"
