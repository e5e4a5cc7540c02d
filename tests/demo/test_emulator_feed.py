"""What the emulator hears of the API server: a list, every change, and all of it again after a break."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from aiohttp import web
from wharfage_operator.credentials import Credentials

from demo.emulator.feed import Server

Object = dict[str, Any]


def pod(name: str, version: str = "1") -> Object:
    return {"metadata": {"uid": f"uid-{name}", "name": name, "resourceVersion": version}}


def change(kind: str, obj: Object) -> Object:
    return {"type": kind, "object": obj}


@dataclass
class ApiServer:
    """Answers lists and watches in turn; the last watch stays open."""

    lists: Sequence[Sequence[str]]
    watches: Sequence[Sequence[Object]]
    failing: frozenset[int] = frozenset()
    """Lists that are refused."""
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        watching = "watch" in request.query
        number = sum(what == ("watch" if watching else "list") for what in self.asked)
        self.asked.append("watch" if watching else "list")
        assert request.query["labelSelector"] == "mine"
        if not watching:
            if number in self.failing:
                return web.Response(status=500)
            items = [pod(name) for name in self.lists[number]]
            return web.json_response({"metadata": {"resourceVersion": f"{number}"}, "items": items})
        response = web.StreamResponse()
        await response.prepare(request)
        for each in self.watches[number]:
            await response.write(json.dumps(each).encode() + b"\n")
        if number + 1 == len(self.watches):
            await asyncio.sleep(60)
        return response


class NoCredentials:
    """Of a server that asks nobody who he is."""

    def __init__(self, host: str) -> None:
        self.host = host

    async def authorization(self) -> dict[str, str]:
        return {}


@asynccontextmanager
async def connected(api: ApiServer) -> AsyncIterator[Server]:
    application = web.Application()
    application.router.add_get("/pods", api.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as session:
            host = NoCredentials(f"http://127.0.0.1:{runner.addresses[0][1]}")
            yield Server(cast("Credentials", host), session)
    finally:
        await runner.cleanup()


async def heard(api: ApiServer, count: int) -> list[tuple[str, bool]]:
    """The first so many things that are heard: of whom, and whether it is gone."""
    told: list[tuple[str, bool]] = []
    enough = asyncio.Event()

    def hear(obj: Object, gone: bool) -> None:
        told.append((obj["metadata"]["name"], gone))
        if len(told) >= count:
            enough.set()

    async with connected(api) as server:
        following = asyncio.create_task(server.follow("/pods", hear, selector="mine"))
        try:
            await asyncio.wait_for(enough.wait(), timeout=60)
        finally:
            following.cancel()
    return told


async def test_what_is_there_is_told_and_then_every_change() -> None:
    watch = [
        change("MODIFIED", pod("a", "2")),
        change("BOOKMARK", pod("")),
        change("ADDED", pod("b")),
        change("DELETED", pod("a")),
    ]
    api = ApiServer([["a"]], [watch])
    assert await heard(api, 4) == [("a", False), ("a", False), ("b", False), ("a", True)]


async def test_after_a_watch_that_is_too_old_what_went_meanwhile_is_told_as_gone() -> None:
    expired = [change("ERROR", {"code": 410, "metadata": {}})]
    api = ApiServer([["a", "b"], ["b", "c"]], [expired, []])
    assert await heard(api, 5) == [("a", False), ("b", False), ("a", True), ("b", False), ("c", False)]


async def test_a_watch_that_the_server_ends_is_opened_again_with_a_list() -> None:
    api = ApiServer([["a"], ["a"]], [[], []])
    assert await heard(api, 2) == [("a", False), ("a", False)]
    assert api.asked[:3] == ["list", "watch", "list"]


async def test_a_server_that_fails_for_a_moment_is_asked_again() -> None:
    api = ApiServer([["a"], [], ["b"]], [[], []], failing=frozenset({1}))
    assert await heard(api, 3) == [("a", False), ("a", True), ("b", False)]
    assert api.asked[:4] == ["list", "watch", "list", "list"]
