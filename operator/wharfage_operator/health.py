"""What is asked of the operator's pod: is it alive, is it of use, what did it count, and why did it decide so."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wharfage_operator.kinds import Key
from wharfage_operator.telemetry import Telemetry

log = logging.getLogger(__name__)
_BEAT_S = 0.5


class Health:
    """Liveness of the event loop, and readiness as a list of what is still missing."""

    def __init__(self, *, longest_lag_s: float, unready: Callable[[], list[str]]) -> None:
        """`unready` returns one sentence per reason not to be ready."""
        self._longest_lag_s = longest_lag_s
        self._unready = unready
        self._beat_at = time.monotonic()
        self.lag_s = 0.0

    async def beat(self) -> None:
        """Measure for ever how late the event loop runs."""
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.monotonic()
            self.lag_s = max(0.0, now - self._beat_at - _BEAT_S)
            self._beat_at = now

    async def alive(self, _: web.Request) -> web.Response:
        """200 while the loop keeps up; a loop that is stuck does not answer at all."""
        lag_s = max(self.lag_s, time.monotonic() - self._beat_at - _BEAT_S)
        status = 200 if lag_s <= self._longest_lag_s else 503
        return web.Response(status=status, text=f"event loop late by {max(0.0, lag_s):.3f} s\n")

    async def ready(self, _: web.Request) -> web.Response:
        """200 when synced, watching, and leader or standby."""
        reasons = self._unready()
        return web.Response(status=503 if reasons else 200, text="\n".join(reasons or ["ready"]) + "\n")


@asynccontextmanager
async def served(
    health: Health,
    telemetry: Telemetry,
    *,
    host: str,
    port: int,
    refresh: Callable[[], None],
    decision: Callable[[Key], Mapping[str, object] | str],
) -> AsyncIterator[int]:
    """Serve /healthz, /readyz, /metrics and /decisions/NAMESPACE/NAME; yields the port.

    `refresh` updates gauges before each reading; `decision` is what stands of a deployment, or why nobody here knows.
    """

    async def metrics(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=generate_latest(telemetry.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def decided(request: web.Request) -> web.Response:
        found = decision((request.match_info["namespace"], request.match_info["name"]))
        if isinstance(found, str):
            return web.json_response({"message": found}, status=404)
        return web.json_response(body=orjson.dumps(found))

    application = web.Application()
    application.add_routes(
        [
            web.get("/healthz", health.alive),
            web.get("/readyz", health.ready),
            web.get("/metrics", metrics),
            web.get("/decisions/{namespace}/{name}", decided),
        ]
    )
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = int(runner.addresses[0][1])
        log.info("serving health and metrics", extra={"host": host, "port": bound})
        yield bound
    finally:
        await runner.cleanup()
