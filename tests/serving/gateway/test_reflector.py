"""A collection that is followed while its server tells versions to be too old, ends watches, and goes away."""

import asyncio
from contextlib import suppress

from aiohttp import web
from wharfage_gateway.identity import Identity
from wharfage_gateway.reflector import Reflector
from wharfage_gateway.watch import opened


async def test_what_was_known_stays_while_the_api_server_fails_and_is_mended_when_it_answers() -> None:
    turns: list[str] = []
    broken = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if broken.is_set():
            return web.Response(status=503, text="away")
        if request.query.get("watch"):
            turns.append("watch")
            body = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n'
            return web.Response(body=body if len(turns) < 3 else b"", content_type="application/json")
        turns.append("list")
        items = [{"metadata": {"name": f"pod-{turns.count('list')}"}}]
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": items})

    app = web.Application()
    app.router.add_get("/pods", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    who = Identity(f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with opened(who) as session:
        changes: list[int] = []
        reflector = Reflector(who, session, "/pods", lambda: changes.append(1))
        running = asyncio.create_task(reflector.run())
        for _ in range(500):
            if "pod-2" in reflector.objects:
                break
            await asyncio.sleep(0.01)
        assert list(reflector.objects) == ["pod-2"], turns
        broken.set()
        await asyncio.sleep(0.3)
        assert list(reflector.objects) == ["pod-2"]
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    await runner.cleanup()
