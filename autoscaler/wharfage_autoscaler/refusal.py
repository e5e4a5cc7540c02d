"""Why nothing can be had, with numbers: what to change in the spec, the catalogs or the cluster."""

from difflib import get_close_matches

from wharfage_autoscaler.choice import Candidate, Options
from wharfage_autoscaler.demand import replicas_wanted
from wharfage_autoscaler.fit import Miss
from wharfage_autoscaler.model import Placement, SpotPolicy, Wanted
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Snapshot
from wharfage_autoscaler.words import admission_words, priced_words

_SHOWN = 3


def refused(seen: Snapshot, found: tuple[Options, ...]) -> tuple[Reason, str]:
    """The reason and the sentence for a deployment that no offer can carry; `found` is what was looked at."""
    if not found:
        return _nothing_to_place(seen.wanted)
    if not seen.offers:
        return Reason.CAPACITY_UNAVAILABLE, "no catalog lists an offer: create an OfferCatalog"
    count, _, _ = replicas_wanted(seen)
    misses = sorted((m for look in found for m in look.misses), key=lambda m: (m.short_by_gib, m.offer.key))
    fitting = [c for look in found for c in (*look.unobtainable, *look.against_shares)]
    if fitting:
        return Reason.CAPACITY_UNAVAILABLE, _unobtainable(fitting, misses, seen.wanted.placement, count)
    if misses:
        nearest = "; ".join(list(dict.fromkeys(miss.message for miss in misses))[:_SHOWN])
        sources = ", ".join(dict.fromkeys(look.variant.source for look in found))
        return Reason.MODEL_DOES_NOT_FIT, f"none of {len(misses)} offers holds {sources}. Nearest: {nearest}"
    return Reason.CAPACITY_UNAVAILABLE, _excluded(seen)


def _nothing_to_place(wanted: Wanted) -> tuple[Reason, str]:
    unknown = [v for v in wanted.variants if v.quality >= wanted.quality_floor]
    if unknown:
        sources = ", ".join(variant.source for variant in unknown)
        return Reason.UNKNOWN_SHAPE, f"the shape of {sources} is not known: set shape in the spec"
    best = max(wanted.variants, key=lambda variant: variant.quality, default=None)
    offered = f"the best is {best.name} at {best.quality:g}" if best else "there is none"
    return Reason.INVALID_SPEC, f"no variant reaches qualityFloor {wanted.quality_floor:g}: {offered}"


def _unobtainable(fitting: list[Candidate], misses: list[Miss], placement: Placement, count: int) -> str:
    cheapest = sorted(fitting, key=lambda c: (c.usd_per_hour(count), c.pool(0).key))[:_SHOWN]
    rows = "; ".join(f"{priced_words(c, max(1, count))}: {_why_not(c, placement)}" for c in cheapest)
    here = next((miss for miss in misses if miss.offer.obtainable), None)
    too_small = f". Obtainable but too small: {here.message}" if here else ""
    return f"{len(fitting)} offers fit, none can be had. Cheapest: {rows}{too_small}"


def _why_not(candidate: Candidate, placement: Placement) -> str:
    if not candidate.offer.obtainable:
        return admission_words(candidate.offer)
    return (
        f"would be all spot: set maxShare 1 and minOnDemandShare 0 (now {placement.max_spot_share:g} and "
        f"{placement.min_on_demand_share:g}), or policy Require"
    )


def _excluded(seen: Snapshot) -> str:
    """Which of placement's fields leave nothing over, and what the catalogs would offer."""
    placement = seen.wanted.placement
    stated = [
        f"catalogs {', '.join(placement.catalogs)}" if placement.catalogs else "",
        f"accelerators {', '.join(placement.accelerators)}" if placement.accelerators else "",
        f"spot policy {placement.spot}" if placement.spot in (SpotPolicy.FORBID, SpotPolicy.REQUIRE) else "",
        "nodeSelector" if placement.node_selector else "",
    ]
    there = sorted({f"{offer.accelerator} ({offer.catalog}, {offer.market})" for offer in seen.offers})
    listed = ", ".join(there[: 2 * _SHOWN]) + (", ..." if len(there) > 2 * _SHOWN else "")
    said = f"placement ({'; '.join(filter(None, stated))}) excludes all {len(seen.offers)} offers: {listed}"
    return said + _misspelt(seen)


def _misspelt(seen: Snapshot) -> str:
    """The nearest names to accelerators that no offer has: `l4` is none, `L4` is."""
    there = sorted({offer.accelerator for offer in seen.offers})
    by_capitals = {name.upper(): name for name in there}
    meant = (
        (name, by_capitals[close[0]])
        for name in seen.wanted.placement.accelerators
        if name not in there and (close := get_close_matches(name.upper(), by_capitals, n=1, cutoff=0.5))
    )
    return "".join(f"; no offer has {name}, the nearest name is {close}" for name, close in meant)
