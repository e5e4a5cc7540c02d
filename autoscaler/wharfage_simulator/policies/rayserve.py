"""Ray Serve: requests in flight per replica, with a delay in each direction."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.scene import SHARES, Scene, Setting
from wharfage_simulator.policies.window import Window
from wharfage_simulator.policy import Seen, Target

_EPSILON_S = 1e-6  # _DELAY_ELAPSED_EPS_S


@dataclass(slots=True)
class Delays:
    """Ray 2.60.0, `serve/autoscaling_policy.py`: the decision of one control loop, given the request count.

    A wish must have been the same way for its delay before it comes; from zero it comes at once.
    """

    requests: float = 2.0
    up_delay_s: float = 30.0
    down_delay_s: float = 600.0
    zero_delay_s: float | None = None
    up_factor: float = 1.0
    down_factor: float = 1.0
    _way: int = field(default=0, init=False)
    _since_s: float | None = field(default=None, init=False)

    def next(self, now_s: float, *, in_flight: float, running: int, target: int) -> int:
        """The next target, before bounds; `running` replicas serve, `target` was the last."""
        if running == 0:
            if in_flight > 0:
                return max(math.ceil(self.up_factor), target)
            wanted = target
            if wanted > 0:
                return wanted
        else:
            wanted = self._scaled(running * (in_flight / (self.requests * running)), running)
        return self._delayed(now_s, max(0, wanted), target)

    def _scaled(self, desired: float, running: int) -> int:
        change = desired - running
        scaled = math.ceil(running + (self.up_factor if change > 0 else self.down_factor) * change)
        return scaled - 1 if math.ceil(desired) < running and scaled == running else scaled

    def _delayed(self, now_s: float, wanted: int, target: int) -> int:
        way = (wanted > target) - (wanted < target)
        if way == 0 or way != self._way:
            self._since_s = None
        self._way = way
        if way == 0:
            return target
        delay_s = self.up_delay_s
        if way < 0:
            delay_s = self.down_delay_s if target > 1 or self.zero_delay_s is None else self.zero_delay_s
            wanted = wanted if target == 1 else max(1, wanted)
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s + _EPSILON_S < delay_s:
            return target
        self._way, self._since_s = 0, None
        return wanted


@dataclass(slots=True)
class RayServe:
    """Ray Serve 2.60.0: `Delays` on the mean number of requests in flight over `look_back_s`; defaults of the config.

    The control loop turns ten times a second, but hears of the requests every 10 s, so that is how often it is asked
    here. Replicas that report nothing (NaN) add nothing: without a sample in the window there are no requests.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    requests: float = 2.0
    up_delay_s: float = 30.0
    down_delay_s: float = 600.0
    zero_delay_s: float | None = None
    up_factor: float = 1.0
    down_factor: float = 1.0
    look_back_s: float = 30.0
    every_s: float = 10.0
    _delays: Delays = field(init=False)
    _window: Window = field(init=False)
    _target: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin with an empty window."""
        if not self.requests > 0:
            raise ValueError(f"ray-serve: target_ongoing_requests must be positive, found {self.requests}")
        self._delays = Delays(
            requests=self.requests,
            up_delay_s=self.up_delay_s,
            down_delay_s=self.down_delay_s,
            zero_delay_s=self.zero_delay_s,
            up_factor=self.up_factor,
            down_factor=self.down_factor,
        )
        self._window = Window(self.look_back_s)

    @property
    def name(self) -> str:
        """`ray-serve(in-flight=2,delays=30/600s)`."""
        return f"ray-serve(in-flight={self.requests:g},delays={self.up_delay_s:g}/{self.down_delay_s:g}s)"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        target = pool.ready + pool.starting if self._target is None else self._target
        self._window.add(seen.now_s, pool.running + pool.waiting)
        in_flight = self._window.mean if self._window else 0.0
        wanted = self._delays.next(seen.now_s, in_flight=in_flight, running=pool.ready, target=target)
        self._target = seen.bounded(wanted)
        return {self.pool: self._target}


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The defaults, and shares of what a replica works on at its best rate."""
    return ({}, *({"requests": share * scene.sequences} for share in SHARES))
