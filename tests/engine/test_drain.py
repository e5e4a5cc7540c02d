"""Real vLLM, real connections: what a client notices when its replica is taken away. It should be nothing."""

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.engine.clients import Address, Clients
from tests.engine.environment import Environment, environment, tiny_model
from tests.engine.server import HOST, NAME, Server, starting, wait_until_healthy

AT_LEAST_S = 6.0
AT_MOST_S = 60.0
EXIT_WITHIN_S = 120.0
LONG_ANSWER_TOKENS = 1800


@pytest.fixture(scope="module")
def made() -> Environment:
    return environment()


@pytest.fixture(scope="module")
def model() -> Path:
    return tiny_model()


@pytest.fixture(scope="module")
def replicas(made: Environment, model: Path) -> Iterator[tuple[Server, Server]]:
    """Two engines that started together, which takes half a minute: the tests below use them up in their order."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(starting(made, model)) for _ in range(2))
        wait_until_healthy(first)
        wait_until_healthy(second)
        yield first, second


@dataclass(slots=True)
class Endpoints:
    """What a Service is to a client: each new connection leads to the next replica that is in the list."""

    servers: list[Server]
    _turn: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> Address:
        with self._lock:
            self._turn += 1
            return HOST, self.servers[self._turn % len(self.servers)].port


@dataclass(slots=True)
class Stream:
    """One long answer, read in a thread of its own."""

    server: Server
    text: bytes = b""
    status: int = 0
    trouble: str = ""
    first_token: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        connection = http.client.HTTPConnection(HOST, self.server.port, timeout=120)
        body = {"model": NAME, "prompt": "import", "max_tokens": LONG_ANSWER_TOKENS, "ignore_eos": True, "stream": True}
        try:
            connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                self.status = answer.status
                while line := answer.readline():
                    self.text += line
                    self.first_token.set()
        except (OSError, http.client.HTTPException) as error:
            self.trouble = repr(error)
        finally:
            connection.close()
            self.first_token.set()

    @property
    def tokens(self) -> int:
        return self.text.count(b"data: {")


def streaming(server: Server) -> tuple[Stream, threading.Thread]:
    stream = Stream(server)
    thread = threading.Thread(target=stream.read)
    thread.start()
    assert stream.first_token.wait(120), "no token within 120 s"
    return stream, thread


def test_the_hook_waits_for_a_stream_that_still_runs_and_no_longer_than_it_may(
    replicas: tuple[Server, Server],
) -> None:
    server, _ = replicas
    hook = server.stop_program(at_least_s=0.0, at_most_s=1.0)
    stream, reader = streaming(server)
    assert subprocess.run(hook, check=False, timeout=120).returncode == 0
    assert reader.is_alive(), "the stream should outlast the hook; make the answer longer"
    reader.join(120)
    assert b"data: [DONE]" in stream.text
    server.drain_file.unlink()


def test_no_client_with_a_kept_connection_fails_while_its_replica_is_drained(replicas: tuple[Server, Server]) -> None:
    leaving, staying = replicas
    endpoints = Endpoints([leaving, staying])
    with Clients(endpoints, model=NAME, count=4) as clients:
        time.sleep(3)
        endpoints.servers.remove(leaving)
        began_s = time.monotonic()
        stopped = subprocess.run(
            leaving.stop_program(at_least_s=AT_LEAST_S, at_most_s=AT_MOST_S),
            check=False,
            capture_output=True,
            text=True,
            timeout=AT_MOST_S + 120,
        )
        drained_s = time.monotonic() - began_s
        leaving.terminate()
        status = leaving.process.wait(EXIT_WITHIN_S)
        gone_s = time.monotonic() - began_s
        time.sleep(3)
    tally = clients.tally
    print(f"drained in {drained_s:.1f} s, gone after {gone_s:.1f} s: {tally}")
    assert stopped.returncode == 0, stopped.stderr
    assert status == 0, leaving.tail()
    assert tally.failures == []
    assert tally.by_address[f"{HOST}:{leaving.port}"] > 0
    assert tally.by_address[f"{HOST}:{staying.port}"] > 0
    assert drained_s < AT_MOST_S, "the hook should end once the last client has moved"


def test_a_stream_in_flight_at_sigterm_is_completed_but_a_kept_connection_that_was_not_drained_fails(
    replicas: tuple[Server, Server],
) -> None:
    _, server = replicas
    with Clients(lambda: (HOST, server.port), model=NAME, count=2) as undrained:
        stream, reader = streaming(server)
        time.sleep(0.5)
        server.terminate()
        reader.join(EXIT_WITHIN_S)
        status = server.process.wait(EXIT_WITHIN_S)
    print(f"{stream.tokens} chunks; what happens without a drain: {undrained.tally.failures[:3]}")
    assert (stream.status, stream.trouble) == (200, "")
    assert b"data: [DONE]" in stream.text
    assert b'"finish_reason":"length"' in stream.text
    assert status == 0, server.tail()
    refused = any("status 500" in failure for failure in undrained.tally.failures)
    assert refused, "vLLM moves kept connections by itself now: the drain's middleware can go"
