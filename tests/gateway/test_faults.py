"""Parts that die, hang or say nonsense: requests for models that have replicas go on, and what was lost comes back."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from wharfage_gateway import xds

from tests.gateway.client import Client, all_of, eventually, load
from tests.gateway.faults import renamed, through_relay
from tests.gateway.rig import Rig, model


async def test_a_brain_that_is_killed_costs_no_request_and_is_asked_again_when_it_is_back(
    rig: Rig, client: Client
) -> None:
    one, two = await rig.engine("one", ttft_s=0.02), await rig.engine("two", ttft_s=0.02)
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    running = asyncio.ensure_future(load(lambda: client.chat("chat"), per_s=40.0, seconds=4.0))
    await asyncio.sleep(1.0)
    await rig.brain.stop(signal.SIGKILL)
    await asyncio.sleep(1.0)
    await rig.start_brain()
    answers = await running
    assert [answer.status for answer in answers] == [200] * len(answers)
    before = [(await each.counted())["requests"] for each in (one, two)]

    async def both() -> bool:
        assert all(answer.ok for answer in await all_of(client.chat("chat") for _ in range(10)))
        return all([(await each.counted())["requests"] > was for each, was in zip((one, two), before, strict=True)])

    await eventually(both, "requests on both")
    assert (await client.chat("nobody")).error["code"] == "model_not_found"
    assert await rig.stat(r"http\.wharfage\.ext_authz\.failure_mode_allowed") > 0


async def test_a_brain_that_hangs_is_ended_by_its_guard_and_no_request_fails(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    rig.guarded = True
    await rig.up(model(replicas=[one.replica()]))
    running = asyncio.ensure_future(load(lambda: client.chat("chat"), per_s=20.0, seconds=5.0))
    await asyncio.sleep(1.0)
    hung = rig.guarded_pid
    os.kill(hung, signal.SIGSTOP)
    answers = await running
    assert [answer.status for answer in answers] == [200] * len(answers)

    async def again() -> bool:
        return (await client.chat("nobody")).status == 404

    await eventually(again, "a brain that answers")
    assert rig.guarded_pid != hung


async def test_while_there_is_no_brain_a_model_at_zero_says_when_to_come_again(rig: Rig, client: Client) -> None:
    await rig.up(model())
    await rig.brain.stop(signal.SIGKILL)
    answer = await client.chat("chat")
    assert (answer.status, answer.error["code"]) == (503, "no_replica")
    assert int(answer.headers["retry-after"]) >= 1


async def test_without_a_brain_weights_carry_the_load(rig: Rig, client: Client) -> None:
    engines = [await rig.engine(name, up_to=0) for name in ("small", "large")]
    await rig.up(model(replicas=[engines[0].replica(slots=10.0), engines[1].replica(slots=50.0)]))
    await rig.brain.stop(signal.SIGKILL)
    held = asyncio.gather(*(client.chat("chat") for _ in range(120)))

    async def all_run() -> bool:
        return sum([int((await each.counted())["running"]) for each in engines]) == 120

    await eventually(all_run, "all of them at a replica")
    for each in engines:
        await each.control(up_to=9)
    answers = await held
    assert [answer.status for answer in answers] == [200] * 120
    small, large = [(await each.counted())["requests"] for each in engines]
    assert small > 0
    assert large > 1.5 * small


@pytest.mark.parametrize(
    "text", ["", '{"version_info": "1", "resou', '{"resources": [{"a": 1}]}'], ids=["empty", "torn", "wrong"]
)
@pytest.mark.parametrize("which", ["clusters", "endpoints", "keys"])
async def test_a_file_that_says_nonsense_changes_nothing_until_the_next_good_one(
    locked: Rig, which: str, text: str
) -> None:
    one, two = await locked.engine("one"), await locked.engine("two")
    await locked.up(model(replicas=[one.replica()]))
    files = xds.Files(str(locked.shared))
    path = Path({"clusters": files.clusters, "endpoints": files.endpoints("chat"), "keys": files.keys}[which])
    renamed(path, text)
    await asyncio.sleep(0.3)
    async with Client(locked.url, "key-of-red") as red:
        assert (await red.chat("chat")).ok
        await locked.look(model(replicas=[one.replica(draining=True), two.replica()]), model("new", [two.replica()]))

        async def both() -> bool:
            return (await red.chat("new")).ok and (await red.chat("chat")).ok

        await eventually(both, "a model that the next view brings")


async def test_an_access_log_that_is_cut_costs_no_request_and_is_taken_up_again(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    relay = through_relay(rig)
    await relay.open()
    await rig.up(model(replicas=[one.replica()]))
    assert (await client.chat("chat")).ok
    await eventually(lambda: at_rest(rig), "the end of the first")
    await relay.close()
    answers = await load(lambda: client.chat("chat"), per_s=20.0, seconds=1.5)
    assert [answer.status for answer in answers] == [200] * len(answers)
    await relay.open()

    async def told() -> bool:
        before = (await rig.of("chat"))["output_tokens"]
        assert (await client.chat("chat")).ok
        await asyncio.sleep(0.1)
        return bool((await rig.of("chat"))["output_tokens"] > before)

    await eventually(told, "tokens that are counted again")
    await relay.close()


async def test_an_envoy_that_starts_again_finds_everything_as_it_was(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    await rig.envoy.stop(signal.SIGKILL)
    await rig.start_envoy()
    assert (await client.chat("chat")).ok


async def at_rest(rig: Rig) -> bool:
    return bool((await rig.of("chat"))["running"] == 0)
