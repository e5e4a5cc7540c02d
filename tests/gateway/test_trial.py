"""A variant on trial through a real Envoy: its share, and how its answers ended."""

import asyncio
from typing import Any

import aiohttp

from tests.gateway.client import Client, all_of, eventually
from tests.gateway.rig import Rig, model
from tests.gateway.test_accounting import at_rest


async def variants(rig: Rig) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{rig.pages}/variants") as told:
        found: dict[str, Any] = (await told.json())["models"]["chat"]
        return found


async def test_a_trial_gets_its_share_and_is_told_apart(rig: Rig, client: Client) -> None:
    usual, tried = await rig.engine("usual", itl_s=0.01), await rig.engine("tried", itl_s=0.01)
    replicas = [usual.replica(variant="bf16"), tried.replica(variant="int4")]
    await rig.up(model(replicas=replicas, split={"int4": 0.3}, order=("bf16",)))
    answers = await all_of(client.chat("chat", tokens=10, prompt=f"{number}") for number in range(200))
    assert all(answer.ok for answer in answers)
    await eventually(lambda: at_rest(rig), "the end of all of them in the gateway's books")
    told = await variants(rig)
    assert told["bf16"]["requests"] + told["int4"]["requests"] == 200
    assert 30 <= told["int4"]["requests"] <= 90
    assert (await tried.counted())["output_tokens"] == 10 * told["int4"]["requests"]
    assert told["int4"]["by_length"]["share"] == 1.0
    for each in told.values():  # ten tokens take nine pauses of at least 10 ms
        assert 0.09 <= each["seconds"]["low"] < each["seconds"]["mean"] < each["seconds"]["high"]


async def test_a_client_that_leaves_and_a_replica_that_dies_are_no_answers(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", itl_s=0.02)
    await rig.up(model(replicas=[one.replica(variant="int4")]))
    left = asyncio.ensure_future(client.chat("chat", tokens=500))
    cut = asyncio.ensure_future(client.chat("chat", tokens=500))

    async def both() -> bool:
        return bool((await one.counted())["output_tokens"] >= 20)

    await eventually(both, "tokens of both")
    left.cancel()

    async def one_left() -> bool:
        return bool((await rig.of("chat"))["running"] == 1)

    await eventually(one_left, "the end of the one that was left")
    await one.kill()
    await cut
    await eventually(lambda: at_rest(rig), "the end of the other")
    told = (await variants(rig))["int4"]
    assert (told["requests"], told["aborted"]["share"], told["failed"]["share"]) == (2, 0.5, 0.5)
    assert told["seconds"]["mean"] is None
