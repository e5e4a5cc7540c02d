"""Tokens by tenant as the gateway counts them, against the engines' own counters."""

import asyncio

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.client import Answer, Client, all_of, eventually
from tests.gateway.rig import Engine, Rig, model


async def test_tokens_are_those_that_the_engines_counted(locked: Rig) -> None:
    engines = [await locked.engine(f"engine-{number}") for number in range(2)]
    await locked.up(model(replicas=[each.replica() for each in engines]))
    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "key-of-blue") as blue:
        answers = await all_of(
            client.chat("chat", tokens=1 + number % 13, stream=number % 3 > 0, prompt="x" * (number * 7 % 900))
            for number in range(150)
            for client in (red, blue)
        )
    assert all(answer.ok for answer in answers)
    told = [sum(answer.tokens[place] for answer in answers) for place in (0, 1)]
    await eventually(lambda: at_rest(locked), "the end of all of them in the gateway's books")
    counted = await engine_tokens(engines)
    of_model = await locked.of("chat")
    assert (of_model["prompt_tokens"], of_model["output_tokens"]) == counted == tuple(told)
    by_tenant = {"red": answers[0::2], "blue": answers[1::2]}
    assert of_model["tenants"] == {
        tenant: [len(theirs), *(sum(answer.tokens[place] for answer in theirs) for place in (0, 1))]
        for tenant, theirs in by_tenant.items()
    }


async def test_a_stream_that_its_client_leaves_is_counted_as_far_as_it_came(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", up_to=10)
    await rig.up(model(replicas=[one.replica()]))
    begun = [Answer() for _ in range(5)]
    streams = [
        asyncio.ensure_future(client.chat("chat", tokens=500, prompt=f"{number}", into=each))
        for number, each in enumerate(begun)
    ]

    async def come() -> bool:
        return [each.portions for each in begun] == [10] * 5

    await eventually(come, "ten tokens of each")
    for each in streams:
        each.cancel()
    await eventually(lambda: at_rest(rig), "the end of all of them in the gateway's books")
    prompt, output = await engine_tokens([one])
    of_model = await rig.of("chat")
    assert (of_model["prompt_tokens"], of_model["output_tokens"]) == (prompt, output)
    assert output == 50


async def test_the_brain_s_metrics_tell_tenants_apart(locked: Rig) -> None:
    one = await locked.engine("one")
    await locked.up(model(replicas=[one.replica()]))
    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "key-of-blue") as blue:
        assert (await red.chat("chat", tokens=3)).ok
        assert (await blue.chat("chat", tokens=5)).ok
    await eventually(lambda: at_rest(locked), "the end of both in the gateway's books")
    async with aiohttp.ClientSession() as session, session.get(f"{locked.pages}/metrics") as told:
        page = await told.text()
    output = {
        sample.labels["tenant"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "wharfage_gateway_output_tokens_total"
    }
    assert output == {"red": 3.0, "blue": 5.0}


async def at_rest(rig: Rig) -> bool:
    of_model = await rig.of("chat")
    return bool(of_model["running"] == 0 and of_model["waiting"] == 0)


async def engine_tokens(engines: list[Engine]) -> tuple[int, int]:
    counted = [await each.counted() for each in engines]
    return sum(each["prompt_tokens"] for each in counted), sum(each["output_tokens"] for each in counted)
