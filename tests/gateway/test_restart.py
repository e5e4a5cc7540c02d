"""A brain that is started anew beside an Envoy with streams under way."""

import asyncio
import signal

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
