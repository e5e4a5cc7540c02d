"""KubeAI: the mean of the requests in flight over ten minutes."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.scene import SHARES, Scene, Setting
from wharfage_simulator.policies.window import Window
from wharfage_simulator.policy import Seen, Target


@dataclass(slots=True)
class KubeAi:
    """kubeai-project/kubeai 0.9+, `internal/modelautoscaler/autoscaler.go` and `internal/modelclient/scale.go`.

    `requests` in flight per replica (`targetRequests`), averaged over `window_s`; before the start the average was
    `before`, by default the first reading (KubeAI restores its averages; of a new model it is 0). Up at once; down
    once lower averages have been counted for `down_delay_s`, and then at every further one, for only a tick that is
    not lower clears that count. Both are counted in ticks of `every_s`, asked that often or not. A failed reading
    (NaN) is skipped. At 0 the proxy asks for the first replica.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    requests: float = 100.0
    window_s: float = 600.0
    down_delay_s: float = 30.0
    before: float | None = None
    every_s: float = 10.0
    _window: Window = field(init=False)
    _before: float = field(default=0.0, init=False)
    _began_s: float = field(default=math.nan, init=False)
    _read_s: float = field(default=math.nan, init=False)
    _lower: float = field(default=0.0, init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse a target that nothing can be divided by."""
        if not self.requests > 0:
            raise ValueError(f"kubeai: requests per replica must be positive, found {self.requests}")
        self._window = Window(self.window_s)

    @property
    def name(self) -> str:
        """`kubeai(in-flight=100,window=600s)`."""
        return f"kubeai(in-flight={self.requests:g},window={self.window_s:g}s)"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        if self._replicas is None:
            self._replicas = pool.ready + pool.starting
        active = seen.running + seen.waiting
        if self._replicas == 0 and active > 0:
            self._replicas = 1
        if not math.isnan(active) and pool.ready:  # without an endpoint the loop skips the model
            if not self._window:
                self._before = active if self.before is None else self.before
                self._began_s = self._read_s = seen.now_s - self.every_s
            self._window.add(seen.now_s, active)
            self._scale(seen, math.ceil(self._mean(seen.now_s) / self.requests - 1e-9), self._replicas)
            self._read_s = seen.now_s
        self._replicas = seen.bounded(self._replicas)
        return {self.pool: self._replicas}

    def _mean(self, now_s: float) -> float:
        filled = min(1.0, (now_s - self._began_s) / self.window_s)
        return filled * self._window.mean + (1.0 - filled) * self._before

    def _scale(self, seen: Seen, wanted: int, current: int) -> None:
        count = seen.bounded(wanted)
        if count >= current:
            self._lower = 0.0
        elif self._lower < math.ceil(self.down_delay_s / self.every_s):
            self._lower += (seen.now_s - self._read_s) / self.every_s
            return
        self._replicas = count


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The default, and shares of what a replica works on at its best rate."""
    return ({}, *({"requests": share * scene.sequences} for share in SHARES))
