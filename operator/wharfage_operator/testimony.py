"""What others have said about pods that wait: their Events, read only where pods have waited for a while.

Events are many and short-lived, so they are not watched. They are read once a pod has waited `after_s`, and again at
intervals that double, as long as it waits. One reading of a namespace serves all deployments in it: the API server
goes through all events of a namespace for every question about one of its pods, so a thousand waiting pods that are
asked about one by one keep it busy for minutes.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import EVENTS, Key, Object
from wharfage_operator.metrics import is_ready

_MOST_PODS = 3
_MOST_EVENTS = 20  # per pod
_PAGE = 500
_MOST_PAGES = 10
_LONGEST_S = 300.0

Told = dict[str, tuple[Object, ...]]
"""Events by the name of the pod they are about."""


@dataclass(slots=True)
class _Heard:
    """What was read last, and when to read again."""

    events: tuple[Object, ...]
    due_at: float
    pause_s: float


@dataclass(slots=True)
class _Namespace:
    """The last reading of a namespace, and the turn of whoever reads it."""

    told: Told = field(default_factory=dict)
    read_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Testimony:
    """Reads and remembers Events per deployment."""

    def __init__(self, connection: Connection, *, after_s: float, every_s: float) -> None:
        """Seconds that a pod must have waited, and between two readings."""
        self._connection = connection
        self._after_s = after_s
        self._every_s = every_s
        self._heard: dict[Key, _Heard] = {}
        self._namespaces: dict[str, _Namespace] = defaultdict(_Namespace)

    async def about(self, key: Key, pods: tuple[Object, ...], *, now: float) -> tuple[tuple[Object, ...], float | None]:
        """Events of the waiting pods, and in how many seconds to ask again (None: no need)."""
        waiting = [pod for pod in pods if _waits(pod)]
        if not waiting:
            self.forget(key)
            return (), None
        ripe_s = self._after_s - max(now - _created(pod) for pod in waiting)
        if ripe_s > 0:
            return (), ripe_s
        heard = self._heard.get(key)
        if heard is None or not 0.0 < heard.due_at - now <= _LONGEST_S:  # a clock may be set back
            pause_s = min(_LONGEST_S, heard.pause_s * 2 if heard else self._every_s)
            told = await self._told(key[0], now)
            names = [pod["metadata"]["name"] for pod in waiting[:_MOST_PODS]]
            heard = _Heard(tuple(event for name in names for event in told.get(name, ())), now + pause_s, pause_s)
            self._heard[key] = heard
        return heard.events, heard.due_at - now

    def forget(self, key: Key) -> None:
        """A deployment is gone, or waits for nothing."""
        if self._heard.pop(key, None) is not None and not any(namespace == key[0] for namespace, _ in self._heard):
            self._namespaces.pop(key[0], None)

    async def _told(self, namespace: str, now: float) -> Told:
        """What was said in a namespace, as of `after_s` ago at the latest."""
        page = self._namespaces[namespace]
        async with page.turn:
            if now - page.read_at >= self._after_s:
                page.told = await self._read(namespace)
                page.read_at = now
            return page.told

    async def _read(self, namespace: str) -> Told:
        found: dict[str, list[Object]] = defaultdict(list)
        params = {"fieldSelector": "involvedObject.kind=Pod", "limit": str(_PAGE)}
        for _ in range(_MOST_PAGES):
            try:
                page = await self._connection.call("GET", EVENTS.path(namespace), params=params)
            except ApiError:
                break  # a status without them is still true
            for event in page.get("items", ()):
                about = found[event.get("involvedObject", {}).get("name", "")]
                if len(about) < _MOST_EVENTS:
                    about.append(event)
            more = page.get("metadata", {}).get("continue")
            if not more:
                break
            params = {**params, "continue": more}
        return {name: tuple(events) for name, events in found.items()}


def _waits(pod: Object) -> bool:
    pending = pod.get("status", {}).get("phase") == "Pending"
    return pending and not is_ready(pod) and not pod["metadata"].get("deletionTimestamp")


def _created(pod: Object) -> float:
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()
