"""The ledger in a real API server, whoever keeps it, whatever its clock shows: leaders, set clocks, hours that end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_api.labels import POOL
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Used
from wharfage_autoscaler.usage import Usage
from wharfage_operator.apply import Writer
from wharfage_operator.books import LABEL, OPEN, Open, read_open, read_part
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection, connect
from wharfage_operator.echoes import Echoes
from wharfage_operator.gather import Supply
from wharfage_operator.hours import row_of
from wharfage_operator.kinds import CONFIG_MAPS, DEPLOYMENTS, LLM_DEPLOYMENTS, NODES, OFFER_CATALOGS, PODS, Object
from wharfage_operator.ledger import Bookkeeper
from wharfage_operator.pools import description, pool_hash
from wharfage_operator.settings import Settings
from wharfage_operator.telemetry import Telemetry

from tests.builders import offer
from tests.cluster.lab import Lab
from tests.faults.proxy import FaultProxy
from tests.faults.rules import Answer, Drop, Fault, LoseAnswer, Match, Rule

EIGHT = offer("p5", accelerators=8, accelerator="H100", usd_per_hour=80.0)
POOL_OF_TWO = Pool(EIGHT, "base", 1, 2)
ON_SPOT = Pool(replace(EIGHT, market=Market.SPOT), "base", 1, 2)
NOON_S = datetime(2026, 8, 3, 12, tzinfo=UTC).timestamp()
TENANTS = {"ann": 75.0, "bob": 25.0}
USD_PER_S = 20.0 / 3600.0
"""Of one replica: a quarter of the machine, which others use too."""
CATALOG: Object = {
    "metadata": {"name": "cloud", "uid": "cloud", "resourceVersion": "1"},
    "spec": {
        "provider": "other",
        "observedAt": "2026-08-03T00:00:00Z",
        "offers": [
            {
                "name": "p5",
                "machine": "p5",
                "accelerator": {"name": "H100", "count": 8, "memoryGiB": 80},
                "vcpus": 96,
                "memoryGiB": 1024,
                "prices": [{"market": "OnDemand", "usdPerHour": "80"}],
            }
        ],
    },
}


@dataclass
class Dial:
    """How long it has been since noon, and by how much the wall's clock was set since."""

    passed_s: float = 0.0
    set_s: float = 0.0


class Hands(Clock):
    """A clock that shows what a test says."""

    def __init__(self, dial: Dial) -> None:
        super().__init__()
        object.__setattr__(self, "dial", dial)

    dial: Dial

    @property
    def unix_s(self) -> float:
        return NOON_S + self.dial.passed_s + self.dial.set_s

    @property
    def elapsed_s(self) -> float:
        return self.dial.passed_s

    def own_s(self, wall_s: float) -> float:
        return wall_s


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOON_S + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(uid: str, pool: Pool = POOL_OF_TWO) -> Object:
    """A replica that is bound at noon."""
    moments = [{"type": name, "status": "True", "lastTransitionTime": at(0)} for name in ("PodScheduled", "Ready")]
    labels = {"wharfage.dev/llmdeployment": "chat", POOL: pool_hash(pool.key)}
    metadata = {"name": uid, "namespace": "shop", "uid": uid, "resourceVersion": "4", "labels": labels}
    return {"metadata": metadata, "spec": {"nodeName": "gpu-1"}, "status": {"phase": "Running", "conditions": moments}}


