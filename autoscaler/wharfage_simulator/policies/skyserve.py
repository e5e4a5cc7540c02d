"""SkyServe with SpotHedge: spot replicas over zones, and on-demand ones for those that are missing."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.sight import PoolSeen

from wharfage_simulator.policies.bounds import within
from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policy import Seen, Target

INTERVAL_S = 20.0
"""Between two decisions, in which delays are counted."""


@dataclass(slots=True)
class RequestRate:
    """SkyPilot 0.14.1, `sky/serve/autoscalers.py`: the target of a `RequestRateAutoscaler`, and its two parts.

    A wish must have been the same way for its delay, counted in decisions; from 0 it comes at once.
    """

    rps: float
    """Per replica: `target_qps_per_replica`."""
    up_delay_s: float = 300.0
    down_delay_s: float = 1200.0
    overprovision: int = 0
    base: int = 0
    """On-demand replicas that are always there: `base_ondemand_fallback_replicas`."""
    dynamic: bool = True
    """Whether on-demand fills in for spot that is not ready: `dynamic_ondemand_fallback`."""
    target: int = 0
    _up: float = field(default=0.0, init=False)
    _down: float = field(default=0.0, init=False)

    def follow(self, rps: float, *, least: int, most: int, decisions: float = 1.0) -> None:
        """Move the target after the requests of the last minute; `decisions` is the time since the last, in those."""
        wanted = max(least, min(most, math.ceil(rps / self.rps - 1e-9)))
        if self.target == 0:
            self.target = wanted
        elif wanted > self.target:
            self._up, self._down = self._up + decisions, 0.0
            if self._up >= int(self.up_delay_s / INTERVAL_S):
                self._up, self.target = 0.0, wanted
        elif wanted < self.target:
            self._up, self._down = 0.0, self._down + decisions
            if self._down >= int(self.down_delay_s / INTERVAL_S):
                self._down, self.target = 0.0, wanted
        else:
            self._up = self._down = 0.0

    @property
    def spot(self) -> int:
        """Spot replicas to have, ready or on their way."""
        return max(0, self.target + self.overprovision - self.base)

    def on_demand(self, ready_spot: int) -> int:
        """On-demand replicas to have, while so many spot ones serve. None for those that are over-provisioned."""
        missing = max(0, self.target + self.overprovision - self.base - ready_spot) if self.dynamic else 0
        return min(self.base + missing, self.target)


class Placer:
    """SkyPilot 0.14.1, `sky/serve/spot_placer.py`: the `DynamicFallbackSpotPlacer` over pools instead of zones.

    A pool in which a replica was lost, or could not be had, is avoided until fewer than two are left to choose from.
    """

    def __init__(self, usd_per_hour: Mapping[PoolKey, float]) -> None:
        self._usd_per_hour = dict(usd_per_hour)
        self._avoided: set[PoolKey] = set()

    def next(self, used: Iterable[PoolKey]) -> PoolKey:
        """Where to put the next replica: the cheapest that is not used yet, else the cheapest."""
        active = [key for key in self._usd_per_hour if key not in self._avoided]
        taken = set(used)
        candidates = [key for key in active if key not in taken] or active
        return min(candidates, key=lambda key: self._usd_per_hour[key])

    def lost(self, key: PoolKey) -> None:
        """A replica was taken there, or could not be had."""
        self._avoided.add(key)
        if len(self._usd_per_hour) - len(self._avoided) < 2:
            self._avoided.clear()

    def got(self, key: PoolKey) -> None:
        """A replica was had there."""
        self._avoided.discard(key)


@dataclass(slots=True)
class SkyServe:
    """SkyPilot 0.14.1, `sky/serve`: `FallbackRequestRateAutoscaler` and the SpotHedge placer, for one shape.

    The shape is that of `pool`: same weights, accelerator and number of them; its spot pools are the zones, and its
    cheapest other pool is on-demand. Without spot pools it is the plain request-rate autoscaler. `rps` per replica is
    the user's to set; by default what `pool` is planned for. It does not read interruption notices: a replica counts
    until it is gone. Requests that are not counted (NaN) have not come.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    rps: float | None = None
    up_delay_s: float = 300.0
    down_delay_s: float = 1200.0
    overprovision: int = 0
    base: int = 0
    dynamic: bool = True
    every_s: float = INTERVAL_S
    _rate: RequestRate | None = field(default=None, init=False)
    _placer: Placer = field(init=False)
    _placed: list[PoolKey] = field(default_factory=list, init=False)
    _ready: dict[PoolKey, int] = field(default_factory=dict, init=False)
    _decided_s: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """`skyserve(planned,delays=300/1200s,over=0,base=0)`."""
        rps = "planned" if self.rps is None else f"{self.rps:.3g} rps"
        delays = f"delays={self.up_delay_s:g}/{self.down_delay_s:g}s"
        return f"skyserve({rps},{delays},over={self.overprovision},base={self.base})"

    def target(self, seen: Seen) -> Target:
        """The counts of the shape's pools."""
        shape = _shape(seen.pool(self.pool))
        pools = [pool for pool in seen.pools if _shape(pool) == shape]
        spot = [pool for pool in pools if pool.offer.market is Market.SPOT]
        others = sorted((pool for pool in pools if pool.offer.market is not Market.SPOT), key=_price)
        rate = self._rate or self._begun(seen, spot, others)
        rps = 0.0 if math.isnan(seen.rps_1m) else seen.rps_1m
        elapsed = (seen.now_s - self._decided_s) / INTERVAL_S
        rate.follow(rps, least=seen.least, most=seen.most, decisions=elapsed)
        self._decided_s = seen.now_s
        counts = Counter[PoolKey]()
        if spot:
            self._account(spot)
            self._place(spot, rate.spot if others else rate.target + rate.overprovision)
            counts.update(self._placed)
            for pool in spot:  # what an interruption will end is still one of those that were placed
                counts[pool.key] = max(0, counts[pool.key] - pool.leaving)
        if others:
            ready_spot = sum(pool.ready + pool.leaving for pool in spot)
            steady = rate.on_demand(ready_spot) if spot else rate.target + rate.overprovision
            counts[others[0].key] = steady
        kept = within(seen, counts, [pool.key for pool in (*others, *sorted(spot, key=_price))])
        for pool in spot:
            self._forget(pool.key, counts[pool.key] - kept[pool.key])
        return {key: count for key, count in kept.items() if count}

    def _begun(self, seen: Seen, spot: Sequence[PoolSeen], others: Sequence[PoolSeen]) -> RequestRate:
        """Begin with what runs: the replay's service has been running before."""
        self._placer = Placer({pool.key: pool.usd_per_hour for pool in spot})
        self._placed = [pool.key for pool in spot for _ in range(pool.ready + pool.starting + pool.leaving)]
        self._decided_s = seen.now_s - INTERVAL_S
        there = len(self._placed) + sum(pool.ready + pool.starting for pool in others)
        self._rate = RequestRate(
            rps=self.rps or max(1e-9, seen.pool(self.pool).planned_rps),
            up_delay_s=self.up_delay_s,
            down_delay_s=self.down_delay_s,
            overprovision=self.overprovision,
            base=self.base,
            dynamic=self.dynamic,
            target=seen.bounded(there),
        )
        return self._rate

    def _account(self, spot: Sequence[PoolSeen]) -> None:
        """Find out which of the placed replicas came, which are gone, and which cannot be had."""
        for pool in spot:
            serving = pool.ready + pool.leaving
            if serving > self._ready.get(pool.key, 0):
                self._placer.got(pool.key)
            self._ready[pool.key] = serving
            alive = serving + (pool.starting if pool.obtainable else 0)
            gone = self._placed.count(pool.key) - alive
            if gone > 0:
                self._forget(pool.key, gone)
                self._placer.lost(pool.key)

    def _place(self, spot: Sequence[PoolSeen], wanted: int) -> None:
        while len(self._placed) < wanted:
            self._placed.append(self._placer.next(self._placed))
        if len(self._placed) > wanted:
            starting = Counter({pool.key: pool.starting for pool in spot})
            early: list[int] = []
            late: list[int] = []
            for number in reversed(range(len(self._placed))):  # the newest of a pool are those that still start
                key = self._placed[number]
                (early if starting[key] > 0 else late).append(number)
                starting[key] -= 1
            out = set((early + late)[: len(self._placed) - wanted])
            self._placed = [key for number, key in enumerate(self._placed) if number not in out]

    def _forget(self, key: PoolKey, count: int) -> None:
        for _ in range(count):
            if key in self._placed:
                del self._placed[len(self._placed) - 1 - self._placed[::-1].index(key)]


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The defaults; lower rates per replica, without and with one over; and those with shorter delays."""
    rates = [{"rps": share * scene.seen.good_rps, "overprovision": over} for share in (0.7, 0.55) for over in (0, 1)]
    return ({}, *rates, *({**rate, "up_delay_s": 60.0, "down_delay_s": 600.0} for rate in rates))


def _shape(pool: PoolSeen) -> tuple[str, str, int]:
    return pool.variant, pool.offer.accelerator, pool.accelerators


def _price(pool: PoolSeen) -> tuple[float, PoolKey]:
    return pool.usd_per_hour, pool.key
