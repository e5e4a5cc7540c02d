"""Two gateways of which one after the other is replaced, under 50 streams a second of 3 s each: none may fail.

Each is an Envoy and a brain of its own, and knows of as many as are ready. Clients ask one of those that a Service
would list: one that goes is listed for a second more, since no node hears of it at once. It ends as its pod does: the
hook drains Envoy, then both are told to end.
"""

import asyncio
import itertools
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from tests.gateway.client import Answer, Client, load
from tests.gateway.rig import KEYS, Engine, Rig, model

PER_S, TOKENS, ITL_S = 50.0, 15, 0.2
GATEWAYS, ENGINES = 2, 3
LISTED_S = 1.0
BEFORE_S, BETWEEN_S = 2.0, 2.0
GRACE_S = 60.0


async def rolled_out() -> Mapping[str, float]:
    """How many of the streams fail while both gateways are replaced."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        numbers = itertools.count()
        first = await stack.enter_async_context(_gateway(folder, numbers))
        engines = [await first.engine(f"engine-{number}", itl_s=ITL_S) for number in range(ENGINES)]
        await _up(first, engines)
        listed = [(first, await stack.enter_async_context(Client(first.url, KEYS[0].key)))]

        async def another() -> None:
            rig = await stack.enter_async_context(_gateway(folder, numbers))
            await _up(rig, engines)
            listed.append((rig, await stack.enter_async_context(Client(rig.url, KEYS[0].key))))

        for _ in range(GATEWAYS - 1):
            await another()
        turn = itertools.count()
        over = asyncio.Event()

        async def ask() -> Answer:
            _, client = listed[next(turn) % len(listed)]
            return await client.chat("chat", tokens=TOKENS)

        async def until_over() -> list[Answer]:
            answers: list[Answer] = []
            batches = []
            seed = 0
            while not over.is_set():
                batches.append(asyncio.ensure_future(load(ask, per_s=PER_S, seconds=1.0, seed=seed)))
                seed += 1
                await asyncio.sleep(1.0)
            for batch in batches:
                answers += await batch
            return answers

        running = asyncio.ensure_future(until_over())
        await asyncio.sleep(BEFORE_S)
        for _ in range(GATEWAYS):
            await another()
            await _replaced(listed)
            await asyncio.sleep(BETWEEN_S)
        over.set()
        answers = await running
    return {"rollout_asked": len(answers), "rollout_failed": sum(not answer.ok for answer in answers)}


def _gateway(folder: Path, numbers: "itertools.count[int]") -> Rig:
    own = folder / f"gateway-{next(numbers)}"
    own.mkdir()
    return Rig(own, keys_required=True)


async def _up(rig: Rig, engines: list[Engine]) -> None:
    replicas = [each.replica() for each in engines]
    await rig.up(model(replicas=replicas), credentials=KEYS, gateways=GATEWAYS)


async def _replaced(listed: list[tuple[Rig, Client]]) -> None:
    """End the oldest as its pod ends."""
    rig, _ = listed[0]
    command = [sys.executable, "-m", "wharfage_gateway.drain", f"--folder={rig.shared}", f"--within-s={GRACE_S}"]
    hook = await asyncio.create_subprocess_exec(*command)
    await asyncio.sleep(LISTED_S)
    del listed[0]
    await hook.wait()
    await rig.envoy.stop()
    await rig.brain.stop(within_s=GRACE_S)
