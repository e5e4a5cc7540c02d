"""The brain on the wire: what Envoy, the operator and Prometheus hear."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from wharfage_gateway.app import App
from wharfage_gateway.board import Board
from wharfage_gateway.headers import client
from wharfage_gateway.outcome import ABORTED, ANSWERED
from wharfage_gateway.ticket import Used
from wharfage_gateway.view import Model, Replica, Throttle, View

READY = Replica("a", "10.0.0.1", slots=1.0)


@dataclass(slots=True)
class Call:
    """One HTTP request to the app. `leaves` is set when its client goes."""

    app: App
    path: str
    unix: bool = True
    query: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: tuple[bytes, ...] = (b"",)
    status: int = 0
    told: dict[str, str] = field(default_factory=dict)
    said: bytes = b""
    leaves: asyncio.Event = field(default_factory=asyncio.Event)
    portions: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.portions = iter(self.body)

    async def receive(self) -> dict[str, Any]:
        portion = next(self.portions, None)
        if portion is None:
            await self.leaves.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": portion, "more_body": portion is not self.body[-1]}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.told = {name.decode(): value.decode() for name, value in message["headers"]}
        self.said += message.get("body", b"")

    async def run(self) -> "Call":
        scope = {
            "type": "http",
            "path": self.path,
            "method": self.method,
            "query_string": self.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
            "server": ("/run/brain.sock", None) if self.unix else ("10.0.0.9", 8081),
        }
        await self.app(scope, self.receive, self.send)
        return self


def app(*replicas: Replica, **fields: Any) -> App:
    found = App(Board("b"))
    found.see(view(*replicas, **fields))
    return found


def view(*replicas: Replica, **fields: Any) -> View:
    return View({"chat": Model(key="chat", served="chat", replicas=replicas, **fields)})


def check(to: App, **fields: Any) -> Call:
    return Call(to, "/check/v1/chat/completions", headers={"x-model": "chat"}, **fields)


async def until_it_waits() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_request_is_told_where_to_go() -> None:
    heard = await check(app(READY)).run()
    assert heard.status == 200
    assert heard.told == {"x-pool": "chat", "x-endpoint": "10.0.0.1:8000", "x-slot": "b-1", "content-length": "0"}


async def test_before_there_is_a_view_nobody_is_refused_since_envoy_takes_the_answer_for_a_dead_brain() -> None:
    to = App(Board("b"))
    assert (await check(to).run()).status == 503
    assert (await Call(to, "/readyz", unix=False).run()).status == 503
    to.see(view(READY))
    assert (await check(to).run()).status == 200


async def test_a_request_waits_unanswered_until_a_replica_is_there() -> None:
    to = app()
    held = check(to)
    waiting = asyncio.create_task(held.run())
    await until_it_waits()
    assert held.status == 0
    to.see(view(READY))
    await waiting
    assert held.told["x-endpoint"] == "10.0.0.1:8000"
    assert float(held.told["x-wharfage-waited-s"]) >= 0.0


async def test_a_client_that_leaves_while_it_waits_gives_up_its_place() -> None:
    to = app(most_waiting=1)
    held = check(to)
    waiting = asyncio.create_task(held.run())
    await until_it_waits()
    assert (await check(to).run()).status == 429
    held.leaves.set()
    await waiting
    assert held.status == 0
    assert to.idle


async def test_a_client_that_leaves_as_it_is_called_frees_the_slot() -> None:
    to = app(READY)
    await check(to).run()
    held = check(to)
    waiting = asyncio.create_task(held.run())
    await until_it_waits()
    held.leaves.set()
    to.ended("b-1", "", Used())
    await waiting
    assert to.idle


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 400, "model_required", id="a body without a model"),
        pytest.param({"x-model": "gpt-4"}, 404, "model_not_found", id="a model that there is not"),
        pytest.param({"x-model": "chat", "x-body-bytes": "9999"}, 400, "context_length_exceeded", id="a long prompt"),
    ],
)
async def test_a_refusal_reads_like_openais(headers: dict[str, str], status: int, code: str) -> None:
    heard = await Call(app(READY, most_prompt_tokens=100), "/check/v1/x", headers=headers).run()
    assert heard.status == status
    assert heard.told["content-type"] == "application/json"
    error = json.loads(heard.said)["error"]
    assert sorted(error) == ["code", "message", "param", "type"]
    assert error["code"] == code


async def test_a_503_is_left_to_a_route_of_envoy() -> None:
    to = app(hold_s=0.0)
    held = check(to)
    waiting = asyncio.create_task(held.run())
    await until_it_waits()
    to.tick()
    await waiting
    assert held.status == 200
    assert held.told["x-refuse"] == "cold_start_timeout"
    assert held.told["x-refuse-after"] == "10"
    assert "x-pool" not in held.told


async def test_who_still_waits_when_the_brain_leaves_is_told_to_ask_again() -> None:
    to = app()
    held = check(to)
    waiting = asyncio.create_task(held.run())
    await until_it_waits()
    to.dismiss()
    await waiting
    assert held.told["x-refuse"] == "gateway_stopping"


async def test_the_beginning_of_the_body_decides_the_replica() -> None:
    four = [Replica(name, f"10.0.0.{number}", slots=100.0) for number, name in enumerate("abcd")]
    to = app(*four)
    begun = b'{"model": "chat", "messages": [{"role": "user", "content": "the same'
    heard = [await check(to, body=(begun[:20], begun[20:])).run() for _ in range(2)]
    assert heard[0].told["x-endpoint"] == heard[1].told["x-endpoint"]


async def test_demand_is_told_at_once_when_someone_waits_for_a_model_at_zero() -> None:
    to = app()
    first = await Call(to, "/demand", unix=False).run()
    version = json.loads(first.said)["version"]
    polling = Call(to, "/demand", unix=False, query=f"since={version}&wait=30")
    poll = asyncio.create_task(polling.run())
    await until_it_waits()
    assert polling.status == 0
    held = check(to)
    waiting = asyncio.create_task(held.run())
    await poll
    assert json.loads(polling.said)["version"] == version + 1
    assert json.loads(polling.said)["models"]["chat"]["waiting"] == 1
    held.leaves.set()
    await waiting


async def test_demand_without_news_is_told_after_the_time_that_was_asked_for() -> None:
    to = app()
    heard = await Call(to, "/demand", unix=False, query="since=99&wait=0").run()
    assert json.loads(heard.said)["version"] == 1


async def test_models_are_listed_as_openai_does() -> None:
    heard = await Call(app(), "/v1/models").run()
    assert [row["id"] for row in json.loads(heard.said)["data"]] == ["chat"]


async def test_metrics_tell_who_came_who_waits_and_why_not() -> None:
    to = app(READY)
    await check(to).run()
    await Call(to, "/check/", headers={"x-model": "none"}).run()
    said = (await Call(to, "/metrics", unix=False).run()).said.decode().splitlines()
    assert 'wharfage_gateway_arrivals_total{class="default",model="chat",tenant=""} 1.0' in said
    assert 'wharfage_gateway_running{model="chat",replica="a"} 1.0' in said
    assert 'wharfage_gateway_open{model="chat",replica="a"} 1.0' in said
    assert 'wharfage_gateway_wait_seconds_bucket{class="default",le="0.005",model="chat"} 1.0' in said
    assert 'wharfage_gateway_refused_total{class="",model="",reason="model_not_found",tenant=""} 1.0' in said
    assert 'wharfage_gateway_waiting{class="default",model="chat",tenant=""} 0.0' in said
    assert not [line for line in said if line.startswith("wharfage_gateway_throttle")]


async def test_metrics_tell_which_tenant_waits_and_which_budget_throttles() -> None:
    to = app(READY, throttle=Throttle(50.0, 9000.0, "Freeze", "search"))
    calls = [
        Call(to, "/check/v1/chat/completions", headers={"x-model": "chat", "x-client": client(tenant, "")})
        for tenant in ("red", "red", "blue", "red")
    ]
    running = [asyncio.create_task(call.run()) for call in calls]
    await running[0]
    await until_it_waits()
    said = (await Call(to, "/metrics", unix=False).run()).said.decode().splitlines()
    assert 'wharfage_gateway_waiting{class="default",model="chat",tenant="red"} 2.0' in said
    assert 'wharfage_gateway_waiting{class="default",model="chat",tenant="blue"} 1.0' in said
    throttled = 'wharfage_gateway_throttle_tokens_per_second{budget="search",model="chat",stage="Freeze"} 50.0'
    assert throttled in said
    for call in calls:
        call.leaves.set()
    await asyncio.gather(*running)


async def test_how_a_variants_answers_ended_is_told_with_its_uncertainty() -> None:
    to = app(Replica("a", "10.0.0.1", slots=9.0, variant="int4"))
    for number in range(1, 5):
        await check(to).run()
        to.ended(f"b-{number}", "", Used(10, 20, ANSWERED if number > 1 else ABORTED, 1.0))
    said = json.loads((await Call(to, "/variants", unix=False).run()).said)["models"]["chat"]["int4"]
    assert said["requests"] == 4
    assert said["aborted"]["share"] == 0.25
    assert 0.0 < said["aborted"]["low"] < 0.25 < said["aborted"]["high"] < 1.0
    assert said["seconds"] == {"mean": 1.0, "low": 1.0, "high": 1.0}


async def test_it_is_ready_once_it_has_seen_the_cluster() -> None:
    blind = App(Board("b"))
    assert (await Call(blind, "/readyz", unix=False).run()).status == 503
    assert (await Call(blind, "/healthz", unix=False).run()).status == 200
    assert (await Call(app(), "/readyz", unix=False).run()).status == 200


@pytest.mark.parametrize(
    ("path", "unix"),
    [
        pytest.param("/check/v1/chat/completions", False, id="only Envoy may take a slot"),
        pytest.param("/demand", True, id="no client reaches what the operator asks for"),
        pytest.param("/metrics", True, id="nor the metrics"),
    ],
)
async def test_each_side_has_its_own_paths(path: str, unix: bool) -> None:
    heard = await Call(app(READY), path, unix=unix, headers={"x-model": "chat"}).run()
    assert heard.status == 404
    assert "x-slot" not in heard.told


async def test_a_rating_is_counted_for_the_variant_that_answered_and_only_once() -> None:
    to = app(replace(READY, variant="int4"))
    asked = {"x-model": "chat", "x-client": client("red", ""), "x-request-id": "7f"}
    await Call(to, "/check/v1/chat/completions", headers=asked).run()
    said = [await rated(to, "chatcmpl-7f", 0.75, tenant="red") for _ in range(2)]
    assert [(each.status, json.loads(each.said)["counted"]) for each in said] == [(200, True), (200, False)]
    told = json.loads((await Call(to, "/variants", unix=False).run()).said)["models"]["chat"]["int4"]
    assert (told["rating"]["count"], told["rating"]["mean"]) == (1, 0.75)


async def test_another_tenant_s_answer_is_unknown() -> None:
    to = app(READY)
    asked = {"x-model": "chat", "x-client": client("red", ""), "x-request-id": "7f"}
    await Call(to, "/check/v1/chat/completions", headers=asked).run()
    refused = await rated(to, "7f", 1.0, tenant="blue")
    error = json.loads(refused.said)["error"]
    assert (refused.status, error["code"], error["param"]) == (404, "answer_not_found", "id")


async def test_a_rating_is_posted() -> None:
    assert (await Call(app(READY), "/v1/ratings").run()).status == 405


async def rated(to: App, identity: str, score: float, *, tenant: str) -> Call:
    body = json.dumps({"id": identity, "score": score}).encode()
    headers = {"x-client": client(tenant, "")}
    return await Call(to, "/v1/ratings", method="POST", headers=headers, body=(body,)).run()
