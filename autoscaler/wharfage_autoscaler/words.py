"""How offers, prices and refusals read: one place for the wording that status, events and reports share."""

from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.offers import Market, Offer

_MARKETS = {Market.ON_DEMAND: "on-demand", Market.SPOT: "spot", Market.RESERVED: "reserved"}


def offer_words(offer: Offer) -> str:
    """What, how rented, where: `g6e.xlarge (L40S x1) spot us-east-1a`."""
    zone = f" {offer.zone}" if offer.zone else ""
    return f"{offer.name} ({offer.accelerator} x{offer.accelerators}) {_MARKETS[offer.market]}{zone}"


def replica_words(count: int) -> str:
    """A number of replicas: `1 replica`, `3 replicas`."""
    return f"{count} replica{'' if count == 1 else 's'}"


def fleet_words(candidate: Candidate, replicas: int) -> str:
    """A fleet of one pool: `3x g6e.xlarge (L40S x1) spot`."""
    return f"{replicas}x {offer_words(candidate.offer)}"


def pools_words(fleet: Fleet) -> list[str]:
    """Every pool with its count, and with its variant where several serve: `3x g6e.xlarge (L40S x1) spot of fp8`."""
    pools = [pool for pool in fleet.pools if pool.replicas]
    several = len({pool.variant for pool in pools}) > 1
    return [f"{pool.replicas}x {offer_words(pool.offer)}{f' of {pool.variant}' if several else ''}" for pool in pools]


def priced_words(candidate: Candidate, replicas: int) -> str:
    """A fleet of one pool with what it costs."""
    return f"{fleet_words(candidate, replicas)} at {candidate.pool(replicas).usd_per_hour:.2f} usd/h"


def admission_words(offer: Offer) -> str:
    """What would make the offer obtainable."""
    zone = f" in {offer.zone}" if offer.zone else ""
    return (
        f"needs a ready {offer.machine} node, a Karpenter NodePool that admits {offer.machine} "
        f"{_MARKETS[offer.market]}{zone}, or a declared node group"
    )
