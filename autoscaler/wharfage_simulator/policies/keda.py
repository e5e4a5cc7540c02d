"""KEDA as the vLLM production-stack ships it: Prometheus triggers on sums, through an HPA."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from wharfage_autoscaler.behavior import KUBERNETES, Behavior, Direction, Limit, Unit
from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.policies.behavior import Pace
from wharfage_simulator.policies.gauge import TOLERANCE, of_all
from wharfage_simulator.policies.scene import SHARES, Scene, Setting
from wharfage_simulator.policy import Seen, Target


class Query(StrEnum):
    """What a trigger asks Prometheus for, summed over the pods."""

    WAITING = "waiting"
    RUNNING = "running"
    OUTPUT_TOKENS = "output tok/s"
    PROMPT_TOKENS = "prompt tok/s"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A query and its threshold per replica (`AverageValue`)."""

    query: Query
    threshold: float


HELM = (Trigger(Query.WAITING, 5.0),)
"""The default of `helm/templates/scaledobject-vllm.yaml`, and of tutorial 20."""

TUTORIAL = (
    Trigger(Query.RUNNING, 5.0),
    Trigger(Query.OUTPUT_TOKENS, 100.0),
    Trigger(Query.PROMPT_TOKENS, 100.0),
)
"""The three triggers of the documented `keda` values."""

ONE_A_MINUTE = Behavior(
    up=Direction((Limit(Unit.PODS, 1, 60),), window_s=0),
    down=Direction((Limit(Unit.PODS, 1, 60),), window_s=300),
)
"""The behaviour that comes with `TUTORIAL`."""


@dataclass(slots=True)
class Keda:
    """vllm-project/production-stack (Helm chart), KEDA 2.20; several triggers: the one that wants most.

    The chart's query returns a series per pod, which KEDA's Prometheus scaler refuses from the second pod on; here it
    is summed, as was meant. KEDA asks every `polling_s` whether any trigger is above 0: from 0 replicas to one when
    so, and to 0, where 0 is allowed, after `cooldown_s` without. A trigger that is NaN is invalid: with one of them
    nothing goes down, with none valid nothing moves, not even to 0.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    triggers: tuple[Trigger, ...] = HELM
    behavior: Behavior = KUBERNETES
    cooldown_s: float = 360.0
    polling_s: float = 15.0
    tolerance: float = TOLERANCE
    every_s: float = 15.0
    _pace: Pace = field(init=False)
    _replicas: int | None = field(default=None, init=False)
    _active_s: float = field(default=-math.inf, init=False)
    _polled_s: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        """Begin with the behaviour's windows empty."""
        if not self.triggers or not all(trigger.threshold > 0 for trigger in self.triggers):
            raise ValueError(f"keda: each threshold must be positive, and there must be one; found {self.triggers}")
        self._pace = Pace(self.behavior)

    @property
    def name(self) -> str:
        """`keda(waiting=5)`."""
        return f"keda({','.join(f'{trigger.query}={trigger.threshold:g}' for trigger in self.triggers)})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        if self._replicas is None:
            self._replicas, self._active_s = pool.ready + pool.starting, seen.now_s
        values = [(trigger, _value(seen, trigger.query)) for trigger in self.triggers]
        if seen.least == 0 and (woken := self._woken(seen.now_s, [value for _, value in values])) is not None:
            self._replicas = seen.bounded(woken)
        elif self._replicas == 0 or not seen.least <= self._replicas <= seen.most:
            self._replicas = seen.bounded(self._replicas)
        else:
            self._replicas = self._scaled(seen, pool.ready + pool.starting, values, self._replicas)
        return {self.pool: self._replicas}

    def _woken(self, now_s: float, values: list[float]) -> int | None:
        """0 or 1 where KEDA itself decides, None where the HPA does."""
        if now_s - self._polled_s >= self.polling_s:
            self._polled_s = now_s
            if any(not value <= 0 for value in values):  # NaN is an error, which is no inactivity
                self._active_s = now_s
        if self._replicas == 0:
            return 1 if self._active_s == now_s and any(value > 0 for value in values) else 0
        return 0 if now_s - self._active_s >= self.cooldown_s else None

    def _scaled(self, seen: Seen, pods: int, values: list[tuple[Trigger, float]], current: int) -> int:
        proposals = [
            of_all(pods=pods, total=value, target=trigger.threshold, tolerance=self.tolerance)
            for trigger, value in values
        ]
        valid = [count for count in proposals if count is not None]
        if not valid or (len(valid) < len(proposals) and max(valid) < current):
            return current
        least = max(1, seen.least)  # of the HPA that KEDA makes
        return self._pace.next(seen.now_s, current=current, wanted=max(valid), least=least, most=seen.most)


def _value(seen: Seen, query: Query) -> float:
    if query is Query.WAITING:
        return seen.waiting
    if query is Query.RUNNING:
        return seen.running
    return seen.output_tokens_per_s if query is Query.OUTPUT_TOKENS else seen.prompt_tokens_per_s


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The chart's trigger as it is, at one request, and on the requests that run."""
    running = ({"triggers": (Trigger(Query.RUNNING, share * scene.sequences),)} for share in SHARES)
    return ({}, {"triggers": (Trigger(Query.WAITING, 1.0),)}, *running)


def tutorial(scene: Scene) -> tuple[Setting, ...]:
    """The documented values as they are: thresholds of one engine on one accelerator, which nobody is told to tune."""
    return ({"triggers": TUTORIAL, "behavior": ONE_A_MINUTE, "cooldown_s": 1800.0},)
