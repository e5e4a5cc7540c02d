"""Start the brain of a gateway: `python -m wharfage_gateway --folder /run/wharfage --namespace shop`.

It shares the folder with Envoy: their sockets, and the files that Envoy reads, the one that it starts with included.
"""

import argparse
import asyncio
import gc
import json
import logging
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
import uvloop

from wharfage_gateway import lastview, levels, recount, usage, viewfile
from wharfage_gateway.anywhere import anywhere, listening
from wharfage_gateway.app import App
from wharfage_gateway.board import STREAM_LIMIT_S, Board
from wharfage_gateway.envoy import MOST_BODY_BYTES, MOST_MEMORY_BYTES, Options, bootstrap
from wharfage_gateway.identity import UnknownClusterError, identity
from wharfage_gateway.publication import Publication
from wharfage_gateway.view import View
from wharfage_gateway.watch import Followed, Watcher, opened

log = logging.getLogger(__name__)

TICK_S = 0.1
KEEP_OPEN_S = 3600
"""Longer than Envoy keeps an idle connection, so that it is always Envoy that closes one."""
BACKLOG = 16384
QUIET_S = 1.0
HELD = 0.5
"""The part of Envoy's memory that those who wait may take; the rest is for bodies that arrive and answers."""


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m wharfage_gateway", description="Start the brain of a gateway.")
    parser.add_argument("--folder", type=Path, required=True, help="what is shared with Envoy: sockets and its files")
    parser.add_argument("--port", type=int, default=8081, help="for /demand, /variants, /metrics, /healthz and /readyz")
    parser.add_argument("--address", help="where that port is open; unless given everywhere, by IPv4 and IPv6")
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument("--namespace", help="the namespace whose LLMDeployments are served, on the API server")
    known.add_argument("--view", type=Path, help="instead of an API server: a view as JSON, read again when it changes")
    parser.add_argument(
        "--key-secret", action="append", default=[], help="a Secret of the namespace with API keys; may be repeated"
    )
    parser.add_argument("--most-body-bytes", type=int, default=MOST_BODY_BYTES, help="a longer request is answered 413")
    parser.add_argument(
        "--most-memory-bytes",
        type=int,
        default=MOST_MEMORY_BYTES,
        help="of Envoy: it takes no more requests near it, and those who wait get half of it",
    )
    parser.add_argument(
        "--stream-limit-s", type=float, default=STREAM_LIMIT_S, help="after it a request counts as lost"
    )
    parser.add_argument("--linger-s", type=float, default=30.0, help="how long to go on after SIGTERM while any runs")
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM. The board's version begins with the time, so that it rises over a restart too."""
    board = Board(
        secrets.token_hex(4),
        stream_limit_s=options.stream_limit_s,
        most_held_bytes=HELD * options.most_memory_bytes,
        version=int(time.time() * 1000),
    )
    remembered = options.folder / "levels.json"
    levels.take_up(remembered, board.allowances)
    app = App(board)
    paths = Options(folder=str(options.folder))
    views = Publication(options.folder, paths.admin_socket, app.see)
    public = listening(options.address or anywhere(), options.port, backlog=BACKLOG)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_OPEN_S,
            timeout_graceful_shutdown=5,
        )
    )
    if options.view is None:
        started = Options(
            folder=str(options.folder),
            address=anywhere(),
            keys_required=bool(options.key_secret),
            most_body_bytes=options.most_body_bytes,
            most_memory_bytes=options.most_memory_bytes,
        )
        (options.folder / "envoy.json").write_text(json.dumps(bootstrap(started)), encoding="utf-8")
    if inherited := await recount.found(paths.admin_socket):  # before anybody can be let in beside them
        app.recount(inherited)
    entries = await usage.served(Path(paths.log_socket), app.ended)
    try:
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(_follow(options, app, views.put))
            publishing = tasks.create_task(views.run())
            counting = tasks.create_task(recount.follow(paths.admin_socket, app.recount))
            keeping = tasks.create_task(levels.keep(remembered, board.allowances))
            remembering = tasks.create_task(_remember(options, views))
            ticking = tasks.create_task(_tick(app, server, options.linger_s))
            await server.serve(sockets=[_unix(Path(paths.check_socket)), public])
            for each in (following, publishing, counting, keeping, remembering, ticking):
                each.cancel()
    finally:
        await entries.stop(None)


async def _follow(options: argparse.Namespace, app: App, seen: Callable[[View], None]) -> None:
    """Call `seen` with what is known, for ever."""
    if options.view is not None:
        await viewfile.follow(options.view, seen)
        return
    lastview.take_up(options.folder, seen)
    who = await identity()
    async with opened(who) as session:
        watcher = Watcher(who, session, Followed(options.namespace, tuple(options.key_secret), options.port), seen)
        app.age_s = lambda: watcher.age_s
        await watcher.run()


async def _remember(options: argparse.Namespace, views: Publication) -> None:
    """Keep the last view where it came from an API server, for ever."""
    if options.view is None:
        await lastview.keep(options.folder, lambda: views.latest)


async def _tick(app: App, server: uvicorn.Server, linger_s: float) -> None:
    """Let time pass; after SIGTERM go on for whoever is still there, then tell them to ask another gateway."""
    stop = asyncio.Event()
    taken = False
    quiet_s = time.monotonic()
    leave_s = float("inf")
    while True:
        await asyncio.sleep(TICK_S)
        app.tick()
        if server.started and not taken:  # uvicorn has its own handlers until then, which would cut off who waits
            taken = True
            for each in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(each, stop.set)
        now_s = time.monotonic()
        if stop.is_set() and not app.stopping:
            app.stopping, leave_s, quiet_s = True, now_s + linger_s, now_s
        quiet_s = quiet_s if app.idle else now_s
        if app.stopping and (now_s >= leave_s or now_s - quiet_s >= QUIET_S):
            app.dismiss()
            server.should_exit = True
            return


def _unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    found = socket.socket(socket.AF_UNIX)
    found.bind(str(path))
    found.listen(BACKLOG)
    return found


def main() -> int:
    """Run it; 1 for a view that cannot be read at the start, and where there is no API server to ask."""
    options = parsed(sys.argv[1:])
    options.folder.mkdir(parents=True, exist_ok=True)
    Path(Options(folder=str(options.folder)).log_socket).unlink(missing_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    status = 0
    gc.collect()
    gc.freeze()  # looking through everything that was imported stopped every request for 90 ms, now and then
    try:
        uvloop.run(run(options))
    except* viewfile.ViewFileError as errors:
        log.error("%s", errors.exceptions[0])
        status = 1
    except* UnknownClusterError as unknown:
        log.error("no cluster: set KUBECONFIG, or run in a pod with a service account: %s", unknown.exceptions[0])
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
