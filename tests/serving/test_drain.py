"""A drained engine ends its kept connections; the preStop program leaves when nobody needs it any more."""

import ast
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from wharfage_serving import drain as module
from wharfage_serving.drain import DrainMiddleware, connections, drain, main, open_to_clients, requests_in_flight

SOURCE = Path(module.__file__)


async def answered(drain_file: Path, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """What an application's answer looks like behind the middleware."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await DrainMiddleware(app, str(drain_file))({"type": "http"}, receive, send)
    return sent


async def test_answers_are_untouched_without_the_drain_file(tmp_path: Path) -> None:
    sent = await answered(tmp_path / "drain", [(b"x", b"y")])
    assert sent[0]["headers"] == [(b"x", b"y")]


async def test_answers_end_their_connection_while_the_drain_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "drain").touch()
    sent = await answered(tmp_path / "drain", [(b"x", b"y"), (b"Connection", b"keep-alive")])
    assert sent[0]["headers"] == [(b"x", b"y"), (b"connection", b"close")]
    assert sent[1] == {"type": "http.response.body", "body": b"ok"}


async def test_a_request_from_before_the_drain_is_closed_too_if_its_answer_starts_after(tmp_path: Path) -> None:
    drain_file, sent = tmp_path / "drain", []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        drain_file.touch()  # the drain begins while the request waits for its turn
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    await DrainMiddleware(slow, str(drain_file))({"type": "http"}, receive, send)
    assert sent[0]["headers"] == [(b"connection", b"close")]


async def test_what_is_not_http_passes_as_it_is(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(send)

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None:
        pass

    (tmp_path / "drain").touch()
    await DrainMiddleware(app, str(tmp_path / "drain"))({"type": "lifespan"}, receive, send)
    assert seen == [send]


def test_counts_running_and_waiting_requests_once() -> None:
    text = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
vllm:num_requests_running{engine="0",model_name="tiny"} 3.0
vllm:num_requests_waiting{engine="0",model_name="tiny"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 2.0
vllm:num_requests_running{engine="1",model_name="tiny"} 1.0
"""
    assert requests_in_flight(text) == 6
    assert requests_in_flight("") == 0


def test_counts_only_open_connections_to_the_port() -> None:
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1F40 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F40 0100007F:C350 01 00000000:00000000
   2: 0100007F:1F40 0100007F:C351 08 00000000:00000000
   3: 0100007F:1F40 0100007F:C352 06 00000000:00000000
   4: 0100007F:C350 0100007F:1F40 01 00000000:00000000
"""
    assert connections([table], 8000) == 2
    assert open_to_clients([table], 8000)
    assert not open_to_clients([table], 50000)


class _Engine(BaseHTTPRequestHandler):
    """Answers /metrics as an idle engine does, and keeps connections."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        text = b'vllm:num_requests_running{engine="0"} 0.0\n'
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


@contextmanager
def engine() -> Iterator[int]:
    """An idle engine's stand-in; yields its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Engine) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_leaves_after_the_least_time_when_nobody_is_there(tmp_path: Path) -> None:
    with engine() as port:
        started = time.monotonic()
        assert drain(str(tmp_path / "drain"), port, at_least_s=0.1, at_most_s=60)
        assert time.monotonic() - started >= 0.1
    assert (tmp_path / "drain").exists()


def test_waits_for_a_client_that_keeps_its_connection_until_it_lets_go(tmp_path: Path) -> None:
    with engine() as port, socket.create_connection(("127.0.0.1", port)) as client:
        timer = threading.Timer(0.7, client.close)
        started = time.monotonic()
        timer.start()
        assert drain(str(tmp_path / "drain"), port, at_least_s=0, at_most_s=60)
        assert time.monotonic() - started >= 0.7
        timer.join()


def test_gives_up_when_its_time_is_over(tmp_path: Path) -> None:
    with engine() as port, socket.create_connection(("127.0.0.1", port)):
        assert not drain(str(tmp_path / "drain"), port, at_least_s=0, at_most_s=0.2)


def test_an_engine_that_is_gone_needs_no_wait(tmp_path: Path) -> None:
    assert drain(str(tmp_path / "drain"), unused(), at_least_s=0, at_most_s=60)


def test_the_file_runs_alone_under_another_name(tmp_path: Path) -> None:
    copied = tmp_path / "wharfage_drain.py"
    copied.write_text(SOURCE.read_text())
    with engine() as port:
        command = [sys.executable, "-I", str(copied), "--drain-file", str(tmp_path / "d"), "--port", str(port)]
        assert subprocess.run([*command, "--at-least", "0", "--at-most", "1"], check=False, timeout=60).returncode == 0
    assert (tmp_path / "d").exists()


def test_an_engine_that_is_still_starting_is_interrupted(tmp_path: Path) -> None:
    # As in a container; where a shell runs the tests in the background, children ignore the signal from the start.
    heard = "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler)"
    starting = [sys.executable, "-c", f"{heard}; print('.', flush=True); time.sleep(600)"]
    with subprocess.Popen(starting, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == ".\n"
        assert main(["--drain-file", str(tmp_path / "d"), "--port", str(unused()), "--engine", str(process.pid)]) == 0
        _, said = process.communicate(timeout=60)
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode == -signal.SIGINT
    assert not (tmp_path / "d").exists()
    assert main(["--port", str(unused()), "--engine", str(process.pid)]) == 0, "one that has ended is not waited for"


def unused() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_the_file_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(SOURCE.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("version", [(3, 10)], ids=["the oldest Python of an engine image"])
def test_the_file_parses_on(version: tuple[int, int]) -> None:
    ast.parse(SOURCE.read_text(), feature_version=version)
