"""Open-loop load on one address: requests come at random moments, whether those before were answered or not.

    python -m benchmarks.gateway_load http://127.0.0.1:8080 --per-s 200 --seconds 8 --prompt-bytes 2000 --key sk-1

Prints one JSON object: how many were asked and failed, and the time to the first token of those after the first second.
Speaks as much HTTP/1.1 as it needs, over connections that are kept.
"""

import argparse
import asyncio
import json
import statistics
import time
from random import Random
from typing import cast
from urllib.parse import urlsplit

import uvloop

WARM_UP_S = 1.0
PATIENCE_S = 20.0


class Connection(asyncio.Protocol):
    """One kept connection; `done` is called with the time to the first token, or None where it failed."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._sent_s = 0.0
        self._first_s: float | None = None
        self._tail = b""
        self._busy = self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by birth

    def ask(self, request: bytes, due_s: float) -> None:
        """Send one; time counts from when it was due."""
        assert self._transport
        self._busy, self._sent_s, self._first_s, self._tail = True, due_s, None, b""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Note the first token and the end."""
        seen = self._tail + data
        self._closing = self._closing or b"\r\nconnection: close\r\n" in seen
        if self._first_s is None and b"data: " in seen:
            self._first_s = time.monotonic() - self._sent_s
        if seen.endswith(b"0\r\n\r\n"):
            self._busy = False
            self._load.done(None if self._closing else self, self._sent_s, self._first_s)
        elif self._first_s is None and b"\r\n\r\n" in seen and b" 200 " not in seen[:20]:
            self._busy = False
            self._load.done(None, self._sent_s, None)
            if self._transport:
                self._transport.close()
        self._tail = seen[-64:] if self._first_s is not None else seen[-4096:]

    def connection_lost(self, exc: Exception | None) -> None:
        """A request that was under way has failed."""
        del exc
        self._load.lost(self)
        if self._busy:
            self._busy = False
            self._load.done(None, self._sent_s, None)


class Load:
    """What is under way, and what came of it."""

    def __init__(self, url: str, request: bytes) -> None:
        found = urlsplit(url)
        self._host, self._port, self._request = found.hostname or "", found.port or 80, request
        self._idle: list[Connection] = []
        self._under_way = 0
        self.asked = self.failed = 0
        self.first_s: list[tuple[float, float]] = []

    async def run(self, per_s: float, seconds: float, seed: int) -> None:
        """Ask so many a second for so long, then wait for the last."""
        random, loop = Random(seed), asyncio.get_running_loop()
        began_s = time.monotonic()
        due_s, tasks = began_s, set[asyncio.Task[None]]()
        while due_s < began_s + seconds:
            if (wait_s := due_s - time.monotonic()) > 0.0:
                await asyncio.sleep(wait_s)
            self.asked += 1
            self._under_way += 1
            if self._idle:
                self._idle.pop().ask(self._request, due_s)
            else:
                task = loop.create_task(self._fresh(due_s))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            due_s += random.expovariate(per_s)
        for _ in range(int(PATIENCE_S / 0.05)):
            if not self._under_way:
                break
            await asyncio.sleep(0.05)
        self.failed += self._under_way
        self.first_s = [each for each in self.first_s if each[0] - began_s > WARM_UP_S]

    async def _fresh(self, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(lambda: Connection(self), self._host, self._port)
        except OSError:
            self.done(None, due_s, None)
            return
        made.ask(self._request, due_s)

    def done(self, connection: Connection | None, sent_s: float, first_s: float | None) -> None:
        """One has ended; its connection, where it may be used again."""
        self._under_way -= 1
        if first_s is None:
            self.failed += 1
        else:
            self.first_s.append((sent_s, first_s))
        if connection is not None:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self._idle:
            self._idle.remove(connection)


def request(url: str, prompt_bytes: int, key: str) -> bytes:
    """One chat completion as it goes over the wire."""
    body = json.dumps(
        {
            "model": "chat",
            "stream": True,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": "x" * prompt_bytes}],
        }
    ).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        f"host: {urlsplit(url).netloc}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *([f"authorization: Bearer {key}"] if key else []),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def main() -> None:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description="Open-loop load on one address.")
    parser.add_argument("url")
    parser.add_argument("--per-s", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--prompt-bytes", type=int, default=2000)
    parser.add_argument("--key", default="")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = Load(given.url, request(given.url, given.prompt_bytes, given.key))
    uvloop.run(load.run(given.per_s, given.seconds, given.seed))
    times_ms = sorted(1e3 * first_s for _, first_s in load.first_s)
    shares = statistics.quantiles(times_ms, n=100, method="inclusive") if len(times_ms) > 1 else [float("nan")] * 99
    print(
        json.dumps({"asked": load.asked, "failed": load.failed, "ttft_p50_ms": shares[49], "ttft_p99_ms": shares[98]})
    )


if __name__ == "__main__":
    main()
