"""Replicas that leave and come while requests run: none fails."""

import asyncio

from tests.gateway.client import Answer, Client, eventually, load
from tests.gateway.rig import Engine, Rig, model


async def test_a_replica_that_drains_finishes_its_streams_and_gets_nothing_new(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one", itl_s=0.05), await rig.engine("two", itl_s=0.05)
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    running = asyncio.ensure_future(load(lambda: client.chat("chat", tokens=20), per_s=25.0, seconds=4.0))
    await eventually(lambda: busy(one), "streams on the replica")
    await rig.look(model(replicas=[one.replica(draining=True), two.replica()]))
    await eventually(lambda: rig.closed("one"), "its last stream over")
    seen = (await one.counted())["requests"]
    await rig.look(model(replicas=[two.replica()]))
    await one.stop()
    answers = await running
    assert [answer.broken or answer.status for answer in answers] == [200] * len(answers)
    assert seen > 0
    assert (await two.counted())["requests"] == len(answers) - seen


async def test_a_replica_that_is_drained_is_asked_nothing_more(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one"), await rig.engine("two")
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    running = asyncio.ensure_future(load(lambda: client.chat("chat", tokens=1), per_s=40.0, seconds=3.0))
    await eventually(lambda: asked(one), "requests on the replica")
    await rig.look(model(replicas=[one.replica(draining=True), two.replica()]))
    await eventually(lambda: rig.closed("one"), "the end of its last request")
    seen = (await one.counted())["requests"]
    await running
    assert (await one.counted())["requests"] == seen


async def test_streams_survive_that_their_replica_is_no_longer_listed(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one", up_to=3), await rig.engine("two", up_to=3)
    await rig.up(model(replicas=[one.replica()]))
    streams = await begun(client)
    await rig.look(model(replicas=[two.replica()]))

    async def moved() -> bool:
        assert (await client.chat("chat", tokens=1)).ok
        return await asked(two)

    await eventually(moved, "the other replica")
    await one.control(up_to=15)
    assert all([(await stream).ok for stream in streams])


async def test_streams_survive_that_their_model_is_gone(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one", up_to=3), await rig.engine("two")
    await rig.up(model(replicas=[one.replica()]), model("other", [two.replica()]))
    streams = await begun(client)
    await rig.look(model("other", [two.replica()]))

    async def gone() -> bool:
        return (await client.chat("chat", tokens=1)).status == 404

    await eventually(gone, "a gateway without the model")
    await one.control(up_to=15)
    assert all([(await stream).ok for stream in streams])


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
    one = await rig.engine("one", up_to=3)
    await rig.up(model(replicas=[one.replica()]))
    streams = await begun(client)
    await rig.admin("/healthcheck/fail", "POST")
    await rig.admin("/drain_listeners?graceful&skip_exit", "POST")
    assert (await client.get("/healthz")).status == 503
    assert (await client.chat("chat", tokens=1)).ok
    await one.control(up_to=15)
    assert all([(await stream).ok for stream in streams])


async def begun(client: Client) -> list[asyncio.Task[Answer]]:
    """Five streams that stand still in their middle."""
    answers = [Answer() for _ in range(5)]
    streams = [asyncio.create_task(client.chat("chat", tokens=15, into=each)) for each in answers]

    async def come() -> bool:
        return all(each.portions == 3 for each in answers)

    await eventually(come, "five streams")
    return streams


async def busy(engine: Engine) -> bool:
    return bool((await engine.counted())["running"])


async def asked(engine: Engine) -> bool:
    return bool((await engine.counted())["requests"])
