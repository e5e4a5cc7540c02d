"""One POST to an address that a Secret names: limited in time, never redirected, nowhere that others cannot reach.

Whoever writes the Secret must not get further than they would themselves. So each address that a name has led to is
looked at when it is about to be connected to: a name that leads elsewhere the second time does not help. The URL may
itself be a secret (Slack's is): no message names it.
"""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from wharfage_operator.destinations import refusal

_WITHIN_S = 10.0
_REDIRECTS = range(300, 400)
_SUCCESS = range(200, 300)

_Found = tuple[int, int, int, str, tuple[Any, ...]]


class WebhookError(Exception):
    """It was not delivered; the message says why, and what to do."""


class Webhook:
    """Sends JSON; use `opened` to make one."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(self, url: str, body: Mapping[str, Any]) -> None:
        """Deliver a body, which an answer from 200 to 299 confirms; WebhookError for anything else."""
        _check(url)
        headers = {"Content-Type": "application/json", "User-Agent": "wharfage"}
        try:
            async with self._session.post(
                url, data=orjson.dumps(body), headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        except TimeoutError as error:
            raise WebhookError(f"it did not answer within {_WITHIN_S:g} s") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            raise _no_address() from error
        except (aiohttp.ClientError, OSError) as error:
            raise WebhookError(f"it cannot be reached: {_cause(error)}") from error
        if status in _REDIRECTS:
            raise WebhookError(f"it redirects (status {status}), which is not followed: write where it leads to")
        if status not in _SUCCESS:
            raise WebhookError(f"it answered with status {status}")


@asynccontextmanager
async def opened(*, loopback: bool = False) -> AsyncIterator[Webhook]:
    """A way to send, as long as it is needed; to the operator's own `loopback` only if that is allowed."""
    connector = aiohttp.TCPConnector(
        socket_factory=_sockets(loopback=loopback),
        limit=0,  # nobody waits for a place behind the dead
    )
    timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Webhook(session)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError as error:
        raise _no_address() from error
    if not named:
        raise _no_address()


def _no_address() -> WebhookError:
    return WebhookError("its key url is no address of a server: write http(s)://HOST[:PORT][/PATH] into it")


def _sockets(*, loopback: bool) -> Callable[[_Found], socket.socket]:
    """What makes a socket for an address that a name has led to, unless nothing is sent there."""

    def made(found: _Found) -> socket.socket:
        family, kind, protocol, _, place = found
        why = refusal(str(place[0]), loopback=loopback)
        if why:
            raise OSError(why)
        return socket.socket(family, kind, protocol)

    return made


def _cause(error: BaseException) -> str:
    """The system's own words, which know of hosts, never of paths; of what has other words its kind alone."""
    inner = getattr(error, "os_error", None) or error
    words = str(inner) if type(inner) is OSError else type(inner).__name__
    return str(getattr(inner, "strerror", None) or words)
