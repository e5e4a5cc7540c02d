"""The HorizontalPodAutoscaler on gauges of the engine: the most common autoscaler of all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.behavior import KUBERNETES, Behavior
from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.behavior import Pace
from wharfage_simulator.policies.gauge import TOLERANCE, Gauge, of_pods, total
from wharfage_simulator.policies.scene import SHARES, Scene, Setting
from wharfage_simulator.policy import Seen, Target

QUEUES = (5.0, 2.0, 1.0, 0.5, 10.0)
KV_TARGETS = (0.8, 0.5)


@dataclass(slots=True)
class Hpa:
    """Kubernetes 1.33, `pkg/controller/podautoscaler`; gauges as metrics of type Pods, one target each.

    Of several metrics the one that wants most counts. A metric that is NaN, or of no serving pod, is invalid: with
    one of them nothing goes down, with none valid nothing moves. There is no default target; `running`, `queue` and
    `kv` have those that people use.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    targets: Mapping[Gauge, float]
    behavior: Behavior = KUBERNETES
    tolerance: float = TOLERANCE
    every_s: float = 15.0
    _pace: Pace = field(init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse a target that nothing can be divided by."""
        if not self.targets or not all(value > 0 for value in self.targets.values()):
            raise ValueError(f"hpa: each target must be positive, and there must be one; found {dict(self.targets)}")
        self._pace = Pace(self.behavior)

    @property
    def name(self) -> str:
        """`hpa(running=32)`."""
        return f"hpa({','.join(f'{gauge}={value:g}' for gauge, value in self.targets.items())})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        current = pool.ready + pool.starting if self._replicas is None else self._replicas
        if not seen.least <= current <= seen.most or current == 0:  # the HPA leaves 0 alone
            self._replicas = seen.bounded(current)
            return {self.pool: self._replicas}
        proposals = [
            of_pods(
                current=current,
                ready=pool.ready,
                starting=pool.starting,
                total=total(pool, gauge),
                target=value,
                tolerance=self.tolerance,
            )
            for gauge, value in self.targets.items()
        ]
        valid = [count for count in proposals if count is not None]
        if valid and (len(valid) == len(proposals) or max(valid) >= current):
            current = self._pace.next(seen.now_s, current=current, wanted=max(valid), least=seen.least, most=seen.most)
        self._replicas = current
        return {self.pool: current}


def running(scene: Scene) -> tuple[Setting, ...]:
    """Targets for the requests that run, as shares of what a replica works on at its best rate."""
    return tuple({"targets": {Gauge.RUNNING: share * scene.sequences}} for share in SHARES)


def queue(scene: Scene) -> tuple[Setting, ...]:
    """Targets for the requests that wait, per replica."""
    return tuple({"targets": {Gauge.WAITING: value}} for value in QUEUES)


def kv(scene: Scene) -> tuple[Setting, ...]:
    """Targets for the cache in use: what people take, and shares of what a replica uses at its best rate."""
    return tuple(
        {"targets": {Gauge.KV: target}} for target in (*KV_TARGETS, *(share * scene.kv_used for share in SHARES))
    )
