"""More load than there is capacity: who goes first, who is refused, and what a tenant may spend."""

import asyncio
import time
from collections.abc import Sequence

from wharfage_gateway.view import Throttle

from tests.gateway.client import Answer, Client, eventually, load
from tests.gateway.rig import Rig, model


async def test_under_overload_the_heavy_class_is_not_refused_and_the_light_one_gets_the_rest(
    rig: Rig, client: Client
) -> None:
    one = await rig.engine("one", up_to=0)
    classes = {"interactive": 100, "bulk": 1}
    await rig.up(model(replicas=[one.replica(slots=4.0)], classes=classes, most_waiting=100))
    rest = [asyncio.ensure_future(asked(client, "bulk")) for _ in range(150)]
    await eventually(lambda: told(rig, rest), "a place or an answer for each of the light class")
    first = [asyncio.ensure_future(asked(client, "interactive")) for _ in range(40)]
    await eventually(lambda: told(rig, first + rest), "a place for each of the heavy one")
    await one.control(up_to=100, ttft_s=0.02)
    heavy, light = [await each for each in first], [await each for each in rest]
    assert all(answer.ok for answer in heavy)
    refused = [answer for answer in light if not answer.ok]
    assert {(answer.status, answer.error["code"]) for answer in refused} == {(429, "queue_full")}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert len(light) - len(refused) == 4 + 100 - 40
    assert median(heavy) < median(light)


async def told(rig: Rig, asked: Sequence[asyncio.Future[Answer]]) -> bool:
    """Whether each runs, waits or was answered."""
    of_model = await rig.of("chat")
    return bool(of_model["running"] + of_model["waiting"] + sum(each.done() for each in asked) == len(asked))


async def asked(client: Client, cls: str) -> Answer:
    return await client.chat("chat", headers={"x-class": cls})


def median(answers: list[Answer]) -> float:
    good = sorted(answer.first_s for answer in answers if answer.ok)
    return good[len(good) // 2]


async def test_a_tenant_that_floods_a_full_queue_is_refused_alone(locked: Rig) -> None:
    one = await locked.engine("one", up_to=0)
    await locked.up(model(replicas=[one.replica(slots=2.0)], most_waiting=20))
    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "key-of-blue") as blue:
        flood = [asyncio.ensure_future(red.chat("chat")) for _ in range(60)]
        await eventually(lambda: told(locked, flood), "a place or an answer for each")
        few = [asyncio.ensure_future(blue.chat("chat")) for _ in range(8)]
        await eventually(lambda: told(locked, flood + few), "a place for the other tenant")
        await one.control(up_to=100)
        assert all([(await each).ok for each in few])
        assert sorted([(await each).status for each in flood]) == [200] * 14 + [429] * 46


async def test_a_throttled_tenant_spends_its_burst_and_its_rate_and_the_other_is_not_touched(locked: Rig) -> None:
    one = await locked.engine("one")
    throttle = Throttle(tokens_per_s=20.0, burst_tokens=400.0, stage="Throttle")
    await locked.up(model(replicas=[one.replica()], throttle=throttle))
    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "key-of-blue") as blue:
        began_s = time.monotonic()
        flood, few = await asyncio.gather(
            load(lambda: red.chat("chat", tokens=16), per_s=40.0, seconds=4.0),
            load(lambda: blue.chat("chat", tokens=1), per_s=2.0, seconds=4.0, seed=2),
        )
        lasted_s = time.monotonic() - began_s
    refused = [answer for answer in flood if not answer.ok]
    assert refused
    assert all(answer.ok for answer in few)
    assert {(answer.status, answer.error["code"]) for answer in refused} == {(429, "tokens_exhausted")}
    assert all(int(answer.headers["retry-after"]) >= 1 and "Throttle" in answer.error["message"] for answer in refused)
    spent = sum(sum(answer.tokens) for answer in flood if answer.ok)
    assert spent <= 400.0 + 20.0 * lasted_s
    assert spent >= 200.0


async def test_a_stage_that_ends_is_felt_at_once(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()], throttle=Throttle(tokens_per_s=0.001, burst_tokens=60.0)))
    async with Client(locked.url, "key-of-red") as red:
        answers = [await red.chat("chat", tokens=16) for _ in range(6)]
        assert answers[-1].status == 429
        await locked.look(model(replicas=[one.replica()]))
        await eventually(lambda: good(red), "an answer without a stage")


async def good(client: Client) -> bool:
    return (await client.chat("chat", tokens=16)).ok
