"""Pods as they may be: well, hanging, huge, lying, redirecting, replaced; over real sockets, each on its address."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from wharfage_autoscaler.counting import Counters
from wharfage_autoscaler.objectives import Objectives
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.kinds import LLM_DEPLOYMENTS, PODS, Key, Object
from wharfage_operator.metrics import Scrape
from wharfage_operator.settings import Settings
from wharfage_operator.telemetry import Telemetry

from tests.operator.objects import replica
from tests.operator.pages import page

KEY: Key = ("shop", "chat")
QUICK = Settings(scrape_every_s=60.0, scrape_window_s=0.2)
"""Tests tick themselves, far more often: a reading stays fresh for three minutes, however slow the machine is."""
PAUSE_S = 0.05

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def text(body: str, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, headers=headers)

    return answer


async def silent(_: web.Request) -> web.Response:
    await asyncio.sleep(5.0)
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"vllm:num_requests_running 1\n" * 10_000)


@dataclass
class Counting:
    """An engine that has finished a hundred more requests each time somebody looks."""

    requests: float = 0.0
    more: float = 100.0
    seen: list[float] = field(default_factory=list)

    async def __call__(self, _: web.Request) -> web.Response:
        self.requests += self.more
        self.seen.append(self.requests)
        return web.Response(text=page(finished=self.requests, waiting=0.0))


@asynccontextmanager
async def engine(address: str, answer: Answer) -> AsyncIterator[None]:
    """An engine at an address of this machine that only tests use, on the port that engines have."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    application = web.Application()
    application.router.add_get("/metrics", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, 8000).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def proxy(answer: Answer) -> AsyncIterator[str]:
    """The address of an HTTP proxy that answers for every host itself."""
    server = web.Server(cast("Any", answer))
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class World:
    """A scraper, the pods that its cache knows, and who was woken."""

    def __init__(self, settings: Settings = QUICK, clock: Clock | None = None) -> None:
        self.cache, self.telemetry = Cache(), Telemetry()
        self.woken: list[Key] = []
        nobody = cast("Connection", None)  # pods are read directly
        self.scrape = Scrape(self.cache, nobody, settings, self.telemetry, self.woken.append, clock)

    def put(self, *pods: Object) -> None:
        for each in pods:
            self.cache.put(PODS, each)

    async def ticks(self, count: int, *, timeout_s: float = 45.0) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
            for _ in range(count):
                await self.scrape.tick(session)
                await asyncio.sleep(PAUSE_S)

    def outcomes(self, outcome: str) -> float:
        found = self.telemetry.registry.get_sample_value("wharfage_scrapes_total", {"outcome": outcome})
        return found or 0.0

    @property
    def load(self) -> float | None:
        """Requests per second, where they are known."""
        seen = self.scrape.load(KEY, self.cache.owned(KEY, kinds=(PODS,)), Objectives())
        return None if seen is None else seen.requests_per_second


async def test_two_readings_make_a_load_and_wake_whose_it_is() -> None:
    world = World()
    world.put(replica("a", "127.7.7.1"))
    async with engine("127.7.7.1", Counting()):
        await world.ticks(1)
        assert world.load is None
        await world.ticks(1)
    assert world.load is not None
    assert world.load > 0.0
    assert set(world.woken) == {KEY}
    assert world.outcomes("read") == 2


async def test_what_engines_have_counted_is_told_as_it_was_read_last_also_when_they_cannot_be_read_now() -> None:
    world = World()
    world.put(replica("a", "127.7.7.1"), replica("b", "127.7.7.2"))
    async with engine("127.7.7.1", text(page(cached=300.0))), engine("127.7.7.2", text("nothing")):
        await world.ticks(1)
    await world.ticks(1)
    ((name, (ago_s, found)),) = world.scrape.counters().items()
    assert name == "uid-a/0"
    assert found == Counters(requests=10.0, prompt_tokens=1000.0, cached_tokens=300.0, output_tokens=500.0)
    assert ago_s >= PAUSE_S


async def test_what_each_pod_has_to_do_is_known_once_it_was_read() -> None:
    world = World()
    world.put(replica("a", "127.7.7.1"), replica("b", "127.7.7.2"), replica("c", "127.7.7.4"))
    async with engine("127.7.7.1", text(page(running=7.0))), engine("127.7.7.2", text(page(running=2.0))):
        await world.ticks(1)
    assert world.scrape.running(KEY) == {"uid-a": 7.0, "uid-b": 2.0}
    assert world.scrape.running(("shop", "another")) == {}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(silent, "failed", id="hangs"),
        pytest.param(endless, "failed", id="never ends"),
        pytest.param(text("# " + "x" * 5 * 2**20), "failed", id="is huge"),
        pytest.param(text("", 302, Location="http://127.7.7.9:8000/metrics"), "failed", id="sends us elsewhere"),
        pytest.param(text("no", 500), "failed", id="is broken"),
        pytest.param(text(page(output_tokens=-5.0)), "failed", id="tells less than nothing"),
        pytest.param(text(page(running=float("nan"))), "failed", id="tells no number"),
        pytest.param(Counting(more=1e9), "impossible", id="tells what no accelerator does"),
    ],
)
async def test_a_pod_that_is_of_no_use_is_left_out_and_counted(answer: Answer, outcome: str) -> None:
    world = World(replace(QUICK, scrape_every_s=1.0))
    world.put(replica("a", "127.7.7.1"), replica("b", "127.7.7.2"), replica("c", "127.7.7.3"))
    async with engine("127.7.7.1", Counting()), engine("127.7.7.2", Counting()), engine("127.7.7.3", answer):
        for _ in range(20):  # the others may be late as well, where the machine stands still
            await world.ticks(2, timeout_s=1.0)
            if world.load is not None:
                break
    assert world.outcomes(outcome) >= 1
    assert world.load is not None