class World:
    """Two replicas on a machine, and the ledger's ConfigMaps in a namespace of the real API server."""

    def __init__(self, lab: Lab, connection: Connection, pool: Pool = POOL_OF_TWO) -> None:
        self.lab = lab
        self.taken_back = False
        """Whether the machine has a notice."""
        self.connection = connection
        self.dial = Dial()
        self.hands = Hands(self.dial)
        self.cache = Cache()
        self.proven: str | None = None
        self.told: list[Telemetry] = []
        """What each leader counts."""
        owner = {"kind": "LLMDeployment", "apiVersion": "wharfage.dev/v1alpha1", "name": "chat", "uid": "llm-uid"}
        model = {"spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}}}
        self._put(NODES, {"name": "gpu-1", "uid": "node-uid", "creationTimestamp": at(0)})
        self._put(LLM_DEPLOYMENTS, {"name": "chat", "namespace": "shop", "uid": "llm-uid"}, **model)
        annotations, owners = {POOL: description(pool)}, [owner]
        metadata = {"name": f"chat-{pool_hash(pool.key)}", "namespace": "shop", "uid": "pool-uid"}
        self._put(DEPLOYMENTS, {**metadata, "annotations": annotations, "ownerReferences": owners})
        self.cache.put(OFFER_CATALOGS, CATALOG)
        for uid in ("one", "two"):
            self.cache.put(PODS, pod(uid, pool))

    def _put(self, kind: Any, metadata: Object, **parts: Any) -> None:
        self.cache.put(kind, {"metadata": {**metadata, "resourceVersion": "1"}, **parts})

    def _tallies(self) -> dict[str, tuple[float, Usage]]:
        """A gateway that began at noon and counts a hundred tokens of either kind a second, three of four Ann's.

        What it counted before the first look is of before there was a ledger.
        """
        passed_s = self.dial.passed_s
        uses = {("chat", name): Used(passed_s, part * passed_s, part * passed_s) for name, part in TENANTS.items()}
        return {"http://10.0.0.1:8081@noon": (0.0, Usage("shop", NOON_S + self.dial.set_s, 0.0, uses))}

    def leader(self, *, everywhere: bool = False) -> Bookkeeper:
        """Another process, which has read nothing yet; one that looks everywhere sees that nobody else is there."""
        telemetry, proven = Telemetry(), self.proven
        self.told.append(telemetry)
        writer = Writer(
            self.connection,
            self.cache,
            telemetry,
            Echoes(lambda _: None),
            conflict_every_s=1.0,
            may_write=lambda: True,
            edited=lambda *_: None,
        )
        return Bookkeeper(
            self.cache,
            self.connection,
            writer,
            Supply(self.cache, Settings()),
            self.hands,
            telemetry,
            namespace=self.lab.system,
            everywhere=everywhere,
            selecting=lambda _: ("all",),
            rows=lambda: row_of(()),
            proven=lambda: proven,
            tallies=self._tallies,
            lost=lambda _: self.taken_back,
        )

    async def runs(self, books: Bookkeeper, seconds: float, *, every_s: float = 5.0) -> None:
        """Let it look for so long."""
        until_s = self.dial.passed_s + seconds
        while self.dial.passed_s < until_s:
            self.dial.passed_s = min(until_s, self.dial.passed_s + every_s)
            await books.turn(self.hands.unix_s)
        self.proven = at(self.dial.passed_s + self.dial.set_s)

    @property
    def open(self) -> Open:
        found = self.lab.server.get(CONFIG_MAPS, self.lab.system, OPEN)
        assert found is not None
        return read_open(found)

    @property
    def closed(self) -> Ledger:
        every = self.lab.server.all(CONFIG_MAPS, self.lab.system)
        ours = [each for each in every if (each["metadata"].get("labels") or {}).get(LABEL) == "closed"]
        return Ledger({begins_s: row for each in ours for begins_s, row in read_part(each).rows.items()})

    def spent(self, books: Bookkeeper) -> float:
        """Dollars that a leader knows of, whenever that was."""
        return books.spent("all", NOON_S - 86_400.0, NOON_S + 7 * 86_400.0)


@asynccontextmanager
async def world(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    async with connect(request_timeout_s=120.0, connect_timeout_s=60.0) as connection:
        yield World(lab, connection)


async def test_a_leader_every_twenty_seconds_for_ten_minutes_books_each_second_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(lab, monkeypatch) as here:
        before: Bookkeeper | None = None
        for number in range(30):
            leader = here.leader()
            await here.runs(leader, 20.0)
            if number % 3 == 0:  # every third is killed
                before = None
                continue
            await leader.close()
            if before is not None:  # it wakes up once more, and is refused: another has written since
                await before.close()
            assert here.spent(leader) == pytest.approx(2 * USD_PER_S * here.dial.passed_s, rel=1e-3)
            before = leader
        spend = here.open.ledger.spend
        assert spend.usd == pytest.approx(2 * USD_PER_S * 600.0, rel=1e-3)
        assert spend.estimated == pytest.approx(0.0, abs=1e-9)
        used = {name: each.prompt_tokens for name, each in spend.tenants}
        assert used == {name: pytest.approx((600.0 - 5.0) * per_s, rel=1e-3) for name, per_s in TENANTS.items()}


async def test_what_a_leader_charged_in_vain_it_counts_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(lab, monkeypatch) as here:
        one, other = here.leader(), here.leader()
        await here.runs(one, 60.0)
        await here.runs(other, 30.0)
        await other.close()
        await here.runs(one, 30.0)
        await one.close()  # is refused
        assert _counted(here) > here.open.ledger.spend.usd
        await here.runs(one, 300.0)
        await one.close()
        assert _counted(here) == pytest.approx(here.open.ledger.spend.usd, rel=1e-6)


@pytest.mark.parametrize(
    ("fault", "times"),
    [(LoseAnswer(), 1), (LoseAnswer(), 3), (Drop(), 2), (Answer(503), 2), (Answer(413), 2)],
    ids=["done and not answered", "done and asked again in vain", "never heard", "refused for now", "refused for good"],
)
async def test_what_a_write_held_whose_answer_was_lost_is_counted_once(
    fault: Fault, times: int, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_open = Match(verb="patch", resource=CONFIG_MAPS.plural, name=OPEN)
    async with FaultProxy(lab.cluster, rules=[Rule(fault=fault, match=of_the_open, nth=2, times=times)]) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig))
        async with connect(request_timeout_s=120.0, connect_timeout_s=60.0) as connection:
            here = World(lab, connection)
            leader, shown = here.leader(), 0.0
            await here.runs(leader, 600.0, every_s=20.0)
            here.cache.forget(PODS, ("shop", "two"))  # an end is written at once
            for _ in range(10):
                await here.runs(leader, 20.0, every_s=20.0)
                assert _counted(here) >= shown
                shown = _counted(here)
                assert shown >= here.open.ledger.spend.usd - 1e-6
            assert sum(bool(each.fault) for each in proxy.requests) == times
            await leader.close()
            assert _counted(here) == pytest.approx(here.open.ledger.spend.usd, rel=1e-6)
            assert here.open.meter.mark_s == here.hands.unix_s


async def test_only_what_ended_after_its_spot_machine_s_notice_is_lost(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    async with connect(request_timeout_s=120.0, connect_timeout_s=60.0) as connection:
        here = World(lab, connection, ON_SPOT)
        leader = here.leader()
        await here.runs(leader, 60.0)
        for uid, taken_back in (("one", False), ("two", True)):
            here.taken_back = taken_back
            here.dial.passed_s += 1.0
            here.cache.forget(PODS, ("shop", uid))
            leader.heard(PODS, pod(uid, ON_SPOT))
            here.taken_back = True  # before the next look
            await here.runs(leader, 20.0)
        assert here.open.ledger.spend.interruptions == 1.0


async def test_a_machine_that_all_have_left_and_others_come_to_is_charged_once_and_all_the_time(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(lab, monkeypatch) as here:
        leader = here.leader(everywhere=True)
        await here.runs(leader, 1200.0, every_s=60.0)
        here.dial.passed_s += 1.0
        for uid in ("one", "two"):
            here.cache.forget(PODS, ("shop", uid))
            leader.heard(PODS, pod(uid))
        await here.runs(leader, 600.0, every_s=60.0)
        here.cache.put(PODS, pod("three"))
        await here.runs(leader, 600.0, every_s=60.0)
        assert here.spent(leader) == pytest.approx(80.0 / 3600.0 * here.dial.passed_s, rel=1e-6)
        await leader.close()


async def test_prices_of_days_ago_are_charged_on_demand_and_budgets_hear_by_how_much_more(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    async with connect(request_timeout_s=120.0, connect_timeout_s=60.0) as connection:
        here = World(lab, connection, ON_SPOT)
        (sold,) = CATALOG["spec"]["offers"]
        prices = [*sold["prices"], {"market": "Spot", "usdPerHour": "32"}]
        spec = {**CATALOG["spec"], "offers": [{**sold, "prices": prices}]}
        here.cache.put(OFFER_CATALOGS, {"metadata": {**CATALOG["metadata"], "resourceVersion": "2"}, "spec": spec})
        leader = here.leader()
        await here.runs(leader, 60.0)
        assert leader.markup("all") == 1.0
        await here.runs(leader, 2 * 86_400.0, every_s=7200.0)
        assert leader.markup("all") == pytest.approx(80.0 / 32.0)
        assert leader.markup("another") == 1.0


def _counted(here: World) -> float:
    """Dollars by the counters of all leaders."""
    shown = [metric for told in here.told for metric in told.registry.collect()]
    return sum(each.value for metric in shown for each in metric.samples if each.name == "wharfage_cost_total")


async def test_an_hour_that_ends_is_closed_and_counted_once_by_whoever_comes_next(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(lab, monkeypatch) as here:
        first = here.leader()
        await here.runs(first, 3500.0, every_s=100.0)
        assert not here.closed.rows
        await here.runs(first, 200.0, every_s=20.0)
        assert here.closed.rows.keys() == {NOON_S}
        assert here.closed.spend.usd == pytest.approx(40.0, rel=1e-3)
        used = {name: each.prompt_tokens for name, each in here.closed.spend.tenants}
        assert used == {name: pytest.approx((3600.0 - 100.0) * per_s, rel=1e-3) for name, per_s in TENANTS.items()}
        for _ in range(3):
            leader = here.leader()
            await here.runs(leader, 10.0)
            assert here.spent(leader) == pytest.approx(2 * USD_PER_S * here.dial.passed_s, rel=1e-3)
            await leader.close()
        assert here.open.ledger.rows.keys() == {NOON_S + 3600.0}


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
async def test_a_clock_that_is_set_by_an_hour_books_no_second_twice_and_loses_none(
    step_s: float, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(lab, monkeypatch) as here:
        leader, before = here.leader(), 0.0
        for jump_s in (0.0, step_s, 0.0, -step_s, 0.0):
            here.dial.set_s += jump_s
            for _ in range(6):
                await here.runs(leader, 10.0)
                assert here.spent(leader) >= before
                before = here.spent(leader)
        await leader.close()
        assert here.spent(leader) == pytest.approx(2 * USD_PER_S * here.dial.passed_s, rel=1e-3)


async def test_six_hours_without_an_operator_are_charged_and_only_what_is_not_known_is_a_guess(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(lab, monkeypatch) as here:
        await here.runs(here.leader(), 60.0)
        here.dial.passed_s += 6 * 3600.0
        here.cache.forget(PODS, ("shop", "two"))
        leader = here.leader()
        await here.runs(leader, 60.0)
        spend = leader.spend("all", NOON_S - 86_400.0, NOON_S + 7 * 86_400.0)
        certain = USD_PER_S * here.dial.passed_s + USD_PER_S * 60.0
        assert spend.usd - spend.estimated == pytest.approx(certain, rel=1e-2)
        assert spend.estimated == pytest.approx(USD_PER_S * 6 * 3600.0, rel=1e-2)
