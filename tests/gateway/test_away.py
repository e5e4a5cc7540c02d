"""The API server is away while traffic flows: what was known goes on, and what changed meanwhile is found after it."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
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
    await rig.start_brain()
    await rig.start_envoy()
    assert (await client.chat("chat")).ok
    assert await age_s(rig) < AWAY_S

    await server.go()
    held = asyncio.ensure_future(client.chat("cold"))
    answers = await load(lambda: client.chat("chat"), per_s=30.0, seconds=AWAY_S)
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert await age_s(rig) >= AWAY_S
    assert (await rig.demand())["models"]["cold"]["waiting"] == 1

    await server.put("pods", pod("one", "chat", one.address, serving=False))
    await server.put("pods", pod("two", "chat", two.address))
    await server.put("pods", pod("three", "cold", two.address))
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
    assert await age_s(rig) < AWAY_S
