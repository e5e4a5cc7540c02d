"""Who may see what on the page: an API server is asked, and where it does not answer nobody sees anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from wharfage_operator.errors import ApiError
from wharfage_operator.turnstile import Busy, Sources
from wharfage_operator.visitors import HOLDS_S, Rights, Unknown, Visitors

from tests.operator.connected import connected

Body = dict[str, Any]
GROUPS = ["system:serviceaccounts", "system:authenticated"]


class Cluster:
    """An API server that knows tokens, and what their owners may list: "" stands for all namespaces."""

    def __init__(self) -> None:
        self.tokens = {"shop-token": "shop-viewer", "all-token": "admin", "none-token": "nobody"}
        self.may = {
            ("shop-viewer", "llmdeployments", "shop"),
            ("admin", "llmdeployments", ""),
            ("admin", "llmbudgets", ""),
        }
        self.asked: list[Body] = []
        self.most_at_once = 0
        self.failure: tuple[str, int] | None = None
        self._now = 0

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", self._token)
        app.router.add_post("/apis/authorization.k8s.io/v1/subjectaccessreviews", self._access)
        return app

    async def _token(self, request: web.Request) -> web.Response:
        body = await self._heard(request, "tokenreviews")
        user = self.tokens.get(body["spec"]["token"])
        if user is None:
            return web.json_response({"status": {"error": "[invalid bearer token]"}})
        told = {"username": user, "uid": "u-1", "groups": GROUPS, "extra": {"pod": ["p"]}}
        return web.json_response({"status": {"authenticated": True, "user": told}})

    async def _access(self, request: web.Request) -> web.Response:
        spec = (await self._heard(request, "subjectaccessreviews"))["spec"]
        assert (spec["uid"], spec["groups"], spec["extra"]) == ("u-1", GROUPS, {"pod": ["p"]})
        wanted = spec["resourceAttributes"]
        assert (wanted["group"], wanted["verb"]) == ("wharfage.dev", "list")
        allowed = (spec["user"], wanted["resource"], wanted.get("namespace", "")) in self.may
        return web.json_response({"status": {"allowed": allowed}})

    async def _heard(self, request: web.Request, what: str) -> Body:
        body: Body = await request.json()
        self.asked.append(body)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(0.001)
        self._now -= 1
        if self.failure is not None and self.failure[0] == what:
            text = '{"reason": "Failed", "message": "no"}'
            raise web.HTTPInternalServerError(text=text) if self.failure[1] == 500 else web.HTTPForbidden(text=text)
        return body


Made = Callable[..., Visitors]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
async def visitors(
    cluster: Cluster, clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Visitors]:
    namespaces = ["shop", "search", *(f"team-{each}" for each in range(30))]
    async with connected(cluster.app, tmp_path, monkeypatch) as connection:
        yield Visitors(connection, lambda: namespaces, clock=lambda: clock[0])


async def test_who_may_list_everywhere_is_not_asked_for_namespaces(visitors: Visitors, cluster: Cluster) -> None:
    assert await visitors.rights("all-token") == Rights("admin", everywhere=True, budgets=True)
    assert len(cluster.asked) == 3


async def test_who_may_list_in_one_namespace_sees_that_one(visitors: Visitors, cluster: Cluster) -> None:
    found = await visitors.rights("shop-token")
    assert found == Rights("shop-viewer", namespaces=frozenset({"shop"}))
    assert [found.sees(each) for each in ("shop", "search", "")] == [True, False, False]
    assert 1 < cluster.most_at_once <= 8


async def test_a_token_that_nobody_knows_is_refused_in_the_servers_words_and_not_asked_again(
    visitors: Visitors, cluster: Cluster
) -> None:
    for _ in range(3):
        with pytest.raises(Unknown, match="invalid bearer token"):
            await visitors.rights("made-up")
    assert len(cluster.asked) == 1


async def test_an_answer_holds_for_half_a_minute(visitors: Visitors, cluster: Cluster, clock: list[float]) -> None:
    await visitors.rights("shop-token")
    cluster.may.clear()
    clock[0] += HOLDS_S - 0.001
    assert (await visitors.rights("shop-token")).sees("shop")
    clock[0] += 0.001
    assert not (await visitors.rights("shop-token")).sees("shop")
    del cluster.tokens["shop-token"]
    clock[0] += HOLDS_S
    with pytest.raises(Unknown):
        await visitors.rights("shop-token")


@pytest.mark.parametrize("what", ["tokenreviews", "subjectaccessreviews"])
@pytest.mark.parametrize("status", [403, 500])
async def test_where_the_server_refuses_or_fails_nobody_has_rights_and_it_is_asked_again(
    visitors: Visitors, cluster: Cluster, what: str, status: int
) -> None:
    cluster.failure = what, status
    with pytest.raises(ApiError) as raised:
        await visitors.rights("all-token")
    assert raised.value.status == status
    cluster.failure = None
    assert (await visitors.rights("all-token")).everywhere


async def test_a_right_that_ended_while_the_server_fails_is_not_extended(
    visitors: Visitors, cluster: Cluster, clock: list[float]
) -> None:
    await visitors.rights("all-token")
    clock[0] += HOLDS_S
    cluster.failure = "tokenreviews", 500
    with pytest.raises(ApiError):
        await visitors.rights("all-token")


async def test_rights_of_one_token_are_not_those_of_another(visitors: Visitors) -> None:
    one, other, third = await asyncio.gather(*map(visitors.rights, ("all-token", "shop-token", "none-token")))
    assert (one.everywhere, other.everywhere, third.everywhere) == (True, False, False)
    assert third == Rights("nobody")


async def test_more_tokens_than_can_be_asked_about_are_told_to_come_back(
    visitors: Visitors, cluster: Cluster, clock: list[float]
) -> None:
    found = await asyncio.gather(*(visitors.rights(f"t-{each}") for each in range(70)), return_exceptions=True)
    assert [type(each) for each in found] == [Unknown] * 48 + [Busy] * 22
    assert cluster.most_at_once <= 8
    clock[0] += 1.0
    assert (await visitors.rights("all-token")).everywhere


async def test_made_up_tokens_take_no_place_of_those_whom_the_api_server_has_known(
    visitors: Visitors, cluster: Cluster, clock: list[float]
) -> None:
    await visitors.rights("shop-token")
    for _ in range(68):  # more than are remembered at all
        await asyncio.gather(*(visitors.rights(f"{clock[0]}-{at}") for at in range(15)), return_exceptions=True)
        clock[0] += 1.0
    assert len([each for each in cluster.asked if each["kind"] == "TokenReview"]) == 1 + 68 * 15
    flood = [asyncio.create_task(visitors.rights(f"made-up-{each}")) for each in range(200)]
    await asyncio.sleep(0)
    assert (await visitors.rights("shop-token")).sees("shop")
    found = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(each) for each in found} == {Unknown, Busy}


async def test_of_made_up_tokens_a_few_in_a_second_are_asked_about(
    visitors: Visitors, cluster: Cluster, clock: list[float]
) -> None:
    for second in range(10):
        for at in range(100):
            with pytest.raises((Unknown, Busy)):
                await visitors.rights(f"{second}-{at}", f"10.0.{at}.1")
        clock[0] += 1.0
    assert len(cluster.asked) == 64 + 9 * 20


@pytest.mark.parametrize(
    ("flooding", "visiting"),
    [("10.0.0.1", "127.0.0.1"), ("2001:db8::{at:x}", "2001:db8:0:1::7"), ("::ffff:10.0.0.1", "10.0.0.2")],
    ids=["one address", "one network's many addresses", "one that is written as the other kind"],
)
async def test_who_comes_first_during_a_flood_is_asked_about_if_it_comes_from_elsewhere(
    flooding: str, visiting: str, visitors: Visitors, clock: list[float]
) -> None:
    for second in range(10):
        for at in range(100):
            with pytest.raises((Unknown, Busy)):
                await visitors.rights(f"{second}-{at}", flooding.format(at=at + 1))
        clock[0] += 1.0
    flood = [asyncio.create_task(visitors.rights(f"made-up-{at}", flooding.format(at=at + 1))) for at in range(200)]
    await asyncio.sleep(0)
    assert (await visitors.rights("all-token", visiting)).everywhere
    assert {type(each) for each in await asyncio.gather(*flood, return_exceptions=True)} == {Unknown, Busy}


async def test_sources_that_have_not_come_for_long_are_forgotten(clock: list[float]) -> None:
    sources = Sources(places=1, per_s=0.0, clock=lambda: clock[0], most=2)
    first, second = sources.of("10.0.0.1"), sources.of("10.0.0.2")
    assert sources.of("10.0.0.1") is first
    sources.of("10.0.0.3")
    assert sources.of("10.0.0.1") is first
    assert sources.of("10.0.0.2") is not second
    async with first.place():
        with pytest.raises(Busy):
            await first.place().__aenter__()


async def test_a_token_that_is_known_no_more_is_as_any_other(
    visitors: Visitors, cluster: Cluster, clock: list[float]
) -> None:
    await visitors.rights("shop-token")
    del cluster.tokens["shop-token"]
    clock[0] += HOLDS_S
    for _ in range(2):
        with pytest.raises(Unknown):
            await visitors.rights("shop-token")
    cluster.tokens["shop-token"] = "shop-viewer"
    clock[0] += HOLDS_S
    assert (await visitors.rights("shop-token")).sees("shop")
