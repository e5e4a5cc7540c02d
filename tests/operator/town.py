"""Deployments that cost what they are told to, under budgets, and a treasury that looks at them when it is told to."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wharfage_autoscaler.reckoning import RESERVE
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Key, Kind, Object
from wharfage_operator.scopes import Scopes
from wharfage_operator.treasury import Treasury
from wharfage_operator.wishes import Cost

CHAT, CODE = ("shop", "chat"), ("shop", "code")
DAY_S, HOUR_S = 86_400.0, 3600.0
MIDNIGHT = 1_790_035_200.0
TODAY, YESTERDAY = "2026-09-22T00:00:00Z", "2026-09-21T00:00:00Z"
DAY = {"period": "Day", "usd": "240"}
LEFT_AT_NOON = 240.0 * (1 - RESERVE) - 120.0
"""Of a budget half of which is spent."""


def budget(name: str, *, status: Mapping[str, Any] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "5"}
    return {"metadata": metadata, "spec": {**DAY, **spec}, "status": dict(status or {})}


@dataclass(slots=True)
class Town:
    """Deployments that cost what they are told to, under budgets whose dollars are counted as they go."""

    costs: dict[Key, Cost] = field(default_factory=dict)
    spent_usd: dict[str, float] = field(default_factory=dict)
    markups: dict[str, float] = field(default_factory=dict)
    woken: list[tuple[Kind, Key]] = field(default_factory=list)
    renewed: int = 0
    trouble: str = ""
    cache: Cache = field(default_factory=Cache)
    now_s: float = MIDNIGHT
    woke: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, kind: Kind, key: Key) -> None:
        self.woken.append((kind, key))
        self.woke.set()

    def spent(self, name: str, from_s: float, to_s: float) -> float:
        assert from_s <= self.now_s < to_s
        return self.spent_usd.get(name, 0.0)

    def markup(self, name: str) -> float:
        return self.markups.get(name, 1.0)

    def hours(self, name: str, from_s: float, to_s: float) -> Sequence[float]:
        return [math.nan] * round((to_s - from_s) / HOUR_S)

    def renew(self) -> None:
        self.renewed += 1
        self.woke.set()


@dataclass(slots=True)
class Watched:
    """A treasury over a town."""

    town: Town
    treasury: Treasury

    def look(self, hour: float, **spent_usd: float) -> None:
        self.town.now_s = MIDNIGHT + hour * HOUR_S
        self.town.spent_usd = spent_usd
        for key, cost in self.town.costs.items():
            self.treasury.noted(key, cost)
        asyncio.run(self.treasury.turn(self.town.now_s))


class Noon(Clock):
    """One that has stopped in the middle of the day that is looked at."""

    @property
    def unix_s(self) -> float:
        return MIDNIGHT + 12 * HOUR_S


NOON = Noon()


def watched(
    *budgets: Object,
    costs: Mapping[Key, Cost],
    labels: Mapping[Key, Mapping[str, str]] | None = None,
    specs: Mapping[Key, Mapping[str, Any]] | None = None,
    clock: Clock = NOON,
    every_s: float = 60.0,
) -> Watched:
    town = Town(dict(costs))
    for each in budgets:
        town.cache.put(LLM_BUDGETS, each)
    for namespace, name in costs:
        metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "7"}
        metadata["labels"] = dict((labels or {}).get((namespace, name), {}))
        spec = dict((specs or {}).get((namespace, name), {}))
        town.cache.put(LLM_DEPLOYMENTS, {"metadata": metadata, "spec": spec})
    treasury = Treasury(
        town.cache,
        town,
        clock,
        scopes=Scopes(town.cache),
        wake=town.wake,
        renew=town.renew,
        every_s=every_s,
        trouble=lambda: town.trouble,
    )
    return Watched(town, treasury)
