"""Ratings over HTTP: from clients by Envoy, and from the other gateways, since a client's next connection may be there.

The gateway that let a request in knows who asked it and which variant answered. One that does not know the id asks the
others, each once and at the same time; they do not ask any further.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict

import aiohttp
import orjson

from wharfage_gateway import headers
from wharfage_gateway.answer import Header, Refuse, Reply, reply
from wharfage_gateway.board import Board
from wharfage_gateway.ratings import Rating, Verdict, read, unknown

PATH = "/ratings"
"""Where gateways ask each other, on the port of their pages."""
_ASK_S = 2.0
_CLIENT = headers.CLIENT.encode()
_JSON: list[Header] = [(b"content-type", b"application/json")]
_SAID = {Verdict.COUNTED: 200, Verdict.BEFORE: 200, Verdict.UNKNOWN: 404}


async def by_client(board: Board, sent: Iterable[Header], body: bytes) -> Reply:
    """The answer to a client, whose key Envoy has checked."""
    tenant, _ = headers.tenant_and_class(dict(sent).get(_CLIENT, b"").decode("latin-1").strip())
    rating = read(body, tenant)
    if isinstance(rating, Refuse):
        return reply(rating, "")
    verdict = board.rate(rating)
    if verdict is Verdict.UNKNOWN:
        verdict = await _elsewhere(board.view.peers, rating)
    if verdict is Verdict.UNKNOWN:
        return reply(unknown(rating.id), "")
    told = {"object": "rating", "id": rating.id, "counted": verdict is Verdict.COUNTED}
    return Reply(200, _JSON, orjson.dumps(told))


def by_gateway(board: Board, body: bytes) -> Reply:
    """The answer to another gateway, which has read the rating and writes whose it is."""
    rating = read(body, None)
    if isinstance(rating, Refuse):
        return Reply(400, _JSON, b"{}")
    verdict = board.rate(rating)
    return Reply(_SAID[verdict], _JSON, orjson.dumps({"counted": verdict is Verdict.COUNTED}))


async def _elsewhere(peers: Iterable[str], rating: Rating) -> Verdict:
    """What the others know; one that does not answer knows nothing."""
    body = orjson.dumps(asdict(rating))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as session:
        said = await asyncio.gather(*(_of(session, peer, body) for peer in peers))
    return next((verdict for verdict in said if verdict is not Verdict.UNKNOWN), Verdict.UNKNOWN)


async def _of(session: aiohttp.ClientSession, peer: str, body: bytes) -> Verdict:
    try:
        async with session.post(f"http://{peer}{PATH}", data=body) as told:
            if told.status != 200:
                return Verdict.UNKNOWN
            counted = (await told.json())["counted"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
        return Verdict.UNKNOWN
    return Verdict.COUNTED if counted else Verdict.BEFORE