async def test_a_pod_that_does_not_answer_is_asked_less_and_less_often() -> None:
    world = World(replace(QUICK, scrape_every_s=0.2))
    world.put(replica("a", "127.7.7.4"))  # nobody is there
    await world.ticks(12)
    assert 1 <= world.outcomes("failed") <= 6
    assert world.load is None


async def test_a_pod_that_came_since_the_last_round_is_counted_from_its_beginning() -> None:
    world = World()
    world.put(replica("a", "127.7.7.1"))
    new = Counting(requests=100.0, more=0.0)
    async with engine("127.7.7.1", Counting(more=0.0)), engine("127.7.7.2", new):
        await world.ticks(3)
        world.put(replica("b", "127.7.7.2"))
        await world.ticks(1)
    assert world.load is not None
    assert world.load > 0.0  # the other one does nothing


async def test_a_pod_of_before_the_first_round_is_never_counted_from_its_beginning() -> None:
    world = World()
    world.put(replica("a", "127.7.7.1"), replica("b", "127.7.7.2", ready="False"))
    old = Counting(requests=1e6, more=0.0)
    async with engine("127.7.7.1", Counting(more=0.0)), engine("127.7.7.2", old):
        await world.ticks(2)
        world.put(replica("b", "127.7.7.2", version=2))
        await world.ticks(3)
    assert world.load == 0.0


async def test_a_pod_that_is_gone_is_forgotten_when_no_window_reaches_it() -> None:
    world = World(replace(QUICK, scrape_window_s=0.01))
    world.put(replica("a", "127.7.7.1"))
    async with engine("127.7.7.1", Counting()):
        await world.ticks(2)
    world.cache.drop(PODS, ("shop", "a"), uid="uid-a", version=9)
    await asyncio.sleep(0.4)
    await world.ticks(1)
    world.put(replica("a", "127.7.7.1", version=10))
    async with engine("127.7.7.1", Counting(more=0.0)):
        await world.ticks(1)
    assert world.load is None  # one reading of another life


async def test_pods_whose_addresses_lead_nowhere_are_read_through_a_proxy() -> None:
    called: list[str] = []
    counting = Counting()

    async def forward(request: web.Request) -> web.StreamResponse:
        called.append(request.raw_path)
        return await counting(request)

    async with proxy(forward) as address:
        world = World(replace(QUICK, scrape_proxy=address))
        world.put(replica("a", "198.19.128.7"))
        await world.ticks(2)
    assert world.load is not None
    assert called == ["http://198.19.128.7:8000/metrics"] * 2


async def test_rates_are_those_of_the_world_that_the_operator_serves() -> None:
    """An engine of a world forty times as fast has served a fortieth of what a second of the wall shows, a second."""

    async def steady(_: web.Request) -> web.Response:
        return web.Response(text=page(finished=1e4 + 1000.0 * (time.monotonic() - began_s), waiting=0.0))

    began_s = time.monotonic()
    slow = World()
    fast = World(Settings(scrape_every_s=2400.0, scrape_window_s=8.0), Clock(40.0))
    for each in (slow, fast):
        each.put(replica("a", "127.7.7.1"))
    async with engine("127.7.7.1", steady):
        for _ in range(30):  # a page that was read late tells of less than the time it is taken for
            await asyncio.gather(slow.ticks(6), fast.ticks(6))
            assert slow.load is not None
            assert fast.load is not None
            ratio = 40.0 * fast.load / slow.load
            if ratio == pytest.approx(1.0, rel=0.8):
                break
    assert ratio == pytest.approx(1.0, rel=0.8)


async def test_a_deployment_inherits_nothing_of_a_namesake_that_was_deleted() -> None:
    world = World(replace(QUICK, scrape_window_s=60.0))

    def created(uid: str, version: int) -> None:
        metadata = {"namespace": KEY[0], "name": KEY[1], "uid": uid, "resourceVersion": str(version)}
        world.cache.put(LLM_DEPLOYMENTS, {"metadata": metadata})

    created("first", 1)
    world.put(replica("a", "127.7.7.1"))
    async with engine("127.7.7.1", text(page(running=7.0))):
        await world.ticks(1)
        world.cache.drop(PODS, ("shop", "a"), uid="uid-a", version=9)
        await world.ticks(1)
        assert world.scrape.running(KEY) == {"uid-a": 7.0}, "a pod that went counts on within the windows"
        world.cache.drop(LLM_DEPLOYMENTS, KEY, uid="first", version=10)
        created("second", 11)
        await world.ticks(1)
    assert world.scrape.running(KEY) == {}
