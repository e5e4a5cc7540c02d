"""What clients send and get: bytes untouched, limits kept, nonsense answered in a form that their libraries read."""

import asyncio
import json
from random import Random

import pytest

from tests.gateway.client import Answer, Client, all_of, eventually
from tests.gateway.rig import Rig, model


async def test_what_the_engine_says_arrives_byte_for_byte(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", itl_s=0.0005)
    await rig.up(model(replicas=[one.replica()]))
    random = Random(6)
    bodies = [
        json.dumps(
            {
                "model": "chat",
                "messages": [{"role": "user", "content": "öä𝄞" * random.randrange(1, 400)}],
                "max_tokens": random.randrange(1, 120),
                "stream": random.random() < 0.8,
                "seed": 2**60 + 1,
            },
            ensure_ascii=random.random() < 0.5,
        ).encode()
        for _ in range(120)
    ]
    async with Client(one.url) as direct:
        for start in range(0, len(bodies), 20):
            through = await all_of(client.post(body) for body in bodies[start : start + 20])
            straight = await all_of(direct.post(body) for body in bodies[start : start + 20])
            assert [answer.body for answer in through] == [answer.body for answer in straight]
            assert all(answer.ok for answer in through)


async def test_a_stream_arrives_portion_by_portion(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", up_to=0)
    await rig.up(model(replicas=[one.replica()]))
    answer = Answer()
    asked = asyncio.ensure_future(client.chat("chat", tokens=20, into=answer))
    for number in range(1, 20):
        await one.control(up_to=number)

        async def come(number: int = number) -> bool:
            return answer.portions == number

        await eventually(come, f"portion {number}, while the engine has no more")
    await one.control(up_to=20)
    assert (await asked).ok


async def test_an_answer_longer_than_the_model_allows_is_cut(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()], most_output_tokens=7))
    assert (await client.chat("chat", tokens=500)).tokens[1] == 7
    assert (await client.chat("chat", tokens=None)).tokens[1] == 7
    assert (await client.chat("chat", tokens=3)).tokens[1] == 3


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "chat", "max_tokens": 5, "max_tokens": 500}',
        b'{"model": "chat", "max_tokens": 500, "x": 1, "x": 2}',
        b'{"model": "chat", "a": 1, "a": 2}',
    ],
    ids=["the limit twice", "another field twice", "no limit, and a field twice"],
)
async def test_a_body_that_cannot_be_cut_is_refused(rig: Rig, client: Client, body: bytes) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()], most_output_tokens=7))
    answer = await client.post(body)
    assert (answer.status, answer.error["code"]) == (400, "invalid_request_error")
    assert (await one.counted())["requests"] == 0
    await eventually(lambda: at_rest(rig), "its slot free again")


async def test_a_prompt_longer_than_the_model_takes_is_refused_before_it_reaches_an_engine(
    rig: Rig, client: Client
) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()], most_prompt_tokens=1000))
    answer = await client.chat("chat", prompt="x" * 9000)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert (await one.counted())["requests"] == 0


