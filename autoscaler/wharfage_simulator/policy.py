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
from wharfage_autoscaler.sight import PoolSeen, Sight

Target = Mapping[PoolKey, int]
"""Replicas wanted per pool; a pool that is not named is wanted at 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSeen:
    """One serving replica's own gauges, for policies that look at replicas one by one."""

    pool: PoolKey
    running: float
    waiting: float
    kv_used: float
    kv_tokens_used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Sight):
    """What ours gets to see, and what the peers look at besides. NaN is unknown."""

    replicas: tuple[ReplicaSeen, ...] = ()
    ttft_p50_s: float = math.nan
    """Latencies are over the requests that finished in the last minute."""
    ttft_p90_s: float = math.nan
    ttft_p95_s: float = math.nan
    tpot_p90_s: float = math.nan
    tpot_p95_s: float = math.nan
    objectives: Objectives
    least: int = 1
    most: int = 1000

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
