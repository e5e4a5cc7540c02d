"""Where the load of a deployment is measured: `MetricsSource`, and the one source so far, `Scrape`.

`Scrape` reads each ready pod's own /metrics at an interval and needs nothing installed. Pods are other
people's programs: an answer is limited in time and size, redirects are not followed, no credential is
sent to a pod, and a pod that does not answer is asked less and less often.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from wharfage_autoscaler.load import Load

from wharfage_operator.cache import Cache, owner_of
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import PODS, Key, Object
from wharfage_operator.reader import is_reader
from wharfage_operator.readings import Reading, load, reading
from wharfage_operator.settings import Settings
from wharfage_operator.telemetry import Telemetry

log = logging.getLogger(__name__)
_PORT = 8000
_LONGEST_ANSWER = 4 * 1024 * 1024
_AT_ONCE = 16
_LONGEST_PAUSE_S = 300.0


class MetricsSource(Protocol):
    """Measures what a deployment's engines do."""

    def load(self, pods: tuple[Object, ...]) -> Load | None:
        """The load of the ready ones among these pods; None when it is not known."""
        ...


@dataclass(slots=True)
class _Pod:
    """What is remembered of one pod."""

    readings: deque[Reading]
    due_s: float = 0.0
    failures: int = 0
    owner: Key = field(default=("", ""))


class Scrape:
    """Reads the pods' own /metrics."""

    def __init__(
        self,
        cache: Cache,
        connection: Connection,
        settings: Settings,
        telemetry: Telemetry,
        fresh: Callable[[Key], None],
    ) -> None:
        """`fresh` is called with an LLMDeployment's key when its pods were read."""
        self._cache = cache
        self._connection = connection
        self._settings = settings
        self._telemetry = telemetry
        self._fresh = fresh
        self._pods: dict[str, _Pod] = {}

    def load(self, pods: tuple[Object, ...]) -> Load | None:
        """The load of the ready ones among these pods; None when one of them could not be read lately."""
        known = [self._pods.get(pod["metadata"]["uid"]) for pod in pods if is_ready(pod)]
        histories = [pod.readings if pod else () for pod in known]
        every_s = self._settings.scrape_every_s
        return load(histories, now_s=time.monotonic(), window_s=self._settings.scrape_window_s, stale_s=3 * every_s)

    async def run(self) -> None:
        """Read all ready pods again and again."""
        timeout = aiohttp.ClientTimeout(total=self._settings.scrape_timeout_s)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:
            while True:
                await self._round(session)
                await asyncio.sleep(self._settings.scrape_every_s)

    async def _round(self, session: aiohttp.ClientSession) -> None:
        ready = {pod["metadata"]["uid"]: pod for pod in self._cache.all(PODS) if is_ready(pod) and not is_reader(pod)}
        self._pods = {uid: pod for uid, pod in self._pods.items() if uid in ready}
        now_s = time.monotonic()
        turns = asyncio.Semaphore(_AT_ONCE)
        read = await asyncio.gather(
            *(self._visit(session, pod, turns) for uid, pod in ready.items() if self._known(uid).due_s <= now_s)
        )
        for owner in {owner for owner in read if owner is not None}:
            self._fresh(owner)

    def _known(self, uid: str) -> _Pod:
        # Enough readings for the window, and one more on either side of it.
        length = int(self._settings.scrape_window_s / max(0.1, self._settings.scrape_every_s)) + 3
        return self._pods.setdefault(uid, _Pod(deque(maxlen=length)))

    async def _visit(self, session: aiohttp.ClientSession, pod: Object, turns: asyncio.Semaphore) -> Key | None:
        known = self._known(pod["metadata"]["uid"])
        async with turns:
            try:
                text = await self._page(session, pod)
                seen = reading(text, at_s=time.monotonic())
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ApiError):
                seen = None
        if seen is None:
            self._telemetry.scrapes.labels("failed").inc()
            pause_s = self._settings.scrape_every_s * 2.0 ** min(known.failures, 8)
            known.failures += 1
            known.due_s = time.monotonic() + min(pause_s, _LONGEST_PAUSE_S)
            return None
        self._telemetry.scrapes.labels("read").inc()
        known.failures, known.due_s = 0, 0.0
        known.readings.append(seen)
        return owner_of(pod)

    async def _page(self, session: aiohttp.ClientSession, pod: Object) -> str:
        if self._settings.scrape_via == "Proxy":
            metadata = pod["metadata"]
            path = f"{PODS.path(metadata['namespace'])}/http:{metadata['name']}:{_PORT}/proxy/metrics"
            return await self._connection.text(path, longest=_LONGEST_ANSWER, timeout_s=self._settings.scrape_timeout_s)
        address = pod["status"]["podIP"]
        host = f"[{address}]" if ":" in address else address
        async with session.get(f"http://{host}:{_PORT}/metrics", allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"{answer.status} from {host}")
            page = await _limited(answer.content, _LONGEST_ANSWER)
        return page.decode("utf-8", errors="replace")


async def _limited(stream: aiohttp.StreamReader, longest: int) -> bytes:
    page = bytearray()
    async for chunk in stream.iter_any():
        page += chunk
        if len(page) > longest:
            raise ValueError(f"more than {longest} bytes")
    return bytes(page)


def is_ready(pod: Object) -> bool:
    """Whether a pod has an address and its Ready condition holds."""
    status = pod.get("status", {})
    conditions = status.get("conditions", ())
    return bool(status.get("podIP")) and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
