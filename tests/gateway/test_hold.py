"""A model at zero: its requests wait, the operator hears of it, a fresh replica gets them at the rate it carries."""

import asyncio
import time

import pytest

from tests.gateway.client import Client, all_of, eventually
from tests.gateway.rig import Rig, model


async def test_requests_for_a_model_at_zero_wait_and_are_all_answered_once_it_is_there(
    rig: Rig, client: Client
) -> None:
    await rig.up(model(hold_s=30.0))
    held = asyncio.ensure_future(all_of(client.chat("chat", prompt=f"{number}") for number in range(38)))
    await eventually(lambda: waiting(rig, 38), "38 waiting requests")
    one = await rig.engine("one")
    await rig.look(model(hold_s=30.0, replicas=[one.replica()]))
    answers = await held
    assert [answer.status for answer in answers] == [200] * 38
    assert all(0.0 < float(answer.headers["x-wharfage-waited-s"]) <= answer.whole_s for answer in answers)
    assert (await one.counted())["finished"] == 38
    assert (await rig.of("chat"))["waiting"] == 0


async def test_a_fresh_replica_never_has_more_than_its_slots(rig: Rig, client: Client) -> None:
    await rig.up(model(hold_s=30.0))
    held = asyncio.ensure_future(all_of(client.chat("chat", prompt=f"{number}") for number in range(30)))
    await eventually(lambda: waiting(rig, 30), "30 waiting requests")
    one = await rig.engine("one", ttft_s=0.05)
    await rig.look(model(hold_s=30.0, replicas=[one.replica(slots=5.0)]))
    assert all(answer.ok for answer in await held)
    assert (await one.counted())["most_running"] <= 5


async def test_who_waits_for_too_long_hears_why_and_when_to_come_again(rig: Rig, client: Client) -> None:
    await rig.up(model(hold_s=0.5))
    answer = await client.chat("chat")
    assert (answer.status, answer.error["code"]) == (503, "cold_start_timeout")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/json"
    assert answer.whole_s >= 0.5


async def test_a_client_that_leaves_frees_its_place(rig: Rig, client: Client) -> None:
    await rig.up(model(hold_s=30.0))
    held = asyncio.ensure_future(client.chat("chat"))
    await eventually(lambda: waiting(rig, 1), "a waiting request")
    held.cancel()
    await eventually(lambda: waiting(rig, 0), "its place free again")


async def test_a_full_queue_answers_429_with_retry_after(rig: Rig, client: Client) -> None:
    await rig.up(model(hold_s=30.0, most_waiting=3))
    held = [asyncio.ensure_future(client.chat("chat", prompt=f"{number}")) for number in range(3)]
    await eventually(lambda: waiting(rig, 3), "3 waiting requests")
    answer = await client.chat("chat")
    assert (answer.status, answer.error["code"]) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1
    for each in held:
        each.cancel()


async def test_the_operator_hears_of_the_first_waiting_request_by_its_open_question(rig: Rig, client: Client) -> None:
    await rig.up(model(hold_s=30.0))
    version = (await rig.demand())["version"]
    asked = asyncio.ensure_future(rig.demand(since=version, wait=60))
    await asyncio.sleep(0.2)
    assert not asked.done()
    began_s = time.monotonic()
    held = asyncio.ensure_future(client.chat("chat"))
    told = await asked
    assert told["models"]["chat"]["waiting"] == 1
    assert time.monotonic() - began_s < 50.0
    held.cancel()


@pytest.mark.parametrize("stream", [True, False], ids=["as a stream", "whole"])
async def test_an_answer_that_had_to_wait_is_the_same_as_any_other(rig: Rig, client: Client, stream: bool) -> None:
    await rig.up(model(hold_s=30.0))
    held = asyncio.ensure_future(client.chat("chat", stream=stream, tokens=5))
    await eventually(lambda: waiting(rig, 1), "a waiting request")
    one = await rig.engine("one")
    await rig.look(model(hold_s=30.0, replicas=[one.replica()]))
    answer = await held
    async with Client(one.url) as direct:
        assert answer.body == (await direct.chat("chat", stream=stream, tokens=5)).body


async def waiting(rig: Rig, count: int) -> bool:
    return bool((await rig.of("chat")).get("waiting") == count)
