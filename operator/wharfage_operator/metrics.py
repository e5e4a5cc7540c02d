"""Where the load of a deployment is measured: `MetricsSource`, and the source that needs nothing installed, `Scrape`.

`Scrape` reads each ready pod's own /metrics at an interval. Pods are other people's programs: an answer is limited in
time and size, redirects are not followed, no credential is sent to a pod, and a pod that does not answer, or tells what
cannot be, is asked less and less often.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from wharfage_autoscaler.counting import Counters
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives

from wharfage_operator.cache import Cache, owner_of
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import LLM_DEPLOYMENTS, PODS, Key, Object
from wharfage_operator.measured import load
from wharfage_operator.placeholders import is_replica
from wharfage_operator.readings import Engine, Reading, reading
from wharfage_operator.settings import Settings
from wharfage_operator.stints import Shift, Stint
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.track import Track, begun, told

PORT = "wharfage.dev/port"
"""Annotation of a pod of others, as it is kept here, with the port that it is read on."""

_PORT = 8000
_LONGEST_ANSWER = 4 * 1024 * 1024
_AT_ONCE = 16
_LONGEST_PAUSE_S = 300.0
_REMEMBERED = 31.0  # windows that a pod which is gone still counts in


class MetricsSource(Protocol):
    """Measures what a deployment's engines do."""

    def load(self, key: Key, pods: tuple[Object, ...], objectives: Objectives) -> Load | None:
        """The load of a deployment, whose pods these are; None when it is not known."""
        ...

    def running(self, key: Key) -> Mapping[str, float]:
        """Requests under way by the pod's uid, of pods of which it is known."""
        ...

    def stints(self, key: Key) -> Mapping[str, Stint]:
        """What each pod's engine did last without being idle, by the pod's uid; of all pods together under ""."""
        ...


@dataclass(slots=True)
class _Pod:
    """What is remembered of one pod, and the uid of the deployment that it was of."""

    track: Track
    owner_uid: str = ""
    shift: Shift = field(default_factory=Shift)
    due_s: float = 0.0
    failures: int = 0


