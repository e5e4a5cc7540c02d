"""What Envoy's access log tells of a request that is over."""

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from wharfage_gateway.outcome import ABORTED, FAILED, REJECTED
from wharfage_gateway.ticket import NOTHING, Used
from wharfage_gateway.usage import served, used


def entry(
    *,
    slot: str = "b-1",
    code: int = 200,
    sent: int = 900,
    flag: str = "",
    details: str = "via_upstream",
    took_ms: tuple[int, int] | None = None,
    **tokens: float,
) -> Any:
    found = accesslog_pb2.HTTPAccessLogEntry()
    found.request.request_id = f"id of {slot}"
    found.request.request_headers["x-slot"] = slot
    found.response.response_code.value = code
    found.response.response_body_bytes = sent
    found.response.response_code_details = details
    if flag:
        setattr(found.common_properties.response_flags, flag, True)
    if took_ms:
        found.common_properties.time_to_first_upstream_tx_byte.FromMilliseconds(took_ms[0])
        found.common_properties.time_to_last_upstream_rx_byte.FromMilliseconds(took_ms[1])
    if tokens:
        found.common_properties.metadata.filter_metadata["wharfage.tokens"].update(tokens)
    return found


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param(entry(prompt_tokens=7.0, completion_tokens=16.0), Used(7, 16), id="the engine's own numbers"),
        pytest.param(entry(input_tokens=7.0, output_tokens=16.0), Used(7, 16), id="the same as Responses tells them"),
        pytest.param(
            entry(input_tokens=7.0, cache_read_input_tokens=30.0, cache_creation_input_tokens=3.0, output_tokens=16.0),
            Used(40, 16),
            id="Messages leaves out of its input what the cache had",
        ),
        pytest.param(entry(input_tokens=7.0), Used(7, None), id="a stream of Messages that was left before its end"),
        pytest.param(entry(), Used(None, None), id="a stream that was cut before it told any"),
        pytest.param(entry(code=502, sent=80), Used(0, 0, FAILED), id="an error used nothing"),
        pytest.param(entry(code=422, sent=80), Used(0, 0, REJECTED), id="nor did one that is the client's own"),
        pytest.param(
            entry(flag="downstream_connection_termination", prompt_tokens=7.0, completion_tokens=3.0),
            Used(7, 3, ABORTED),
            id="a client that left is told by Envoy",
        ),
        pytest.param(
            entry(
                flag="upstream_protocol_error",
                details="upstream_reset_after_response_started{protocol_error}",
                prompt_tokens=7.0,
                completion_tokens=3.0,
            ),
            Used(7, 3, FAILED),
            id="and so is a replica that died",
        ),
        pytest.param(entry(took_ms=(250, 1750)), Used(seconds=1.5), id="the time at the replica, without the wait"),
        pytest.param(entry(code=0, sent=0), NOTHING, id="nor did one that was never answered"),
    ],
)
def test_an_entry_says_what_a_request_came_to(said: Any, told: Used) -> None:
    assert used(said) == told


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("als")  # a socket's path has at most 107 characters


async def test_every_entry_of_every_stream_is_told_once(folder: Path) -> None:
    heard: list[tuple[str, str, Used]] = []
    tell: Callable[[str, str, Used], None] = lambda *told: heard.append(told)  # noqa: E731
    server = await served(folder / "log.sock", tell)

    async def messages(first: int) -> AsyncIterator[Any]:
        for number in itertools.count(first):
            if number == first + 3:
                return
            message = als_pb2.StreamAccessLogsMessage()
            begun = message.http_logs.log_entry.add()
            begun.common_properties.intermediate_log_entry = True
            message.http_logs.log_entry.append(entry(slot=f"b-{number}", prompt_tokens=1.0, completion_tokens=number))
            yield message

    async with grpc.aio.insecure_channel(f"unix:{folder / 'log.sock'}") as channel:
        stub = als_pb2_grpc.AccessLogServiceStub(channel)
        for first in (0, 10):
            await stub.StreamAccessLogs(messages(first))
    await server.stop(None)
    numbers = (0, 1, 2, 10, 11, 12)
    assert heard == [(f"b-{number}", f"id of b-{number}", Used(1, number)) for number in numbers]
