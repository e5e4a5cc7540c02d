"""One collection of the API server, kept in memory: listed, then watched, listed anew when the watch cannot go on.

The official client's watch makes typed models of everything and gives up on an expired version in mid-stream; kopf runs
a task per object and wants the process to itself. What a gateway watches is one namespace, so this is all it takes.
While the API server is away what was last known stays.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from wharfage_gateway.identity import Identity

log = logging.getLogger(__name__)

Object = dict[str, Any]
_WATCH_S = 240
_SILENT_S = 330.0  # longer than a watch lasts: the API server is gone
_PAUSE_FIRST_S, _PAUSE_LONGEST_S = 0.2, 4.0
_LONGEST_LINE = 4 * 1024 * 1024


class Gone(Exception):  # noqa: N818 - it is what the API server calls it
    """The version to go on from is too old: list again."""


class Reflector:
    """The objects of one collection by name."""

    def __init__(
        self,
        who: Identity,
        session: aiohttp.ClientSession,
        path: str,
        changed: Callable[[], None],
        *,
        labels: str = "",
        fields: str = "",
    ) -> None:
        """`path` is that of a collection in one namespace; `changed` is called after each change of what is known."""
        self.objects: dict[str, Object] = {}
        self.listed = False
        self.heard_s = float("-inf")
        """When the API server last said anything, by the monotonic clock."""
        self._who = who
        self._session = session
        self._url = who.host + path
        self._select = {"labelSelector": labels} | ({"fieldSelector": fields} if fields else {})
        self._changed = changed

    async def run(self) -> None:
        """Follow for ever."""
        pause_s, failed = _PAUSE_FIRST_S, False
        while True:
            try:
                version = await self._list()
                if failed:
                    log.info("watching again", extra={"url": self._url})
                pause_s, failed = _PAUSE_FIRST_S, False
                while True:
                    version = await self._watch(version)
            except Gone:
                await asyncio.sleep(_PAUSE_FIRST_S)
                continue
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
                if not failed:
                    log.warning("the API server cannot be watched; what was known stays", extra=self._about(error))
                failed = True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_LONGEST_S)

    def _about(self, error: Exception) -> Mapping[str, object]:
        return {"url": self._url, "error": str(error) or type(error).__name__}

    async def _list(self) -> str:
        async with self._asked(self._select, 30.0) as answer:
            page = orjson.loads(await answer.read())
        fresh = {item["metadata"]["name"]: item for item in page.get("items") or ()}
        if fresh != self.objects or not self.listed:
            self.objects, self.listed = fresh, True
            self._changed()
        return str(page["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        """Hear until the API server ends the watch; returns the version to go on from."""
        params = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version}
        async with self._asked({**self._select, **params, "timeoutSeconds": str(_WATCH_S)}, _SILENT_S) as answer:
            async for line in _lines(answer.content):
                event = orjson.loads(line)
                kind, item = event["type"], event["object"]
                self.heard_s = time.monotonic()
                if kind == "ERROR":
                    raise Gone(str(item.get("message")))
                version = str(item["metadata"]["resourceVersion"])
                if kind != "BOOKMARK":
                    self._hear(kind, item)
        return version

    def _hear(self, kind: str, item: Object) -> None:
        name = item["metadata"]["name"]
        if kind == "DELETED":
            self.objects.pop(name, None)
        else:
            self.objects[name] = item
        self._changed()

    @asynccontextmanager
    async def _asked(self, params: Mapping[str, str], total_s: float) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=5.0)
        said = await self._who.authorization()
        headers = {"Authorization": said} if said else {}
        async with self._session.get(
            self._url, params=params, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            if answer.status == 410:
                raise Gone
            if answer.status == 200:
                self.heard_s = time.monotonic()
            else:
                raise ValueError(f"HTTP {answer.status}: {(await answer.content.read(300)).decode(errors='replace')}")
            yield answer


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Events as they come: an object may be longer than what the stream reads as a line."""
    rest = bytearray()
    async for chunk in stream.iter_any():
        rest += chunk
        if len(rest) > _LONGEST_LINE:
            raise ValueError("an event without an end")
        *whole, last = rest.split(b"\n")
        rest = bytearray(last)
        for line in whole:
            if line:
                yield bytes(line)
