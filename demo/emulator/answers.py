"""HTTP for every fake pod at once: the address that was asked for says which one is meant.

A call comes through this process as a proxy, with the pod's whole URL in it, or straight to the pod's address where
that is routed here: the host is the pod's address either way. On an address that is no pod's, `/ledger` is the run.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from aiohttp import web

from demo.emulator.world import World

_HUGE = b"vllm:num_requests_running 1\n" * 10_000
_NEVER_S = 3600.0


@asynccontextmanager
async def answering(world: World, ledger: Callable[[], dict[str, Any]], *, host: str, port: int) -> AsyncIterator[int]:
    """Answer until the block ends; the port that was taken."""

    def _of_the_run(path: str) -> web.Response:
        match path:
            case "/ledger":
                return web.json_response(ledger())
            case "/now":
                return web.json_response(asdict(world.row()))
        return web.Response(status=502)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        pod = world.at(request.host.rpartition(":")[0] or request.host)
        if pod is None:
            return _of_the_run(request.path)
        if request.path == "/health":
            return web.Response()
        if request.path != "/metrics":
            return web.Response(status=404)
        if pod.mischief == "hangs":
            await asyncio.sleep(_NEVER_S)
        if pod.mischief == "huge":
            return await _endless(request)
        return web.Response(text=world.page(pod), content_type="text/plain")

    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(_HUGE)
