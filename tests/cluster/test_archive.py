"""The history of a deployment's load in a real API server: through restarts, beside its deployment, gone with it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from wharfage_autoscaler.calibration import Calibration
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.steptime import Theta
from wharfage_operator.apply import Writer
from wharfage_operator.archive import MANAGER, Archive, config_map_key
from wharfage_operator.cache import Cache
from wharfage_operator.connection import connect
from wharfage_operator.echoes import Echoes
from wharfage_operator.history import STEP_S, Row, Rows, read, rows_of
from wharfage_operator.kinds import CONFIG_MAPS, LLM_DEPLOYMENTS, Key
from wharfage_operator.lessons import NOTHING, Lessons, Make
from wharfage_operator.telemetry import Telemetry

from tests.cluster.lab import Lab
from tests.cluster.server import Object, eventually

T0 = 1_790_000_100.0


def load(requests: float) -> Load:
    return Load(60.0, requests, 100 * requests, 50 * requests, running=1.0, waiting=0.0)


class Shop:
    """One deployment, and operators that keep its history, one after the other."""

    def __init__(self, lab: Lab, deployment: Object) -> None:
        self.lab = lab
        self.key: Key = (lab.namespace, "chat")
        self.deployment = deployment
        self.now: Callable[[], Load | None] = lambda: load(4.0)

    @asynccontextmanager
    async def archive(self, **options: Any) -> AsyncIterator[Archive]:
        """An operator that has just started."""
        async with connect(request_timeout_s=120.0, connect_timeout_s=60.0) as connection:
            cache = Cache()
            cache.put(LLM_DEPLOYMENTS, self.deployment)
            writer = Writer(
                connection,
                cache,
                Telemetry(),
                Echoes(lambda _: None),
                conflict_every_s=1.0,
                may_write=lambda: True,
                edited=lambda *_: None,
            )
            yield Archive(
                cache, connection, writer, lambda _: self.now(), every_s=options.pop("every_s", 600.0), **options
            )

    def stored(self) -> Object | None:
        namespace, name = config_map_key(self.key)
        return self.lab.server.get(CONFIG_MAPS, namespace, name)


@pytest.fixture
def shop(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    return Shop(lab, lab.create())


async def minutes(archive: Archive, first_s: float, count: int) -> None:
    for minute in range(count):
        await archive.turn(first_s + 60.0 * minute)


async def test_a_restarted_operator_knows_what_it_knew_and_the_time_between_is_a_gap(shop: Shop) -> None:
    async with shop.archive() as first:
        await minutes(first, T0, 26)
    async with shop.archive() as second:
        await second.turn(T0 + 8 * STEP_S)
        restored = list(second.rows(shop.key))
        assert restored
        assert set(restored) == {Row(4.0, 400.0, 200.0)}
        await minutes(second, T0 + 8 * STEP_S, 6)
        rows = list(second.rows(shop.key))
    assert rows[-1] == Row(4.0, 400.0, 200.0)
    assert None in rows[len(restored) : -1]


async def test_a_clock_that_was_ahead_ends_no_history(shop: Shop) -> None:
    async with shop.archive() as first:
        await minutes(first, T0, 31)
        await minutes(first, T0 + 1_000 * STEP_S, 12)
    async with shop.archive() as second:
        await minutes(second, T0 + 7 * STEP_S, 31)
        rows = second.rows(shop.key)
    assert (rows.start_s, rows.end_s) == (T0, T0 + 13 * STEP_S)
    assert None not in list(rows)[7:]
    assert read(shop.stored()["binaryData"]["rows"]).end_s <= T0 + 13 * STEP_S  # type: ignore[index]


async def test_a_clock_that_is_set_back_while_it_runs_ends_no_history(shop: Shop) -> None:
    async with shop.archive() as archive:
        await minutes(archive, T0, 16)
        await minutes(archive, T0 + 1_000 * STEP_S, 12)
        await minutes(archive, T0 + 4 * STEP_S, 31)
        rows = archive.rows(shop.key)
        assert (rows.start_s, rows.end_s) == (T0, T0 + 10 * STEP_S)
        stored = shop.stored()
        assert stored is not None
        assert read(stored["binaryData"]["rows"]).end_s <= T0 + 10 * STEP_S


async def test_it_is_written_now_and_then_under_a_manager_of_its_own(shop: Shop) -> None:
    async with shop.archive(every_s=1200.0) as archive:
        versions = set()
        for minute in range(60):
            await archive.turn(T0 + 60.0 * minute)
            if (stored := shop.stored()) is not None:
                versions.add(stored["metadata"]["resourceVersion"])
    assert 2 <= len(versions) <= 4
    found = shop.stored()
    assert found is not None
    assert {row["manager"] for row in found["metadata"]["managedFields"]} == {MANAGER}
    assert "app.kubernetes.io/managed-by" not in found["metadata"]["labels"]


async def test_what_engines_taught_is_read_back_and_written_at_once_where_it_is_planned_with(shop: Shop) -> None:
    make = Make("hf://Qwen/Qwen3-8B", "", "L4", 1, "engine")
    taught = Lessons({make: Calibration(accepted=7)}).planning(make, Theta(1.2, 1.1, 0.9))
    learned: list[Lessons] = [NOTHING]
    known = {"learned": lambda key, uid: Experience(), "taught": lambda key: learned[0]}
    async with shop.archive(every_s=1e6, **known) as archive:
        await archive.turn(T0)
        learned[0] = taught
        await archive.turn(T0 + 60.0)
    stored = shop.stored()
    assert stored is not None
    assert json.loads(stored["data"]["calibration"])["said"][0]["on"] == "L4 x1"
    async with shop.archive() as archive:
        await archive.turn(T0 + 120.0)
        before = archive.before(shop.key, shop.deployment["metadata"]["uid"])
    assert before is not None
    assert before.lessons == taught


async def test_it_goes_with_its_deployment(shop: Shop) -> None:
    async with shop.archive() as archive:
        await minutes(archive, T0, 26)
    assert shop.stored() is not None
    shop.lab.server.delete(LLM_DEPLOYMENTS, *shop.key)
    await asyncio.to_thread(eventually, lambda: shop.stored() is None)  # the collector looks for new kinds


async def test_minutes_without_a_load_make_no_row(shop: Shop) -> None:
    shop.now = lambda: None
    async with shop.archive() as archive:
        await minutes(archive, T0, 26)
        assert len(archive.rows(shop.key)) == 0
    assert shop.stored() is None


async def test_somebody_elses_object_of_that_name_is_left_alone(shop: Shop) -> None:
    namespace, name = config_map_key(shop.key)
    theirs = {"metadata": {"name": name, "namespace": namespace}, "data": {"theirs": "kept"}}
    shop.lab.server.create(CONFIG_MAPS, theirs)
    async with shop.archive() as archive:
        await minutes(archive, T0, 26)
    found = shop.stored()
    assert found is not None
    assert (found["data"], found.get("binaryData")) == ({"theirs": "kept"}, None)


async def test_what_is_no_history_begins_anew(shop: Shop) -> None:
    async with shop.archive() as archive:
        await minutes(archive, T0, 26)
    namespace, name = config_map_key(shop.key)
    shop.lab.server.merge(CONFIG_MAPS, namespace, name, {"binaryData": {"rows": "bm9uZQ=="}})
    async with shop.archive() as archive:
        await archive.turn(T0 + 8 * STEP_S)
        assert len(archive.rows(shop.key)) == 0


async def test_a_paused_deployment_is_not_written_to(shop: Shop) -> None:
    shop.deployment["metadata"]["annotations"] = {"wharfage.dev/paused": "true"}
    async with shop.archive() as archive:
        await minutes(archive, T0, 26)
        assert len(archive.rows(shop.key)) > 0
    assert shop.stored() is None


async def test_what_a_prometheus_remembers_fills_what_was_not_seen(shop: Shop) -> None:
    async def past(_: Key) -> Rows:
        return rows_of(int(T0) - 12 * STEP_S, [2.0] * 12, [200.0] * 12, [100.0] * 12)

    async with shop.archive(past=past) as archive:
        await minutes(archive, T0, 11)
        rows = list(archive.rows(shop.key))
    assert rows == [Row(2.0, 200.0, 100.0)] * 12 + [Row(4.0, 400.0, 200.0)] * 2
