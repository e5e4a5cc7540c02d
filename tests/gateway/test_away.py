"""The API server is away while traffic flows: what was known goes on, and what changed meanwhile is found after it."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from wharfage_gateway import lastview
from wharfage_serving.arguments import PORT

from tests.gateway.apiserver import NAMESPACE, ApiServer, deployment, pod
from tests.gateway.client import Client, eventually, load
from tests.gateway.rig import Rig

AWAY_S = 6.0


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    made = ApiServer()
    await made.come()
    yield made
    await made.go()


async def age_s(rig: Rig) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{rig.pages}/metrics") as told:
        page = await told.text()
    [age] = [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "wharfage_gateway_endpoints_age_seconds"
    ]
    return age


async def test_without_the_api_server_no_request_fails_and_afterwards_everything_is_as_it_should_be(
    rig: Rig, client: Client, server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [f"127.{random.randrange(1, 250)}.{random.randrange(250)}.{number}" for number in (1, 2)]
    one, two = [await rig.engine(each, address=each, port=PORT, ttft_s=0.02) for each in addresses]
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
    await server.put("llmdeployments", deployment("chat"))
    await server.put("llmdeployments", deployment("cold"))
    await server.put("pods", pod("one", "chat", one.address))
    rig.namespace = NAMESPACE
    began_s = time.monotonic()
    await rig.start_brain()
    await rig.start_envoy()
    assert (await client.chat("chat")).ok
    assert await age_s(rig) < time.monotonic() - began_s

    await server.go()
    held = asyncio.ensure_future(client.chat("cold"))
    answers = await load(lambda: client.chat("chat"), per_s=30.0, seconds=AWAY_S)
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert await age_s(rig) >= AWAY_S

    async def waits() -> bool:
        return bool((await rig.of("cold"))["waiting"] == 1)

    await eventually(waits, "the request that waits")
    await server.put("pods", pod("one", "chat", one.address, serving=False))
    await server.put("pods", pod("two", "chat", two.address))
    await server.put("pods", pod("three", "cold", two.address))
    back_s = time.monotonic()
    await server.come()
    assert (await held).ok

    async def moved() -> bool:
        assert (await client.chat("chat")).ok
        return bool((await two.counted())["requests"] > 3)

    await eventually(moved, "the replica that came meanwhile")
    before = (await one.counted())["requests"]
    answers = await load(lambda: client.chat("chat"), per_s=30.0, seconds=1.0)
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert (await one.counted())["requests"] == before  # it drains
    assert await age_s(rig) < time.monotonic() - back_s


async def test_a_brain_that_starts_while_the_api_server_is_away_refuses_nobody(
    rig: Rig, client: Client, server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.{random.randrange(1, 250)}.{random.randrange(250)}.1"
    one = await rig.engine("one", address=address, port=PORT)
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
    await server.put("llmdeployments", deployment("chat"))
    await server.put("pods", pod("one", "chat", one.address))
    rig.namespace, rig.guarded = NAMESPACE, True
    await rig.start_brain()
    await rig.start_envoy()
    assert (await client.chat("chat")).ok

    async def remembered() -> bool:
        kept = rig.shared / lastview.NAME
        return kept.exists() and address in kept.read_text(encoding="utf-8")

    await eventually(remembered, "a view that is kept")
    await server.go()
    os.kill(rig.guarded_pid, signal.SIGKILL)

    answered = []

    async def started() -> bool:
        answered.append((await client.chat("chat")).status)
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"{rig.pages}/healthz") as told:
                    return told.status == 200
            except aiohttp.ClientError:
                return False

    await eventually(started, "another brain")
    answered += [(await client.chat("chat")).status for _ in range(20)]
    assert set(answered) == {200}

    async def knows() -> bool:
        return (await client.chat("nobody")).status == 404

    await eventually(knows, "a brain that goes on from what was known")
    await server.put("pods", pod("two", "cold", address))
    await server.put("llmdeployments", deployment("cold"))
    await server.come()

    async def mended() -> bool:
        return (await client.chat("cold")).ok

    await eventually(mended, "what came meanwhile")
