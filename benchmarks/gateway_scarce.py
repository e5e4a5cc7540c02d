"""More load than there is capacity: what the heavy class waits, what the light one gets, and what tenants may spend.

Ten slots of 100 ms carry 100 requests a second. For overload 170 come: 30 of the heavy class, which never wants more
than there is, and 140 of the light one, of which one tenant sends twice as many as the other; either sends more than
half of what is left.
"""

import asyncio
import math
import os
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from wharfage_gateway.view import Throttle

from tests.gateway.client import Answer, Client, eventually, load
from tests.gateway.rig import KEYS, Rig, model

SLOTS, TOOK_S = 10.0, 0.1
HEAVY_PER_S, LIGHT_PER_S = 15.0, (93.0, 47.0)
"""Of each tenant."""
RATE, BURST = 40.0, 400.0


async def overloaded(rig: Rig, seconds: float) -> Mapping[str, float]:
    """1.7 times what the replica carries, for so long."""
    one = await rig.engine("one", ttft_s=TOOK_S)
    classes = {"interactive": 100, "bulk": 1}
    await rig.up(model(replicas=[one.replica(slots=SLOTS)], classes=classes, most_waiting=100), credentials=KEYS)
    async with Client(rig.url, KEYS[0].key) as red, Client(rig.url, KEYS[1].key) as blue:

        def asks(client: Client, cls: str) -> Callable[[], Awaitable[Answer]]:
            return lambda: client.chat("chat", tokens=1, headers={"x-class": cls})

        def heavy(for_s: float) -> Sequence[Awaitable[list[Answer]]]:
            return [
                load(asks(client, "interactive"), per_s=HEAVY_PER_S, seconds=for_s, seed=seed)
                for seed, client in enumerate((red, blue))
            ]

        alone = await asyncio.gather(*heavy(min(10.0, seconds)))
        light = [
            load(asks(client, "bulk"), per_s=per_s, seconds=seconds, seed=seed)
            for seed, (client, per_s) in enumerate(zip((red, blue), LIGHT_PER_S, strict=True), start=2)
        ]
        first, second, *rest = await asyncio.gather(*heavy(seconds), *light)
    interactive = [*first, *second]
    got = [sum(answer.ok for answer in answers) for answers in rest]
    left = SLOTS / TOOK_S * seconds - sum(answer.ok for answer in interactive)
    refused = [answer for answers in rest for answer in answers if not answer.ok]
    return {
        "overload_interactive_p99_times": round(_p99(interactive) / _p99([*alone[0], *alone[1]]), 2),
        "overload_interactive_failed": sum(not answer.ok for answer in interactive),
        "overload_bulk_of_rest": round(sum(got) / left, 4),
        "overload_refused": len(refused),
        "overload_refused_otherwise": sum(
            answer.status != 429 or not answer.headers.get("retry-after") for answer in refused
        ),
        "overload_tenants_apart": round(abs(got[0] - got[1]) / statistics.mean(got), 4),
    }


async def throttled(rig: Rig, seconds: float) -> Mapping[str, float]:
    """A tenant that asks for six times its rate of tokens, and one that stays within; then the stage ends."""
    one = await rig.engine("one")
    limit = Throttle(tokens_per_s=RATE, burst_tokens=BURST, stage="Throttle")
    await rig.up(model(replicas=[one.replica()], throttle=limit), credentials=KEYS)
    async with Client(rig.url, KEYS[0].key) as red, Client(rig.url, KEYS[1].key) as blue:
        began_s = time.monotonic()
        flood, few = await asyncio.gather(
            load(lambda: red.chat("chat", tokens=16), per_s=10.0, seconds=seconds),
            load(lambda: blue.chat("chat", tokens=1), per_s=2.5, seconds=seconds, seed=2),
        )
        lasted_s = time.monotonic() - began_s

        async def refused() -> bool:
            return (await red.chat("chat", tokens=16)).status == 429

        async def answered() -> bool:
            return not await refused()

        await eventually(refused, "an end of what it has saved up")
        await rig.look(model(replicas=[one.replica()]))
        ends_s = await eventually(answered, "the end of the stage")
        await rig.look(model(replicas=[one.replica()], throttle=Throttle(tokens_per_s=0.001, burst_tokens=1.0)))
        begins_s = await eventually(refused, "the begin of another")
    spent = [(answer.began_s, sum(answer.tokens)) for answer in flood if answer.ok]
    return {
        "budget_excess_tokens": round(_excess(spent), 1),
        "budget_request_tokens": max(tokens for _, tokens in spent),
        "budget_spent_of_allowed": round(sum(tokens for _, tokens in spent) / (BURST + RATE * lasted_s), 4),
        "budget_others_failed": sum(not answer.ok for answer in few) / len(few),
        "budget_stage_ends_s": round(ends_s, 3),
        "budget_stage_begins_s": round(begins_s, 3),
    }


async def overspent(rig: Rig, seconds: float) -> Mapping[str, float]:
    """A tenant that asks for six times its rate, and whose gateway's brain is killed on the way.

    Envoy lets requests pass until another brain answers, and buckets go on from what was written last.
    """
    one = await rig.engine("one")
    rig.guarded = True
    limit = Throttle(tokens_per_s=RATE, burst_tokens=BURST, stage="Throttle")
    await rig.up(model(replicas=[one.replica()], throttle=limit), credentials=KEYS)
    async with Client(rig.url, KEYS[0].key) as red:
        flood = asyncio.ensure_future(load(lambda: red.chat("chat", tokens=16), per_s=10.0, seconds=seconds))
        await asyncio.sleep(seconds / 2)
        os.kill(rig.guarded_pid, signal.SIGKILL)
        killed_s = time.monotonic()

        async def back() -> bool:
            # Only a brain knows that there is no such model.
            return (await red.chat("nobody")).status == 404

        await eventually(back, "a brain that answers")
        recovery_s = time.monotonic() - killed_s
        answers = await flood
    spent = [(answer.began_s, sum(answer.tokens)) for answer in answers if answer.ok]
    passed = [tokens for at_s, tokens in spent if killed_s <= at_s <= killed_s + recovery_s]
    return {
        "overspent_fault_s": round(recovery_s, 3),
        "overspent_passed_tokens": sum(passed),
        "overspent_excess_tokens": round(_excess(spent), 1),
        "overspent_failed": sum(answer.status not in (200, 429) for answer in answers),
    }


def _excess(spent: Sequence[tuple[float, float]]) -> float:
    """The most that any stretch of time had above burst and rate: of (when, tokens) in order of time."""
    worst, best_before = -math.inf, -math.inf
    total = 0.0
    for at_s, tokens in spent:
        best_before = max(best_before, RATE * at_s - total)
        total += tokens
        worst = max(worst, total - RATE * at_s + best_before - BURST)
    return worst


def _p99(answers: Sequence[Answer]) -> float:
    return sorted(answer.first_s for answer in answers if answer.ok)[math.ceil(0.99 * len(answers)) - 1]
