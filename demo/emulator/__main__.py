"""`python -m demo.emulator`: engines for the fake pods of the cluster that $KUBECONFIG names, until SIGTERM.

It prints one JSON line with its port when it can be asked, and writes the run's ledger when it ends.
"""

import argparse
import asyncio
import contextlib
import json
import math
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import numpy as np
from wharfage_api.labels import OWNER, POOL
from wharfage_autoscaler.need import Key
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, NODES, OFFER_CATALOGS, PODS, Kind
from wharfage_simulator.minutes import MINUTE_S
from wharfage_simulator.tables import TraceError
from wharfage_simulator.traces import RateTrace, RequestTrace, read_trace

from demo.emulator.answers import answering
from demo.emulator.engines import any_engine
from demo.emulator.feed import Server, connected
from demo.emulator.served import warm
from demo.emulator.world import SERVICE, Row, World

ENDPOINT_SLICES = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
NODE_CLAIMS = Kind("karpenter.sh", "v1", "nodeclaims", "NodeClaim", namespaced=False)
_ROW_S = 15.0  # of the engines' time
_LEAST_SHARE = 0.05  # of a load that grows


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo.emulator", description=__doc__)
    parser.add_argument("--load", action="append", default=[], metavar="NAMESPACE/NAME=TRACE", required=True)
    parser.add_argument("--speed", type=float, default=40.0, help="the engines' seconds in one of the wall's")
    parser.add_argument(
        "--lead-in-s",
        type=float,
        default=0.0,
        help="begin with so much of the trace's first rate, not judged",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--step-s", type=float, default=0.05, help="the engines are run so often, by the wall's clock")
    parser.add_argument("--empty-s", type=float, default=0.0, help="end machines that were empty for so long; 0: never")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ledger", type=Path, default=None, help="write the run's ledger here, as JSON")
    options = parser.parse_args(arguments)
    try:
        traces = dict(_load(text, lead_in_s=options.lead_in_s) for text in options.load)
    except (TraceError, ValueError, OSError) as wrong:
        parser.error(str(wrong))
    warm(any_engine())
    asyncio.run(_run(World(traces, seed=options.seed), options))
    return 0


async def _run(world: World, options: argparse.Namespace) -> None:
    rows: list[Row] = []

    def ledger() -> dict[str, Any]:
        return written(world, rows, speed=options.speed, since_s=options.lead_in_s)

    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with connected() as server, answering(world, ledger, host=options.host, port=options.port) as port:
        parts = [asyncio.create_task(each) for each in feeds(server, world)]
        parts.append(asyncio.create_task(_engines(server, world, rows, options)))
        print(json.dumps({"port": port}), flush=True)
        ended = asyncio.create_task(ending.wait())
        done, _ = await asyncio.wait([ended, *parts], return_when=asyncio.FIRST_COMPLETED)
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        if options.ledger:
            options.ledger.write_text(json.dumps(ledger(), indent=1), encoding="utf-8")
        for part in done - {ended}:
            part.result()


def feeds(server: Server, world: World) -> list[Any]:
    """What the world must hear."""
    return [
        server.follow(OFFER_CATALOGS.path(), world.catalog),
        server.follow(LLM_DEPLOYMENTS.path(), world.deployment),
        server.follow(DEPLOYMENTS.path(), world.pool, selector=POOL),
        server.follow(PODS.path(), world.pod, selector=POOL),
        server.follow(ENDPOINT_SLICES.path(), world.endpoints, selector=f"{SERVICE},{OWNER}"),
        server.follow(NODES.path(), world.node),
        server.follow(NODE_CLAIMS.path(), world.claim),
    ]


async def _engines(server: Server, world: World, rows: list[Row], options: argparse.Namespace) -> None:
    """Run the engines beside the clock, and end the pods that are done."""
    began_s, ending = time.monotonic(), set[str]()
    while True:
        now_s = (time.monotonic() - began_s) * options.speed
        ended = [(each.uid, PODS.path(each.namespace, each.name)) for each in world.step(now_s)]
        if options.empty_s > 0.0:
            ended += [(name, NODE_CLAIMS.path(name=name)) for name in world.books.empty(now_s, options.empty_s)]
        for uid, path in ended:
            if uid not in ending:
                ending.add(uid)
                asyncio.get_running_loop().create_task(_end(server, path, uid, ending))
        if world.served and (not rows or world.row().t_s - rows[-1].t_s >= _ROW_S):
            rows.append(world.row())
        await asyncio.sleep(options.step_s)


async def _end(server: Server, path: str, uid: str, ending: set[str]) -> None:
    """Say that the containers of a pod have ended, as its kubelet would; or that a machine is to end."""
    try:
        await server.call("DELETE", path, {"gracePeriodSeconds": 0})
    except (aiohttp.ClientError, TimeoutError, OSError):
        ending.discard(uid)  # tried again at the next step


def written(world: World, rows: Sequence[Row], *, speed: float, since_s: float = 0.0) -> dict[str, Any]:
    """The ledger of a run, judged from `since_s` on; times are the engines' seconds since the load began."""
    begun_s = min(world.begun_s.values(), default=world.now_s)
    judged = {"/".join(key): served.minutes() for key, served in world.served.items()}
    first = math.ceil(since_s / MINUTE_S)

    def within(at_s: float | None) -> float | None:
        return None if at_s is None else at_s - begun_s

    return {
        "speed": speed,
        "seconds": world.now_s - begun_s,
        "since_s": since_s,
        "lead_s": median(world.leads_s) if world.leads_s else None,
        "usd": world.books.usd(world.now_s, since_s=begun_s + since_s),
        "unpriced": sorted(world.books.unpriced),
        "deployments": {
            name: {
                "requests": int(each.requests[first:].sum()),
                "bad_requests": int(each.bad[first:].sum()),
                "bad_minutes": each.bad_minutes(since_s=since_s)[0],
                "minutes": each.bad_minutes(since_s=since_s)[1],
                "bad_share": [None if np.isnan(share) else round(float(share), 4) for share in each.bad_share],
            }
            for name, each in judged.items()
        },
        "machines": [
            {**asdict(each), "from_s": within(each.from_s), "to_s": within(each.to_s)}
            for each in world.books.rentals.values()
        ],
        "rows": [asdict(row) for row in rows],
    }


def _load(text: str, *, lead_in_s: float) -> tuple[Key, RateTrace | RequestTrace]:
    whose, _, path = text.partition("=")
    namespace, _, name = whose.partition("/")
    if not (namespace and name and path):
        raise ValueError(f"--load {text}: write NAMESPACE/NAME=TRACE.csv")
    trace = read_trace(Path(path))
    return (namespace, name), led_in(trace, lead_in_s) if isinstance(trace, RateTrace) else trace


def led_in(trace: RateTrace, seconds: float) -> RateTrace:
    """The trace with some time before it in which its first load grows from a twentieth of it."""
    count = round(seconds / trace.window_s)

    def longer(values: Any, shares: Any) -> Any:
        return None if values is None else np.concatenate([values[0] * shares, values])

    same, growing = np.ones(count), np.linspace(_LEAST_SHARE, 1.0, count)
    return replace(
        trace,
        start_s=trace.start_s - count * trace.window_s,
        req_per_s=longer(trace.req_per_s, growing),
        prompt_tokens=longer(trace.prompt_tokens, same),
        output_tokens=longer(trace.output_tokens, same),
        cached_tokens=longer(trace.cached_tokens, same),
    )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
