"""What a gateway takes at rest, and what it must not lose: streams of a replica that goes, tokens, fair shares."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from benchmarks.gateway_processes import rss_mib
from tests.gateway.client import Answer, Client, eventually, load
from tests.gateway.rig import KEYS, Engine, Rig, model

SLOTS = (20.0, 50.0, 10.0)
SETTLED_S = 5.0


async def rest(rig: Rig) -> Mapping[str, float]:
    """Memory of Envoy and brain some seconds after the start, of one model that nobody asks for."""
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]), credentials=KEYS)
    await asyncio.sleep(SETTLED_S)
    envoy, brain = rss_mib(rig.envoy.pid), rss_mib(rig.brain.pid)
    return {
        "rest_mib": round(envoy + brain, 1),
        "rest_envoy_mib": round(envoy, 1),
        "rest_brain_mib": round(brain, 1),
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
    counted = [await each.counted() for each in engines]
    done = [each["finished"] for each in counted]
    due = [slots / sum(SLOTS) * sum(done) for slots in SLOTS]
    return {
        "share_error": round(max(abs(got - owed) / owed for got, owed in zip(done, due, strict=True)), 4),
        "share_over_slots": max(each["most_running"] - slots for each, slots in zip(counted, SLOTS, strict=True)),
    }
