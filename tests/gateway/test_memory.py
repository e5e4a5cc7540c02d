"""Bodies that wait, and bodies that all come at once: Envoy's memory stays bounded, and nobody passes unasked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.client import Answer, Client, all_of, eventually
from tests.gateway.rig import Rig, model

MEMORY = 256 * 2**20
LIMIT = MEMORY + 256 * 2**20
"""What the chart leaves beside it: for pages that Envoy has freed and bodies that it reads just then."""
LARGE = 4_000_000


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path, most_memory_bytes=MEMORY) as made:
        yield made


def most_resident(rig: Rig) -> int:
    """The most memory that Envoy has had, in bytes."""
    status = Path(f"/proc/{rig.envoy.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


async def test_bodies_that_wait_take_no_more_than_their_part(small: Rig) -> None:
    await small.up(model(hold_s=300.0))
    async with Client(small.url, give_up_s=400.0) as client:
        held: list[asyncio.Future[Answer]] = []

        async def told() -> bool:
            return bool((await small.of("chat"))["waiting"] + sum(each.done() for each in held) == len(held))

        for number in range(60):  # one after the other: all at once are more than Envoy takes before the brain is asked
            held.append(asyncio.ensure_future(client.chat("chat", prompt=f"{number}" + "x" * LARGE)))
            await eventually(told, "an answer or a place")
        waiting = (await small.of("chat"))["waiting"]
        assert 24 <= waiting * 4 <= 0.5 * MEMORY / 1e6 + 4
        one = await small.engine("one")
        await small.look(model(hold_s=300.0, replicas=[one.replica()]))
        answers = await all_of(held)
    refused = [answer for answer in answers if not answer.ok]
    assert len(refused) == 60 - waiting
    assert {(answer.status, answer.error["code"]) for answer in refused} <= {(429, "memory_full"), (503, "overloaded")}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert most_resident(small) < LIMIT
    assert await small.stat(r"http\.wharfage\.ext_authz\.failure_mode_allowed") == 0


async def test_a_burst_of_large_bodies_neither_ends_envoy_nor_passes_unasked(small: Rig) -> None:
    one = await small.engine("one")
    await small.up(model(replicas=[one.replica(slots=1.0)], hold_s=120.0))
    async with Client(small.url, give_up_s=200.0) as client:
        burst = [asyncio.ensure_future(client.chat("chat", prompt=f"{number}" + "x" * LARGE)) for number in range(70)]
        answers = await all_of(burst)
        # Those that Envoy ends to have room hear nothing (0).
        assert {answer.status for answer in answers} <= {200, 429, 503, 408, 0}
        assert sum(answer.ok for answer in answers) >= 10

        async def taken() -> bool:
            return (await client.chat("chat")).ok

        await eventually(taken, "an Envoy that takes requests again")
    assert small.envoy.running
    assert most_resident(small) < LIMIT
    counted = await one.counted()
    assert counted["most_running"] == 1
    assert await small.stat(r"http\.wharfage\.ext_authz\.failure_mode_allowed") == 0


async def test_a_connection_ends_after_two_hundred_requests(rig: Rig, client: Client) -> None:
    one = await rig.engine("one")
    await rig.up(model(replicas=[one.replica()]))
    closing = [(await client.chat("chat")).headers.get("connection") == "close" for _ in range(401)]
    assert [number for number, closes in enumerate(closing, start=1) if closes] == [200, 400]
