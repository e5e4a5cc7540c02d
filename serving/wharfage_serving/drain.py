"""Ends kept connections before the engine stops, so that no client meets a dying replica.

Taking a pod out of the endpoints moves only new connections. A client that keeps its connection goes
on sending to the old pod, and after SIGTERM each of those requests fails. So while a drain file exists
the engine answers every request with `Connection: close`: the answer is complete, the connection ends,
and the client's next request goes to another pod.

This one file is both halves, uses the standard library only, and is mounted into the stock engine image:

- `vllm serve --middleware wharfage_drain.DrainMiddleware` (the file is mounted as `wharfage_drain.py`);
- preStop: `python3 wharfage_drain.py --at-least 6 --at-most 80` creates the drain file and returns when
  no request runs and no connection is left.

An engine that is still starting is ended at once. As process 1 it would not hear the SIGTERM that follows (the kernel
drops signals that process 1 has no handler for) and would hold its machine until the grace period is over; of SIGINT
Python has a handler from its first line on.
"""

import argparse
import http.client
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

DRAIN_FILE = "/tmp/wharfage-drain"  # noqa: S108 - the pod's own emptyDir; the path must outlive operator versions
PORT = 8000
_ESTABLISHED = "01"
_CLOSE_WAIT = "08"
_LISTEN = "0A"
_POLL_S = 0.5
_BUSY = ("vllm:num_requests_running", "vllm:num_requests_waiting")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class DrainMiddleware:
    """ASGI middleware that adds `Connection: close` to every response while the drain file exists."""

    def __init__(self, app: App, drain_file: str | None = None) -> None:
        self._app = app
        self._drain_file = drain_file or os.environ.get("WHARFAGE_DRAIN_FILE", DRAIN_FILE)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass everything on; look for the file when an answer starts, not when its request came."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and os.path.exists(self._drain_file):  # noqa: ASYNC240, PTH110 - one stat
                headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() != b"connection"]
                message["headers"] = [*headers, (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)


def requests_in_flight(metrics: str) -> float:
    """Requests that run or wait, from the text of the engine's `/metrics`; 0 where it names none."""
    lines = (line for line in metrics.splitlines() if line.startswith(_BUSY))
    # "..._by_reason" repeats what num_requests_waiting counts
    samples = (line for line in lines if line.split("{")[0].split(" ")[0] in _BUSY)
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)


def connections(tables: Iterable[str], port: int) -> int:
    """Open connections that clients hold to `port`, from the texts of /proc/net/tcp and /proc/net/tcp6."""
    return _sockets(tables, port, (_ESTABLISHED, _CLOSE_WAIT))


def open_to_clients(tables: Iterable[str], port: int) -> bool:
    """Whether somebody listens on `port`, from the same texts: an engine does from when it is ready."""
    return _sockets(tables, port, (_LISTEN,)) > 0


def _sockets(tables: Iterable[str], port: int, states: tuple[str, ...]) -> int:
    suffix = f":{port:04X}"
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    return sum(1 for row in rows if len(row) > 3 and row[1].endswith(suffix) and row[3] in states)


def busy(port: int) -> bool:
    """Whether a request runs or waits, or a client is still connected.

    An engine that does not answer counts as idle once nobody is connected: there is nothing to wait for.
    """
    if connections(_tables(), port) > 0:
        return True
    try:
        return requests_in_flight(_metrics(port)) > 0
    except (OSError, http.client.HTTPException):
        return False


def _metrics(port: int) -> str:
    # Not urllib: a proxy that the pod's environment names must not be asked for this.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        return connection.getresponse().read().decode(errors="replace")
    finally:
        connection.close()


def _tables() -> list[str]:
    return [path.read_text() for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()]


def drain(drain_file: str, port: int, *, at_least_s: float, at_most_s: float) -> bool:
    """Close the doors and wait for the last client; False when time ran out before.

    `at_least_s` covers the removal of the endpoint from every node and the engine's own keep-alive time
    (5 s), after which an idle connection is gone.
    """
    started = time.monotonic()
    Path(drain_file).touch()
    while (elapsed := time.monotonic() - started) < at_most_s:
        if elapsed >= at_least_s and not busy(port):
            return True
        time.sleep(_POLL_S)
    return False


def interrupt(pid: int) -> None:
    """As Ctrl-C would; nothing where it has ended, or is not ours to end."""
    try:
        os.kill(pid, signal.SIGINT)
    except (ProcessLookupError, PermissionError):
        return


def main(arguments: list[str] | None = None) -> int:
    """The preStop program. A non-zero exit would only be an Event on the pod; running out of time is normal."""
    parser = argparse.ArgumentParser(prog="wharfage_drain", description="Wait until no client needs this engine.")
    parser.add_argument("--drain-file", default=os.environ.get("WHARFAGE_DRAIN_FILE", DRAIN_FILE))
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--at-least", type=float, default=6.0, metavar="S", help="wait so long in any case")
    parser.add_argument("--at-most", type=float, default=60.0, metavar="S", help="and never longer than this")
    parser.add_argument("--engine", type=int, default=1, metavar="PID", help="the engine's own process")
    given = parser.parse_args(arguments)
    if not open_to_clients(_tables(), given.port):
        interrupt(given.engine)
        return 0
    drain(given.drain_file, given.port, at_least_s=given.at_least, at_most_s=given.at_most)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
