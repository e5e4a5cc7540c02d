"""Clients that keep their connections, as every SDK does: the ones a careless shutdown hurts.

Each sends one request after the other over one connection and opens a new one only when the server ended the last.
A request counts as failed whatever goes wrong with it: another status than 200, a broken connection, or a stream that
ends before its end mark. A connection that cannot even be opened is no request: it is counted for itself and opened
again, as every SDK does. It is a program of its own, so that it can run inside a cluster's network:
`python -m tests.engine.clients http://198.19.0.7:8000` asks until its standard input ends, then prints a tally.
"""

import argparse
import http.client
import itertools
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
    """What the clients met: `connections` are those opened, `slowest_s` the longest wait for a whole answer.

    `failed_at` are Unix seconds, one for each of the `failures`; `refused` are connections that nobody accepted.
    """

    requests: int = 0
    connections: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    failed_at: list[float] = field(default_factory=list)
    by_address: dict[str, int] = field(default_factory=dict)


class Clients:
    """A number of threads that ask until the block ends.

    `where` is asked for the address of each new connection, as a Service's address leads each one to some replica.
    `renewed_after` ends a connection after so many requests, as pools with an age limit do: else nobody would ever
    meet a replica that is added. `pause_s` lies between two requests of a client.
    """

    def __init__(
        self,
        where: Callable[[], Address],
        *,
        model: str,
        count: int,
        prompt: str = "import os",
        max_tokens: int = 32,
        renewed_after: int = 0,
        pause_s: float = 0.0,
    ) -> None:
        self._where = where
        self._renewed_after = renewed_after
        self._pause_s = pause_s
        self._model, self._prompt, self._max_tokens = model, prompt, max_tokens
        self._number = itertools.count()
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
        asked = 0
        while not self._stop.is_set():
            if connection is None or connection.sock is None:  # never opened, or ended by the server's word
                connection, asked = self._open(), 0
                if connection is None:
                    self._stop.wait(0.2)
                    continue
            asked += 1
            began_s = time.monotonic()
            try:
                trouble = ask(connection, self._body())
            except (OSError, http.client.HTTPException) as error:
                trouble = f"{type(error).__name__}: {error}"
            self._count(connection, trouble, took_s=time.monotonic() - began_s)
            if trouble is not None:
                connection.close()
                self._stop.wait(0.2)
            if asked == self._renewed_after:
                connection.close()
            if self._pause_s:
                self._stop.wait(self._pause_s)
        if connection is not None:
            connection.close()

    def _body(self) -> str:
        """One more request; its number comes first, so that no cache knows the prompt."""
        prompt = f"{next(self._number)} {self._prompt}"
        return json.dumps({
            "model": self._model, "prompt": prompt, "max_tokens": self._max_tokens, "ignore_eos": True, "stream": True
        })  # fmt: skip

    def _open(self) -> http.client.HTTPConnection | None:
        """A connection that stands; None where nobody accepts one."""
        connection = http.client.HTTPConnection(*self._where(), timeout=60)
        try:
            connection.connect()
        except OSError:
            with self._lock:
                self.tally.refused += 1
            return None
        with self._lock:
            self.tally.connections += 1
        return connection

    def _count(self, connection: http.client.HTTPConnection, trouble: str | None, *, took_s: float) -> None:
        address = f"{connection.host}:{connection.port}"
        with self._lock:
            self.tally.requests += 1
            self.tally.slowest_s = max(self.tally.slowest_s, took_s)
            self.tally.by_address[address] = self.tally.by_address.get(address, 0) + 1
            if trouble is not None:
                self.tally.failures.append(f"{address}: {trouble}")
                self.tally.failed_at.append(time.time())


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
    parser.add_argument("--prompt", default="import os")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--renewed-after", type=int, default=0, help="requests; 0 keeps connections for ever")
    parser.add_argument("--pause-s", type=float, default=0.0)
    given = parser.parse_args(arguments)
    url = urlsplit(given.url)
    address = (url.hostname or "", url.port or 80)
    clients = Clients(
        lambda: address,
        model=given.model,
        count=given.clients,
        prompt=given.prompt,
        max_tokens=given.max_tokens,
        renewed_after=given.renewed_after,
        pause_s=given.pause_s,
    )
    with clients:
        sys.stdin.read()
    print(json.dumps(asdict(clients.tally)))
    return 1 if clients.tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