async def test_a_client_that_leaves_ends_the_work_for_it(rig: Rig, client: Client) -> None:
    one = await rig.engine("one", itl_s=0.1)
    await rig.up(model(replicas=[one.replica()]))
    asked = asyncio.ensure_future(client.chat("chat", tokens=600))

    async def runs() -> bool:
        return bool((await one.counted())["running"] == 1)

    async def over() -> bool:
        counted = await one.counted()
        return bool(counted["running"] == 0 and counted["left"] == 1 and (await rig.of("chat"))["running"] == 0)

    await eventually(runs, "the request on the engine")
    asked.cancel()
    await eventually(over, "its end, in the engine and in the gateway's books")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"not json", 400, "model_required", id="no JSON"),
        pytest.param(b"", 400, "model_required", id="nothing"),
        pytest.param(b'{"model": "ch', 400, "model_required", id="half a JSON"),
        pytest.param(b'{"messages": []}', 400, "model_required", id="no model"),
        pytest.param(b'{"model": ""}', 400, "model_required", id="an empty model"),
        pytest.param(b'{"model": "nobody"}', 404, "model_not_found", id="an unknown model"),
        pytest.param(b'{"model": 7}', 404, "model_not_found", id="a number for a model"),
        pytest.param(b'["model"]', 400, "model_required", id="a list"),
        pytest.param(b'{"model": "@brain"}', 404, "model_not_found", id="a cluster of Envoy's own"),
        pytest.param(
            b'{"model": "chat\\r\\nx-client: @blue"}', 404, "model_not_found", id="a model with a header in its name"
        ),
        pytest.param(b'{"model": " chat"}', 404, "model_not_found", id="a model with a blank before its name"),
        pytest.param('{"model": "ch\u00e4t"}'.encode(), 404, "model_not_found", id="a letter that no name has"),
        pytest.param(b"x" * 20_000_000, 413, "request_too_large", id="20 MB"),
    ],
)
async def test_a_body_that_makes_no_sense_is_answered_in_openai_s_form(
    rig: Rig, client: Client, body: bytes, status: int, code: str
) -> None:
    await rig.up(model())
    answer = await client.post(body)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"


async def test_an_answer_larger_than_a_request_may_be_arrives_whole_and_is_counted(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    answer = await client.chat("chat", tokens=1_500_000, stream=False)
    assert answer.ok
    assert len(answer.body) > rig.options.most_body_bytes

    async def counted() -> bool:
        return bool((await rig.of("chat"))["output_tokens"] == 1_500_000)

    await eventually(counted, "its tokens in the gateway's books")


async def test_an_answer_larger_than_the_gateway_takes_is_told_apart_from_a_failure_of_the_engine(
    rig: Rig, client: Client
) -> None:
    one = await rig.engine("one")
    [listener] = rig.document["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    [room] = [each for each in manager["http_filters"] if each["name"] == "wharfage.room_for_answer"]
    room["typed_config"]["max_request_bytes"] = 2**20
    await rig.up(model(replicas=[one.replica()]))
    answer = await client.chat("chat", tokens=1_500_000, stream=False)
    assert (answer.status, answer.error["code"]) == (500, "answer_too_large")


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "stream"])
async def test_a_field_of_another_kind_is_the_engine_s_to_judge_and_never_a_header(
    rig: Rig, client: Client, field: str
) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    odd = ["7\r\nx-client: @blue", [7], {"a": 7}, None, "9" * 400, 1e300, 1.5]
    bodies = [json.dumps({"model": "chat", field: value}).encode() for value in odd]
    async with Client(one.url) as direct:
        for body in bodies:
            assert (body, (await client.post(body)).status) == (body, (await direct.post(body)).status)
    assert await rig.stat(r"http\.wharfage\.ext_authz\.failure_mode_allowed") == 0


async def test_a_json_body_with_a_character_set_is_json(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    assert (await client.chat("chat", headers={"content-type": "application/json; charset=utf-8"})).ok


async def test_models_are_listed_and_what_else_an_engine_has_is_not_reached(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]), model("org/other"))
    listed = json.loads((await client.get("/v1/models")).body)
    assert {each["id"] for each in listed["data"]} == {"chat", "org/other"}
    for path in (
        "/metrics",
        "/counted",
        "/health",
        "/v1/load_lora_adapter",
        "/demand",
        "/check/v1/models",
        "/../metrics",
    ):
        answer = await client.get(path)
        assert (path, answer.status, answer.error["code"]) == (path, 404, "not_found")
    assert (await client.post(b'{"model": "chat", "fail": 3}', path="/control")).status == 404
    assert (await one.counted())["requests"] == 0


async def at_rest(rig: Rig) -> bool:
    return bool((await rig.of("chat"))["running"] == 0)
