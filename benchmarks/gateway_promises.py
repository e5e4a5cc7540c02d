"""What a gateway must not lose: held requests, streams of a drained replica, tokens, and each replica's fair share."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.gateway_bodies import differing
from tests.gateway.client import Answer, Client, all_of, eventually, load
from tests.gateway.rig import KEYS, Engine, Rig, model

HELD = 1000
HELD_PROMPT_BYTES = 16_000
SLOTS = (20.0, 50.0, 10.0)


async def promises(seconds: float, hold_s: float, bodies: int) -> dict[str, float]:
    """All of them, each on a gateway of its own. Loads last so many seconds, held ones wait so long."""
    parts: tuple[Callable[[Rig], Awaitable[Mapping[str, float]]], ...] = (
        lambda rig: held(rig, hold_s),
        lambda rig: drained(rig, seconds),
        lambda rig: killed(rig, seconds),
        lambda rig: tokens(rig, seconds),
        lambda rig: shares(rig, seconds),
        lambda rig: differing(rig, bodies),
    )
    figures: dict[str, float] = {}
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            async with Rig(Path(folder), keys_required=True) as rig:
                figures |= await part(rig)
    return figures


async def held(rig: Rig, hold_s: float) -> Mapping[str, float]:
    """A thousand requests wait for a model at zero: how many are lost, and how soon the first is let go."""
    cold = model(hold_s=hold_s + 300.0, most_waiting=2 * HELD)
    await rig.up(cold, credentials=KEYS)
    before_mib = rss_mib(rig.envoy.pid) + rss_mib(rig.brain.pid)
    async with Client(rig.url, KEYS[0].key, give_up_s=hold_s + 300.0) as client:
        prompt = "x" * HELD_PROMPT_BYTES
        requests = all_of(client.chat("chat", prompt=prompt) for _ in range(HELD))
        waiting = asyncio.get_running_loop().create_task(requests)

        async def all_wait() -> bool:
            return bool((await rig.of("chat"))["waiting"] == HELD)

        await eventually(all_wait, "a thousand waiting requests", within_s=120.0)
        held_mib = rss_mib(rig.envoy.pid) + rss_mib(rig.brain.pid) - before_mib
        await asyncio.sleep(hold_s)
        engines = [await rig.engine(f"engine-{number}", ttft_s=0.02) for number in range(2)]
        released_s = time.monotonic()
        await rig.look(model(replicas=[each.replica(slots=50.0) for each in engines], most_waiting=2 * HELD))
        answers = await waiting
    first_s = min((answer.began_s + answer.first_s for answer in answers if answer.ok), default=float("nan"))
    return {
        "hold_1000_lost": sum(not answer.ok for answer in answers),
        "hold_release_s": round(first_s - released_s, 3),
        "hold_all_s": round(max(answer.began_s + answer.whole_s for answer in answers) - released_s, 3),
        "hold_kib_each": round(held_mib * 1024.0 / HELD, 1),
    }


@asynccontextmanager
async def streaming(rig: Rig, seconds: float) -> AsyncIterator[tuple[list[Engine], asyncio.Future[list[Answer]]]]:
    """50 streams a second, each of about 3 s, on three replicas that carry as many as they will by now."""
    engines = [await rig.engine(f"engine-{number}", itl_s=0.2) for number in range(3)]
    await rig.up(model(replicas=[each.replica() for each in engines]), credentials=KEYS)
    async with Client(rig.url, KEYS[0].key) as client:
        running = asyncio.ensure_future(
            load(lambda: client.chat("chat", tokens=15), per_s=50.0, seconds=max(6.0, seconds))
        )
        await asyncio.sleep(3.0)
        yield engines, running


async def drained(rig: Rig, seconds: float) -> Mapping[str, float]:
    """The load of `streaming` while one of three replicas is drained and ends."""
    async with streaming(rig, seconds) as (engines, running):
        first, *rest = engines
        carried = (await first.counted())["running"]
        others = [each.replica() for each in rest]
        await rig.look(model(replicas=[first.replica(draining=True), *others]))

        async def idle() -> bool:
            return bool((await first.counted())["running"] == 0)

        await eventually(idle, "the end of its streams", within_s=30.0)
        await rig.look(model(replicas=others))
        await first.stop()
        answers = await running
    return {"drain_carried": carried, "drain_failed": sum(not answer.ok for answer in answers)}


async def killed(rig: Rig, seconds: float) -> Mapping[str, float]:
    """The same load while a replica is killed: streams it carried are cut, nothing without headers fails."""
    async with streaming(rig, seconds) as (engines, running):
        carried = (await engines[0].counted())["running"]
        await engines[0].kill()
        answers = await running
    return {
        "kill_carried": carried,
        "kill_cut": sum(answer.status == 200 and not answer.ok for answer in answers),
        "kill_failed_before_headers": sum(answer.status != 200 for answer in answers),
    }


async def tokens(rig: Rig, seconds: float) -> Mapping[str, float]:
    """What the gateway counted, against the engines' own counters."""
    engines = [await rig.engine(f"engine-{number}", ttft_s=0.01) for number in range(2)]
    await rig.up(model(replicas=[each.replica() for each in engines]), credentials=KEYS)
    async with Client(rig.url, KEYS[0].key) as red, Client(rig.url, KEYS[1].key) as blue:
        await asyncio.gather(
            load(lambda: red.chat("chat", tokens=16), per_s=60.0, seconds=seconds),
            load(lambda: blue.chat("chat", tokens=7, stream=False), per_s=40.0, seconds=seconds, seed=2),
        )

    async def at_rest() -> bool:
        return bool((await rig.of("chat"))["running"] == 0)

    await eventually(at_rest, "the end of all of them in the gateway's books", within_s=30.0)
    counted = [await each.counted() for each in engines]
    made = sum(each["prompt_tokens"] + each["output_tokens"] for each in counted)
    of_model = await rig.of("chat")
    return {"token_error": abs(of_model["prompt_tokens"] + of_model["output_tokens"] - made) / made}


async def shares(rig: Rig, seconds: float) -> Mapping[str, float]:
    """Three replicas of unlike size at nine tenths of what they carry: the worst share against its due."""
    took_s = 0.5
    engines = [await rig.engine(f"engine-{number}", ttft_s=took_s) for number in range(len(SLOTS))]
    replicas = [each.replica(slots=slots) for each, slots in zip(engines, SLOTS, strict=True)]
    await rig.up(model(replicas=replicas), credentials=KEYS)
    async with Client(rig.url, KEYS[0].key) as client:
        await load(lambda: client.chat("chat", tokens=1), per_s=0.9 * sum(SLOTS) / took_s, seconds=seconds)
    done = [(await each.counted())["finished"] for each in engines]
    due = [slots / sum(SLOTS) * sum(done) for slots in SLOTS]
    return {"share_error": round(max(abs(got - owed) / owed for got, owed in zip(done, due, strict=True)), 4)}


def rss_mib(pid: int) -> float:
    """Memory that a process holds."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024.0
