"""What a comparison knows before a replay begins, and policies are made from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.sight import PoolSeen
from wharfage_autoscaler.steptime import StepTime

from wharfage_simulator.fluid import Floats

Setting = Mapping[str, Any]
"""Arguments of a policy by keyword: one of those that tuning may choose from."""

SHARES = (0.7, 0.5, 0.42, 0.35, 0.28, 0.2)
"""Of the sequences that a replica works on at its best rate: targets for the requests in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The pools, and what belongs to the half of the trace before the one that is scored.

    Only the oracle reads `arrivals`; they are of the scored half, requests per tick of `tick_s`.
    """

    pools: tuple[PoolSeen, ...]
    pool: PoolKey
    """The one on which policies run that choose no more than a count."""
    training_rps: tuple[float, ...] = ()
    """Requests per second in each minute of the training half; NaN is unknown."""
    best_sequences: float = math.nan
    """That decode at once in a replica of `pool` when it carries its good rate (`Capacity.sequences`)."""
    best_kv_used: float = math.nan
    """Share of its cache that they take, 0 to 1."""
    step: StepTime | None = None
    """Of a replica in `pool`: what a sweep before deployment would measure."""
    arrivals: Floats | None = None
    tick_s: float = 15.0

    def __post_init__(self) -> None:
        """Refuse a pool that is not among the pools."""
        if all(pool.key != self.pool for pool in self.pools):
            raise ValueError(f"scene: {self.pool} is not among {[pool.key for pool in self.pools]}")

    @property
    def sequences(self) -> float:
        """What targets for requests in flight are shares of: `best_sequences`, or all slots where that is unknown."""
        return self.seen.slots if math.isnan(self.best_sequences) else self.best_sequences

    @property
    def kv_used(self) -> float:
        """What targets for the cache are shares of: `best_kv_used`, or all of it where that is unknown."""
        return 1.0 if math.isnan(self.best_kv_used) else self.best_kv_used

    @property
    def seen(self) -> PoolSeen:
        """The pool of the policies that choose a count."""
        return next(pool for pool in self.pools if pool.key == self.pool)
