"""Responses and Messages beside completions: limits, tokens and errors under the names that each API has for them."""

import asyncio
import json

import pytest
from wharfage_gateway.view import Throttle

from tests.gateway.client import Answer, Client, all_of, eventually
from tests.gateway.rig import Rig, model

PATHS = {"/v1/chat/completions": "max_tokens", "/v1/responses": "max_output_tokens", "/v1/messages": "max_tokens"}


def body(path: str, *, tokens: int | None = 4, stream: bool = False, prompt: str = "hello", **fields: object) -> bytes:
    said = {"input": prompt} if path == "/v1/responses" else {"messages": [{"role": "user", "content": prompt}]}
    limit = {} if tokens is None else {PATHS.get(path, "max_tokens"): tokens}
    return json.dumps({"model": "chat", "stream": stream, **said, **limit, **fields}).encode()


async def ask(client: Client, path: str, **fields: object) -> Answer:
    return await client.post(body(path, **fields), path=path)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
async def test_tokens_are_those_that_the_engine_counted_and_bytes_are_its_own(
    rig: Rig, client: Client, path: str
) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    bodies = [
        body(path, tokens=1 + number % 13, stream=number % 3 > 0, prompt="x" * (9 * number)) for number in range(60)
    ]
    answers = await all_of(client.post(each, path=path) for each in bodies)
    assert all(answer.ok for answer in answers)
    await eventually(lambda: at_rest(rig), "the end of all of them in the gateway's books")
    counted, books = await one.counted(), await rig.of("chat")
    assert (books["prompt_tokens"], books["output_tokens"]) == (counted["prompt_tokens"], counted["output_tokens"])
    assert counted["output_tokens"] > 0
    async with Client(one.url) as direct:
        straight = await all_of(direct.post(each, path=path) for each in bodies)
    assert [answer.body for answer in answers] == [answer.body for answer in straight]


async def test_the_last_event_of_responses_is_read_however_long_the_answer_was(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    answer = await ask(client, "/v1/responses", tokens=40_000, stream=True)
    assert len(answer.body) > 2_000_000
    await eventually(lambda: output(rig, 40_000), "its tokens in the gateway's books")


@pytest.mark.parametrize(("path", "limit"), PATHS.items())
async def test_an_answer_is_cut_under_the_name_that_the_engine_reads(
    rig: Rig, client: Client, path: str, limit: str
) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()], most_output_tokens=7))
    for tokens, got in ((500, 7), (None, 7), (3, 3)):
        before = (await one.counted())["output_tokens"]
        assert (await ask(client, path, tokens=tokens)).ok
        counted = await one.counted()
        assert (counted["output_tokens"] - before, counted["body"][limit]) == (got, got)


async def test_a_limit_under_another_api_s_name_neither_avoids_the_cut_nor_reserves_less(
    rig: Rig, client: Client
) -> None:
    one = await rig.engine("one")
    throttle = Throttle(tokens_per_s=0.001, burst_tokens=400.0)
    await rig.up(model(replicas=[one.replica()], most_output_tokens=300, throttle=throttle))
    answer = await ask(client, "/v1/responses", tokens=None, max_tokens=1)
    assert answer.ok
    assert (await one.counted())["output_tokens"] == 300
    assert (await ask(client, "/v1/responses", tokens=None, max_tokens=1)).error["code"] == "tokens_exhausted"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
async def test_a_stream_that_its_client_leaves_costs_what_it_had_reserved(rig: Rig, client: Client, path: str) -> None:
    one = await rig.engine("one", itl_s=0.02)
    throttle = Throttle(tokens_per_s=0.001, burst_tokens=400.0)
    await rig.up(model(replicas=[one.replica()], throttle=throttle))
    asked = asyncio.ensure_future(ask(client, path, tokens=380, stream=True))

    async def some() -> bool:
        return bool((await one.counted())["output_tokens"] >= 5)

    await eventually(some, "five tokens")
    asked.cancel()
    await eventually(lambda: at_rest(rig), "its end in the gateway's books")
    assert (await ask(client, path, tokens=50)).status == 429


async def test_an_answer_that_would_be_fetched_later_is_refused(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    answer = await ask(client, "/v1/responses", background=True)
    assert (answer.status, answer.error["code"]) == (400, "background_unsupported")
    assert (await ask(client, "/v1/responses", background=False)).ok
    assert (await client.get("/v1/responses/resp_1")).status == 404


async def test_errors_of_messages_have_the_form_that_its_clients_read(locked: Rig) -> None:
    one = await locked.engine("one")
    at_zero = model("cold", hold_s=0.2)
    full = model("full", [one.replica()], throttle=Throttle(tokens_per_s=0.001, burst_tokens=1.0))
    await locked.up(model(replicas=[one.replica()]), at_zero, full)

    def named(name: str) -> bytes:
        return json.dumps({"model": name, "max_tokens": 9, "messages": []}).encode()

    async with Client(locked.url, "key-of-red") as red, Client(locked.url, "wrong") as nobody:
        path = "/v1/messages"
        assert (await red.post(named("full"), path=path)).ok
        told = [
            (await nobody.post(named("chat"), path=path), 401, "authentication_error"),
            (await red.post(named("nobody"), path=path), 404, "not_found_error"),
            (await red.post(named("@brain"), path=path), 404, "not_found_error"),
            (await red.post(b"{}", path=path), 400, "invalid_request_error"),
            (await red.post(named("full"), path=path), 429, "rate_limit_error"),
            (await red.post(named("cold"), path=path), 503, "overloaded_error"),
            (await red.post(b"x" * 9_000_000, path=path), 413, "request_too_large"),
        ]
    for answer, status, kind in told:
        said = json.loads(answer.body)
        assert (answer.status, said["type"], said["error"]["type"]) == (status, "error", kind)
        assert said["error"]["message"]
        assert answer.headers["content-type"] == "application/json"


async def test_tokens_of_messages_are_counted_without_a_limit_or_an_answer(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()], most_output_tokens=7))
    answer = await ask(client, "/v1/messages/count_tokens", tokens=None)
    assert json.loads(answer.body)["input_tokens"] > 0
    assert "max_tokens" not in (await one.counted())["body"]


async def at_rest(rig: Rig) -> bool:
    return bool((await rig.of("chat"))["running"] == 0)


async def output(rig: Rig, tokens: int) -> bool:
    return bool((await rig.of("chat"))["output_tokens"] == tokens)
