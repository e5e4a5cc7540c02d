"""How likely spot pools are lost together, and what must run elsewhere to survive it.

Clouds take machines back in waves: pools of one region fall together far more often than chance would have it. So
losses are tied: with some chance all pools share one fate, else those of one region do, else each has its own.

    P(lost) = across x [one fate for all] + (1 - across) x product over regions of
              ( within x [one fate for the region] + (1 - within) x [each pool for itself] )

One fate means that a pool is lost when a common draw falls below its own chance. A catalog is a region.
Ties and priors are fitted to the spot traces of "Can't Be Late" (NSDI 2024, skypilot-org/spot-traces, nine AWS zones,
V100, 45 days from 2023-02-15).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from wharfage_autoscaler.offers import Offer

HOURS_PER_MONTH = 730.0
UNKNOWN_INTERRUPTIONS_PER_MONTH = 171.0
"""Where a catalog states none: the median zone of the traces lost its machine .234 times an hour."""

MOST_POOLS = 6
"""Patterns of loss are enumerated over this many pools; 2^6 of them."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Ties:
    """How much of a pool's risk it shares: with every other pool, and with those of its region (both included)."""

    across: float
    region: float

    @property
    def within(self) -> float:
        """The share inside a region where the pools of all regions do not already share one fate."""
        return (self.region - self.across) / (1.0 - self.across)


LOST = Ties(across=0.05, region=0.29)
"""Pools that run now and are lost within the same ten minutes."""


@dataclass(frozen=True, slots=True, order=True)
class SpotPool:
    """Machines of one kind in one place: what a cloud takes back at once."""

    catalog: str
    machine: str
    zone: str


@dataclass(frozen=True, slots=True)
class Risk:
    """A pool, and the chance that it is out."""

    pool: SpotPool
    chance: float


@dataclass(frozen=True, slots=True)
class Outage:
    """Exactly these pools are out, all others are not."""

    pools: frozenset[SpotPool]
    chance: float


def spot_pool(offer: Offer) -> SpotPool:
    """The pool that a spot offer's machines come from; offers of one machine and zone share it."""
    return SpotPool(offer.catalog, offer.machine, offer.zone)


def interruptions_per_hour(offer: Offer) -> float:
    """How often a machine of the offer is taken back, by its catalog or else by the prior."""
    stated = offer.interruptions_per_month
    return (UNKNOWN_INTERRUPTIONS_PER_MONTH if stated is None else stated) / HOURS_PER_MONTH


def loss_chance(per_hour: float, within_s: float) -> float:
    """The chance that a pool that runs now is lost within the time that a replacement takes."""
    return -math.expm1(-per_hour * within_s / 3600.0)


def outages(risks: Sequence[Risk], ties: Ties = LOST) -> tuple[Outage, ...]:
    """Every pattern of loss that can happen, most likely first; the chances sum to 1.

    Raises:
        ValueError: for more than `MOST_POOLS` pools, or the same pool twice.

    """
    if len(risks) > MOST_POOLS:
        raise ValueError(f"{len(risks)} spot pools, at most {MOST_POOLS} are enumerated: keep those that carry most")
    if len({risk.pool for risk in risks}) < len(risks):
        raise ValueError("the same spot pool twice: add up what it carries first")
    risks = sorted(risks, key=lambda risk: risk.pool)  # rounding must not tell orders apart
    regions = [[r for r in risks if r.pool.catalog == name] for name in sorted({r.pool.catalog for r in risks})]
    apart = _product([_mixed(ties.within, _one_fate(region), _each_its_own(region)) for region in regions])
    chances = _mixed(ties.across, _one_fate(risks), apart)
    found = (Outage(pools, chance) for pools, chance in chances.items() if chance > 0)
    return tuple(sorted(found, key=lambda outage: (-outage.chance, len(outage.pools), sorted(outage.pools))))


def uncovered(
    spot_rps: Mapping[SpotPool, float], steady_rps: float, needed_rps: float, risks: Iterable[Risk], *, allowed: float
) -> Outage | None:
    """The likeliest loss that leaves less than is needed; None where all such together are rarer than `allowed`.

    `spot_rps` is what each pool carries, `steady_rps` what runs on-demand or reserved. Of more than `MOST_POOLS`
    pools those that carry least count as lost throughout, which errs to the safe side.
    """
    carrying = sorted((r for r in risks if spot_rps.get(r.pool, 0.0) > 0), key=lambda r: (-spot_rps[r.pool], r.pool))
    kept, lost = carrying[:MOST_POOLS], frozenset(risk.pool for risk in carrying[MOST_POOLS:])
    enough = needed_rps * (1.0 - _ROUNDING)
    short = [
        outage
        for outage in outages(kept)
        if steady_rps + sum(spot_rps[risk.pool] for risk in kept if risk.pool not in outage.pools) < enough
    ]
    if sum(outage.chance for outage in short) <= allowed:
        return None
    return Outage(short[0].pools | lost, short[0].chance)


_Chances = Mapping[frozenset[SpotPool], float]


def _one_fate(risks: Sequence[Risk]) -> _Chances:
    """All pools judged by one draw: those whose chance lies above it are out."""
    levels = sorted({0.0, 1.0, *(risk.chance for risk in risks)})
    return {
        frozenset(risk.pool for risk in risks if risk.chance >= above): above - below
        for below, above in pairwise(levels)
    }


def _each_its_own(risks: Sequence[Risk]) -> _Chances:
    return {
        frozenset(risk.pool for risk, out in zip(risks, fate, strict=True) if out): math.prod(
            risk.chance if out else 1.0 - risk.chance for risk, out in zip(risks, fate, strict=True)
        )
        for fate in product((False, True), repeat=len(risks))
    }


def _mixed(share: float, one: _Chances, other: _Chances) -> _Chances:
    keys = sorted({*one, *other}, key=sorted)
    return {pools: share * one.get(pools, 0.0) + (1.0 - share) * other.get(pools, 0.0) for pools in keys}


def _product(regions: Sequence[_Chances]) -> _Chances:
    chances: dict[frozenset[SpotPool], float] = {}
    for fates in product(*(region.items() for region in regions)):
        pools = frozenset[SpotPool]().union(*(out for out, _ in fates))
        chances[pools] = chances.get(pools, 0.0) + math.prod(chance for _, chance in fates)
    return chances
