"""Watch streams that the API server refuses: said once, shown in /readyz, and tried again instead of given up.

A rule may be taken away while the operator runs, an API may go, a token may expire. kopf takes each for the end
of the process; but children keep running and other kinds are still heard of, so the process stays, says what it
misses, and goes on by itself when it is back.
"""

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeAlias

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from wharfage_operator.credentials import Credentials
from wharfage_operator.kinds import Kind
from wharfage_operator.permissions import permission_to

log = logging.getLogger(__name__)
_WAITS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})

Paths: TypeAlias = Mapping[str, tuple[Kind, str]]
"""The streams by their paths: of which kind, in which namespace ("": all of them)."""


class Refusals:
    """The lists and watches that are forbidden at present."""

    def __init__(self) -> None:
        self._forbidden: dict[tuple[str, Kind, str], str] = {}

    def note(self, verb: str, kind: Kind, namespace: str, *, forbidden: bool) -> None:
        """What just came of a `list` or `watch` of a kind in a namespace ("": all of them)."""
        asked = verb, kind, namespace
        if forbidden and asked not in self._forbidden:
            self._forbidden[asked] = f"may not {permission_to(verb, kind, namespace)}"
            log.error("permission missing", extra={"permission": self._forbidden[asked]})
        elif not forbidden and asked in self._forbidden:
            log.info("permission is back", extra={"permission": self._forbidden.pop(asked)})

    def sentences(self) -> list[str]:
        """One per missing permission."""
        return sorted(self._forbidden.values())


class Patience:
    """What stands between kopf's streams and the API server: an aiohttp middleware.

    It brings the token of the moment. A refused stream waits for `watch_retry_s` and then ends as by a broken
    connection, which kopf answers by starting it again; the refusal itself would end the process.
    """

    def __init__(self, credentials: Credentials, refusals: Refusals, streams: Paths, *, retry_s: float) -> None:
        """`streams` are looked after; other requests get their answers as they are."""
        self._credentials = credentials
        self._refusals = refusals
        self._retry_s = retry_s
        self._streams = streams

    async def __call__(self, request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        """Send a request of kopf's; ClientPayloadError where a stream is refused."""
        response = await self._sent(request, send)
        if response.status == HTTPStatus.UNAUTHORIZED:
            response.release()
            await self._credentials.renew()
            response = await self._sent(request, send)
        stream = self._streams.get(request.url.path)
        if stream is None:
            return response
        verb = "watch" if "watch" in request.url.query else "list"
        self._refusals.note(verb, *stream, forbidden=response.status == HTTPStatus.FORBIDDEN)
        if response.status not in _WAITS:
            return response
        response.release()
        await asyncio.sleep(self._retry_s)
        raise aiohttp.ClientPayloadError(f"{verb} {request.url.path}: refused with status {response.status}")

    async def _sent(self, request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        request.headers.update(await self._credentials.authorization())
        return await send(request)
