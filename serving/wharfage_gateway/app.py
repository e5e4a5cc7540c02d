"""The brain on the wire: Envoy asks on a unix socket, operator, Prometheus and kubelet on a port.

Bare ASGI, since every request of every client passes here once; a framework took longer than the decision. A request
waits by not being answered, and whoever leaves meanwhile gives up the place.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from wharfage_gateway import rated
from wharfage_gateway.answer import Admit, Header, Refuse, Reply, Wait, reply
from wharfage_gateway.asked import asked
from wharfage_gateway.board import Board
from wharfage_gateway.demand import demand
from wharfage_gateway.dialect import dialect_of
from wharfage_gateway.metrics import Counts
from wharfage_gateway.outcome import told
from wharfage_gateway.ratings import MOST_BYTES
from wharfage_gateway.recount import Active
from wharfage_gateway.routes import RATINGS
from wharfage_gateway.ticket import Called, Used
from wharfage_gateway.view import View

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHECK = "/check"
POLL_S = 15.0
LONGEST_POLL_S = 60.0
_JSON: list[Header] = [(b"content-type", b"application/json")]
_UNSEEING = Reply(503, [], b"no view of the cluster yet")
"""Envoy takes it for a brain that is dead, and goes on by its files: whoever knows nothing refuses nobody."""
_STOPPING = Refuse(503, "gateway_stopping", "this gateway is being replaced: send the request again", 1.0)


class App:
    """The ASGI application. Everything happens in one event loop, so the board needs no lock."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._held: dict[str, asyncio.Future[Admit | Refuse]] = {}
        self._news = asyncio.Event()
        self._told = board.version
        self._began_s = time.time()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Counts(board, lambda: None if self.age_s is None else self.age_s()))
        self.age_s: Callable[[], float] | None = None
        """For how long nothing was heard of replicas; None where the view comes from a file."""
        self.seen = False
        """Whether there was a view: before, nobody can be told anything."""
        self.stopping = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path: str = scope["path"]
        if scope["server"][1] is None:  # the unix socket
            if path.startswith(CHECK):
                await self._check(scope, receive, send)
            elif path == "/v1/models":
                await _say(send, Reply(200, _JSON, self._models()))
            elif path == RATINGS and scope["method"] != "POST":
                await _say(send, _POST_ALONE)
            elif path == RATINGS:
                body = await _beginning(receive, MOST_BYTES)
                await _say(send, await rated.by_client(self._board, scope["headers"], body))
            else:
                await _say(send, _NOT_FOUND)
        elif path == "/demand":
            await _say(send, Reply(200, _JSON, await self._demand(scope["query_string"])))
        elif path == "/variants":
            await _say(send, Reply(200, _JSON, json.dumps({"models": told(self._board.outcomes)}).encode()))
        elif path == rated.PATH and scope["method"] == "POST":
            await _say(send, rated.by_gateway(self._board, await _beginning(receive, MOST_BYTES)))
        elif path == "/metrics":
            said: list[Header] = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
            await _say(send, Reply(200, said, generate_latest(self._registry)))
        elif path == "/healthz":
            await _say(send, Reply(200, [], b"ok"))
        elif path == "/readyz":
            ready = self.seen and not self.stopping
            await _say(
                send, Reply(200, [], b"ok") if ready else Reply(503, [], b"no view of the cluster yet, or leaving")
            )
        else:
            await _say(send, _NOT_FOUND)

    @property
    def idle(self) -> bool:
        """Whether nobody waits or runs."""
        return not self._board.waiting and not self._board.running

    def see(self, view: View) -> None:
        """The cluster looks like this now."""
        self.seen = True
        self._call(self._board.see(view, time.monotonic()))

    def tick(self) -> None:
        """Some time has passed."""
        self._call(self._board.tick(time.monotonic()))

    def ended(self, slot: str, request_id: str, used: Used) -> None:
        """The access log has told of a request's end."""
        self._call(self._board.ended(slot, used, time.monotonic(), request_id=request_id))

    def recount(self, active: Active) -> None:
        """Envoy has so many requests under way, by served name and endpoint."""
        self._call(self._board.recount(active, time.monotonic()))

    def dismiss(self) -> None:
        """Tell all who wait to ask again, which will be another gateway."""
        for slot in list(self._held):
            self._board.gone(slot, time.monotonic())
            self._call([Called(slot, _STOPPING)])

    async def _check(self, scope: Message, receive: Receive, send: Send) -> None:
        if not self.seen:
            await _say(send, _UNSEEING)
            return
        body = await _beginning(receive)
        began_s, waited_s = time.monotonic(), 0.0
        request = asked(scope["headers"], body, dialect_of(scope["path"].removeprefix(CHECK)))
        slot, answer, called = self._board.arrive(request, began_s)
        self._call(called)
        if isinstance(answer, Wait):
            decided = await self._wait(slot, receive)
            if decided is None:
                return
            answer, waited_s = decided, time.monotonic() - began_s
        await _say(send, reply(answer, slot, waited_s, dialect=request.dialect))

    async def _wait(self, slot: str, receive: Receive) -> Admit | Refuse | None:
        """The answer, once there is one; None where the client has left, even if it was let in at that moment."""
        held: asyncio.Future[Admit | Refuse] = asyncio.get_running_loop().create_future()
        self._held[slot] = held
        left = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((held, left), return_when=asyncio.FIRST_COMPLETED)
            if not left.done():
                return held.result()
            self._call(self._board.gone(slot, time.monotonic()))
            return None
        except asyncio.CancelledError:
            self._call(self._board.gone(slot, time.monotonic()))
            raise
        finally:
            left.cancel()
            self._held.pop(slot, None)

    def _call(self, called: Iterable[Called]) -> None:
        for each in called:
            held = self._held.get(each.slot)
            if held is not None and not held.done():
                held.set_result(each.answer)
        if self._board.version != self._told:
            self._told = self._board.version
            self._news.set()
            self._news = asyncio.Event()

    async def _demand(self, query: bytes) -> bytes:
        asked_for = parse_qs(query.decode("latin-1"))
        since = _number(asked_for.get("since", ["-1"])[-1], -1.0)
        wait_s = min(max(0.0, _number(asked_for.get("wait", [""])[-1], POLL_S)), LONGEST_POLL_S)
        if self._board.version <= since:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait_s)
        now = demand(self._board, now_s=time.monotonic(), unix_s=time.time(), began_s=self._began_s)
        return json.dumps(now).encode()

    def _models(self) -> bytes:
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "wharfage"}
            for name in sorted(self._board.view.models)
        ]
        return json.dumps({"object": "list", "data": rows}).encode()


_NOT_FOUND = Reply(404, [], b"no such path")
_POST_ALONE = reply(Refuse(405, "method_not_allowed", f"write a rating with POST {RATINGS}"), "")


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


async def _beginning(receive: Receive, most: int | None = None) -> bytes:
    """The part of the body that is sent; of one longer than `most` bytes a little more than that."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        if most is None or len(body) <= most:
            body += message.get("body", b"")
    return body


async def _say(send: Send, said: Reply) -> None:
    length = (b"content-length", str(len(said.body)).encode())
    await send({"type": "http.response.start", "status": said.status, "headers": [*said.headers, length]})
    await send({"type": "http.response.body", "body": said.body})