class Scrape:
    """Reads the pods' own /metrics."""

    def __init__(
        self,
        cache: Cache,
        connection: Connection,
        settings: Settings,
        telemetry: Telemetry,
        fresh: Callable[[Key], None],
        clock: Clock | None = None,
        *,
        strangers: bool = False,
    ) -> None:
        """`fresh` is called with an LLMDeployment's key when its pods were read.

        Pods that are `strangers` may have served others before they were first read.
        """
        self._strangers = strangers
        self._clock = clock or Clock()
        self._cache = cache
        self._connection = connection
        self._settings = settings
        self._telemetry = telemetry
        self._fresh = fresh
        self._pods: dict[Key, dict[str, _Pod]] = {}
        self._older: frozenset[str] | None = None
        """Pods that were there when the first round began: what they did before is not known."""
        self._round_s = 0.0

    def load(self, key: Key, pods: tuple[Object, ...], objectives: Objectives) -> Load | None:
        """The load of a deployment; None when half of its ready pods or more could not be read lately."""
        tracks = {uid: pod.track for uid, pod in self._pods.get(key, {}).items()}
        return load(
            tracks,
            [pod["metadata"]["uid"] for pod in pods if is_reached(pod)],
            objectives,
            now_s=self._clock.elapsed_s,
            window_s=self._settings.scrape_window_s,
            stale_s=3 * self._settings.scrape_every_s,
        )

    def running(self, key: Key) -> Mapping[str, float]:
        """Requests under way by the pod's uid, as last read."""
        pods = self._pods.get(key, {})
        return {uid: pod.track.last.running for uid, pod in pods.items() if pod.track.last is not None}

    def stints(self, key: Key) -> Mapping[str, Stint]:
        """What each pod's engine did last without being idle, by the pod's uid."""
        pods = self._pods.get(key, {})
        return {uid: pod.shift.last for uid, pod in pods.items() if pod.shift.last is not None}

    def counters(self) -> Mapping[str, tuple[float, Counters]]:
        """What every engine had counted when it was last read, by its pod's uid and its name there (`uid/0`).

        And how many seconds ago that was.
        """
        now_s = self._clock.elapsed_s
        return {
            f"{uid}/{name}": (now_s - pod.track.last.at_s, counters(engine))
            for pods in self._pods.values()
            for uid, pod in pods.items()
            if pod.track.last is not None
            for name, engine in pod.track.last.engines.items()
        }

    async def run(self) -> None:
        """Read all ready pods again and again."""
        timeout = aiohttp.ClientTimeout(total=self._settings.scrape_timeout_s)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:
            while True:
                await self.tick(session)
                await asyncio.sleep(self._clock.wall_s(self._settings.scrape_every_s))

    async def tick(self, session: aiohttp.ClientSession) -> None:
        """Read once every ready pod whose time has come."""
        now_s, before_s = self._clock.elapsed_s, self._round_s
        existing = {pod["metadata"]["uid"]: pod for pod in self._cache.all(PODS) if is_replica(pod)}
        if self._older is None:
            self._older, before_s = frozenset(existing), now_s
        self._round_s = now_s
        self._forget(existing.keys(), now_s)
        turns = asyncio.Semaphore(_AT_ONCE)
        visits = []
        for uid, pod in existing.items():
            owner = owner_of(pod)
            if owner is not None and is_ready(pod):
                known = self._known(owner, uid, before_s)
                if known.due_s <= now_s:
                    visits.append(self._visit(session, pod, owner, known, turns))
        for owner in {owner for owner in await asyncio.gather(*visits) if owner is not None}:
            self._fresh(owner)

    def _forget(self, existing: Collection[str], now_s: float) -> None:
        """Let go of pods that went so long ago that no window reaches them, or that were of a namesake."""
        oldest_s = now_s - _REMEMBERED * self._settings.scrape_window_s
        for owner, pods in list(self._pods.items()):
            owner_uid = self._cache.uid(LLM_DEPLOYMENTS, owner)
            for uid, pod in list(pods.items()):
                old = not pod.track.points or pod.track.points[-1].at_s < oldest_s
                if uid not in existing and (old or pod.owner_uid != owner_uid):
                    del pods[uid]
            if not pods:
                del self._pods[owner]

    def _known(self, owner: Key, uid: str, before_s: float) -> _Pod:
        """A pod that is new since the first round, and was not ready at the one before, has served nobody till then."""
        pods = self._pods.setdefault(owner, {})
        if uid not in pods:
            new = self._older is not None and uid not in self._older and not self._strangers
            owner_uid = self._cache.uid(LLM_DEPLOYMENTS, owner)
            pods[uid] = _Pod(begun(before_s) if new else Track(), owner_uid)
        return pods[uid]

    async def _visit(
        self, session: aiohttp.ClientSession, pod: Object, owner: Key, known: _Pod, turns: asyncio.Semaphore
    ) -> Key | None:
        async with turns:
            seen = await self._read(session, pod)
        if seen is None:
            self._failed(known, "failed")
            return None
        track = told(known.track, seen, window_s=self._settings.scrape_window_s)
        if track is None:
            known.track, known.shift = Track(), Shift()  # what it tells from now on may be true
            self._failed(known, "impossible")
            return None
        self._telemetry.scrapes.labels("read").inc()
        known.track, known.failures, known.due_s = track, 0, 0.0
        known.shift = known.shift.told(seen, window_s=self._settings.scrape_window_s)
        return owner

    def _failed(self, known: _Pod, outcome: str) -> None:
        self._telemetry.scrapes.labels(outcome).inc()
        pause_s = self._settings.scrape_every_s * 2.0 ** min(known.failures, 8)
        known.failures += 1
        known.due_s = self._clock.elapsed_s + min(pause_s, _LONGEST_PAUSE_S)

    async def _read(self, session: aiohttp.ClientSession, pod: Object) -> Reading | None:
        try:
            return reading(await self._page(session, pod), at_s=self._clock.elapsed_s)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ApiError):
            return None

    async def _page(self, session: aiohttp.ClientSession, pod: Object) -> str:
        if self._settings.scrape_via == "Proxy":
            metadata = pod["metadata"]
            path = f"{PODS.path(metadata['namespace'])}/http:{metadata['name']}:{_port(pod)}/proxy/metrics"
            return await self._connection.text(path, longest=_LONGEST_ANSWER, timeout_s=self._settings.scrape_timeout_s)
        address = pod["status"]["podIP"]
        host = f"[{address}]" if ":" in address else address
        url, proxy = f"http://{host}:{_port(pod)}/metrics", self._settings.scrape_proxy or None
        async with session.get(url, allow_redirects=False, proxy=proxy) as answer:
            if answer.status != 200:
                raise ValueError(f"{answer.status} from {host}")
            page = await limited(answer.content, _LONGEST_ANSWER)
        return page.decode("utf-8", errors="replace")


def counters(engine: Engine) -> Counters:
    """What the ledger counts of an engine; what it does not tell of its cache was computed."""
    return Counters(engine.finished, engine.prompt_tokens, engine.cached_tokens or 0.0, engine.output_tokens)


async def limited(stream: aiohttp.StreamReader, longest: int) -> bytes:
    """All that comes, if it is not more than so many bytes; else ValueError."""
    page = bytearray()
    async for chunk in stream.iter_any():
        page += chunk
        if len(page) > longest:
            raise ValueError(f"more than {longest} bytes")
    return bytes(page)


def _port(pod: Object) -> int:
    return int((pod["metadata"].get("annotations") or {}).get(PORT, _PORT))


def is_ready(pod: Object) -> bool:
    """Whether a pod has an address and its Ready condition holds."""
    status = pod.get("status", {})
    conditions = status.get("conditions", ())
    return bool(status.get("podIP")) and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_reached(pod: Object) -> bool:
    """Whether clients are sent to a pod: it is ready, and not on its way out."""
    return is_ready(pod) and not pod["metadata"].get("deletionTimestamp")
