"""Envoy's access log, by gRPC: one entry when a request is over, which frees its slot and says what it came to."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
from envoy.service.accesslog.v3 import als_pb2

from wharfage_gateway import headers
from wharfage_gateway.filters import TOKENS
from wharfage_gateway.outcome import ABORTED, ANSWERED, FAILED, REJECTED
from wharfage_gateway.ticket import NOTHING, Used

SERVICE = "envoy.service.accesslog.v3.AccessLogService"
_ENTRIES: Any = als_pb2.StreamAccessLogsMessage  # pyright: ignore[reportAttributeAccessIssue] - made at import
_END: Any = als_pb2.StreamAccessLogsResponse  # pyright: ignore[reportAttributeAccessIssue]

Ended = Callable[[str, str, Used], None]
"""Called with a slot ("": the log does not know it), Envoy's id of the request, and what it used."""


class Usage:
    """Reads the log and tells who ended."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended

    async def read(self, messages: AsyncIterator[Any], context: object) -> Any:
        """The service's only call: read until Envoy ends the stream."""
        async for message in messages:
            for entry in message.http_logs.log_entry:
                if not entry.common_properties.intermediate_log_entry:
                    request = entry.request
                    self._ended(request.request_headers.get(headers.SLOT, ""), request.request_id, used(entry))
        return _END()


def used(entry: Any) -> Used:
    """What an `HTTPAccessLogEntry` came to: the engine's own numbers, of a stream the last before it ended."""
    response, flags = entry.response, entry.common_properties.response_flags
    status = response.response_code.value
    if status >= 400:
        return Used(0, 0, FAILED if status >= 500 else REJECTED)
    if not response.response_body_bytes:
        return NOTHING
    cut = response.response_code_details.startswith("upstream_reset")  # with one of many flags, by how it broke
    ending = ABORTED if flags.downstream_connection_termination else FAILED if cut else ANSWERED
    fields = entry.common_properties.metadata.filter_metadata[TOKENS].fields
    told = {name: int(field.number_value) for name, field in fields.items()}
    return Used(_prompt(told), _output(told), ending, _seconds(entry.common_properties))


def _prompt(told: Mapping[str, int]) -> int | None:
    """Of Messages `input_tokens` leaves out what the cache had, which the other APIs count in."""
    if "input_tokens" not in told:
        return told.get("prompt_tokens")
    return sum(told.get(name, 0) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))


def _output(told: Mapping[str, int]) -> int | None:
    return told.get("output_tokens", told.get("completion_tokens"))


def _seconds(common: Any) -> float | None:
    """From the request's first byte at the replica to the last of its answer: without what it had waited here."""
    if not (common.HasField("time_to_first_upstream_tx_byte") and common.HasField("time_to_last_upstream_rx_byte")):
        return None
    began, ended = common.time_to_first_upstream_tx_byte, common.time_to_last_upstream_rx_byte
    took_s: float = ended.seconds - began.seconds + (ended.nanos - began.nanos) / 1e9
    return took_s


async def served(socket: Path, ended: Ended) -> grpc.aio.Server:
    """The log's service on a unix socket, started; whoever calls stops it."""
    call = grpc.stream_unary_rpc_method_handler(Usage(ended).read, _ENTRIES.FromString, _END.SerializeToString)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"StreamAccessLogs": call}),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    return server
