"""Every fault, against a small server whose answers are known."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.faults.proxy import FaultProxy
from tests.faults.rules import (
    Answer,
    Delay,
    Drop,
    Expire,
    Fault,
    FreezeStream,
    Hang,
    Kill,
    LoseAnswer,
    LoseLine,
    Match,
    Repeat,
    ResetStream,
    Rule,
    Stale,
    SwapLines,
)

PODS = "/api/v1/namespaces/a/pods"
TOO_OLD = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"injected"}}'
CONNECTION_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


@dataclass
class Upstream:
    """Answers POST with what it was sent and a count, a list with a count, and a watch with three lines."""

    url: str = ""
    ca: Path | None = None
    admin_token: str = "secret"
    received: list[str] = field(default_factory=list)
    last_path: str = ""
    last_headers: set[str] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(f"{request.method} {request.headers.get('Authorization', '')}")
        self.last_path, self.last_headers = request.raw_path, {name.lower() for name in request.headers}
        if "watch" not in request.query:
            return web.Response(body=b"%s %d" % (await request.read() or b"list", len(self.received)))
        answer = web.StreamResponse()
        await answer.prepare(request)
        for number in (1, 2, 3):
            await answer.write(b"event %d\n" % number)
            await asyncio.sleep(0.01)
        return answer


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    served = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


async def post(proxy: FaultProxy, *, within_s: float = 120.0) -> tuple[int, bytes, str | None]:
    headers = {"Authorization": "Bearer secret"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(proxy.url + PODS, data=b"body", timeout=aiohttp.ClientTimeout(total=within_s)) as answer,
    ):
        return answer.status, await answer.read(), answer.headers.get("Retry-After")


async def listed(proxy: FaultProxy, path: str = PODS) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(proxy.url + path) as answer:
        return await answer.read()


async def watch(proxy: FaultProxy) -> list[bytes]:
    """The lines that arrive until the stream ends, breaks or was made to stand still."""
    lines: list[bytes] = []
    before, reading = len(proxy.requests), asyncio.create_task(read(proxy, lines))
    while not reading.done() and not any(each.fault == "FreezeStream" for each in proxy.requests[before:]):
        await asyncio.wait([reading], timeout=0.01)
    await asyncio.wait([reading], timeout=0.5)  # what was sent before it stood still
    if not reading.done():
        lines.append(b"broken")
        reading.cancel()
    await asyncio.wait([reading])
    return lines


async def read(proxy: FaultProxy, lines: list[bytes]) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"{proxy.url}{PODS}?watch=true") as answer:
                async for line in answer.content:
                    lines += [line.strip()]
        except CONNECTION_LOST:
            lines.append(b"broken")


async def test_a_request_passes_through_and_is_written_down(upstream: Upstream) -> None:
    async with FaultProxy(upstream) as proxy:
        assert await post(proxy) == (200, b"body 1", None)
        [request] = proxy.requests
    assert upstream.received == ["POST Bearer secret"]
    assert (request.verb, request.resource, request.namespace, request.status) == ("create", "pods", "a", 200)
    assert proxy.writes == [request]


async def test_nothing_is_added_to_a_request_or_spelled_differently(upstream: Upstream) -> None:
    asked = f"{PODS}?labelSelector=a%2Fb%3Dc%2Cd&limit=500"
    async with (
        FaultProxy(upstream) as proxy,
        aiohttp.ClientSession(skip_auto_headers=["Accept", "Accept-Encoding", "User-Agent"]) as session,
        session.get(URL(proxy.url + asked, encoded=True)),
    ):
        pass
    assert upstream.last_path == asked
    assert upstream.last_headers == {"host", "authorization"}


@pytest.mark.parametrize("status", [409, 429, 500, 503])
async def test_an_injected_status_never_reaches_the_server(upstream: Upstream, status: int) -> None:
    async with FaultProxy(upstream, rules=[Rule(fault=Answer(status, retry_after_s=7))]) as proxy:
        answered, body, retry_after = await post(proxy)
        assert (answered, retry_after) == (status, "7")
        assert b'"kind": "Status"' in body
        assert upstream.received == []
        assert (await post(proxy))[0] == 200


@pytest.mark.parametrize(
    ("fault", "reached"),
    [
        pytest.param(Drop(), False, id="a dropped request does not reach the server"),
        pytest.param(LoseAnswer(), True, id="a lost answer leaves the work done"),
    ],
)
async def test_a_cut_connection_is_an_error_for_the_client(upstream: Upstream, fault: Fault, reached: bool) -> None:
    async with FaultProxy(upstream, rules=[Rule(fault=fault)]) as proxy:
        with pytest.raises(CONNECTION_LOST):
            await post(proxy)
        assert bool(upstream.received) == reached
        assert bool(proxy.writes) == reached


@pytest.mark.parametrize("shown", [1, 2], ids=lambda shown: f"answer {shown} is shown")
async def test_a_repeated_request_reaches_the_server_twice_and_is_answered_once(upstream: Upstream, shown: int) -> None:
    async with FaultProxy(upstream, rules=[Rule(fault=Repeat(shown=shown))]) as proxy:
        assert await post(proxy) == (200, b"body %d" % shown, None)
        assert len(upstream.received) == 2
        assert [request.status for request in proxy.writes] == [200]


async def test_a_token_can_be_what_is_refused(upstream: Upstream) -> None:
    old = Rule(fault=Answer(401), match=Match(token="secret"), times=None)
    async with FaultProxy(upstream, rules=[old], token="other") as proxy:
        assert (await post(proxy))[0] == 401
        assert await listed(proxy) == b"list 1"


async def test_a_stale_list_is_one_that_was_told_before(upstream: Upstream) -> None:
    async with FaultProxy(upstream) as proxy:
        assert [await listed(proxy) for _ in range(3)] == [b"list 1", b"list 2", b"list 3"]
        proxy.schedule.add(Rule(fault=Stale(ago=2), match=Match(verb="list")))
        assert await listed(proxy) == b"list 2"
        assert await listed(proxy) == b"list 4"
        assert [request.forwarded for request in proxy.requests] == [True, True, True, False, True]


async def test_what_was_never_listed_cannot_be_stale(upstream: Upstream) -> None:
    async with FaultProxy(upstream, rules=[Rule(fault=Stale(ago=1), nth=2)]) as proxy:
        await listed(proxy)
        assert await listed(proxy, f"{PODS}?limit=500") == b"list 2"


async def test_a_delay_is_waited_for(upstream: Upstream) -> None:
    async with FaultProxy(upstream, rules=[Rule(fault=Delay(0.2))]) as proxy:
        await post(proxy)
        seconds = proxy.requests[0].seconds
    assert seconds is not None
    assert seconds >= 0.2


async def test_a_hanging_request_ends_by_the_client_s_own_timeout(upstream: Upstream) -> None:
    async with FaultProxy(upstream, rules=[Rule(fault=Hang())]) as proxy:
        with pytest.raises(TimeoutError):
            await post(proxy, within_s=0.5)
    assert upstream.received == []


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        pytest.param(ResetStream(after_lines=1), [b"event 1", b"broken"], id="a reset breaks off after one event"),
        pytest.param(
            FreezeStream(after_lines=2), [b"event 1", b"event 2", b"broken"], id="a frozen stream stands still"
        ),
        pytest.param(Expire(), [TOO_OLD], id="a version that is too old ends the watch"),
        pytest.param(LoseLine(number=2), [b"event 1", b"event 3"], id="a lost event leaves the others"),
        pytest.param(LoseLine(saying=b"3"), [b"event 1", b"event 2"], id="an event is lost for what it says"),
        pytest.param(LoseLine(number=None), [], id="all events are lost"),
        pytest.param(
            SwapLines(saying=b"2"), [b"event 1", b"event 3", b"event 2"], id="an event is late for what it says"
        ),
        pytest.param(
            SwapLines(number=2), [b"event 1", b"event 3", b"event 2"], id="an event arrives after the next one"
        ),
        pytest.param(
            SwapLines(number=None), [b"event 2", b"event 1", b"event 3"], id="all events are swapped in pairs"
        ),
        pytest.param(
            SwapLines(number=3), [b"event 1", b"event 2", b"event 3"], id="the last event has none to swap with"
        ),
    ],
)
async def test_a_watch_goes_wrong_as_asked(upstream: Upstream, fault: Fault, seen: list[bytes]) -> None:
    async with FaultProxy(upstream, rules=[Rule(fault=fault, match=Match(verb="watch"))]) as proxy:
        assert await watch(proxy) == seen
        assert await watch(proxy) == [b"event 1", b"event 2", b"event 3"]


async def test_the_killer_is_called_after_the_nth_write_was_done(upstream: Upstream) -> None:
    written_at_death: list[int] = []
    rule = Rule(fault=Kill(lambda: written_at_death.append(len(upstream.received))), match=Match(write=True), nth=2)
    async with FaultProxy(upstream, rules=[rule]) as proxy:
        await watch(proxy)
        await post(proxy)
        with pytest.raises(CONNECTION_LOST):
            await post(proxy)
    assert written_at_death == [3]


async def test_a_server_that_is_away_looks_away(upstream: Upstream) -> None:
    upstream.url = "http://127.0.0.1:9"
    async with FaultProxy(upstream) as proxy:
        with pytest.raises(CONNECTION_LOST):
            await post(proxy)
