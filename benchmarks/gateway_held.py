"""Requests that wait: a thousand for a model at zero, some for longer than they may, some whose clients leave."""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence

from benchmarks.gateway_processes import rss_mib
from tests.gateway.client import Answer, Client, all_of, eventually
from tests.gateway.rig import KEYS, Rig, model

HELD = 1000
HELD_PROMPT_BYTES = 16_000
ENGINES, SLOTS, TTFT_S, ITL_S = 2, 10, 0.1, 0.01
TOKENS = 4
LIMIT_S = 2.0
FEW = 20


async def held(rig: Rig, hold_s: float) -> Mapping[str, float]:
    """A thousand wait for a model at zero: who hears of it how soon, what they take, how soon each is let go.

    `hold_next_p99_ms` is from the end of one answer to what the client takes for the start of the next at a replica:
    the first token, less the time that the engine takes for one.
    """
    patience_s = hold_s + 300.0
    await rig.up(model(hold_s=patience_s, most_waiting=2 * HELD), credentials=KEYS)
    version = (await rig.demand())["version"]
    before = {each.name: rss_mib(each.pid) for each in (rig.envoy, rig.brain)}
    async with Client(rig.url, KEYS[0].key, give_up_s=patience_s) as client:

        def ask() -> asyncio.Task[Answer]:
            prompt = "x" * HELD_PROMPT_BYTES
            return asyncio.ensure_future(client.chat("chat", prompt=prompt, tokens=TOKENS))

        operator = asyncio.ensure_future(rig.demand(since=version, wait=60))
        await asyncio.sleep(0.5)
        began_s = time.monotonic()
        requests = [ask()]
        await operator
        told_s = time.monotonic() - began_s
        requests += [ask() for _ in range(HELD - 1)]
        await eventually(lambda: _waiting(rig, HELD), "a thousand waiting requests", within_s=120.0)
        more_kib = {each.name: 1024.0 * (rss_mib(each.pid) - before[each.name]) for each in (rig.envoy, rig.brain)}
        await asyncio.sleep(hold_s)
        engines = [await rig.engine(f"engine-{number}", ttft_s=TTFT_S, itl_s=ITL_S) for number in range(ENGINES)]
        released_s = time.monotonic()
        await rig.look(model(replicas=[each.replica(slots=float(SLOTS)) for each in engines], most_waiting=2 * HELD))
        answers = await all_of(requests)
    good = [answer for answer in answers if answer.ok]
    gaps_s = _gaps(good, ENGINES * SLOTS)
    return {
        "hold_1000_lost": len(answers) - len(good),
        "hold_told_ms": round(1e3 * told_s, 1),
        "hold_release_s": round(min(answer.began_s + answer.first_s for answer in good) - TTFT_S - released_s, 3),
        "hold_all_s": round(max(answer.began_s + answer.whole_s for answer in good) - released_s, 3),
        "hold_next_p50_ms": round(1e3 * statistics.median(gaps_s), 1),
        "hold_next_p99_ms": round(1e3 * statistics.quantiles(gaps_s, n=100)[98], 1),
        "hold_envoy_kib_each": round(more_kib["envoy"] / HELD, 1),
        "hold_brain_kib_each": round(more_kib["brain"] / HELD, 1),
    }


def _gaps(answers: Sequence[Answer], slots: int) -> list[float]:
    """From each end to the start that took the slot: the n-th end lets in the n-th of those after the first ones."""
    starts = sorted(answer.began_s + answer.first_s - TTFT_S for answer in answers)
    ends = sorted(answer.began_s + answer.whole_s for answer in answers)
    return [start - end for start, end in zip(starts[slots:], ends, strict=False)]


async def limits(rig: Rig) -> Mapping[str, float]:
    """How late the answer to one that waited too long is, and how soon the place of one who leaves is free."""
    await rig.up(model(hold_s=LIMIT_S), credentials=KEYS)
    async with Client(rig.url, KEYS[0].key) as client:
        answers = await all_of(client.chat("chat", prompt=f"{number}") for number in range(FEW))
        freed_s = []
        for _ in range(FEW):
            leaves = asyncio.ensure_future(client.chat("chat"))
            await eventually(lambda: _waiting(rig, 1), "a waiting request")
            leaves.cancel()
            freed_s.append(await eventually(lambda: _waiting(rig, 0), "its place free again"))
    return {
        "hold_limit_late_ms": round(1e3 * (max(answer.whole_s for answer in answers) - LIMIT_S), 1),
        "hold_limit_otherwise": sum(
            answer.status != 503 or not answer.headers.get("retry-after") for answer in answers
        ),
        "hold_left_freed_ms": round(1e3 * max(freed_s), 1),
    }


async def _waiting(rig: Rig, count: int) -> bool:
    return bool((await rig.of("chat")).get("waiting") == count)
