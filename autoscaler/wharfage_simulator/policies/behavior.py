"""The `behavior` of a HorizontalPodAutoscaler: stabilisation windows, and limits of speed in both directions.

Kubernetes 1.33, `pkg/controller/podautoscaler/horizontal.go`: `stabilizeRecommendationWithBehaviors` and
`convertDesiredReplicasWithBehaviorRate`. Whoever drives a Deployment through an HPA (KEDA, llm-d, WVA) inherits it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from wharfage_simulator.policies.window import Window


class Unit(StrEnum):
    """What a limit of speed counts in; the values are the API's."""

    PODS = "Pods"
    PERCENT = "Percent"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `value` pods, or percent of what there was, within any `period_s`."""

    unit: Unit
    value: float
    period_s: float


@dataclass(frozen=True, slots=True)
class Direction:
    """Of several limits the one that allows most counts (`selectPolicy: Max`)."""

    limits: tuple[Limit, ...]
    window_s: float


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions."""

    up: Direction
    down: Direction


KUBERNETES = Behavior(
    up=Direction((Limit(Unit.PERCENT, 100, 15), Limit(Unit.PODS, 4, 15)), window_s=0),
    down=Direction((Limit(Unit.PERCENT, 100, 15),), window_s=300),
)
"""The default of `autoscaling/v2`."""


class Pace:
    """A count that follows recommendations within a behaviour."""

    def __init__(self, behavior: Behavior = KUBERNETES) -> None:
        self._behavior = behavior
        self._recent_up, self._recent_down = Window(behavior.up.window_s), Window(behavior.down.window_s)
        periods = [limit.period_s for way in (behavior.up, behavior.down) for limit in way.limits]
        self._raised = {period_s: Window(period_s) for period_s in periods}
        self._lowered = {period_s: Window(period_s) for period_s in periods}
        self._begun = False

    def next(self, now_s: float, *, current: int, wanted: int, least: int, most: int) -> int:
        """The count to set now.

        Up no higher than the least that was recommended within the window for up, down no lower than the most
        within the window for down. The first call counts `current` as recommended.
        """
        windows = (self._recent_up, self._recent_down)
        if not self._begun:
            self._begun = True
            for window in windows:
                if window.length_s > 0:
                    window.add(now_s, current)
        for window in windows:
            window.add(now_s, wanted)
        steady = current
        if steady < self._recent_up.least:
            steady = int(self._recent_up.least)
        if steady > self._recent_down.most:
            steady = int(self._recent_down.most)
        for window in (*self._raised.values(), *self._lowered.values()):
            window.age(now_s)
        if steady > current:
            steady = min(steady, max(current, self._ceiling(current)))
        elif steady < current:
            steady = max(steady, min(current, self._floor(current)))
        count = min(max(steady, least), most)
        if count != current:
            for window in (self._raised if count > current else self._lowered).values():
                window.add(now_s, abs(count - current))
        return count

    def _began_with(self, current: int, period_s: float) -> float:
        return current - self._raised[period_s].total + self._lowered[period_s].total

    def _ceiling(self, current: int) -> int:
        def allowed(limit: Limit) -> float:
            start = self._began_with(current, limit.period_s)
            return start + limit.value if limit.unit is Unit.PODS else math.ceil(start * (1 + limit.value / 100))

        return int(max((allowed(limit) for limit in self._behavior.up.limits), default=current))

    def _floor(self, current: int) -> int:
        def allowed(limit: Limit) -> float:
            start = self._began_with(current, limit.period_s)
            return start - limit.value if limit.unit is Unit.PODS else math.trunc(start * (1 - limit.value / 100))

        return int(min((allowed(limit) for limit in self._behavior.down.limits), default=current))
