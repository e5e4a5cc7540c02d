"""What is known of machines, in a real API server: the next process knows it, as far as it can be read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from wharfage_autoscaler.offers import Market
from wharfage_operator.almanac import NAME, Almanac
from wharfage_operator.apply import Writer
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.connection import connect
from wharfage_operator.echoes import Echoes
from wharfage_operator.kinds import CONFIG_MAPS, LLM_DEPLOYMENTS
from wharfage_operator.leads import Lead, Leads, Start
from wharfage_operator.lookout import Lookout
from wharfage_operator.shortages import News, Report, Shortages
from wharfage_operator.telemetry import Telemetry

from tests.cluster.between import Between
from tests.cluster.lab import Lab, llm
from tests.faults.rules import Answer, Match, Rule

OFFER = ("cloud", "g6.xlarge", Market.SPOT, "a")
LEADS = Leads({OFFER: tuple(Start(("shop", "chat"), f"{n}", Lead(40.0, 90.0), float(n)) for n in range(3))})
SHORT = Shortages().heard([Report(OFFER, News.LOST, 1000.0)], 1000.0)


class Process:
    """What one process of the operator knows of machines."""

    def __init__(self, lab: Lab, connection: Any) -> None:
        cache, telemetry = Cache(), Telemetry()
        there = {"uid": "u", "resourceVersion": "1"}
        cache.put(LLM_DEPLOYMENTS, {**llm("shop"), "metadata": {"name": "chat", "namespace": "shop", **there}})
        self.lookout = Lookout(cache, Clock())
        writer = Writer(
            connection,
            cache,
            telemetry,
            Echoes(lambda _: None),
            conflict_every_s=1.0,
            may_write=lambda: True,
            edited=lambda *_: None,
        )
        self.almanac = Almanac(self.lookout, cache, connection, writer, lab.system)


@asynccontextmanager
async def process(lab: Lab, monkeypatch: pytest.MonkeyPatch, kubeconfig: Path | None = None) -> AsyncIterator[Process]:
    """A process that has just started, and has read nothing yet."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig or lab.cluster.kubeconfig))
    async with connect(request_timeout_s=120.0, connect_timeout_s=60.0) as connection:
        yield Process(lab, connection)


async def wrote(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier process has learned something."""
    async with process(lab, monkeypatch) as earlier:
        await earlier.almanac.restore()
        earlier.lookout.leads, earlier.lookout.shortages = LEADS, SHORT
        await earlier.almanac.turn()


async def test_the_next_process_knows_what_this_one_knew(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    await wrote(lab, monkeypatch)
    async with process(lab, monkeypatch) as after:
        assert not after.almanac.read.is_set()
        await after.almanac.restore()
        assert (after.lookout.leads.starts, after.lookout.shortages) == (LEADS.starts, SHORT)
        assert not after.lookout.shortages.obtainable(OFFER, 1100.0)


async def test_it_is_written_only_when_it_has_changed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with process(lab, monkeypatch) as one:
        await one.almanac.restore()
        versions = set()
        for shortages in (Shortages(), Shortages(), SHORT, SHORT):
            one.lookout.leads, one.lookout.shortages = LEADS, shortages
            await one.almanac.turn()
            found = lab.server.get(CONFIG_MAPS, lab.system, NAME)
            assert found is not None
            versions.add(found["metadata"]["resourceVersion"])
    assert len(versions) == 2


@pytest.mark.parametrize("part", ["leads", "shortages"])
async def test_a_part_that_cannot_be_read_begins_anew_and_the_other_does_not(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    await wrote(lab, monkeypatch)
    lab.server.merge(CONFIG_MAPS, lab.system, NAME, {"data": {part: "[[1]]"}})
    async with process(lab, monkeypatch) as after:
        await after.almanac.restore()
        known = {"leads": bool(after.lookout.leads.starts), "shortages": bool(after.lookout.shortages.by_offer)}
    assert known == {"leads": True, "shortages": True} | {part: False}


async def test_an_api_server_that_does_not_answer_yet_is_waited_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    await wrote(lab, monkeypatch)
    once = Rule(fault=Answer(503), match=Match(resource="configmaps"))
    with Between(lab.cluster, once) as proxy:
        async with process(lab, monkeypatch, proxy.kubeconfig) as after:
            reading = asyncio.create_task(after.almanac.restore())
            await asyncio.sleep(0)
            assert not after.almanac.read.is_set()
            await reading
            assert after.lookout.leads.starts == LEADS.starts


async def test_who_may_not_read_it_begins_anew(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    await wrote(lab, monkeypatch)
    refused = Rule(fault=Answer(403), match=Match(resource="configmaps"), times=None)
    with Between(lab.cluster, refused) as proxy:
        async with process(lab, monkeypatch, proxy.kubeconfig) as after:
            await after.almanac.restore()
            assert after.lookout.leads.starts == {}
            assert after.almanac.read.is_set()
