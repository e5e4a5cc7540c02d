"""GPUs of deployments out of a real Prometheus that reads a DCGM exporter's page."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wharfage_operator.asked import connected
from wharfage_operator.cache import Cache
from wharfage_operator.dcgm import Gpus, gpus, grown_j, together, words
from wharfage_operator.kinds import PODS
from wharfage_operator.sensors import Sensors
from wharfage_operator.settings import Settings
from wharfage_operator.telemetry import Telemetry

from tests.operator.dcgm_pages import Gpu, page
from tests.operator.objects import replica
from tests.operator.servers import Asked, answering, body
from tests.prometheus import scraping

TWO = (Gpu(0, "a", util=60.0, watts=250.0), Gpu(1, "a", util=80.0, watts=350.0))
WHOSE = {"namespace": "shop", "name": "chat"}


class Exporter:
    """Answers with a page, and may be changed."""

    def __init__(self, shown: Iterable[Gpu]) -> None:
        self.gpus = tuple(shown)

    def __call__(self, handler: Asked) -> None:
        body(page(self.gpus), Content_Type="text/plain; version=0.0.4")(handler)


@contextmanager
def prometheus(exporter: Exporter, folder: Path, *, honoured: bool) -> Iterator[str]:
    labels = {"namespace": "gpu-operator", "pod": "nvidia-dcgm-exporter-x7k2p"}
    with answering(exporter) as url, scraping({url[len("http://") :]: labels}, folder, honoured=honoured) as asked:
        yield asked


class Looking:
    """An operator's sensors over two pods of `shop/chat`."""

    def __init__(self, url: str) -> None:
        cache = Cache()
        for name in ("a", "b"):
            cache.put(PODS, replica(name, "127.7.7.1"))
        self._settings = Settings(prometheus_url=url)
        self._telemetry = Telemetry()
        self.sensors = Sensors(cache, self._settings, self._telemetry)

    async def look(self) -> None:
        async with connected(self._settings) as session:
            await self.sensors.tick(session)

    async def until(self, name: str, value: float) -> None:
        """Look until a figure is told, which it is once Prometheus has read it."""
        for _ in range(300):
            await self.look()
            if self.shown(name) == pytest.approx(value):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{name} is {self.shown(name)}")

    def shown(self, name: str) -> float | None:
        return self._telemetry.registry.get_sample_value(f"wharfage_{name}", WHOSE)


@pytest.mark.parametrize("honoured", [True, False], ids=["labels honoured", "labels exported"])
async def test_busy_power_and_energy_of_a_deployment(tmp_path: Path, *, honoured: bool) -> None:
    exporter = Exporter((*TWO, Gpu(2, "b", util=10.0, watts=90.0), Gpu(3), Gpu(4, "other", watts=700.0)))
    with prometheus(exporter, tmp_path, honoured=honoured) as url:
        looking = Looking(url)
        await looking.until("gpu_power_watts", 690.0)
        await looking.until("gpu_busy_ratio", 0.5)  # each figure is a question of its own: it may come a look later
        assert looking.sensors.told(("shop", "chat"), 300.0) == (
            "3 GPUs: 50 % busy, 690 W, 2.3 J per token of answers",
        )
        assert looking.sensors.told(("shop", "other"), 300.0) == ()
        exporter.gpus = tuple(replace(gpu, energy_mj=gpu.energy_mj + 4000.0) for gpu in exporter.gpus)
        await looking.until("energy_joules_total", 3 * 4.0)


async def test_of_slices_nothing_is_told_since_each_repeats_the_whole(tmp_path: Path) -> None:
    exporter = Exporter((Gpu(0, "a", slice_="1"), Gpu(0, "b", slice_="2"), Gpu(1, "b", watts=100.0)))
    with prometheus(exporter, tmp_path, honoured=True) as url:
        looking = Looking(url)
        await looking.until("gpu_power_watts", 100.0)


async def test_without_an_exporter_nothing_is_shown(tmp_path: Path) -> None:
    with scraping({}, tmp_path) as url:
        looking = Looking(url)
        await looking.look()
        figures = ("gpu_busy_ratio", "gpu_power_watts", "energy_joules_total")
        assert [looking.shown(name) for name in figures] == [None, None, None]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data": {"result": [{"metric": [], "value": 1}]}}', "<html>"])
async def test_a_server_that_is_of_no_use_tells_nothing_and_breaks_nothing(text: str) -> None:
    with answering(body(text)) as url:
        looking = Looking(url)
        await looking.look()
        assert looking.shown("gpu_power_watts") is None


def test_a_machine_that_booted_or_a_gpu_that_came_has_used_nothing_yet() -> None:
    before = Gpus(2, joules={"x": 100.0, "y": 500.0})
    assert grown_j(before, Gpus(2, joules={"x": 130.0, "y": 20.0, "z": 900.0})) == 30.0
    assert grown_j(None, before) == 0.0
    assert grown_j(Gpus(1), before) == 0.0


def test_what_cannot_be_is_not_believed() -> None:
    def answer(value: str) -> dict[str, Any]:
        return {"data": {"result": [{"metric": {"namespace": "shop", "pod": "a", "UUID": "x"}, "value": [0, value]}]}}

    assert gpus({"watts": answer("1e9")}) == {("shop", "a"): Gpus(1)}
    assert gpus({"watts": answer("NaN"), "busy": answer("250")}) == {("shop", "a"): Gpus(1, busy=1.0)}


def test_what_is_told_of_some_only_is_told_of_those() -> None:
    assert together({}) is None
    found = together({("shop", "a"): Gpus(1, busy=0.2), ("shop", "b"): Gpus(3, busy=0.6), ("shop", "c"): Gpus(2)})
    assert found is not None
    assert (found.count, found.watts) == (6, None)
    assert found.busy == pytest.approx(0.5)
    assert words(Gpus(1), None) == "1 GPU: nothing is told of them"
