"""The page's server: closed to whoever has no right, whatever the API server answers; no foreign code runs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Meter
from wharfage_operator.books import OPEN, Open, written_open
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.kinds import LLM_DEPLOYMENTS
from wharfage_operator.overview import Replica
from wharfage_operator.scopes import Scopes
from wharfage_operator.spending import Spending
from wharfage_operator.visitors import Visitors
from wharfage_operator.webpage import Page, shown

from tests.operator.connected import connected

Object = dict[str, Any]


@dataclass
class Site:
    """The page, and the API server behind it, whose answers the test sets."""

    url: str
    answers: dict[str, tuple[int, Object]]
    synced: asyncio.Event

    async def get(self, path: str, token: str = "") -> tuple[int, aiohttp.ClientResponse, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as answer:
            return answer.status, answer, await answer.text()


KNOWN = {"status": {"authenticated": True, "user": {"username": "viewer"}}}
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
LEDGER = "/api/v1/namespaces/system/configmaps"


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    books = written_open("system", Open(Meter(1.0), Ledger(), since_s=0.0, closed_s=0.0))
    answers: dict[str, tuple[int, Object]] = {
        TOKENS: (200, KNOWN),
        f"{LEDGER}/{OPEN}": (200, books),
        LEDGER: (200, {"metadata": {}, "items": []}),
    }

    async def answer(request: web.Request) -> web.Response:
        if request.path == REVIEWS and REVIEWS not in answers:
            wanted = (await request.json())["spec"]["resourceAttributes"]
            return web.json_response({"status": {"allowed": wanted.get("namespace") == "shop"}})
        status, body = answers.get(request.path, (404, {}))
        return web.json_response(body, status=status)

    app, cache, synced = web.Application(), Cache(), asyncio.Event()
    app.router.add_route("*", "/{path:.*}", answer)
    for namespace, name in (("shop", "chat"), ("team", "big")):
        metadata = {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "7"}
        cache.put(LLM_DEPLOYMENTS, {"metadata": metadata, "spec": {}})
    synced.set()
    async with connected(app, tmp_path, monkeypatch) as connection:
        page = Page(
            cache,
            Scopes(cache),
            Visitors(connection, lambda: {"shop", "team"}),
            Spending(connection, "system", lambda: 7200.0),
            Clock(),
            replica=lambda: Replica("two", leads=False, leader="one"),
            synced=synced,
        )
        async with shown(page, host="127.0.0.1", port=0) as port:
            yield Site(f"http://127.0.0.1:{port}", answers, synced)


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/api/fleet", "/api/fleet/shop/chat", "/nothing"])
async def test_every_answer_forbids_what_a_page_does_not_need(site: Site, path: str) -> None:
    _, answer, _ = await site.get(path, "good")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_page_itself_needs_no_token_and_names_no_other_server(site: Site) -> None:
    status, _, text = await site.get("/")
    assert status == 200
    assert "//" not in text.replace("<!doctype", "")
    assert "style=" not in text
    assert "<script>" not in text


@pytest.mark.parametrize("path", ["/api/fleet", "/api/fleet/shop/chat"])
async def test_without_a_token_nothing_is_told(site: Site, path: str) -> None:
    status, answer, text = await site.get(path)
    assert (status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "kubectl create token" in text
    assert "chat" not in text


async def test_a_namespace_is_told_to_those_who_may_list_it_alone(site: Site) -> None:
    status, _, text = await site.get("/api/fleet", "good")
    assert status == 200
    assert '"chat"' in text
    assert "big" not in text
    assert '"leads":false' in text
    assert (await site.get("/api/fleet/shop/chat", "good"))[0] == 200


async def test_what_may_not_be_seen_looks_as_what_is_not_there(site: Site) -> None:
    hidden, absent = await site.get("/api/fleet/team/big", "good"), await site.get("/api/fleet/team/none", "good")
    assert (hidden[0], hidden[2].replace("big", "none")) == (absent[0], absent[2]) == (404, absent[2])


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        pytest.param(TOKENS, 500, "does not answer", id="the token cannot be reviewed"),
        pytest.param(TOKENS, 403, "page.enabled=true", id="the operator may not review it"),
        pytest.param(REVIEWS, 500, "does not answer", id="rights cannot be asked for"),
        pytest.param(REVIEWS, 403, "page.enabled=true", id="the operator may not ask for them"),
    ],
)
async def test_where_the_api_server_fails_the_page_is_closed(site: Site, path: str, status: int, words: str) -> None:
    site.answers[path] = status, {"message": "no"}
    code, answer, text = await site.get("/api/fleet", "good")
    assert (code, answer.headers["Retry-After"]) == (503, "5")
    assert words in text
    assert "chat" not in text


async def test_a_token_that_is_not_known_is_refused_in_words(site: Site) -> None:
    site.answers[TOKENS] = 200, {"status": {"error": "[token has expired]"}}
    code, _, text = await site.get("/api/fleet", "old")
    assert code == 401
    assert "token has expired" in text


async def test_before_the_first_lists_nothing_is_told(site: Site) -> None:
    site.synced.clear()
    assert (await site.get("/api/fleet", "good"))[0] == 503


async def test_the_fleet_is_sent_packed_to_those_who_take_it(site: Site) -> None:
    headers = {"Authorization": "Bearer good"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{site.url}/api/fleet") as answer:
            packed, encoding = await answer.json(), answer.headers.get("Content-Encoding")
        async with session.get(f"{site.url}/api/fleet", headers={"Accept-Encoding": "identity"}) as answer:
            plain, none = await answer.json(), answer.headers.get("Content-Encoding")
    assert (encoding, none) == ("gzip", None)
    assert packed["deployments"] == plain["deployments"]


async def test_a_ledger_that_cannot_be_read_is_said_and_the_fleet_is_shown(site: Site) -> None:
    site.answers[f"{LEDGER}/{OPEN}"] = 200, {"metadata": {"name": OPEN}, "data": {"form": "99"}}
    status, _, text = await site.get("/api/fleet", "good")
    assert status == 200
    assert '"chat"' in text
    assert "its form is 99" in text


@pytest.mark.parametrize("header", ["Basic Zm9v", "Bearer", "Bearer ", "Bearer \u00ff", "good"])
async def test_what_is_no_bearer_token_is_none(site: Site, header: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{site.url}/api/fleet", headers={"Authorization": header}) as answer,
    ):
        assert answer.status == 401
