"""When Envoy has taken a view, once it lists every open replica of it as healthy; and what is not to wait for that."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from wharfage_gateway.publication import Publication, closings, listed
from wharfage_gateway.view import Model, Replica, View


def seen(*replicas: Replica) -> View:
    return View(models={"chat": Model(key="chat", served="chat", replicas=replicas)})


def told(*hosts: tuple[str, str], cluster: str = "chat") -> dict[str, Any]:
    """`/clusters?format=json` of hosts and what the file says of their health."""
    statuses = [
        {
            "address": {"socket_address": {"address": address, "port_value": 8000}},
            "health_status": {"eds_health_status": health},
        }
        for address, health in hosts
    ]
    return {"cluster_statuses": [{"name": "@brain"}, {"name": cluster, "host_statuses": statuses}]}


ONE, TWO = Replica("one", "198.18.0.1"), Replica("two", "198.18.0.2")
DRAINING = Replica("one", "198.18.0.1", draining=True)


def test_all_listed() -> None:
    assert listed(seen(ONE, TWO), told(("198.18.0.1", "HEALTHY"), ("198.18.0.2", "HEALTHY")))


def test_one_is_missing() -> None:
    assert not listed(seen(ONE, TWO), told(("198.18.0.1", "HEALTHY")))


def test_one_is_still_listed_as_draining() -> None:
    assert not listed(seen(ONE), told(("198.18.0.1", "DRAINING")))


def test_one_is_listed_under_another_model() -> None:
    assert not listed(seen(ONE), told(("198.18.0.1", "HEALTHY"), cluster="other"))


def test_what_drains_or_is_not_ready_is_not_waited_for() -> None:
    assert listed(seen(Replica("one", "198.18.0.1", draining=True), Replica("two", "198.18.0.2", ready=False)), told())


def test_an_envoy_that_says_nothing_has_taken_nothing() -> None:
    assert not listed(seen(ONE), {})


def test_what_closes_drains_in_the_view_before_and_what_opens_is_not_in_it_yet() -> None:
    assert closings(seen(ONE, TWO), seen(DRAINING, TWO, Replica("three", "198.18.0.3"))) == seen(DRAINING, TWO)
    assert closings(seen(ONE, TWO), seen(TWO)) == seen(DRAINING, TWO)
    assert closings(seen(ONE), View()) == seen(DRAINING)
    assert closings(seen(TWO), seen(TWO, ONE)) == seen(TWO)


async def test_a_drain_is_seen_while_envoy_has_not_taken_the_view_before(tmp_path: Path) -> None:
    asked, take = asyncio.Event(), asyncio.Event()

    async def page(_: web.Request) -> web.Response:
        asked.set()
        hosts = [("198.18.0.1", "HEALTHY")] + [("198.18.0.2", "HEALTHY")] * take.is_set()
        return web.json_response(told(*hosts))

    app = web.Application()
    app.router.add_get("/clusters", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "admin.sock")).start()
    views: asyncio.Queue[View] = asyncio.Queue()
    publication = Publication(tmp_path, str(tmp_path / "admin.sock"), views.put_nowait)
    running = asyncio.create_task(publication.run())
    publication.put(seen(ONE))
    assert await views.get() == seen(ONE)
    asked.clear()
    publication.put(seen(ONE, TWO))
    await asked.wait()
    publication.put(seen(DRAINING, TWO))
    assert await views.get() == seen(DRAINING)
    take.set()
    assert await views.get() == seen(DRAINING, TWO)
    assert await views.get() == seen(DRAINING, TWO)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await runner.cleanup()
