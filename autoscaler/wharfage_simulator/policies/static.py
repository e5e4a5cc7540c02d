"""A fixed count: what is run where nothing scales."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.scene import Scene
from wharfage_simulator.policy import Seen, Target


@dataclass(frozen=True, slots=True)
class Static:
    """The same count throughout; nothing is looked at, so nothing can be missing."""

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    replicas: int
    label: str = "static"
    every_s: float = 60.0

    @property
    def name(self) -> str:
        """`static-p95(12)`."""
        return f"{self.label}({self.replicas})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        return {self.pool: seen.bounded(self.replicas)}


def replicas_for(rates: Sequence[float], *, share: float, rps: float) -> int:
    """The count that carries the rate which `share` of the rates do not exceed, at `rps` a replica.

    NaN rates are left out. ValueError where there is no rate, or `rps` is not positive.
    """
    known = sorted(rate for rate in rates if not math.isnan(rate))
    if not known or not rps > 0:
        raise ValueError(f"static: {len(known)} known rates and {rps} requests per second and replica size nothing")
    return math.ceil(known[max(0, math.ceil(share * len(known)) - 1)] / rps - 1e-9)


def sized(scene: Scene, *, share: float, label: str) -> Static:
    """As many as carry that quantile of the training half's minutes, at what a replica is planned for."""
    replicas = replicas_for(scene.training_rps, share=share, rps=scene.seen.planned_rps)
    return Static(scene.pool, replicas, label=label)
