"""What every autoscaler in a comparison gets to see, and what it answers: ours and the peers', alike.

A policy is asked every `every_s` of virtual time. It may keep what it needs between two questions; everything it
learns of the world is in `Seen`. Nobody but the oracle gets the future.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.traffic import Traffic

Target = Mapping[PoolKey, int]
"""Replicas wanted per pool; a pool that is not named is wanted at 0."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSeen:
    """One serving replica's own gauges, for policies that look at replicas one by one."""

    pool: PoolKey
    running: float
    waiting: float
    kv_used: float
    kv_tokens_used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The deployment at one instant. Rates are per second over the window in the name; NaN is unknown.

    Latencies are over the requests that finished in the last minute.
    """

    now_s: float
    """Since the replay began."""
    pools: tuple[PoolSeen, ...]
    replicas: tuple[ReplicaSeen, ...] = ()
    rps_15s: float = math.nan
    rps_1m: float = math.nan
    rps_5m: float = math.nan
    finished_rps_1m: float = math.nan
    prompt_tokens_per_s: float = math.nan
    """Over a minute, like the next."""
    output_tokens_per_s: float = math.nan
    ttft_p50_s: float = math.nan
    ttft_p90_s: float = math.nan
    ttft_p95_s: float = math.nan
    tpot_p50_s: float = math.nan
    tpot_p90_s: float = math.nan
    tpot_p95_s: float = math.nan
    bad_1m: float = math.nan
    """Share of the requests finished within a minute that missed an objective."""
    bad_5m: float = math.nan
    bad_30m: float = math.nan
    objectives: Objectives
    traffic: Traffic
    """Mean lengths, as known so far."""
    least: int = 1
    most: int = 1000

    @property
    def ready(self) -> int:
        """Serving replicas of all pools."""
        return sum(pool.ready for pool in self.pools)

    @property
    def starting(self) -> int:
        """Replicas on their way, of all pools."""
        return sum(pool.starting for pool in self.pools)

    @property
    def running(self) -> float:
        """Requests under way."""
        return sum(pool.running for pool in self.pools)

    @property
    def waiting(self) -> float:
        """Requests that no engine has admitted yet."""
        return sum(pool.waiting for pool in self.pools)

    def pool(self, key: PoolKey) -> PoolSeen:
        """The pool of that identity. LookupError where it is not among those that may be used."""
        for pool in self.pools:
            if pool.key == key:
                return pool
        raise LookupError(f"{key} is no pool of this replay; it has {[pool.key for pool in self.pools]}")

    def bounded(self, replicas: float) -> int:
        """The count next to that one which is allowed."""
        return int(min(max(replicas, self.least), self.most))


class Policy(Protocol):
    """An autoscaler."""

    @property
    def name(self) -> str:
        """As tables call it, with what was tuned: `hpa(running=0.35)`."""
        ...

    @property
    def every_s(self) -> float:
        """Virtual seconds between two questions."""
        ...

    def target(self, seen: Seen) -> Target:
        """What should run."""
        ...
