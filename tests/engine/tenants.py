"""Tenants that stream answers through a gateway at a steady mean pace, some of whom leave half way.

Requests come at random moments, whether those before were answered or not; each stream is noted as its client met it.
It is a program of its own, so that it can run inside a cluster's network: `python -m tests.engine.tenants
http://198.19.0.7 --key red=sk-red --per-s 3` asks until its standard input ends (or `--requests` times), waits for what
is under way, and prints a JSON list of `Seen`.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random

import aiohttp

PATIENCE_S = 600.0
WHOLE, LEFT, CUT, LOST, REFUSED = "whole", "left", "cut", "lost", "refused"
"""To its end mark; left by its client; broken after its headers had come; broken before; another status than 200."""


@dataclass(slots=True)
class Seen:
    """One stream. Times are Unix seconds, `waited_s` is what the gateway said of it; None is what never came.

    Tokens are those of the last portion that told them.
    """

    tenant: str
    asked_at: float
    headers_at: float | None = None
    first_at: float | None = None
    ended_at: float = 0.0
    status: int = 0
    ended: str = LOST
    trouble: str = ""
    waited_s: float = 0.0
    portions: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: `keys` by tenant in turn, `requests` in all or 0, and the share of streams that are left."""

    url: str
    keys: dict[str, str]
    model: str
    per_s: float
    tokens: int
    prompt: str = "import os"
    requests: int = 0
    leave: float = 0.0


class Tenants:
    """Asks as planned until it is told to stop."""

    def __init__(self, plan: Plan, *, seed: int = 1) -> None:
        self._plan, self._random = plan, Random(seed)
        self._stop = asyncio.Event()
        self.seen: list[Seen] = []

    def stop(self) -> None:
        """No more new requests."""
        self._stop.set()

    async def run(self) -> list[Seen]:
        """Ask, and return what was seen once all of it is over."""
        patience = aiohttp.ClientTimeout(total=PATIENCE_S)
        connections = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(self._plan.url, timeout=patience, connector=connections) as session,
            asyncio.TaskGroup() as under_way,
        ):
            while not self._stop.is_set():
                under_way.create_task(self._ask(session, len(self.seen)))
                await asyncio.sleep(0)  # the task begins, and adds what it sees
                if len(self.seen) == self._plan.requests:
                    break
                await self._pause()
        return self.seen

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), self._random.expovariate(self._plan.per_s))
        except TimeoutError:
            return

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        plan = self._plan
        tenant = sorted(plan.keys)[number % len(plan.keys)]
        leaves_after = self._leaves_after()
        seen = Seen(tenant, time.time())
        self.seen.append(seen)
        # Its number comes first, so that no cache knows the prompt.
        body = {"model": plan.model, "prompt": f"{number} {plan.prompt}", "max_tokens": plan.tokens}
        told = {"Authorization": f"Bearer {plan.keys[tenant]}"}
        try:
            async with session.post(
                "/v1/completions", json={**body, "ignore_eos": True, "stream": True}, headers=told
            ) as answer:
                seen.headers_at, seen.status = time.time(), answer.status
                if answer.status != 200:
                    seen.ended, seen.trouble = REFUSED, f"status {answer.status}: {(await answer.text())[:200]}"
                else:
                    seen.waited_s = float(answer.headers.get("x-wharfage-waited-s", 0.0))
                    seen.ended = CUT
                    await _read(answer, seen, leaves_after)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            seen.trouble = f"{type(error).__name__}: {error}"
        seen.ended_at = time.time()

    def _leaves_after(self) -> int:
        """After how many portions its client leaves; 0: it stays."""
        if self._random.random() >= self._plan.leave:
            return 0
        return self._random.randint(1, max(1, self._plan.tokens * 3 // 4))


async def _read(answer: aiohttp.ClientResponse, seen: Seen, leaves_after: int) -> None:
    """Read it to its end mark, or leave it."""
    usage = b""
    async for line in answer.content:
        if line.startswith(b"data: {"):
            seen.first_at = seen.first_at or time.time()
            seen.portions += 1
            usage = line if b'"usage":{' in line else usage
        elif line.startswith(b"data: [DONE]"):
            seen.ended = WHOLE
        if seen.portions == leaves_after > 0:
            seen.ended = LEFT
            answer.close()
            break
    if usage:
        told = json.loads(usage.removeprefix(b"data: "))["usage"]
        seen.prompt_tokens, seen.output_tokens = told["prompt_tokens"], told["completion_tokens"]


async def _asked(plan: Plan) -> list[Seen]:
    tenants = Tenants(plan)
    if not plan.requests:
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        ended.add_done_callback(lambda _: tenants.stop())
    return await tenants.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key", action="append", required=True, metavar="TENANT=KEY")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--per-s", type=float, default=3.0)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", default="import os")
    parser.add_argument("--requests", type=int, default=0, help="0: until standard input ends")
    parser.add_argument("--leave", type=float, default=0.0, help="share of the streams that are left before their end")
    given = parser.parse_args(arguments)
    keys = dict(each.split("=", 1) for each in given.key)
    fields = {name: value for name, value in vars(given).items() if name != "key"}
    print(json.dumps([asdict(seen) for seen in asyncio.run(_asked(Plan(keys=keys, **fields)))]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
