"""Where a request goes: by model, variant and slots; to a stand-in; and which replica is tried after one that fails."""

import asyncio

import pytest

from tests.gateway.client import Answer, Client, all_of, eventually, load
from tests.gateway.rig import Engine, Rig, model


async def test_each_model_is_answered_by_its_own_replicas_and_a_new_one_needs_no_restart(
    rig: Rig, client: Client
) -> None:
    one, two = await rig.engine("one"), await rig.engine("two")
    await rig.up(model("org/one", [one.replica()]))
    assert (await client.chat("org/one")).ok
    assert (await client.chat("two")).status == 404
    await rig.look(model("org/one", [one.replica()]), model("two", [two.replica()]))
    await eventually(lambda: good(client, "two"), "the new model")
    assert [(await each.counted())["requests"] for each in (one, two)] == [1, 1]


async def test_replicas_get_requests_in_proportion_to_their_slots(rig: Rig, client: Client) -> None:
    engines = [await rig.engine(name, up_to=0) for name in ("small", "large", "tiny")]
    slots = (20.0, 50.0, 10.0)
    await rig.up(model(replicas=[each.replica(slots=many) for each, many in zip(engines, slots, strict=True)]))
    asked = asyncio.ensure_future(all_of(client.chat("chat", prompt=f"{number}") for number in range(72)))
    await eventually(lambda: run(engines, 72), "all of them at a replica")
    await let_go(engines)
    assert all(answer.ok for answer in await asked)
    shares = [(await each.counted())["finished"] / 72 for each in engines]
    assert shares == pytest.approx([many / 80 for many in slots], abs=0.05)


async def test_variants_are_filled_in_their_order(rig: Rig, client: Client) -> None:
    cheap, dear = await rig.engine("cheap", up_to=0), await rig.engine("dear", up_to=0)
    replicas = [dear.replica(slots=9.0, variant="bf16"), cheap.replica(slots=2.0, variant="int4")]
    await rig.up(model(replicas=replicas, order=("int4", "bf16")))
    asked = asyncio.ensure_future(all_of(client.chat("chat", prompt=f"{number}") for number in range(5)))
    await eventually(lambda: run([cheap, dear], 5), "all of them at a replica")
    await let_go([cheap, dear])
    assert all(answer.ok for answer in await asked)
    assert [(await each.counted())["finished"] for each in (cheap, dear)] == [2, 3]


async def test_a_model_without_capacity_is_answered_by_its_stand_in_under_that_ones_name(
    rig: Rig, client: Client
) -> None:
    small = await rig.engine("small")
    large = model("large", fallback=("deployment/small",))
    await rig.up(large, model("small", [small.replica()]))
    assert (await client.chat("large")).ok
    counted = await small.counted()
    assert counted["body"]["model"] == "small"
    big = await rig.engine("big")
    await rig.look(model("large", [big.replica()], fallback=("deployment/small",)), model("small", [small.replica()]))
    await eventually(lambda: reached(client, rig, "large", "big"), "an answer by the model itself")


async def test_while_a_served_name_changes_either_name_is_answered_by_either_replica(rig: Rig, client: Client) -> None:
    old, new = await rig.engine("old"), await rig.engine("new")
    renamed = model("after", [old.replica(served="before")])
    await rig.up(renamed, former={"before": "after"})
    assert [(await client.chat(name)).status for name in ("before", "after")] == [200, 200]
    assert (await old.counted())["body"]["model"] == "before"
    await rig.look(model("after", [new.replica(served="after")]))
    await eventually(lambda: reached(client, rig, "after", "new"), "an answer by the new replica")
    refused = await client.chat("before")
    assert (refused.status, refused.error["code"]) == (404, "model_not_found")
    assert "after" in refused.error["message"]


