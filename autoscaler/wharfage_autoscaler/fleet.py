"""What runs, or should run: pools of equal replicas, and what they cost together."""

import math
from dataclasses import dataclass

from wharfage_autoscaler.offers import Market, Offer


@dataclass(frozen=True, slots=True, order=True)
class PoolKey:
    """The identity of a pool: which machine, how rented, and which weights it serves."""

    catalog: str
    offer: str
    market: Market
    zone: str
    variant: str


@dataclass(frozen=True, slots=True)
class Pool:
    """`replicas` equal replicas of one variant on one offer.

    `accelerators` is what one replica takes (its tensor-parallel size; cores for CPU).
    `ready` counts replicas that serve now; a target pool leaves it at 0.
    """

    offer: Offer
    variant: str
    replicas: int
    accelerators: int
    ready: int = 0

    @property
    def key(self) -> PoolKey:
        """The identity that survives a change of count or price."""
        return PoolKey(self.offer.catalog, self.offer.name, self.offer.market, self.offer.zone, self.variant)

    @property
    def machines(self) -> int:
        """Machines needed when only this pool's replicas share them."""
        per_machine = max(1, self.offer.accelerators // max(1, self.accelerators))
        return math.ceil(self.replicas / per_machine)

    @property
    def usd_per_hour(self) -> float:
        """Whole machines are paid for, used or not."""
        return self.machines * self.offer.usd_per_hour


@dataclass(frozen=True, slots=True)
class Fleet:
    """The pools of one deployment."""

    pools: tuple[Pool, ...] = ()

    @property
    def replicas(self) -> int:
        """Replicas over all pools."""
        return sum(pool.replicas for pool in self.pools)

    @property
    def ready(self) -> int:
        """Replicas that serve now."""
        return sum(pool.ready for pool in self.pools)

    @property
    def usd_per_hour(self) -> float:
        """What the machines of all pools cost together."""
        return sum(pool.usd_per_hour for pool in self.pools)

    def pool(self, key: PoolKey) -> Pool | None:
        """The pool of that identity, if the fleet has it."""
        return next((pool for pool in self.pools if pool.key == key), None)
