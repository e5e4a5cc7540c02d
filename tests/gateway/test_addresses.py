"""Clients and replicas with addresses of either family."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from wharfage_gateway.anywhere import anywhere

from tests.gateway.client import Client, all_of, eventually
from tests.gateway.rig import Engine, Rig, model

pytestmark = pytest.mark.skipif(anywhere() != "::", reason="this host has no IPv6")


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path, address=anywhere()) as made:
        yield made


async def test_clients_of_both_families_reach_replicas_of_both(both: Rig) -> None:
    old, new = await both.engine("old"), await both.engine("new", address="::1")
    await both.up(model(replicas=[old.replica(slots=1.0), new.replica(slots=1.0)]))
    for host in ("127.0.0.1", "[::1]"):
        before = await finished(old, new)
        async with Client(f"http://{host}:{both.options.port}") as client:

            async def reached(client: Client = client, before: list[int] = before) -> bool:
                asked = [client.chat("chat", prompt=f"{number}") for number in range(20)]
                assert all(answer.ok for answer in await all_of(asked))
                return all(now > was for now, was in zip(await finished(old, new), before, strict=True))

            await eventually(reached, "answers of both")
    assert await both.stat(r"http\.wharfage\.ext_authz\.failure_mode_allowed") == 0


async def finished(*engines: Engine) -> list[int]:
    return [int((await each.counted())["finished"]) for each in engines]


async def test_the_brain_s_pages_are_there_by_both(both: Rig) -> None:
    await both.up(model())
    for host in ("127.0.0.1", "[::1]"):
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{both.page_port}/readyz") as told:
            assert told.status == 200


async def test_a_host_without_ipv6_is_listened_on_by_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without(socket.socket):
        def bind(self, address: object, /) -> None:
            raise OSError(97, "Address family not supported by protocol", address)

    monkeypatch.setattr(socket, "socket", Without)
    assert anywhere() == "0.0.0.0"
