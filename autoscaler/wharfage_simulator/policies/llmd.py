"""llm-d's SLO-aware law: latency relative to its objective becomes a count, through KEDA and an HPA."""

import math
from dataclasses import dataclass, field

from wharfage_autoscaler.behavior import Behavior, Direction, Limit, Unit
from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.behavior import Pace
from wharfage_simulator.policies.gauge import TOLERANCE, of_all
from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policies.window import Window
from wharfage_simulator.policy import Seen, Target

BEHAVIOR = Behavior(
    up=Direction((Limit(Unit.PERCENT, 100, 60), Limit(Unit.PODS, 4, 60)), window_s=30),
    down=Direction((Limit(Unit.PODS, 1, 120),), window_s=180),
)

BANDS = ((0.55, 0.40), (0.65, 0.45), (0.75, 0.55), (0.85, 0.6), (0.4, 0.25))


@dataclass(slots=True)
class SloAware:
    """llm-d/llm-d `docs/architecture/autoscaling/slo-aware-keda.md`, defaults of the guide `slo-aware`.

    Saturation is the worse of the 90th percentiles of TTFT and TPOT, each over its objective, clamped and averaged
    over 45 s. The objectives are the deployment's unless given (the guide's are 3 s and 100 ms). Latencies are measured
    ones, which the guide falls back to without its predictor. No traffic and no measurement (NaN) both read as 0: it
    shrinks, as the guide's recording rules do.
    """

    pool: PoolKey
    ttft_s: float | None = None
    tpot_s: float | None = None
    up: float = 0.55
    down: float = 0.40
    clamp: float = 2.0
    smoothing_s: float = 45.0
    behavior: Behavior = BEHAVIOR
    every_s: float = 15.0
    _saturation: Window = field(init=False)
    _pace: Pace = field(init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin with empty windows."""
        if not 0 < self.down <= self.up < self.clamp:
            raise ValueError(f"llm-d-slo: 0 < down <= up < clamp is needed, found {self.down}, {self.up}, {self.clamp}")
        self._saturation, self._pace = Window(self.smoothing_s), Pace(self.behavior)

    @property
    def name(self) -> str:
        """`llm-d-slo(0.55/0.4)`."""
        return f"llm-d-slo({self.up:g}/{self.down:g})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        pods = pool.ready + pool.starting
        current = pods if self._replicas is None else self._replicas
        self._saturation.add(seen.now_s, min(self._saturated(seen), self.clamp))
        if current and seen.least <= current <= seen.most:
            wanted = of_all(pods=pods, total=self._desired(pods, pool.ready), target=1.0, tolerance=TOLERANCE)
            current = self._pace.next(
                seen.now_s, current=current, wanted=wanted or 0, least=max(1, seen.least), most=seen.most
            )
        self._replicas = seen.bounded(current)
        return {self.pool: self._replicas}

    def _saturated(self, seen: Seen) -> float:
        ttft = seen.ttft_p90_s / (self.ttft_s or seen.objectives.ttft_p95_s)
        tpot = seen.tpot_p90_s / (self.tpot_s or seen.objectives.tpot_p95_s)
        return max(*(0.0 if math.isnan(part) else part for part in (ttft, tpot)))

    def _desired(self, pods: int, ready: int) -> int:
        """Upwards the pods that already warm up are credited; downwards not."""
        saturation = self._saturation.mean
        if saturation > self.up:
            credit = ready / pods if 0 < ready < pods else 1.0
            return pods + math.ceil(pods * (saturation * credit / self.up - 1) - 1e-9)
        if saturation < self.down:
            return pods - math.floor(pods * (1 - saturation / self.down) + 1e-9)
        return pods


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The guide's band, and others: it says itself to raise it where the objective is close to the base latency."""
    return tuple({"up": up, "down": down} for up, down in BANDS)
