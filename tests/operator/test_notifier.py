"""Webhooks hear of each transition at least once, and under the same id when the process dies between."""

import base64
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from wharfage_operator.apply import Writer
from wharfage_operator.budget import budget_status
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.echoes import Echoes
from wharfage_operator.kinds import CONFIG_MAPS, LLM_BUDGETS, LLM_DEPLOYMENTS, SECRETS, Object
from wharfage_operator.notifier import Notifier
from wharfage_operator.outbox import NAME, Outbox, read, written
from wharfage_operator.scopes import Scopes
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.transitions import Course, Notification
from wharfage_operator.treasury import Treasury
from wharfage_operator.webhook import Webhook, opened
from wharfage_operator.wishes import Cost

from tests.operator.connected import connected
from tests.operator.hook import Hook, hooked

CHAT = ("shop", "chat")
SYSTEM = "wharfage-system"


@dataclass
class Town:
    """An API server with one Secret and room for one ConfigMap, and the dollars that were spent."""

    url: str
    spent_usd: float = 0.0
    kept: Object | None = None
    full: bool = False
    """Whether it refuses what is written."""

    def spent(self, name: str, from_s: float, to_s: float) -> float:
        return self.spent_usd

    def markup(self, name: str) -> float:
        return 1.0

    def hours(self, name: str, from_s: float, to_s: float) -> Sequence[float]:
        return [math.nan] * round((to_s - from_s) / 3600.0)

    async def secret(self, _: web.Request) -> web.Response:
        return web.json_response({"data": {"url": base64.b64encode(self.url.encode()).decode()}})

    async def config_map(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response(self.kept, status=200 if self.kept else 404)
        if self.full:
            return web.json_response({"message": "no"}, status=500)
        body: Object = await request.json()
        before = int(self.kept["metadata"]["resourceVersion"]) if self.kept else 1
        if body["metadata"].get("resourceVersion") != str(before):
            return web.json_response({"reason": "Conflict", "message": "changed"}, status=409)
        body["metadata"] |= {"uid": "u", "resourceVersion": str(before + 1)}
        self.kept = body
        return web.json_response(body)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(SECRETS.path(SYSTEM, "hook"), self.secret)
        app.router.add_get(CONFIG_MAPS.path(SYSTEM, NAME), self.config_map)
        app.router.add_patch(CONFIG_MAPS.path(SYSTEM, NAME), self.config_map)
        return app

    @property
    def outbox(self) -> Outbox:
        assert self.kept is not None
        return read(self.kept)


@dataclass
class Process:
    """What one process of the operator knows of budgets."""

    town: Town
    connection: Connection
    webhook: Webhook
    secrets: tuple[str, ...] = ("hook",)
    first_s: float = 0.0
    cache: Cache = field(default_factory=Cache)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        labels = {"name": "chat", "namespace": "shop", "uid": "uid-chat", "resourceVersion": "7"}
        self.cache.put(LLM_DEPLOYMENTS, {"metadata": labels, "spec": {}})
        self.budget()
        scopes, clock = Scopes(self.cache), Clock()
        self.writer = Writer(
            self.connection,
            self.cache,
            self.telemetry,
            Echoes(lambda _: None),
            conflict_every_s=1.0,
            may_write=lambda: True,
            edited=lambda *_: None,
        )
        self.treasury = Treasury(self.cache, self.town, clock, scopes=scopes, wake=lambda *_: None, renew=lambda: None)
        self.notifier = Notifier(
            self.cache,
            self.connection,
            self.writer,
            clock,
            self.telemetry,
            scopes=scopes,
            treasury=self.treasury,
            books=self.town,
            namespace=SYSTEM,
            secrets=self.secrets,
            first_s=self.first_s,
        )
        self.clock = clock

    @property
    def raw(self) -> Object:
        found = self.cache.get(LLM_BUDGETS, ("", "all"))
        assert found is not None
        return found

    def budget(self, *, version: int = 5, **spec: Any) -> None:
        metadata = {"name": "all", "uid": "uid-all", "generation": 1, "resourceVersion": f"{version}"}
        stages = [{"action": "Notify", "at": "0.5"}, {"action": "Freeze", "at": "0.9"}]
        written = {"usd": "100", "period": "Month", "stages": stages, "notify": {"secretRef": {"name": "hook"}}, **spec}
        self.cache.put(LLM_BUDGETS, {"metadata": metadata, "spec": written})

    async def turn(self, spent_usd: float | None = None) -> None:
        self.town.spent_usd = self.town.spent_usd if spent_usd is None else spent_usd
        self.treasury.noted(CHAT, Cost(1e-9))
        await self.treasury.turn(self.clock.unix_s)
        await self.notifier.turn(self.webhook)

    def counted(self, outcome: str) -> float:
        labels = {"budget": "all", "outcome": outcome}
        return self.telemetry.registry.get_sample_value("wharfage_budget_notifications_total", labels) or 0.0

    @property
    def accepted(self) -> tuple[str, str]:
        status = budget_status(self.raw, self.treasury.account("all"), now=0.0)
        row = next(each for each in status["conditions"] if each["type"] == "Accepted")
        return row["reason"], row["message"]


@asynccontextmanager
async def process(town: Town, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> AsyncIterator[Process]:
    """One that has just started."""
    async with connected(town.app(), folder, monkeypatch) as connection, opened(loopback=True) as webhook:
        yield Process(town, connection, webhook, **more)


def told(hook: Hook) -> list[tuple[str, str]]:
    return [(each["occasion"], each.get("stage", "")) for each in hook.heard]


async def test_each_transition_is_told_once_in_order_and_written_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hooked() as hook, process(Town(hook.url), tmp_path, monkeypatch) as ours:
        await ours.turn(10.0)
        assert hook.heard == []
        for _ in range(3):
            await ours.turn(95.0)
        assert told(hook) == [("StageBegan", "Notify"), ("StageBegan", "Freeze")]
        assert ours.town.outbox.waiting == ()
        assert ours.counted("delivered") == 2.0


async def test_what_was_told_is_not_found_anew_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hooked() as hook:
        town = Town(hook.url)
        async with process(town, tmp_path, monkeypatch) as first:
            await first.turn(60.0)
        async with process(town, tmp_path, monkeypatch) as second:
            await second.turn(60.0)
            await second.turn(60.0)
        assert told(hook) == [("StageBegan", "Notify")]


async def test_a_process_that_dies_before_it_is_written_off_tells_it_again_under_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hooked() as hook:
        town = Town(hook.url)
        async with process(town, tmp_path, monkeypatch) as first:
            await first.turn(60.0)
            sent = hook.heard[0]
        body = Notification(sent["id"], "uid-all", "all", first.clock.unix_s, sent)
        assert town.kept is not None
        waiting = Outbox(town.outbox.courses, (body,))
        town.kept = town.kept | {"data": written(SYSTEM, waiting)["data"]}
        async with process(town, tmp_path, monkeypatch) as second:
            await second.turn(60.0)
        assert hook.heard == [sent, sent]


async def test_nothing_is_sent_that_is_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hooked() as hook, process(Town(hook.url), tmp_path, monkeypatch) as ours:
        await ours.turn(10.0)
        ours.town.full = True
        await ours.turn(60.0)
        assert hook.heard == []
        ours.town.full = False
        await ours.turn(60.0)
        assert told(hook) == [("StageBegan", "Notify")]


async def test_one_that_fails_is_tried_again_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hooked() as hook, process(Town(hook.url), tmp_path, monkeypatch) as ours:
        hook.status = 503
        await ours.turn(60.0)
        await ours.turn(60.0)
        words = f"the webhook of Secret {SYSTEM}/hook: it answered with status 503"
        assert ours.accepted == ("WebhookFails", words)
        assert ours.counted("failed") == 2.0
        assert len({each["id"] for each in hook.heard}) == 1
        hook.status = 200
        await ours.turn(60.0)
        assert ours.accepted[0] == "Accepted"
        assert ours.town.outbox.waiting == ()


async def test_one_that_fails_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hooked() as hook, process(Town(hook.url), tmp_path, monkeypatch, first_s=60.0) as ours:
        hook.status = 503
        for _ in range(3):
            await ours.turn(60.0)
        assert len(hook.heard) == 1


@pytest.mark.parametrize(
    ("secrets", "url", "words"),
    [
        ((), "http://127.0.0.1:1/", "the operator may not read it: add hook to its setting webhook_secrets"),
        (("hook",), "no address", "its key url is no address of a server"),
    ],
)
async def test_what_is_wrong_with_its_secret_is_said(
    secrets: tuple[str, ...], url: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(Town(url), tmp_path, monkeypatch, secrets=secrets) as ours:
        await ours.turn(60.0)
        assert words in ours.accepted[1]


async def test_a_budget_without_a_webhook_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hooked() as hook, process(Town(hook.url), tmp_path, monkeypatch) as ours:
        await ours.turn(60.0)
        ours.budget(version=6, notify=None)
        await ours.turn(95.0)
        assert ours.town.outbox == Outbox()
        assert told(hook) == [("StageBegan", "Notify")]


async def test_of_two_who_write_the_later_reads_what_the_other_has_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hooked() as hook:
        town = Town(hook.url)
        async with process(town, tmp_path, monkeypatch) as first:
            await first.turn(10.0)
            async with process(town, tmp_path, monkeypatch) as second:
                await second.turn(60.0)
                await first.turn(60.0)
                await first.turn(60.0)
        assert told(hook) == [("StageBegan", "Notify")]


def notification(number: int, at_s: float = 0.0) -> Notification:
    return Notification(f"id-{number}", "uid", "all", at_s, {"id": f"id-{number}", "text": "words"})


def test_an_outbox_is_read_as_it_was_written() -> None:
    outbox = Outbox({"uid": Course(1.0, 2.0, 100.0, frozenset(), above=True)}, (notification(1, 5.0),))
    assert read(written(SYSTEM, outbox)) == outbox
    with pytest.raises(ValueError, match="KeyError"):
        read({"data": {}})


def test_what_has_waited_for_a_day_and_the_oldest_of_too_many_are_given_up() -> None:
    many = Outbox({}, tuple(notification(number, at_s=number) for number in range(402)))
    assert [each.id for each in many.late(402.0)] == ["id-0", "id-1"]
    assert [each.id for each in Outbox({}, (notification(1, 0.0), notification(2, 2.0))).late(86_401.0)] == ["id-1"]
