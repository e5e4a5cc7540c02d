"""Knative's pod autoscaler (KPA): mean concurrency over a stable and a panic window."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.scene import SHARES, Scene, Setting
from wharfage_simulator.policies.window import Window
from wharfage_simulator.policy import Seen, Target

DOWN_DELAY_S = 300.0
"""Tried in place of none: the window that an HPA has; without it the count goes up and down with every burst."""


@dataclass(slots=True)
class Knative:
    """knative/serving `pkg/autoscaler/scaling/autoscaler.go`, defaults of `config-autoscaler`.

    `requests` are those in flight (running and waiting: the queue-proxy counts both) that a replica should have, 70 %
    of 100 by default; they are summed over the deployment. A sample is taken at every question, so both windows are
    as fine as `every_s`. Without data in the window the scale is not valid and the last one stays.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    requests: float = 70.0
    stable_s: float = 60.0
    panic_s: float = 6.0
    panic_threshold: float = 2.0
    max_up_rate: float = 1000.0
    max_down_rate: float = 2.0
    down_delay_s: float = 0.0
    zero_grace_s: float = 30.0
    every_s: float = 2.0
    _stable: Window = field(init=False)
    _panic: Window = field(init=False)
    _delay: Window = field(init=False)
    _panicked_s: float | None = field(default=None, init=False)
    _panic_pods: int = field(default=0, init=False)
    _wanted: int | None = field(default=None, init=False)
    _idle_s: float = field(default=math.inf, init=False)

    def __post_init__(self) -> None:
        """Begin with empty windows."""
        if not self.requests > 0:
            raise ValueError(f"knative: requests per replica must be positive, found {self.requests}")
        self._stable, self._panic = Window(self.stable_s), Window(self.panic_s)
        self._delay = Window(self.down_delay_s)

    @property
    def name(self) -> str:
        """`knative(in-flight=70,delay=0s)`."""
        return f"knative(in-flight={self.requests:g},delay={self.down_delay_s:g}s)"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        ready = seen.pool(self.pool).ready
        if self._wanted is None:  # a new autoscaler begins in panic, so as not to shrink for want of history
            self._wanted = seen.bounded(ready + seen.pool(self.pool).starting)
            if ready > 1:
                self._panicked_s, self._panic_pods = seen.now_s, ready
        self._stable.add(seen.now_s, seen.running + seen.waiting)
        self._panic.add(seen.now_s, seen.running + seen.waiting)
        if self._stable and self._panic:
            self._wanted = self._bounded(seen, self._scaled(seen.now_s, max(1, ready)))
        return {self.pool: self._wanted}

    def _scaled(self, now_s: float, ready: int) -> int:
        most, least = math.ceil(self.max_up_rate * ready), math.floor(ready / self.max_down_rate)
        stable = math.ceil(self._stable.mean / self.requests - 1e-9)
        panic = math.ceil(self._panic.mean / self.requests - 1e-9)
        if panic / ready >= self.panic_threshold:
            self._panicked_s = now_s
        elif self._panicked_s is not None and self._panicked_s + self.stable_s < now_s:
            self._panicked_s, self._panic_pods = None, 0
        wanted = min(max(stable, least), most)
        if self._panicked_s is not None:
            self._panic_pods = max(self._panic_pods, wanted, min(max(panic, least), most))
            wanted = self._panic_pods
        if self.down_delay_s > 0:
            self._delay.add(now_s, wanted)
            wanted = int(self._delay.most)
        return wanted

    def _bounded(self, seen: Seen, wanted: int) -> int:
        """Within the bounds; to 0 only after the grace period (`pkg/reconciler/autoscaling/kpa/scaler.go`)."""
        if wanted > 0 or seen.least > 0:
            self._idle_s = math.inf
            return seen.bounded(wanted)
        self._idle_s = min(self._idle_s, seen.now_s)
        return 0 if self._wanted == 0 or seen.now_s - self._idle_s >= self.zero_grace_s else seen.bounded(1)


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The default, and shares of what a replica works on at its best rate with a delay downwards."""
    return ({}, *({"requests": share * scene.sequences, "down_delay_s": DOWN_DELAY_S} for share in SHARES))
