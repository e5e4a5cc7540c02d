"""KubeAI: the mean of the requests in flight over ten minutes."""

import math
from collections import deque
from dataclasses import dataclass, field

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.scene import SHARES, Scene, Setting
from wharfage_simulator.policy import Seen, Target

WINDOWS_S = (600.0, 120.0)


@dataclass(slots=True)
class KubeAi:
    """kubeai-project/kubeai 0.9+, `internal/modelautoscaler/autoscaler.go` and `internal/modelclient/scale.go`.

    `requests` in flight per replica (`targetRequests`), averaged over `window_s`; before the start the average was
    `before`, by default the first reading (KubeAI restores its averages; of a new model it is 0). Up at once; down
    once `down_delay_s` of lower averages have been counted, and then at every further one, for only a tick
    that is not lower clears that count. A failed reading (NaN) is skipped. At 0 the proxy asks for the
    first replica.
    """

    pool: PoolKey
    requests: float = 100.0
    window_s: float = 600.0
    down_delay_s: float = 30.0
    before: float | None = None
    every_s: float = 10.0
    _samples: deque[float] = field(default_factory=deque, init=False)
    _lower: int = field(default=0, init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse a target that nothing can be divided by."""
        if not self.requests > 0:
            raise ValueError(f"kubeai: requests per replica must be positive, found {self.requests}")

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
            if not self._samples:
                count = math.ceil(self.window_s / self.every_s)
                self._samples = deque([active if self.before is None else self.before] * count, maxlen=count)
            self._samples.append(active)
            self._scale(seen, math.ceil(sum(self._samples) / len(self._samples) / self.requests - 1e-9))
        self._replicas = seen.bounded(self._replicas)
        return {self.pool: self._replicas}

    def _scale(self, seen: Seen, wanted: int) -> None:
        count = seen.bounded(wanted)
        if self._replicas is not None and count < self._replicas:
            if self._lower < math.ceil(self.down_delay_s / self.every_s):
                self._lower += 1
                return
        else:
            self._lower = 0
        self._replicas = count


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The default, and targets as shares of what a replica can run at once; the default window, and shorter ones."""
    tuned = ({"requests": share * scene.seen.slots, "window_s": window_s} for share in SHARES for window_s in WINDOWS_S)
    return ({}, *tuned)
