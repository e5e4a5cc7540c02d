"""What a comparison knows before a replay begins, and policies are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.steptime import StepTime

from wharfage_simulator.fluid import Floats
from wharfage_simulator.policy import PoolSeen

Setting = Mapping[str, Any]
"""Arguments of a policy by keyword: one of those that tuning may choose from."""

SHARES = (0.7, 0.5, 0.35, 0.25, 0.15)
"""Of the slots of a replica: targets for the requests that it works on."""


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
    step: StepTime | None = None
    """Of a replica in `pool`: what a sweep before deployment would measure."""
    arrivals: Floats | None = None
    tick_s: float = 15.0

    def __post_init__(self) -> None:
        """Refuse a pool that is not among the pools."""
        if all(pool.key != self.pool for pool in self.pools):
            raise ValueError(f"scene: {self.pool} is not among {[pool.key for pool in self.pools]}")

    @property
    def seen(self) -> PoolSeen:
        """The pool of the policies that choose a count."""
        return next(pool for pool in self.pools if pool.key == self.pool)
