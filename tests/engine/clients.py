"""Clients that keep their connections, as every SDK does: the ones a careless shutdown hurts.

Each sends one request after the other over one connection and opens a new one only when the server ended the last.
A request counts as failed whatever goes wrong with it: another status than 200, a broken connection, or a stream that
ends before its end mark. It is a program of its own, so that it can run inside a cluster's network:
`python -m tests.engine.clients http://198.19.0.7:8000` asks until its standard input ends, then prints a tally.
"""

import argparse
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self
from urllib.parse import urlsplit

DONE = b"data: [DONE]"
Address = tuple[str, int]


@dataclass(slots=True)
class Tally:
    """What the clients met: `connections` are those opened, `slowest_s` the longest wait for a whole answer."""

    requests: int = 0
    connections: int = 0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    by_address: dict[str, int] = field(default_factory=dict)


class Clients:
    """A number of threads that ask until the block ends.

    `where` is asked for the address of each new connection, as a Service's address leads each one to some replica.
    """

    def __init__(self, where: Callable[[], Address], *, model: str, count: int, max_tokens: int = 32) -> None:
        self._where = where
        self._body = json.dumps({
            "model": model, "prompt": "import os", "max_tokens": max_tokens, "ignore_eos": True, "stream": True
        })  # fmt: skip
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, name=f"client-{n}") for n in range(count)]
        self.tally = Tally()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            if connection is None or connection.sock is None:  # never opened, or ended by the server's word
                connection = self._open()
            began_s = time.monotonic()
            try:
                trouble = ask(connection, self._body)
            except (OSError, http.client.HTTPException) as error:
                trouble = f"{type(error).__name__}: {error}"
            self._count(connection, trouble, took_s=time.monotonic() - began_s)
            if trouble is not None:
                connection.close()
                self._stop.wait(0.2)
        if connection is not None:
            connection.close()

    def _open(self) -> http.client.HTTPConnection:
        host, port = self._where()
        with self._lock:
            self.tally.connections += 1
        return http.client.HTTPConnection(host, port, timeout=60)

    def _count(self, connection: http.client.HTTPConnection, trouble: str | None, *, took_s: float) -> None:
        address = f"{connection.host}:{connection.port}"
        with self._lock:
            self.tally.requests += 1
            self.tally.slowest_s = max(self.tally.slowest_s, took_s)
            self.tally.by_address[address] = self.tally.by_address.get(address, 0) + 1
            if trouble is not None:
                self.tally.failures.append(f"{address}: {trouble}")


def ask(connection: http.client.HTTPConnection, body: str) -> str | None:
    """Send one streaming request and read it to its end; what was wrong with the answer, or None."""
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    with connection.getresponse() as answer:
        text = answer.read()
    if answer.status != http.HTTPStatus.OK:
        return f"status {answer.status}: {text[:200].decode(errors='replace')}"
    return None if DONE in text else f"the stream ended early, after {len(text)} bytes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask until standard input ends, print the tally as JSON; status 1 when a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=32)
    given = parser.parse_args(arguments)
    url = urlsplit(given.url)
    address = (url.hostname or "", url.port or 80)
    with Clients(lambda: address, model=given.model, count=given.clients, max_tokens=given.max_tokens) as clients:
        sys.stdin.read()
    print(json.dumps(asdict(clients.tally)))
    return 1 if clients.tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
