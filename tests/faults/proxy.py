"""A proxy before the API server that writes down every request and makes chosen ones go wrong.

It runs in the test's own event loop. Clients reach it by plain HTTP on a loopback port with the kubeconfig it writes;
their token, or the proxy's where they send none, goes on to the API server, whose certificate is verified as ever.
"""

import asyncio
import contextlib
import json
import ssl
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from aiohttp import web
from yarl import URL

from tests.faults.past import Past, Told
from tests.faults.requests import Request, parse
from tests.faults.rules import (
    Answer,
    Delay,
    Drop,
    Fault,
    Hang,
    Hold,
    Kill,
    LoseAnswer,
    OnStream,
    Repeat,
    Rule,
    Schedule,
    Stale,
)
from tests.faults.streams import under

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length", "te", "trailer"}
_REASONS = {
    401: "Unauthorized",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class ApiServer(Protocol):
    """Where requests go; a `Cluster` is one."""

    @property
    def url(self) -> str:
        """Its address."""
        ...

    @property
    def ca(self) -> Path | None:
        """What its certificate is verified against; None for plain HTTP."""
        ...

    @property
    def admin_token(self) -> str:
        """The token that clients use when they bring none of their own."""
        ...


class FaultProxy:
    """`async with FaultProxy(cluster, rules=[...]) as proxy`."""

    def __init__(self, server: ApiServer, *, rules: Iterable[Rule] = (), token: str | None = None) -> None:
        self.requests: list[Request] = []
        """Every request so far, in the order in which they came."""
        self.schedule = Schedule(rules)
        self.url = ""
        self._past = Past()
        self._server = server
        self._token = token or server.admin_token
        self._stack = contextlib.AsyncExitStack()
        self._session: aiohttp.ClientSession
        self.kubeconfig: Path
        """For clients that shall go through the proxy."""

    async def __aenter__(self) -> Self:
        trust = ssl.create_default_context(cafile=self._server.ca) if self._server.ca else True
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
                connector=aiohttp.TCPConnector(ssl=trust, limit=0),
            )
        )
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(_kubeconfig(self.url, token=self._token), encoding="utf-8")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def writes(self) -> list[Request]:
        """The requests that reached the API server and may have changed something."""
        return [request for request in self.requests if request.is_write and request.forwarded]

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        request = parse(
            incoming.method,
            incoming.path,
            incoming.query,
            user_agent=incoming.headers.get("User-Agent", ""),
            token=incoming.headers.get("Authorization", "").removeprefix("Bearer "),
            at_s=time.monotonic(),
        )
        self.requests.append(request)
        fault = self.schedule.fault_for(request)
        if fault is not None and not isinstance(fault, OnStream):  # what befalls a stream may come later, or never
            request.fault = type(fault).__name__
        match fault:
            case Drop():
                return _cut(incoming)
            case Hang():
                await asyncio.Event().wait()
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Hold(released):
                while not released.is_set():  # noqa: ASYNC110 - another thread sets it
                    await asyncio.sleep(0.01)
            case Answer():
                request.status, request.seconds = fault.status, time.monotonic() - request.at_s
                return _refusal(fault)
            case Stale(ago):
                told = self._past.told(*_question(incoming), ago=ago)
                if told is not None:
                    return _retold(told, request)
        try:
            return await self._forward(incoming, request, fault)
        except aiohttp.ClientError:  # the API server is away: so is the proxy
            return _cut(incoming)

    async def _forward(self, incoming: web.Request, request: Request, fault: Fault | None) -> web.StreamResponse:
        body = await incoming.read()
        if isinstance(fault, Repeat):
            answers = [await self._whole(incoming, request, body) for _ in range(2)]
            return _retold(answers[fault.shown - 1], request)
        if isinstance(fault, LoseAnswer | Kill):
            await self._whole(incoming, request, body)
            if isinstance(fault, Kill):
                fault.kill()
            return _cut(incoming)
        if request.verb == "list" and not isinstance(fault, OnStream):
            told = await self._whole(incoming, request, body)
            self._past.note(*_question(incoming), told)
            return _retold(told, request)
        async with self._ask(incoming, body) as answer:
            request.forwarded = True
            request.status, request.seconds = answer.status, time.monotonic() - request.at_s
            outgoing = web.StreamResponse(
                status=answer.status, reason=answer.reason, headers=_passed_on(answer.headers)
            )
            await outgoing.prepare(incoming)
            async for chunk in under(fault, answer.content, request):
                if chunk is None:
                    return _cut(incoming)
                await outgoing.write(chunk)
            await outgoing.write_eof()
            return outgoing

    async def _whole(self, incoming: web.Request, request: Request, body: bytes) -> Told:
        async with self._ask(incoming, body) as answer:
            request.forwarded = True
            return Told(answer.status, _passed_on(answer.headers), await answer.read())

    def _ask(self, incoming: web.Request, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        headers = {name: value for name, value in incoming.headers.items() if name.lower() not in _HOP_BY_HOP}
        # Go clients send no token over plain HTTP, even when their kubeconfig has one.
        headers.setdefault("Authorization", f"Bearer {self._token}")
        return self._session.request(
            incoming.method,
            URL(f"{self._server.url}{incoming.raw_path}", encoded=True),
            headers=headers,
            data=body or None,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            allow_redirects=False,
        )


def _question(incoming: web.Request) -> tuple[str, str]:
    return incoming.raw_path, incoming.headers.get("Accept", "")


def _retold(told: Told, request: Request) -> web.Response:
    request.status, request.seconds = told.status, time.monotonic() - request.at_s
    return web.Response(status=told.status, headers=told.headers, body=told.body)


def _cut(incoming: web.Request) -> web.Response:
    """Reset the connection; what is returned cannot be sent any more."""
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response()


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _refusal(fault: Answer) -> web.Response:
    """A `Status` as the API server would send it."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"injected: {HTTPStatus(fault.status).phrase}",
        "reason": _REASONS.get(fault.status, ""),
        "code": fault.status,
    }
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    return web.json_response(status, status=fault.status, headers=headers)


def _kubeconfig(url: str, *, token: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": url}}],
            "users": [{"name": "proxy", "user": {"token": token}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "current-context": "proxy",
        }
    )
