"""A brain that is started anew beside an Envoy with streams under way."""

import asyncio
import json
import signal

import pytest
from wharfage_gateway.view import Throttle

from tests.gateway.client import Client, all_of, eventually
from tests.gateway.rig import Rig, model


async def test_a_new_brain_counts_the_streams_that_are_under_way(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", itl_s=0.05)
    await rig.up(model(replicas=[one.replica(slots=2.0)]))
    long = asyncio.ensure_future(all_of(client.chat("chat", tokens=200, prompt=f"{number}") for number in range(2)))

    async def both() -> bool:
        return bool((await one.counted())["most_running"] == 2)

    await eventually(both, "two streams")
    await rig.brain.stop(signal.SIGKILL)
    await rig.start_brain()
    answers = await all_of(client.chat("chat", prompt=f"later {number}") for number in range(6))
    assert all(answer.ok for answer in answers)
    assert all(answer.ok for answer in await long)
    assert (await one.counted())["most_running"] == 2


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])
async def test_a_new_brain_gives_nobody_a_second_burst(locked: Rig, end: signal.Signals) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()], throttle=Throttle(tokens_per_s=0.001, burst_tokens=200.0)))
    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "key-of-blue") as blue:
        before = [await red.chat("chat", tokens=40) for _ in range(6)]
        assert before[-1].status == 429
        left = 200.0 - sum(sum(answer.tokens) for answer in before if answer.ok)
        await eventually(lambda: kept(locked, left), "what is left, written down")
        await locked.brain.stop(end)
        await locked.start_brain()
        answer = await red.chat("chat", tokens=40)
        assert (answer.status, answer.error["code"]) == (429, "tokens_exhausted")
        assert (await blue.chat("chat", tokens=40)).ok


async def kept(rig: Rig, left: float) -> bool:
    """Whether the file that the next brain reads has what red has left."""
    path = rig.shared / "levels.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["buckets"] if path.exists() else []
    return any(row["tenant"] == "red" and abs(row["level"] - left) < 1.0 for row in rows)
