"""Events that repeat the answer to a write, before a server that streams what it is told."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from wharfage_operator.echoes import Echoes, Unrepeated
from wharfage_operator.kinds import NODES, SERVICES, Kind, Object

WATCH = SERVICES.path("shop") + "?watch=true"


def service(version: int, **metadata: object) -> Object:
    return {"kind": "Service", "metadata": {"name": "chat", "resourceVersion": str(version), **metadata}}


def line(event: str, obj: Object) -> bytes:
    return json.dumps({"type": event, "object": obj}, separators=(",", ":")).encode() + b"\n"


class Place:
    """A server whose answer to everything is given in pieces, and what comes of it behind the middleware."""

    def __init__(self) -> None:
        self.heard_of: list[Kind] = []
        self.echoes = Echoes(self.heard_of.append)
        self.pieces: list[bytes] = []
        self.session: aiohttp.ClientSession | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in self.pieces:
            await response.write(piece)
        return response

    async def read(self, path: str = WATCH) -> bytes:
        """What kopf would read."""
        assert self.session is not None
        async with self.session.get(path) as response:
            return b"".join([chunk async for chunk in response.content.iter_chunked(1 << 20)])


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", place.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    streams = {SERVICES.path("shop"): (SERVICES, "shop"), NODES.path(): (NODES, "")}
    host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(host, middlewares=(Unrepeated(place.echoes, streams),)) as place.session:
        yield place
    await runner.cleanup()


async def test_a_state_that_an_answer_told_is_not_heard_again_but_noted(place: Place) -> None:
    place.echoes.expect(SERVICES, service(7))
    place.pieces = [line("ADDED", service(6)), line("MODIFIED", service(7)), line("MODIFIED", service(8))]
    assert await place.read() == place.pieces[0] + place.pieces[2]
    assert place.heard_of == [SERVICES]


async def test_a_state_is_left_out_once_since_a_list_that_starts_anew_is_heard(place: Place) -> None:
    place.echoes.expect(SERVICES, service(7))
    place.pieces = [line("ADDED", service(7))]
    assert [await place.read(), await place.read()] == [b"", place.pieces[0]]


async def test_lines_that_come_in_pieces_are_put_together(place: Place) -> None:
    place.echoes.expect(SERVICES, service(7))
    whole = line("ADDED", service(6)) + line("MODIFIED", service(7)) + line("MODIFIED", service(8))
    place.pieces = [whole[:90], whole[90:100], whole[100:]]
    assert await place.read() == line("ADDED", service(6)) + line("MODIFIED", service(8))


async def test_the_end_of_an_object_is_always_heard(place: Place) -> None:
    place.echoes.expect(SERVICES, service(7))
    place.pieces = [line("DELETED", service(7))]
    assert await place.read() == place.pieces[0]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(line("MODIFIED", service(70)), id="a longer number that begins the same"),
        pytest.param(line("MODIFIED", {"kind": "Service", "metadata": {"name": "x"}}), id="no version at all"),
        pytest.param(b'{"type":"ERROR","object":{"code":410}}\n', id="an error"),
        pytest.param(line("BOOKMARK", {"metadata": {"resourceVersion": "9"}}), id="a bookmark"),
        pytest.param(
            line("MODIFIED", {"metadata": {"annotations": {"a": '"resourceVersion":"7"'}, "resourceVersion": "9"}}),
            id="the version within an annotation's text",
        ),
    ],
)
async def test_everything_else_passes_as_it_came(place: Place, other: bytes) -> None:
    place.echoes.expect(SERVICES, service(7))
    place.pieces = [other]
    assert await place.read() == other


async def test_a_version_of_another_kind_and_a_list_are_left_alone(place: Place) -> None:
    place.echoes.expect(SERVICES, service(7))
    place.pieces = [line("MODIFIED", service(7))]
    assert await place.read(NODES.path() + "?watch=true") == place.pieces[0]
    assert await place.read(SERVICES.path("shop")) == place.pieces[0]


def test_what_is_awaited_in_vain_is_forgotten_in_the_end() -> None:
    echoes = Echoes(lambda kind: None)
    for version in range(1, 6000):
        echoes.expect(SERVICES, service(version))
    assert not echoes.repeats(SERVICES, line("ADDED", service(1)))
    assert echoes.repeats(SERVICES, line("ADDED", service(5999)))
