"""Mélange's mix, as AIBrix's GPU optimizer solves it: the cheapest machines that carry slices of the load."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar

from wharfage_autoscaler.behavior import KUBERNETES, Behavior
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.sight import PoolSeen

from wharfage_simulator.policies.bounds import within
from wharfage_simulator.policies.external import External
from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policies.window import Window
from wharfage_simulator.policy import Seen, Target

SLICES = 4
_ROUNDING = 1e-9

_Left = tuple[int, ...]


def cheapest(
    rates: Sequence[float], throughputs: Sequence[Sequence[float]], costs: Sequence[float], *, slices: int = SLICES
) -> tuple[int, ...] | None:
    """Machines of each kind so that every slice of every bucket of requests has a place; None where there is none.

    `rates` are requests per second by bucket, `throughputs` those of one machine by kind and bucket (0: cannot). A
    slice goes to one kind, and a kind has as many machines as its slices' loads add up to, rounded up. This is the
    integer program of `melange/solver.py`, solved exactly from kind to kind over what is left of each bucket: with one
    bucket, five states, where the solver of AIBrix enumerates slices that are all alike.
    """
    best: dict[_Left, tuple[float, tuple[int, ...]]] = {(slices,) * len(rates): (0.0, ())}
    for throughput, cost in zip(throughputs, costs, strict=True):
        after: dict[_Left, tuple[float, tuple[int, ...]]] = {}
        for left, (paid, counts) in best.items():
            for taken in _ways(left, throughput):
                load = sum(
                    rate / slices * part / each
                    for rate, part, each in zip(rates, taken, throughput, strict=True)
                    if part
                )
                count = math.ceil(load - _ROUNDING)
                rest = tuple(have - part for have, part in zip(left, taken, strict=True))
                total = paid + cost * count
                if rest not in after or total < after[rest][0] - _ROUNDING:
                    after[rest] = total, (*counts, count)
        best = after
    done = best.get((0,) * len(rates))
    return None if done is None else done[1]


def _ways(left: _Left, throughput: Sequence[float]) -> Iterator[_Left]:
    """How many slices of each bucket a kind may take."""
    return product(*(range(have + 1) if each > 0 else (0,) for have, each in zip(left, throughput, strict=True)))


@dataclass(slots=True)
class Melange:
    """vllm-project/aibrix 0.8, `gpu_optimizer/optimizer/solver/melange`; every pool is a kind of machine.

    Requests are one bucket, of the mean lengths that are seen: that bucket's throughput under the objectives is what a
    replica of the pool carries. The rate is the larger of its mean over `window_s` and of the last seconds; unknown
    (NaN), or without a solution, the last mix stays. It has no idea of spot, so it chooses among the other markets
    unless told otherwise. The mix reaches the pools through an HPA, one of the strategies of AIBrix's PodAutoscaler.
    """

    reads_latencies: ClassVar[bool] = False

    markets: tuple[Market, ...] = (Market.ON_DEMAND, Market.RESERVED)
    share: float = 1.0
    """Of what a replica carries within the objectives: what it is given at most."""
    window_s: float = 240.0
    slices: int = SLICES
    behavior: Behavior = KUBERNETES
    every_s: float = 10.0
    _window: Window = field(init=False)
    _hpas: External = field(init=False)
    _mix: dict[PoolKey, int] | None = field(default=None, init=False)
    _counts: dict[PoolKey, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin with an empty window."""
        if not self.share > 0:
            raise ValueError(f"melange: the share must be positive, found {self.share}")
        self._window, self._hpas = Window(self.window_s), External(self.behavior)

    @property
    def name(self) -> str:
        """`melange(share=1)`."""
        return f"melange(share={self.share:g}{',spot' * (Market.SPOT in self.markets)})"

    def target(self, seen: Seen) -> Target:
        """The count of each pool."""
        pools = [pool for pool in seen.pools if pool.offer.market in self.markets and pool.good_rps > 0]
        if not self._counts:
            self._counts = {pool.key: pool.ready + pool.starting for pool in seen.pools}
        self._window.add(seen.now_s, seen.rps_1m)
        if pools and self._window:
            self._solve(pools, self._window.mean if math.isnan(seen.rps_15s) else max(self._window.mean, seen.rps_15s))
        if self._mix is not None:
            self._counts = self._hpas.next(seen, wanted=self._mix, counts=self._counts)
        ranked = sorted(pools or seen.pools, key=lambda pool: (pool.usd_per_hour / max(pool.good_rps, 1e-9), pool.key))
        rest = [pool.key for pool in seen.pools if pool not in ranked]
        self._counts = within(seen, self._counts, [*(pool.key for pool in ranked), *rest])
        return {key: count for key, count in self._counts.items() if count}

    def _solve(self, pools: Sequence[PoolSeen], rps: float) -> None:
        throughputs = [[self.share * pool.good_rps] for pool in pools]
        found = cheapest([rps], throughputs, [pool.usd_per_hour for pool in pools], slices=self.slices)
        if found is not None:
            self._mix = {pool.key: count for pool, count in zip(pools, found, strict=True)}


def settings(scene: Scene) -> tuple[Setting, ...]:
    """All that a replica carries, and less of it."""
    return tuple({"share": share} for share in (1.0, 0.85, 0.75, 0.65))
