"""What others have said about pods that wait: their Events, read only for pods that have waited for a while.

Events are many and short-lived, so they are not watched. A waiting pod's own are read once it has waited
`after_s`, and again at intervals that double, as long as it waits.
"""

from dataclasses import dataclass
from datetime import datetime

from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import EVENTS, Key, Object
from wharfage_operator.metrics import is_ready

_MOST_PODS = 3
_MOST_EVENTS = 20
_LONGEST_S = 300.0


@dataclass(slots=True)
class _Heard:
    """What was read last, and when to read again."""

    events: tuple[Object, ...]
    due_at: float
    pause_s: float


class Testimony:
    """Reads and remembers Events per deployment."""

    def __init__(self, connection: Connection, *, after_s: float, every_s: float) -> None:
        """Seconds that a pod must have waited, and between two readings."""
        self._connection = connection
        self._after_s = after_s
        self._every_s = every_s
        self._heard: dict[Key, _Heard] = {}

    async def about(self, key: Key, pods: tuple[Object, ...], *, now: float) -> tuple[tuple[Object, ...], float | None]:
        """Events of the waiting pods, and in how many seconds to ask again (None: no need)."""
        waiting = [pod for pod in pods if _waits(pod)]
        if not waiting:
            self._heard.pop(key, None)
            return (), None
        ripe_s = self._after_s - max(now - _created(pod) for pod in waiting)
        if ripe_s > 0:
            return (), ripe_s
        heard = self._heard.get(key)
        if heard is None or now >= heard.due_at:
            pause_s = min(_LONGEST_S, heard.pause_s * 2 if heard else self._every_s)
            heard = _Heard(await self._read(waiting), now + pause_s, pause_s)
            self._heard[key] = heard
        return heard.events, heard.due_at - now

    def forget(self, key: Key) -> None:
        """A deployment is gone."""
        self._heard.pop(key, None)

    async def _read(self, pods: list[Object]) -> tuple[Object, ...]:
        found: list[Object] = []
        for pod in pods[:_MOST_PODS]:
            metadata = pod["metadata"]
            selector = f"involvedObject.kind=Pod,involvedObject.name={metadata['name']}"
            params = {"fieldSelector": selector, "limit": str(_MOST_EVENTS)}
            try:
                page = await self._connection.call("GET", EVENTS.path(metadata["namespace"]), params=params)
            except ApiError:
                continue  # a status without them is still true
            found.extend(page.get("items", ()))
        return tuple(found)


def _waits(pod: Object) -> bool:
    pending = pod.get("status", {}).get("phase") == "Pending"
    return pending and not is_ready(pod) and not pod["metadata"].get("deletionTimestamp")


def _created(pod: Object) -> float:
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()
