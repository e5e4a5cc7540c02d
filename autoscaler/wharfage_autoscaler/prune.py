"""Fewer berths to choose from, such that what is dropped is hardly ever the answer.

Zones of on-demand differ in nothing but their name, so the cheapest stands for all. Of shapes, the dozen that would
carry the demand for the least are kept, and no more than three per accelerator, so that a dozen sizes of one card do
not crowd out all others. What runs is kept as well, and of what fits on reserved machines, which cost nothing more, the
four that carry most on each.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from wharfage_autoscaler.need import Berth, Need, Shape
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.supply import OfferKey, Supply

MOST_SHAPES = 12
MOST_PER_ACCELERATOR = 3
MOST_PER_RESERVED = 4


def pruned(need: Need, supply: Supply) -> Need:
    """The need with the berths worth looking at."""
    berths = _zones_pooled(need.berths, supply)
    by_shape: dict[Shape, list[Berth]] = {}
    for berth in sorted(berths, key=lambda berth: berth.order):
        by_shape.setdefault(berth.shape, []).append(berth)
    priced = {shape: _usd_per_hour(need, found, supply) for shape, found in by_shape.items()}
    ranked = sorted(by_shape, key=lambda shape: (priced[shape], shape))
    kept: set[Shape] = set()
    seen: Counter[str] = Counter()
    for shape in ranked:
        card = by_shape[shape][0].offer.accelerator
        bought = math.isfinite(priced[shape])  # and not on reserved machines only
        if bought and len(kept) < MOST_SHAPES and seen[card] < MOST_PER_ACCELERATOR:
            kept.add(shape)
            seen[card] += 1
        elif any(need.running(berth) for berth in by_shape[shape]):
            kept.add(shape)
    kept |= _reserved(by_shape, supply)
    return need.among(tuple(berth for berth in berths if berth.shape in kept))


def _reserved(by_shape: Mapping[Shape, Sequence[Berth]], supply: Supply) -> set[Shape]:
    """Per reserved offer, the shapes that carry most on a machine."""
    on: dict[OfferKey, list[tuple[float, Shape]]] = {}
    for shape, berths in by_shape.items():
        for berth in berths:
            if supply.rent(berth.offer) == 0:
                carried = berth.requests_per_second * berth.per_machine
                on.setdefault(berth.offer.key, []).append((-carried, shape))
    return {shape for found in on.values() for _, shape in sorted(found)[:MOST_PER_RESERVED]}


def _zones_pooled(berths: tuple[Berth, ...], supply: Supply) -> tuple[Berth, ...]:
    """On-demand of one machine, variant and size: the cheapest zone, or one without a count of machines before it."""
    best: dict[tuple[str, str, str, int], Berth] = {}
    for berth in sorted(berths, key=lambda berth: (berth.offer.usd_per_hour, berth.order)):
        if berth.offer.market is Market.ON_DEMAND and math.isinf(supply.most(berth.offer)):
            pool = berth.pool
            best.setdefault((pool.catalog, pool.offer, pool.variant, berth.accelerators), berth)
    dropped = {
        berth.order
        for berth in berths
        if berth.offer.market is Market.ON_DEMAND
        and math.isinf(supply.most(berth.offer))
        and best[berth.pool.catalog, berth.pool.offer, berth.pool.variant, berth.accelerators] is not berth
    }
    return tuple(berth for berth in berths if berth.order not in dropped)


def _usd_per_hour(need: Need, berths: Sequence[Berth], supply: Supply) -> float:
    """What the shape alone would take for the peak, by parts of machines, where it is cheapest and not reserved."""
    rate = berths[0].requests_per_second
    replicas = max(1.0, math.ceil(need.peak_rps / rate), need.min_replicas)
    return replicas * min(
        (berth.seat_usd_per_hour + berth.penalty_usd_per_hour for berth in berths if supply.rent(berth.offer) > 0),
        default=math.inf,
    )
