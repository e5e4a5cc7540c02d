"""Events of waiting pods: read late, seldom, and once for all deployments of a namespace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from wharfage_operator import testimony as told
from wharfage_operator.kinds import Object

from tests.operator.connected import connected

NOW = 1_000_000.0
CHAT, SEARCH = ("shop", "chat"), ("shop", "search")


def pod(name: str, *, age_s: float = 60.0, phase: str = "Pending") -> Object:
    created = datetime.fromtimestamp(NOW - age_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
        "status": {"phase": phase},
    }


def event(about: str, message: str) -> Object:
    return {"involvedObject": {"kind": "Pod", "name": about}, "message": message}


@dataclass
class Server:
    """Answers lists of events in pages of two, and counts the questions."""

    events: list[Object] = field(default_factory=list)
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        first = int(request.query.get("continue", "0"))
        rest = {"continue": str(first + 2)} if first + 2 < len(self.events) else {}
        return web.json_response({"items": self.events[first : first + 2], "metadata": rest})


@asynccontextmanager
async def reading(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[told.Testimony]:
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/shop/events", server.answer)
    async with connected(app, folder, monkeypatch) as connection:
        yield told.Testimony(connection, after_s=5.0, every_s=15.0)


def said(events: tuple[Object, ...]) -> list[str]:
    return [each["message"] for each in events]


async def test_a_pod_that_has_not_waited_long_is_asked_about_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([event("a", "too early")])
    async with reading(server, tmp_path, monkeypatch) as testimony:
        assert await testimony.about(CHAT, (pod("a", age_s=2.0),), now=NOW) == ((), 3.0)
        assert await testimony.about(CHAT, (pod("a", phase="Running"),), now=NOW) == ((), None)
    assert server.asked == []


async def test_one_reading_of_all_pages_serves_every_deployment_of_the_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([event("a", "one"), event("b", "two"), event("a", "three"), event("other", "four")])
    async with reading(server, tmp_path, monkeypatch) as testimony:
        answers = await asyncio.gather(
            testimony.about(CHAT, (pod("a"),), now=NOW),
            testimony.about(SEARCH, (pod("b"),), now=NOW + 1.0),
        )
    assert [said(events) for events, _ in answers] == [["one", "three"], ["two"]]
    assert [query.get("continue") for query in server.asked] == [None, "2"]
    assert {query["fieldSelector"] for query in server.asked} == {"involvedObject.kind=Pod"}


async def test_a_pod_that_goes_on_waiting_is_asked_about_ever_more_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([event("a", "one")])
    async with reading(server, tmp_path, monkeypatch) as testimony:
        pauses = []
        now = NOW
        for _ in range(8):
            _, again_s = await testimony.about(CHAT, (pod("a"),), now=now)
            assert again_s is not None
            pauses.append(again_s)
            now += again_s
    assert pauses == [15.0, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0]
    assert len(server.asked) == 8


async def test_events_that_cannot_be_read_leave_the_rest_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(status=403)
    async with reading(server, tmp_path, monkeypatch) as testimony:
        assert await testimony.about(CHAT, (pod("a"),), now=NOW) == ((), 15.0)
