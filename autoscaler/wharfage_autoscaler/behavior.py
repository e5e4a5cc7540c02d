"""The `behavior` of a HorizontalPodAutoscaler: stabilisation windows, and limits of speed in both directions.

Kubernetes 1.33, `pkg/controller/podautoscaler/horizontal.go`: `stabilizeRecommendationWithBehaviors` and
`convertDesiredReplicasWithBehaviorRate`. What counts is how many there were at the start of a period, so it does not
matter how often anybody looks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a limit of speed counts in; the values are the API's."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several limits counts: the one that allows most, or least; or no change at all. The API's values."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `value` pods, or percent of what there was, within any `period_s`."""

    unit: Unit
    value: float
    period_s: float


@dataclass(frozen=True, slots=True)
class Direction:
    """One way. No limits allow any change; `window_s` is that of the recommendations that are taken into account."""

    limits: tuple[Limit, ...] = ()
    window_s: float = 0.0
    select: Select = Select.MAX


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions."""

    up: Direction = Direction()
    down: Direction = Direction()

    @property
    def longest_s(self) -> float:
        """How far back it looks."""
        ways = (self.up, self.down)
        periods = [limit.period_s for way in ways for limit in way.limits]
        return max([*periods, *(way.window_s for way in ways)])


KUBERNETES = Behavior(
    up=Direction((Limit(Unit.PERCENT, 100, 15), Limit(Unit.PODS, 4, 15)), window_s=0),
    down=Direction((Limit(Unit.PERCENT, 100, 15),), window_s=300),
)
"""The default of `autoscaling/v2`."""

Began = Callable[[float], float]
"""How many there were at the start of a period of so many seconds that ends now."""


def ceiling(way: Direction, current: float, began: Began) -> float:
    """The most that `way` (up) allows now."""
    if way.select is Select.DISABLED:
        return current
    if not way.limits:
        return math.inf
    allowed = [_more(limit, began(limit.period_s)) for limit in way.limits]
    return max(current, max(allowed) if way.select is Select.MAX else min(allowed))


def floor(way: Direction, current: float, began: Began) -> float:
    """The least that `way` (down) allows now."""
    if way.select is Select.DISABLED:
        return current
    if not way.limits:
        return 0.0
    allowed = [_less(limit, began(limit.period_s)) for limit in way.limits]
    return min(current, min(allowed) if way.select is Select.MAX else max(allowed))


def _more(limit: Limit, start: float) -> float:
    return start + limit.value if limit.unit is Unit.PODS else math.ceil(start * (1 + limit.value / 100))


def _less(limit: Limit, start: float) -> float:
    return start - limit.value if limit.unit is Unit.PODS else math.trunc(start * (1 - limit.value / 100))
