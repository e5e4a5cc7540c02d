"""AIBrix's own autoscalers, APA and KPA: a gauge's mean over the pods, against a target."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.gauge import Gauge, mean
from wharfage_simulator.policies.scene import SHARES, Scene, Setting
from wharfage_simulator.policies.window import Window
from wharfage_simulator.policy import Seen, Target


class Cooldown:
    """What AIBrix calls stabilisation (`stabilizeRecommendation` in `podautoscaler_controller.go`).

    As coded it takes the wrong end of the window: downwards the least that was recommended in it, upwards the most, so
    that it holds nothing back (vllm-project/aibrix#2821). `held` is what was meant: the ends that the HPA takes.
    """

    def __init__(self, up_s: float, down_s: float, *, held: bool) -> None:
        self._up, self._down, self._held = Window(up_s), Window(down_s), held

    def next(self, now_s: float, wanted: int, current: int) -> int:
        """The count that comes of a recommendation."""
        self._up.add(now_s, wanted)
        self._down.add(now_s, wanted)
        if wanted > current:
            return int(max(current, self._up.least) if self._held else self._up.most)
        if wanted < current:
            return int(min(current, self._down.most) if self._held else self._down.least)
        return wanted


@dataclass(slots=True)
class Apa:
    """vllm-project/aibrix 0.8, `pkg/controller/podautoscaler/algorithm/apa.go`; defaults of `context/context.go`.

    The gauge is averaged over the serving pods and over the window. A reading that failed (NaN) is no sample; without
    any the count stays. It never goes to 0, as by default. Later versions guard pending replicas; this has no guard.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    gauge: Gauge = Gauge.KV
    per_replica: float = 0.5
    window_s: float = 180.0
    up_rate: float = 2.0
    down_rate: float = 2.0
    tolerance: float = 0.1
    up_window_s: float = 0.0
    down_window_s: float = 300.0
    held: bool = False
    every_s: float = 10.0
    _cooldown: Cooldown = field(init=False)
    _window: Window = field(init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin with an empty window."""
        _positive("aibrix-apa", self.per_replica)
        self._window = Window(self.window_s)
        self._cooldown = Cooldown(self.up_window_s, self.down_window_s, held=self.held)

    @property
    def name(self) -> str:
        """`aibrix-apa(kv=0.5)`."""
        return f"aibrix-apa({self.gauge}={self.per_replica:g}{',held' * self.held})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        current = pool.ready + pool.starting if self._replicas is None else self._replicas
        self._window.add(seen.now_s, mean(pool, self.gauge))
        if current and self._window:
            current = self._cooldown.next(seen.now_s, self._wanted(current), current)
        self._replicas = seen.bounded(max(1, current))
        return {self.pool: self._replicas}

    def _wanted(self, current: int) -> int:
        ratio = self._window.mean / self.per_replica
        count = math.ceil(current * ratio - 1e-9)
        if ratio > 1 + self.tolerance:
            return min(count, math.ceil(self.up_rate * current))
        if ratio < 1 - self.tolerance:
            return max(count, math.floor(current / self.down_rate))
        return current


@dataclass(slots=True)
class Kpa:
    """vllm-project/aibrix 0.8, `pkg/controller/podautoscaler/algorithm/kpa.go`; defaults of `context/context.go`.

    As coded since September 2025 a sample is the mean over the pods, while the formula, Knative's, divides a sum by
    what one pod should have: whatever the load, it asks for about as many pods as one has load for. `summed` is the
    formula with the sum. A reading that failed (NaN) is no sample; without any the count stays. It never goes to 0,
    as by default.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    gauge: Gauge = Gauge.KV
    per_replica: float = 0.5
    summed: bool = False
    stable_s: float = 180.0
    panic_s: float = 60.0
    panic_threshold: float = 2.0
    up_rate: float = 2.0
    down_rate: float = 2.0
    tolerance: float = 0.1
    up_window_s: float = 0.0
    down_window_s: float = 300.0
    held: bool = False
    every_s: float = 10.0
    _cooldown: Cooldown = field(init=False)
    _stable: Window = field(init=False)
    _panic: Window = field(init=False)
    _panic_pods: int = field(default=0, init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin with empty windows."""
        _positive("aibrix-kpa", self.per_replica)
        self._stable, self._panic = Window(self.stable_s), Window(self.panic_s)
        self._cooldown = Cooldown(self.up_window_s, self.down_window_s, held=self.held)

    @property
    def name(self) -> str:
        """`aibrix-kpa(kv=0.5)`."""
        how = ",summed" * self.summed + ",held" * self.held
        return f"aibrix-kpa({self.gauge}={self.per_replica:g}{how})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        current = pool.ready + pool.starting if self._replicas is None else self._replicas
        sample = mean(pool, self.gauge) * (pool.ready if self.summed else 1)
        self._stable.add(seen.now_s, sample)
        self._panic.add(seen.now_s, sample)
        if current and self._panic:
            current = self._cooldown.next(seen.now_s, self._wanted(current), current)
        self._replicas = seen.bounded(max(1, current))
        return {self.pool: self._replicas}

    def _wanted(self, current: int) -> int:
        stable, panic = self._stable.mean, self._panic.mean
        wanted = self._clamped(stable, current)
        if stable > 0 and panic / stable <= self.panic_threshold:
            self._panic_pods = 0
            return wanted
        self._panic_pods = max(self._panic_pods, wanted, self._clamped(panic, current))
        return self._panic_pods

    def _clamped(self, value: float, current: int) -> int:
        count = math.ceil(value / self.per_replica - 1e-9)
        if abs(value / self.per_replica / (current if self.summed else 1) - 1) <= self.tolerance:
            count = current
        return min(max(count, math.floor(current / self.down_rate)), max(1, math.ceil(self.up_rate * current)))


def apa(scene: Scene) -> tuple[Setting, ...]:
    """As its users begin; then with the cooldown as meant, on shares of the sequences at a replica's best rate."""
    return ({}, *_running(scene))


def kpa(scene: Scene) -> tuple[Setting, ...]:
    """As coded; then with the sum and the cooldown as meant, on the same shares."""
    return ({}, *({**setting, "summed": True} for setting in _running(scene)))


def _running(scene: Scene) -> tuple[Setting, ...]:
    return tuple({"gauge": Gauge.RUNNING, "per_replica": share * scene.sequences, "held": True} for share in SHARES)


def _positive(name: str, per_replica: float) -> None:
    if not per_replica > 0:
        raise ValueError(f"{name}: the target per replica must be positive, found {per_replica}")
