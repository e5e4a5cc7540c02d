"""A webhook of the test's own: it keeps what it is told, and answers as it is told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Hook:
    """Answers with `status`; `heard` holds the bodies that came, in their order."""

    url: str = ""
    status: int = 200
    location: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append(await request.json())
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def hooked() -> AsyncIterator[Hook]:
    """One on a port of loopback."""
    hook, app = Hook(), web.Application()
    app.router.add_post("/{path:.*}", hook.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/services/T0/B0/secret"
    try:
        yield hook
    finally:
        await runner.cleanup()
