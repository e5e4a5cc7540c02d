"""An engine that only pretends: vLLM's APIs with times, counts and failures of a test's choosing.

    python -m tests.gateway.engine --ttft-s 0.02 --itl-s 0.002

It prints its port. As vLLM with --enable-force-include-usage it sends its headers at once, and completions tell the
tokens so far in every portion of a stream. The same body gives the same bytes. `POST /control` changes it while it
runs, `GET /counted` says what it has seen.
"""

import argparse
import asyncio
import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop
from aiohttp import web

from tests.gateway import apis

OUTPUT_TOKENS = 16
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens")


@dataclass(slots=True)
class Behaviour:
    """How it answers. `fail` and `reset` are how many of the next requests get a 503, or a closed connection.

    A stream stands still when it has `up_to` portions, until it may have more: so a test holds it, however slow it is.
    """

    ttft_s: float = 0.0
    itl_s: float = 0.0
    fail: int = 0
    reset: int = 0
    slots: int = 100_000
    up_to: int = 1_000_000_000


@dataclass(slots=True)
class Counted:
    """What it has seen; tokens are those that it made, whoever read them."""

    requests: int = 0
    finished: int = 0
    left: int = 0
    running: int = 0
    most_running: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


class Engine:
    """One replica."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour, self.counted = behaviour, Counted()
        self._slots = asyncio.Semaphore(behaviour.slots)
        self._told = asyncio.Condition()

    def application(self) -> web.Application:
        """Its routes."""
        found = web.Application(client_max_size=64 * 2**20)
        found.add_routes(
            [
                *(web.post(path, self.complete) for path in PATHS),
                web.post("/control", self.control),
                web.get("/counted", self.tell),
                web.get("/metrics", self.metrics),
            ]
        )
        return found

    async def control(self, request: web.Request) -> web.Response:
        """Change how it answers."""
        for name, value in (await request.json()).items():
            setattr(self.behaviour, name, value)
        async with self._told:
            self._told.notify_all()
        return web.json_response(asdict(self.behaviour))

    async def tell(self, _: web.Request) -> web.Response:
        """What it has seen."""
        return web.json_response(asdict(self.counted))

    async def metrics(self, _: web.Request) -> web.Response:
        """A page that no client of the gateway may see."""
        return web.Response(text=f"vllm:generation_tokens_total {self.counted.output_tokens}\n")

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer, count, and notice a client that leaves."""
        counted, raw = self.counted, await request.read()
        counted.requests += 1
        if self.behaviour.fail > 0:
            self.behaviour.fail -= 1
            return web.json_response({"error": {"message": "no"}}, status=503)
        if self.behaviour.reset > 0 and request.transport is not None:
            self.behaviour.reset -= 1
            request.transport.abort()
            return web.Response()
        body = json.loads(raw)
        counted.headers, counted.body = dict(request.headers), body if len(raw) < 10_000 else {}
        counted.running += 1
        counted.most_running = max(counted.most_running, counted.running)
        try:
            answer = await self._answered(request, raw, body)
        except (asyncio.CancelledError, ConnectionError):
            counted.left += 1
            raise
        finally:
            counted.running -= 1
        counted.finished += 1
        return answer

    async def _answered(self, request: web.Request, raw: bytes, body: dict[str, Any]) -> web.StreamResponse:
        path = request.path
        prompt = math.ceil(len(json.dumps(body.get("messages") or body.get("input") or body.get("prompt") or "")) / 4)
        tokens = 0 if path.endswith("/count_tokens") else apis.most(path, body) or OUTPUT_TOKENS
        said = apis.Said(hashlib.sha256(raw).hexdigest()[:12], str(body.get("model")), prompt, tokens)
        if body.get("stream"):
            return await self._streamed(request, said)
        async with self._slots:
            await asyncio.sleep(self.behaviour.ttft_s + tokens * self.behaviour.itl_s)
        if tokens:
            self.counted.prompt_tokens += prompt
            self.counted.output_tokens += tokens
        return web.json_response(apis.whole(path, said))

    async def _streamed(self, request: web.Request, said: apis.Said) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await answer.prepare(request)
        async with self._slots:
            await asyncio.sleep(self.behaviour.ttft_s)
            self.counted.prompt_tokens += said.prompt
            if begin := apis.beginning(request.path, said):
                await answer.write(begin)
            for number in range(1, said.output + 1):
                if number > self.behaviour.up_to:
                    await self._let_go(number)
                self.counted.output_tokens += 1
                await answer.write(apis.portion(request.path, said, number))
                if self.behaviour.itl_s:
                    await asyncio.sleep(self.behaviour.itl_s)
            await answer.write(apis.end(request.path, said))
        return answer

    async def _let_go(self, number: int) -> None:
        async with self._told:
            await self._told.wait_for(lambda: number <= self.behaviour.up_to)


async def _serve(behaviour: Behaviour, address: str, port: int) -> None:
    runner = web.AppRunner(Engine(behaviour).application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, address, port, backlog=4096)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description="An engine that only pretends.")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ttft-s", type=float, default=0.0)
    parser.add_argument("--itl-s", type=float, default=0.0)
    parser.add_argument("--slots", type=int, default=100_000)
    parser.add_argument("--up-to", type=int, default=1_000_000_000)
    given = parser.parse_args()
    behaviour = Behaviour(ttft_s=given.ttft_s, itl_s=given.itl_s, slots=given.slots, up_to=given.up_to)
    uvloop.run(_serve(behaviour, given.address, given.port))


if __name__ == "__main__":
    main()
