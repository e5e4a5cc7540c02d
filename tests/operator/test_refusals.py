"""Streams that are refused, before a server that answers as told."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from wharfage_operator.credentials import Credentials
from wharfage_operator.kinds import NODES, PODS
from wharfage_operator.refusals import Patience, Refusals

WATCH_PODS = PODS.path("shop") + "?watch=true"


@dataclass
class Place:
    """A server that accepts one token and refuses some paths, and a client of it as kopf's streams have one."""

    token_file: Path
    accepts: str = "first"
    refused: dict[str, int] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    session: aiohttp.ClientSession | None = None

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.accepts}":
            return web.Response(status=401)
        return web.Response(status=self.refused.get(request.path, 200))

    async def status(self, path: str) -> int:
        assert self.session is not None
        async with self.session.get(path) as answer:
            return answer.status


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    place = Place(tmp_path / "token")
    place.token_file.write_text("first")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", place.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = {
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
        "users": [{"name": "it", "user": {"tokenFile": str(place.token_file)}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    credentials = await Credentials.load()
    streams = {PODS.path("shop"): (PODS, "shop"), NODES.path(): (NODES, "")}
    patience = Patience(credentials, place.refusals, streams, retry_s=0.0)
    async with aiohttp.ClientSession(credentials.host, middlewares=(patience,)) as place.session:
        yield place
    await runner.cleanup()


async def test_a_token_that_was_replaced_is_read_again(place: Place) -> None:
    assert await place.status(WATCH_PODS) == 200
    place.accepts = "second"
    place.token_file.write_text("second")
    assert await place.status(WATCH_PODS) == 200


async def test_a_token_that_is_not_replaced_yet_is_no_end(place: Place) -> None:
    place.accepts = "second"
    place.token_file.unlink()
    with pytest.raises(aiohttp.ClientPayloadError, match="status 401"):
        await place.status(WATCH_PODS)
    place.token_file.write_text("second")
    assert await place.status(WATCH_PODS) == 200


async def test_a_forbidden_stream_is_named_once_and_until_it_is_allowed(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    place.refused = {PODS.path("shop"): 403, NODES.path(): 403}
    for path in (WATCH_PODS, WATCH_PODS, NODES.path()):
        with pytest.raises(aiohttp.ClientPayloadError, match="status 403"):
            await place.status(path)
    assert place.refusals.sentences() == [
        "may not list nodes cluster-wide (needed: which offers a running node provides)",
        "may not watch pods in namespace shop (needed: which replicas are ready, and what blocks the others)",
    ]
    place.refused = {}
    assert [await place.status(path) for path in (WATCH_PODS, NODES.path())] == [200, 200]
    assert place.refusals.sentences() == []
    assert [record.message for record in caplog.records] == ["permission missing"] * 2 + ["permission is back"] * 2


async def test_an_api_that_is_gone_is_waited_for_and_not_called_a_missing_permission(place: Place) -> None:
    place.refused = {PODS.path("shop"): 404}
    with pytest.raises(aiohttp.ClientPayloadError, match="status 404"):
        await place.status(WATCH_PODS)
    assert place.refusals.sentences() == []


async def test_what_is_no_stream_is_answered_as_it_is(place: Place) -> None:
    place.refused = {"/apis/karpenter.sh/v1": 404, PODS.path("elsewhere"): 403}
    assert [await place.status(path) for path in place.refused] == [404, 403]
    assert place.refusals.sentences() == []
