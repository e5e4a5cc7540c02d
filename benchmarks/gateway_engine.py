"""An engine for timing: one stream of tokens for whatever is asked, made beforehand, with as little work as Python can.

    python -m benchmarks.gateway_engine --ttft-s 0.02 --itl-s 0.002 --tokens 16

It prints its port. Headers come at once, as vLLM sends them.
"""

import argparse
import asyncio
import json
import re
from typing import cast

import uvloop

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
    b"connection: keep-alive\r\n\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def pieces(tokens: int) -> list[bytes]:
    """The portions of one answer as they are sent, and the end."""
    found = []
    for number in range(1, tokens + 1):
        usage = {"prompt_tokens": 512, "completion_tokens": number, "total_tokens": 512 + number}
        portion = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": "chat",
            "choices": [{"index": 0, "delta": {"content": "word "}}],
            "usage": usage,
        }
        found.append(_chunk(b"data: " + json.dumps(portion).encode() + b"\n\n"))
    return [*found, _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection(asyncio.Protocol):
    """One connection: a request, its stream, the next."""

    def __init__(self, answer: list[bytes], ttft_s: float, itl_s: float) -> None:
        self._answer, self._ttft_s, self._itl_s = answer, ttft_s, itl_s
        self._got, self._loop = b"", asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by birth

    def connection_lost(self, exc: Exception | None) -> None:
        """Send nothing more."""
        del exc
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._got, 0, end)
        if len(self._got) < end + 4 + (int(found[1]) if found else 0) or self._transport is None:
            return
        self._got = b""
        self._transport.write(HEAD)
        self._loop.call_later(self._ttft_s, self._send, 0)

    def _send(self, number: int) -> None:
        if self._transport is None:
            return
        self._transport.write(self._answer[number])
        if number + 1 < len(self._answer):
            self._loop.call_later(self._itl_s if number + 2 < len(self._answer) else 0.0, self._send, number + 1)


async def _serve(given: argparse.Namespace) -> None:
    answer = pieces(given.tokens)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(answer, given.ttft_s, given.itl_s), "127.0.0.1", given.port, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description="An engine for timing.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ttft-s", type=float, default=0.02)
    parser.add_argument("--itl-s", type=float, default=0.002)
    parser.add_argument("--tokens", type=int, default=16)
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
