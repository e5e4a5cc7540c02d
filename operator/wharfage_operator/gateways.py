"""Asks every gateway again and again what comes in: a question that waits at the gateway until there is something new.

So a first request for a deployment at zero reaches the operator within the way of one answer. Gateways are found among
the pods of the namespaces that have one; each is believed no further than an engine is: answers are limited in time and
size, redirects are not followed, no credential is sent.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
import orjson
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.usage import Usage

from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.demand import Course, answered, joined, longer, tallied, wished_s
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import PODS, Key, Object
from wharfage_operator.metrics import MetricsSource, is_ready, limited
from wharfage_operator.settings import Settings, placed
from wharfage_operator.stints import Stint

log = logging.getLogger(__name__)
SELECTOR = "app.kubernetes.io/name=wharfage,app.kubernetes.io/component=gateway"
"""Of the pods that are a gateway's."""

PORT = 8081
"""On which a gateway tells of itself."""

_LONGEST_ANSWER = 1024 * 1024
_LOOK_EVERY_S = 2.0
_WAIT_S = 5.0  # a gateway answers after so long at the latest
_RETRY_S = 1.0
_STALE_S = 20.0  # what a gateway said longer ago says nothing of now


@dataclass(slots=True)
class _Gateway:
    """One that is asked."""

    namespace: str
    url: str
    asking: "asyncio.Task[None] | None" = None
    courses: dict[str, Course] = field(default_factory=dict)
    told_s: dict[str, float] = field(default_factory=dict)
    """When it last led to a look at the deployment, by the monotonic clock."""
    heard_s: float = float("-inf")
    tally: tuple[float, Usage] | None = None
    """What it had counted of tenants, and when that was (of the clock's elapsed seconds)."""


class Gateways:
    """A `MetricsSource`: what the engines tell, and what comes in at the gateways of namespaces that have one."""

    def __init__(
        self,
        engines: MetricsSource,
        settings: Settings,
        connection: Connection,
        fresh: Callable[[Key], None],
        clock: Clock | None = None,
    ) -> None:
        """`fresh` is called with the key of a deployment that somebody waits for, and of others now and then."""
        self._engines = engines
        self._settings = settings
        self._connection = connection
        self._fresh = fresh
        self._clock = clock or Clock()
        self._given = dict(placed(each) for each in settings.gateways)
        self._asked: dict[str, _Gateway] = {}

    def load(self, key: Key, pods: tuple[Object, ...], objectives: Objectives) -> Load | None:
        """The load of a deployment, with what gateways tell of it."""
        engines = self._engines.load(key, pods, objectives)
        return joined(engines, self._courses(key), window_s=self._settings.scrape_window_s)

    def running(self, key: Key) -> Mapping[str, float]:
        """Requests under way by the pod's uid, as the engines tell it."""
        return self._engines.running(key)

    def stints(self, key: Key) -> Mapping[str, Stint]:
        """What each pod's engine did last, as it tells itself."""
        return self._engines.stints(key)

    def wished_s(self, key: Key) -> float:
        """When a gateway was last asked for the deployment, in Unix seconds; -inf for never."""
        return wished_s(self._courses(key), now_s=time.time())

    def tallies(self) -> Mapping[str, tuple[float, Usage]]:
        """What each gateway had counted of its tenants when it was last heard, and how many seconds ago that was."""
        now_s = self._clock.elapsed_s
        return {
            f"{each.url}@{usage.began_s:.3f}": (now_s - at_s, usage)
            for each in self._asked.values()
            if each.tally is not None
            for at_s, usage in (each.tally,)
        }

    async def run(self) -> None:
        """Ask for ever; returns only where no namespace has a gateway."""
        if not self._given:
            await asyncio.Event().wait()
        timeout = aiohttp.ClientTimeout(total=_WAIT_S + self._settings.scrape_timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as asking:
            while True:
                found = await self._found()
                for url in self._asked.keys() - found.keys():
                    gone = self._asked.pop(url)
                    if gone.asking is not None:
                        gone.asking.cancel()
                for url in found.keys() - self._asked.keys():
                    gateway = self._asked[url] = _Gateway(found[url], url)
                    gateway.asking = asking.create_task(self._ask(session, gateway))
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _found(self) -> Mapping[str, str]:
        """The namespace of each gateway by the URL that it tells at; one that cannot be looked for is still there."""
        found: dict[str, str] = {}
        for namespace, url in self._given.items():
            if url:
                found[url] = namespace
                continue
            try:
                async for pod in self._connection.all(PODS, namespace=namespace, selector=SELECTOR):
                    if is_asked(pod):
                        address = pod["status"]["podIP"]
                        found[f"http://{f'[{address}]' if ':' in address else address}:{PORT}"] = namespace
            except ApiError as error:
                log.debug("gateways could not be looked for", extra={"namespace": namespace, "error": str(error)})
                found |= {each.url: namespace for each in self._asked.values() if each.namespace == namespace}
        return found

    async def _ask(self, session: aiohttp.ClientSession, gateway: _Gateway) -> None:
        version, said = -1, ""
        while True:
            try:
                version = await self._answer(session, gateway, version)
                said = ""
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                if not said:
                    said = str(error) or type(error).__name__
                    log.warning("a gateway does not answer", extra={"gateway": gateway.url, "error": said})
                version = -1
                await asyncio.sleep(_RETRY_S)

    async def _answer(self, session: aiohttp.ClientSession, gateway: _Gateway, version: int) -> int:
        url = f"{gateway.url}/demand?since={version}&wait={_WAIT_S:g}"
        reached = gateway.url in self._given.values()
        proxy = None if reached else self._settings.scrape_proxy or None
        async with session.get(url, allow_redirects=False, proxy=proxy) as answer:
            if answer.status != 200:
                raise ValueError(f"HTTP {answer.status} from {gateway.url}")
            body = await limited(answer.content, _LONGEST_ANSWER)
        parsed, at_s = orjson.loads(body), self._clock.elapsed_s
        seen, told = answered(parsed, at_s=at_s)
        usage = tallied(parsed, gateway.namespace)
        gateway.tally = None if usage is None else (at_s, usage)
        gateway.heard_s = now_s = time.monotonic()
        for name, each in told.items():
            course = gateway.courses.get(name, ())
            gateway.courses[name] = longer(course, each, window_s=self._settings.scrape_window_s)
            begins = each.waiting and not (course and course[-1].waiting)
            if begins or now_s >= gateway.told_s.get(name, float("-inf")) + self._settings.scrape_every_s:
                gateway.told_s[name] = now_s
                self._fresh((gateway.namespace, name))
        for name in gateway.courses.keys() - told.keys():
            del gateway.courses[name]
        return seen

    def _courses(self, key: Key) -> list[Course]:
        oldest_s = time.monotonic() - _STALE_S
        return [
            each.courses[key[1]]
            for each in self._asked.values()
            if each.namespace == key[0] and key[1] in each.courses and each.heard_s >= oldest_s
        ]


def is_asked(pod: Object) -> bool:
    """Whether a gateway's pod has anything to tell: also while it drains, since those who wait there still wait."""
    drains = pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("podIP")
    return bool(drains) or is_ready(pod)
