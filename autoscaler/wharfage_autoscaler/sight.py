"""One deployment at one instant: what its metrics, and the cache of its cluster, can say of it.

Whoever looks makes a new one at every look: the operator out of measurements and objects, a replay out of its own
books. A rate, share or latency that is not known is NaN, and NaN is never taken for zero.
"""

import math
from dataclasses import dataclass, replace

from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.traffic import Traffic

_SOMETHING = "market"
"""What gives a machine of which nobody said what would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSeen:
    """One pool that may be used, running or not. Sums are over its serving replicas."""

    offer: Offer
    variant: str
    accelerators: int
    """Of one replica."""
    good_rps: float
    """What a replica carries within the objectives, by the capacity model."""
    planned_rps: float
    """What it is planned for."""
    slots: float
    """Sequences that a replica runs at once (`max_num_seqs`)."""
    kv_tokens: float
    """Its KV cache."""
    lead_s: float
    """From order to first answer, as learned so far."""
    obtainable: bool = True
    """Whether an order would be filled now, as far as one can know before asking: false after a refusal or a loss."""
    ready: int = 0
    starting: int = 0
    """Ordered and not serving yet, with or without a machine."""
    draining: int = 0
    leaving: int = 0
    """Of the serving ones, those that an interruption notice names."""
    running: float = 0.0
    waiting: float = 0.0
    kv_used: float = 0.0
    """Mean share of the KV cache in use, 0 to 1."""

    @property
    def key(self) -> PoolKey:
        """The pool's identity."""
        return PoolKey(self.offer.catalog, self.offer.name, self.offer.market, self.offer.zone, self.variant)

    @property
    def usd_per_hour(self) -> float:
        """Of one replica: its part of the machine."""
        return self.offer.usd_per_hour / max(1, self.offer.accelerators // max(1, self.accelerators))

    @property
    def offered(self) -> Offer:
        """The offer, with what gives its machines now: nothing does, where none can be had."""
        if self.obtainable == bool(self.offer.obtainable):
            return self.offer
        return replace(self.offer, obtainable=_SOMETHING if self.obtainable else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Rates are per second over the window in the name; latencies over the requests finished within a minute."""

    now_s: float
    """On one clock: Unix seconds in a cluster, those since the beginning in a replay."""
    pools: tuple[PoolSeen, ...]
    """In the same order at every look, as far as they are the same."""
    traffic: Traffic
    """Mean lengths, as known so far."""
    rps_15s: float = math.nan
    rps_1m: float = math.nan
    rps_5m: float = math.nan
    finished_rps_1m: float = math.nan
    prompt_tokens_per_s: float = math.nan
    """Over a minute, like the next."""
    output_tokens_per_s: float = math.nan
    tpot_p50_s: float = math.nan
    bad_1m: float = math.nan
    """Share of the requests finished within a minute that missed an objective."""
    bad_5m: float = math.nan
    bad_30m: float = math.nan

    @property
    def ready(self) -> int:
        """Serving replicas of all pools."""
        return sum(pool.ready for pool in self.pools)

    @property
    def starting(self) -> int:
        """Replicas on their way, of all pools."""
        return sum(pool.starting for pool in self.pools)

    @property
    def lead_s(self) -> float:
        """The longest from an order to its first answer: so far ahead the load must be known. 0 without pools."""
        return max((pool.lead_s for pool in self.pools), default=0.0)

    @property
    def running(self) -> float:
        """Requests under way."""
        return sum(pool.running for pool in self.pools)

    @property
    def waiting(self) -> float:
        """Requests that no engine has admitted yet."""
        return sum(pool.waiting for pool in self.pools)

    @property
    def room_rps(self) -> float:
        """What the serving replicas carry within the objectives."""
        return sum(pool.ready * pool.good_rps for pool in self.pools)

    @property
    def obtainable(self) -> tuple[bool, ...]:
        """Of each pool, whether an order would be filled now."""
        return tuple(pool.obtainable for pool in self.pools)

    @property
    def fleet(self) -> Fleet:
        """What runs or is on its way."""
        return Fleet(
            tuple(
                Pool(pool.offer, pool.variant, pool.ready + pool.starting, pool.accelerators, ready=pool.ready)
                for pool in self.pools
                if pool.ready or pool.starting
            )
        )
