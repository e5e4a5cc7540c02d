"""A variant on trial through a real Envoy: its share, and how its answers ended."""

import asyncio
import json
from typing import Any

import aiohttp

from tests.gateway.client import Answer, Client, all_of, eventually
from tests.gateway.rig import Rig, model
from tests.gateway.test_accounting import at_rest
from tests.ports import port_of, reserved


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
        assert each["seconds"]["mean"] >= 0.09
        assert each["seconds"]["low"] < each["seconds"]["mean"] < each["seconds"]["high"]


async def test_a_client_that_leaves_and_a_replica_that_dies_are_no_answers(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", up_to=10)
    await rig.up(model(replicas=[one.replica(variant="int4")]))
    begun = Answer(), Answer()
    left, cut = (asyncio.ensure_future(client.chat("chat", tokens=500, into=each)) for each in begun)

    async def both() -> bool:
        return all(each.portions == 10 for each in begun)

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


async def test_clients_that_ask_again_and_what_they_say_of_answers_are_counted_for_the_variant(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica(variant="int4")]))
    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "key-of-blue") as blue:
        answer = await red.chat("chat", prompt="what is it?")
        await eventually(lambda: at_rest(locked), "the end of it in the gateway's books")
        assert (await red.chat("chat", prompt="what is it?")).ok
        assert (await red.chat("chat", prompt="what else is it?")).ok
        assert (await blue.chat("chat", prompt="what is it?")).ok
        identity = answer.headers["x-request-id"]
        said = [await rating(red, id=f"chatcmpl-{identity}", score=score) for score in (0.25, 1.0)]
        assert [(each.status, json.loads(each.body)["counted"]) for each in said] == [(200, True), (200, False)]
        strange = await rating(blue, id=identity, score=1.0)
        assert (strange.status, strange.error["code"]) == (404, "answer_not_found")
        assert (await rating(red, id=identity)).status == 400
    async with Client(locked.url, "key-of-nobody") as nobody:
        assert (await rating(nobody, id=identity, score=1.0)).status == 401
    await eventually(lambda: at_rest(locked), "the end of all in the gateway's books")
    told = (await variants(locked))["int4"]
    assert (told["requests"], told["repeated"]["share"]) == (4, 0.25)
    assert (told["rating"]["count"], told["rating"]["mean"]) == (1, 0.25)
    assert (await one.counted())["requests"] == 4, "no rating went to an engine"


async def test_a_rating_finds_the_gateway_that_knows_the_answer(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica(variant="int4")]))
    identity = (await client.chat("chat")).headers["x-request-id"]
    other = Rig(rig.folder / "other")
    async with other:
        with reserved() as nobody:
            gone = f"127.0.0.1:{port_of(nobody)}"
            await other.up(model(), peers=(gone, rig.pages.removeprefix("http://")))
            async with Client(other.url) as elsewhere:

                async def found() -> bool:  # a gateway that is slow to answer is not waited for
                    return (await rating(elsewhere, id=identity, score=0.5)).status == 200

                await eventually(found, "the gateway that knows the answer")
                assert (await rating(elsewhere, id="nobody-s", score=0.5)).status == 404
    told = (await variants(rig))["int4"]["rating"]
    assert (told["count"], told["mean"]) == (1, 0.5)


async def rating(client: Client, **fields: object) -> Answer:
    return await client.post(json.dumps(fields).encode(), path="/v1/ratings")
