"""The offers that could carry a deployment, sorted by what keeps each from being taken.

Three questions in this order: does placement allow it, does the model fit it, can this cluster give it.
What passes all three is admitted and ranked; the rest is kept, because a good refusal names its nearest miss.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wharfage_autoscaler.fit import Fit, Miss, fit, named
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.model import Placement, SpotPolicy, Variant, Wanted
from wharfage_autoscaler.offers import Market, Offer

_UNLIMITED = 10**9  # replicas, where no price bounds them
_SLOWEST_S_PER_TOKEN = 0.1  # on a CPU that nobody asked for; the API's default objective

_ORDER_OF_MARKETS = {Market.RESERVED: 0, Market.ON_DEMAND: 1, Market.SPOT: 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One variant on one offer, and how a replica sits there."""

    variant: Variant
    offer: Offer
    fit: Fit

    def pool(self, replicas: int) -> Pool:
        """That many replicas of it, as a target."""
        return Pool(self.offer, self.variant.name, replicas, self.fit.accelerators)

    def usd_per_hour(self, replicas: int) -> float:
        """What that many replicas cost, and at least one, so that a count of zero still compares prices."""
        return self.pool(max(1, replicas)).usd_per_hour

    def carries(self, wanted: Wanted, replicas: int) -> int:
        """Of that many replicas (at least one), those that fit under `max_replicas` and the dollar limit."""
        return min(max(1, replicas), wanted.max_replicas, self._affordable(wanted.usd_per_hour_limit))

    def _affordable(self, limit_usd_per_hour: float | None) -> int:
        if limit_usd_per_hour is None or self.offer.usd_per_hour <= 0:
            return _UNLIMITED
        machines = math.floor(limit_usd_per_hour / self.offer.usd_per_hour + 1e-9)
        return machines * max(1, self.offer.accelerators // self.fit.accelerators)


@dataclass(frozen=True, slots=True)
class Options:
    """Every offer under exactly one heading, for one variant."""

    variant: Variant
    admitted: tuple[Candidate, ...]  # allowed, fits, obtainable
    against_shares: tuple[Candidate, ...]  # admitted but for the spot shares
    unobtainable: tuple[Candidate, ...]  # allowed and fits, but nothing here gives it
    misses: tuple[Miss, ...]  # allowed, does not fit; nearest first
    excluded: tuple[Offer, ...]  # not allowed by placement


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
        seat = _seat(wanted, variant, offer)
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
    misses.sort(key=lambda miss: (miss.short_by_gib, miss.offer.key))
    return Options(variant, tuple(admitted), tuple(against_shares), tuple(unobtainable), tuple(misses), tuple(excluded))


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
    if not placement.node_selector:
        return True
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
    """Best first: carries the most under the ceilings, then spot if preferred, then costs the least.

    Equal prices are settled by the safer market, fewer interruptions, fewer accelerators and the name: the
    order is total.
    """
    prefers_spot = wanted.placement.spot is SpotPolicy.PREFER

    def order(candidate: Candidate) -> tuple[int, bool, float, int, float, int, tuple[str, str, Market, str]]:
        offer = candidate.offer
        carried = candidate.carries(wanted, replicas)
        return (
            -carried,
            prefers_spot and offer.market is not Market.SPOT,
            candidate.usd_per_hour(carried),
            _ORDER_OF_MARKETS[offer.market],
            offer.interruptions_per_month or 0.0,
            candidate.fit.accelerators,
            offer.key,
        )

    return tuple(sorted(candidates, key=order))


def _seat(wanted: Wanted, variant: Variant, offer: Offer) -> Fit | Miss:
    """How the variant sits there; a CPU too slow to be useful is taken only where placement names it.

    By price alone a large model would land on an idle server at two tokens per second.
    """
    seat = fit(variant, offer, max_model_tokens=wanted.max_model_tokens, max_num_seqs=wanted.max_num_seqs)
    if isinstance(seat, Miss) or seat.seconds_per_token is None or offer.accelerator in wanted.placement.accelerators:
        return seat
    if seat.seconds_per_token <= _SLOWEST_S_PER_TOKEN:
        return seat
    message = (
        f"{named(offer)}: too slow: {seat.seconds_per_token * 1000:.0f} ms per token on {seat.accelerators} cores, "
        f"{_SLOWEST_S_PER_TOKEN * 1000:.0f} wanted; placement.accelerators: [{offer.accelerator}] accepts it"
    )
    return Miss(offer, math.inf, message)
