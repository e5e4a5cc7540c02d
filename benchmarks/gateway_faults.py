"""Parts of a gateway that fail under 100 requests a second: how many of those fail, and how soon all is as before.

The brain is started by its guard, as in a pod. Recovery runs from the end of what was done to it, or from its beginning
where nobody but the gateway ends it: a brain that is killed or hangs.
"""

import asyncio
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from wharfage_gateway import xds
from wharfage_serving.arguments import PORT

from benchmarks.gateway_processes import loaded
from tests.gateway.apiserver import NAMESPACE, ApiServer, deployment, pod
from tests.gateway.client import Client, eventually
from tests.gateway.faults import renamed, through_relay
from tests.gateway.rig import KEYS, Engine, Rig, model

PER_S = 100.0
PROMPT_BYTES = 2000
BEFORE_S, CUT_S, AFTER_S = 1.0, 3.0, 5.0
PATIENCE_S = 60.0


async def away(seconds: float) -> Mapping[str, float]:
    """Without an API server for so long: requests that failed, and how soon it is known what changed meanwhile."""
    server = ApiServer()
    await server.come()
    with tempfile.TemporaryDirectory() as name:
        os.environ["KUBECONFIG"] = str(server.kubeconfig(Path(name) / "kubeconfig"))
        try:
            async with Rig(Path(name)) as rig:
                rig.namespace = NAMESPACE
                return await _away(rig, server, seconds)
        finally:
            del os.environ["KUBECONFIG"]
            await server.go()


async def _away(rig: Rig, server: ApiServer, seconds: float) -> Mapping[str, float]:
    addresses = [f"127.{random.randrange(1, 250)}.{random.randrange(250)}.{number}" for number in (1, 2)]
    one, two = [await rig.engine(each, address=each, port=PORT, ttft_s=0.02) for each in addresses]
    for each in ("chat", "cold"):
        await server.put("llmdeployments", deployment(each))
    await server.put("pods", pod("one", "chat", one.address, slots=200))
    await rig.start_brain()
    await rig.start_envoy()
    async with Client(rig.url, give_up_s=seconds + 2 * PATIENCE_S) as client:
        running = asyncio.ensure_future(loaded(rig.url, PER_S, PROMPT_BYTES, BEFORE_S + seconds + AFTER_S))
        await asyncio.sleep(BEFORE_S)
        await server.go()
        held = asyncio.ensure_future(client.chat("cold"))
        await asyncio.sleep(seconds)
        await server.put("pods", pod("one", "chat", one.address, serving=False))
        await server.put("pods", pod("two", "chat", two.address, slots=200))
        await server.put("pods", pod("three", "cold", two.address))
        await server.come()

        async def known() -> bool:
            page = await _page(rig)
            return _open("two") in page and _open("one") not in page

        recovery_s = await eventually(known, "what changed meanwhile", within_s=PATIENCE_S)
        told = await running
        cold = await held
    return {
        "away_s": seconds,
        "away_asked": told["asked"] + 1,
        "away_failed": told["failed"] + (not cold.ok),
        "away_recovery_s": round(recovery_s, 3),
    }


async def brain_killed(rig: Rig) -> Mapping[str, float]:
    """Its process is killed."""
    return await _brain(rig, signal.SIGKILL, "killed")


async def brain_hung(rig: Rig) -> Mapping[str, float]:
    """Its process stands still, and requests wait until its guard ends it."""
    return await _brain(rig, signal.SIGSTOP, "hung")


async def _brain(rig: Rig, number: signal.Signals, what: str) -> Mapping[str, float]:
    rig.guarded = True
    async with _under_load(rig) as (client, running, _):
        os.kill(rig.guarded_pid, number)
        began_s = time.monotonic()

        async def asked_again() -> bool:
            # Only a brain knows that there is no such model.
            return (await client.chat("nobody")).status == 404

        await eventually(asked_again, "a brain that answers", within_s=PATIENCE_S)
        recovery_s = time.monotonic() - began_s
    return _told(f"brain_{what}", await running, recovery_s)


async def log_cut(rig: Rig) -> Mapping[str, float]:
    """The access log is cut for some seconds; it is back when tokens are counted again."""
    relay = through_relay(rig)
    await relay.open()
    async with _under_load(rig) as (_, running, _):
        await relay.close()
        await asyncio.sleep(CUT_S)
        before = (await rig.of("chat"))["output_tokens"]
        await relay.open()

        async def counted() -> bool:
            return bool((await rig.of("chat"))["output_tokens"] > before)

        recovery_s = await eventually(counted, "tokens that are counted again", within_s=PATIENCE_S)
    found = _told("log_cut", await running, recovery_s)
    await relay.close()
    return found


async def files_torn(rig: Rig) -> Mapping[str, float]:
    """Envoy's files say nonsense; the next view brings another model."""
    async with _under_load(rig) as (client, running, engines):
        files = xds.Files(str(rig.shared))
        for path in (files.clusters, files.endpoints("chat"), files.keys):
            renamed(Path(path), '{"version_info": "1", "resou')
        await asyncio.sleep(CUT_S)
        replicas = [each.replica() for each in engines]
        await rig.look(model(replicas=replicas), model("new", replicas))

        async def there() -> bool:
            return (await client.chat("new")).ok

        recovery_s = await eventually(there, "a model that the next view brings", within_s=PATIENCE_S)
    return _told("files_torn", await running, recovery_s)


@asynccontextmanager
async def _under_load(
    rig: Rig,
) -> AsyncIterator[tuple[Client, asyncio.Future[dict[str, float]], tuple[Engine, Engine]]]:
    """A load on two replicas, some seconds after its begin; it goes on for some seconds after the block."""
    one, two = await rig.engine("one", ttft_s=0.02), await rig.engine("two", ttft_s=0.02)
    await rig.up(model(replicas=[one.replica(), two.replica()]), credentials=KEYS)
    seconds = BEFORE_S + CUT_S + AFTER_S
    running = asyncio.ensure_future(loaded(rig.url, PER_S, PROMPT_BYTES, seconds))
    async with Client(rig.url, KEYS[0].key) as client:
        await asyncio.sleep(BEFORE_S)
        yield client, running, (one, two)
        await asyncio.wait({running})


def _told(what: str, load: Mapping[str, float], recovery_s: float) -> Mapping[str, float]:
    return {
        f"{what}_asked": load["asked"],
        f"{what}_failed": load["failed"],
        f"{what}_recovery_s": round(recovery_s, 3),
    }


async def _page(rig: Rig) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{rig.pages}/metrics") as told:
        return await told.text()


def _open(replica: str) -> str:
    return f'wharfage_gateway_open{{model="chat",replica="{replica}"}} 1.0'
