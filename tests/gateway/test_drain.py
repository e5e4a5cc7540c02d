"""Replicas that leave and come while requests run: none fails."""

import asyncio

from tests.gateway.client import Client, eventually, load
from tests.gateway.rig import Engine, Rig, model


async def test_a_replica_that_drains_finishes_its_streams_and_gets_nothing_new(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one", itl_s=0.05), await rig.engine("two", itl_s=0.05)
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    running = asyncio.ensure_future(load(lambda: client.chat("chat", tokens=20), per_s=25.0, seconds=4.0))
    await eventually(lambda: busy(one), "streams on the replica")
    await asyncio.sleep(1.0)
    await rig.look(model(replicas=[one.replica(draining=True), two.replica()]))
    await asyncio.sleep(0.5)
    seen = (await one.counted())["requests"]
    await eventually(lambda: idle(one), "its last stream over")
    await rig.look(model(replicas=[two.replica()]))
    await one.stop()
    answers = await running
    assert [answer.broken or answer.status for answer in answers] == [200] * len(answers)
    assert seen > 0
    assert (await two.counted())["requests"] == len(answers) - seen


async def test_a_replica_that_is_drained_is_asked_nothing_more_half_a_second_later(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one"), await rig.engine("two")
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    running = asyncio.ensure_future(load(lambda: client.chat("chat", tokens=1), per_s=40.0, seconds=3.0))
    await asyncio.sleep(1.0)
    await rig.look(model(replicas=[one.replica(draining=True), two.replica()]))
    await asyncio.sleep(0.5)
    seen = (await one.counted())["requests"]
    await running
    assert (await one.counted())["requests"] == seen


async def test_streams_survive_that_their_replica_is_no_longer_listed(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one", itl_s=0.1), await rig.engine("two")
    await rig.up(model(replicas=[one.replica()]))
    streams = [asyncio.ensure_future(client.chat("chat", tokens=15)) for _ in range(5)]
    await eventually(lambda: busy(one, 5), "five streams")
    await rig.look(model(replicas=[two.replica()]))
    assert all([(await stream).ok for stream in streams])


async def test_streams_survive_that_their_model_is_gone(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one", itl_s=0.1), await rig.engine("two")
    await rig.up(model(replicas=[one.replica()]), model("other", [two.replica()]))
    streams = [asyncio.ensure_future(client.chat("chat", tokens=15)) for _ in range(5)]
    await eventually(lambda: busy(one, 5), "five streams")
    await rig.look(model("other", [two.replica()]))
    assert all([(await stream).ok for stream in streams])
    assert (await client.chat("chat")).status == 404


async def test_members_and_slots_may_change_all_the_time(rig: Rig, client: Client) -> None:
    engines = [await rig.engine(f"engine-{number}", ttft_s=0.01) for number in range(3)]
    await rig.up(model(replicas=[each.replica() for each in engines]))
    running = asyncio.ensure_future(load(lambda: client.chat("chat"), per_s=60.0, seconds=4.0))
    for turn in range(15):
        listed = [each.replica(slots=10.0 + turn * 7 % 20) for number, each in enumerate(engines) if number != turn % 3]
        await rig.look(model(replicas=listed))
        await asyncio.sleep(0.25)
    answers = await running
    assert [answer.status for answer in answers] == [200] * len(answers)


async def test_a_gateway_that_is_told_to_drain_says_so_and_finishes_its_streams(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", itl_s=0.1)
    await rig.up(model(replicas=[one.replica()]))
    streams = [asyncio.ensure_future(client.chat("chat", tokens=12)) for _ in range(5)]
    await eventually(lambda: busy(one, 5), "five streams")
    await rig.admin("/healthcheck/fail", "POST")
    await rig.admin("/drain_listeners?graceful&skip_exit", "POST")
    assert (await client.get("/healthz")).status == 503
    assert (await client.chat("chat", tokens=1)).ok
    assert all([(await stream).ok for stream in streams])


async def busy(engine: Engine, at_least: int = 1) -> bool:
    return bool((await engine.counted())["running"] >= at_least)


async def idle(engine: Engine) -> bool:
    return bool((await engine.counted())["running"] == 0)