async def test_prompts_with_the_same_beginning_go_to_the_same_replica(rig: Rig, client: Client) -> None:
    engines = [await rig.engine(f"engine-{number}") for number in range(3)]
    await rig.up(model(replicas=[each.replica() for each in engines], prefix_affinity=True))
    system = {"role": "system", "content": "You answer as a pirate would. " * 40}
    for number in range(12):
        messages = [system, {"role": "user", "content": f"question {number}"}]
        assert (await client.chat("chat", messages=messages)).ok
        await eventually(lambda: at_rest(rig), "the end of the request in the gateway's books")
    counted = sorted([(await each.counted())["requests"] for each in engines])
    assert counted == [0, 0, 12]


async def test_a_full_queue_goes_to_the_stand_in_before_anyone_is_refused(rig: Rig, client: Client) -> None:
    big, small = await rig.engine("big", up_to=0), await rig.engine("small", up_to=0)
    large = model("large", [big.replica(slots=2.0)], most_waiting=3, fallback=("deployment/small",))
    await rig.up(large, model("small", [small.replica(slots=4.0)]))
    asked = [asyncio.ensure_future(client.chat("large", prompt=f"{number}")) for number in range(12)]

    async def told() -> bool:
        waiting = (await rig.of("large"))["waiting"]
        return await run([big, small], 6) and waiting == 3 and sum(each.done() for each in asked) == 3

    await eventually(told, "a replica, a place or an answer for each")
    await let_go([big, small])
    assert sorted([(await each).status for each in asked]) == [200] * 9 + [429] * 3
    assert (await big.counted())["requests"] == 5
    assert (await small.counted())["requests"] == 4
    assert (await small.counted())["body"]["model"] == "small"


async def test_a_replica_that_says_503_is_not_the_last_word(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one"), await rig.engine("two")
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    await one.control(fail=10)
    answers = await load(lambda: client.chat("chat"), per_s=40.0, seconds=2.0)
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert (await one.counted())["requests"] >= 10


async def test_a_replica_that_closes_the_connection_before_it_answers_is_not_the_last_word(
    rig: Rig, client: Client
) -> None:
    one, two = await rig.engine("one"), await rig.engine("two")
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    await one.control(reset=10)
    answers = await load(lambda: client.chat("chat"), per_s=40.0, seconds=2.0)
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert (await one.counted())["requests"] >= 10


async def test_a_replica_whose_address_answers_nobody_costs_no_request_of_a_hundred_at_once(
    rig: Rig, client: Client
) -> None:
    one, two = await rig.engine("one"), await rig.engine("two")
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    await one.kill()
    answers = await all_of(client.chat("chat", prompt=f"{number}") for number in range(100))
    assert [answer.status for answer in answers] == [200] * 100


async def test_a_stream_whose_replica_is_killed_is_cut_and_no_other_request_fails(rig: Rig, client: Client) -> None:
    one, two = await rig.engine("one", up_to=5), await rig.engine("two", up_to=5)
    await rig.up(model(replicas=[one.replica(), two.replica()]))
    begun = [Answer() for _ in range(10)]
    streams = [
        asyncio.ensure_future(client.chat("chat", tokens=15, prompt=f"{number}", into=each))
        for number, each in enumerate(begun)
    ]

    async def come() -> bool:
        return all(each.portions == 5 for each in begun)

    await eventually(come, "ten streams")
    carried = (await one.counted())["running"]
    await one.kill()
    later = await load(lambda: client.chat("chat", tokens=2), per_s=20.0, seconds=1.0)
    await let_go([two])
    answers = await asyncio.gather(*streams)
    assert 0 < carried < 10
    assert sum(not answer.ok for answer in answers) == carried
    assert all(answer.status == 200 for answer in answers)
    assert [answer.status for answer in later] == [200] * len(later)


async def run(engines: list[Engine], count: int) -> bool:
    return sum([int((await each.counted())["running"]) for each in engines]) == count


async def let_go(engines: list[Engine]) -> None:
    for each in engines:
        await each.control(up_to=100)


async def good(client: Client, name: str) -> bool:
    return (await client.chat(name)).ok


async def reached(client: Client, rig: Rig, name: str, engine: str) -> bool:
    await client.chat(name)
    return bool((await rig.engines[engine].counted())["requests"])


async def at_rest(rig: Rig) -> bool:
    return bool((await rig.of("chat"))["running"] == 0)
