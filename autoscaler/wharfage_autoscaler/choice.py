"""The offers that could carry a deployment, sorted by what keeps each from being taken.

Three questions in this order: does placement allow it, does the model fit it, can this cluster give it.
What passes all three is admitted and ranked; the rest is kept, because a good refusal names its nearest miss.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from wharfage_autoscaler.fit import Fit, Miss, fit
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.model import Placement, SpotPolicy, Variant, Wanted
from wharfage_autoscaler.offers import Market, Offer

_NEVER = 10**9  # replicas; what an offer affords without a limit


@dataclass(frozen=True, slots=True)
class Candidate:
    """One variant on one offer, and how a replica sits there."""

    variant: Variant
    offer: Offer
    fit: Fit

    def pool(self, replicas: int) -> Pool:
        """That many replicas of it, as a target."""
        return Pool(self.offer, self.variant.name, replicas, self.fit.accelerators)

    def affords(self, usd_per_hour: float | None) -> int:
        """The most replicas whose whole machines stay within the limit; None is no limit."""
        if usd_per_hour is None or self.offer.usd_per_hour <= 0:
            return _NEVER
        machines = math.floor(usd_per_hour / self.offer.usd_per_hour + 1e-9)
        return machines * max(1, self.offer.accelerators // self.fit.accelerators)


@dataclass(frozen=True, slots=True)
class Options:
    """Every offer under exactly one heading."""

    admitted: tuple[Candidate, ...] = ()  # allowed, fits, obtainable
    against_shares: tuple[Candidate, ...] = ()  # admitted but for the spot shares
    unobtainable: tuple[Candidate, ...] = ()  # allowed and fits, but nothing here gives it
    misses: tuple[Miss, ...] = ()  # allowed, does not fit; nearest first
    excluded: tuple[Offer, ...] = field(default=())  # not allowed by placement


def options(wanted: Wanted, variant: Variant, offers: Iterable[Offer]) -> Options:
    """Sort the offers by what keeps the variant from running on them."""
    admitted: list[Candidate] = []
    against_shares: list[Candidate] = []
    unobtainable: list[Candidate] = []
    misses: list[Miss] = []
    excluded: list[Offer] = []
    for offer in offers:
        if not allowed(wanted.placement, offer):
            excluded.append(offer)
            continue
        seat = fit(variant, offer, max_model_tokens=wanted.max_model_tokens, max_num_seqs=wanted.max_num_seqs)
        if isinstance(seat, Miss):
            misses.append(seat)
            continue
        candidate = Candidate(variant, offer, seat)
        if not offer.obtainable:
            unobtainable.append(candidate)
        elif not within_shares(wanted.placement, offer.market):
            against_shares.append(candidate)
        else:
            admitted.append(candidate)
    return Options(
        tuple(admitted),
        tuple(against_shares),
        tuple(unobtainable),
        tuple(sorted(misses, key=lambda miss: (miss.short_by_gib, miss.offer.key))),
        tuple(excluded),
    )


def allowed(placement: Placement, offer: Offer) -> bool:
    """Whether placement admits the offer: catalog, accelerator, market, and no label that contradicts it."""
    if placement.catalogs and offer.catalog not in placement.catalogs:
        return False
    if placement.accelerators and offer.accelerator not in placement.accelerators:
        return False
    if placement.spot is SpotPolicy.FORBID and offer.market is Market.SPOT:
        return False
    if placement.spot is SpotPolicy.REQUIRE and offer.market is not Market.SPOT:
        return False
    labels = dict(offer.node_selector)
    return all(labels.get(key, value) == value for key, value in placement.node_selector)


def within_shares(placement: Placement, market: Market) -> bool:
    """Whether one pool of this market may carry everything.

    A single pool is spot altogether or not at all, so `Allow` and `Prefer` take spot only where the shares
    permit all of it; `Forbid` and `Require` ignore the shares.
    """
    if market is not Market.SPOT or placement.spot is SpotPolicy.REQUIRE:
        return True
    return placement.max_spot_share >= 1.0 and placement.min_on_demand_share <= 0.0


def ranked(candidates: Iterable[Candidate], wanted: Wanted, replicas: int) -> tuple[Candidate, ...]:
    """Best first: carries the most within the dollar limit, then spot if preferred, then costs the least.

    Equal prices are settled by fewer interruptions, fewer accelerators and the name: the order is total.
    """
    prefer_spot = wanted.placement.spot is SpotPolicy.PREFER

    def order(candidate: Candidate) -> tuple[object, ...]:
        offer = candidate.offer
        carried = min(max(1, replicas), wanted.max_replicas, candidate.affords(wanted.usd_per_hour_limit))
        return (
            -carried,
            prefer_spot and offer.market is not Market.SPOT,
            candidate.pool(max(1, carried)).usd_per_hour,
            offer.interruptions_per_month or 0.0,
            candidate.fit.accelerators,
            offer.key,
        )

    return tuple(sorted(candidates, key=order))
