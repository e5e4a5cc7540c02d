"""What was spent in seven days, by the ledger's rows and what has run since they were written."""

import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.metering import HOUR_S, charged
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import NOTHING, Account, Payer, Spend
from wharfage_operator.books import OPEN, Open, part_name, written_open, written_part
from wharfage_operator.spending import HOURS, Course, Spending, by_deployment, course, first_hour, unwritten

from tests.histories import ENDS_S, Fleet, fleets, row_of, seen
from tests.operator.connected import connected

NOW_S = 1_790_000_000.0


def account(name: str = "chat", namespace: str = "shop", *, budget: str = "", uid: str = "") -> Account:
    return Account(
        Payer(uid or f"uid-{name}", namespace, name), ("cloud", "g6", Market.SPOT, "a"), (budget,) if budget else ()
    )


def test_rows_are_summed_by_namespace_and_hour_whatever_the_offer_and_the_budget() -> None:
    from_s = first_hour(NOW_S)
    row = {account(): Spend(1.0, 0.5, 0.25), account(budget="b"): Spend(2.0), account("big", "team"): Spend(9.0)}
    halves = Ledger({from_s + 7200.0: row, from_s + 9000.0: {account("small"): Spend(4.0)}, from_s - HOUR_S: row})
    found = course([by_deployment(halves)], from_s, kept_s=NOW_S, late=False)
    assert found.by_namespace["shop"][2] == Spend(7.0, 0.5, 0.25)
    assert sum(spend.usd for spend in found.by_namespace["shop"]) == 7.75, "what is older than seven days is left out"
    assert found.by_namespace["team"][2] == Spend(9.0)
    assert found.by_uid["uid-chat"][0] == 3.75
    assert len(found.by_namespace["team"]) == HOURS
    assert len(found.by_uid["uid-big"]) == 28


def test_one_that_is_deleted_and_made_again_begins_its_week_anew_and_its_namespace_keeps_both() -> None:
    from_s = first_hour(NOW_S)
    row = {account(): Spend(1.0), account(uid="made-again"): Spend(2.0)}
    found = course([by_deployment(Ledger({from_s: row}))], from_s, kept_s=NOW_S, late=False)
    assert {uid: sum(week) for uid, week in found.by_uid.items()} == {"uid-chat": 1.0, "made-again": 2.0}
    assert found.by_namespace["shop"][0].usd == 3.0


def test_the_hours_end_with_the_one_that_runs() -> None:
    assert first_hour(NOW_S) + HOURS * HOUR_S > NOW_S >= first_hour(NOW_S) + (HOURS - 1) * HOUR_S


@given(fleets())
def test_what_has_run_since_is_what_the_ledger_will_charge_while_nothing_changes(fleet: Fleet) -> None:
    mark_s = ENDS_S / 2
    meter, _ = charged(Meter(-1.0), seen(fleet, -1.0, mark_s, mark_s), mark_s, proven_s=mark_s, row_of=row_of)
    later_s = mark_s + random.Random(1).uniform(1.0, 9000.0)
    _, charges = charged(meter, _still(meter), later_s, proven_s=later_s, row_of=row_of)
    found = unwritten(meter, later_s)
    told = sum((spend for row in found.values() for spend in row.values()), NOTHING)
    wanted = sum(charges.values(), NOTHING)
    assert told.usd == pytest.approx(wanted.usd, rel=1e-9)
    assert told.idle == pytest.approx(wanted.idle, rel=1e-9, abs=1e-12)
    assert told.startup == pytest.approx(wanted.startup, rel=1e-9, abs=1e-12)


def _still(meter: Meter) -> dict[str, Machine]:
    return dict(meter.machines)


def test_hours_are_cut_where_they_begin() -> None:
    stay = Stay(account(), 0.5, 0.0, ready_s=10.0)
    meter = Meter(1800.0, {"m": Machine(4.0, whole=True, since_s=0.0, stays={"p": stay})})
    found = unwritten(meter, 3600.0 + 900.0)
    assert {begins_s: row["shop", "uid-chat"] for begins_s, row in found.items()} == {
        0.0: Spend(serving=1.0, idle=1.0),
        3600.0: Spend(serving=0.5, idle=0.5),
    }
    assert unwritten(meter, 1800.0) == {}
    assert unwritten(meter, 100.0) == {}, "a clock that was set back"


class Shelf:
    """An API server with the ledger's ConfigMaps, and which of them were read."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.read: list[str] = []
        self.app = web.Application()
        self.app.router.add_get("/api/v1/namespaces/system/configmaps", self._all)
        self.app.router.add_get("/api/v1/namespaces/system/configmaps/{name}", self._one)

    def put(self, manifest: dict[str, Any], version: int) -> None:
        """Store one at a resource version."""
        metadata = {**manifest["metadata"], "uid": manifest["metadata"]["name"], "resourceVersion": str(version)}
        self.kept[manifest["metadata"]["name"]] = {**manifest, "metadata": metadata}

    async def _all(self, request: web.Request) -> web.Response:
        assert request.query["labelSelector"] == "wharfage.dev/ledger=closed"
        items = [{"metadata": each["metadata"]} for name, each in self.kept.items() if name != OPEN]
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": items})

    async def _one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.read.append(name)
        return web.json_response(self.kept.get(name, {}), status=200 if name in self.kept else 404)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def test_only_what_has_changed_is_read_again_and_an_open_row_counts_once(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour_s = NOW_S - NOW_S % HOUR_S
    old_s = hour_s - 30 * HOUR_S
    names = [part_name(old_s), part_name(hour_s)]
    rows = {hour_s: {account(): Spend(3.0)}, old_s: {account(): Spend(1.0)}}
    shelf.put(written_part("system", names[0], Ledger({old_s: rows[old_s]})), 1)
    shelf.put(written_part("system", names[1], Ledger({hour_s: {account(): Spend(2.0)}})), 1)
    ancient_s = old_s - 40 * 86400.0
    shelf.put(written_part("system", part_name(ancient_s), Ledger({ancient_s: rows[old_s]})), 1)
    stay = Stay(account(), 1.0, 0.0, ready_s=0.0)
    meter = Meter(NOW_S - 36.0, {"m": Machine(100.0, whole=True, since_s=0.0, stays={"p": stay})})
    shelf.put(written_open("system", Open(meter, Ledger({hour_s: rows[hour_s]}), since_s=0.0, closed_s=0.0)), 1)
    monkeypatch.setattr("wharfage_operator.spending._FRESH_S", 0.0)
    async with connected(shelf.app, tmp_path, monkeypatch) as connection:
        spending = Spending(connection, "system", lambda: NOW_S)
        found = await spending.course()
        assert total(found) == pytest.approx(1.0 + 3.0 + 1.0), "closed, open, and 36 s at 100 dollars an hour"
        assert found.kept_s == NOW_S - 36.0
        assert sorted(shelf.read) == sorted([OPEN, *names])
        shelf.put(written_part("system", names[0], Ledger({old_s: {account(): Spend(1.5)}})), 2)
        shelf.read.clear()
        assert total(await spending.course()) == pytest.approx(5.5)
        assert sorted(shelf.read) == sorted([OPEN, names[0]])
        assert set(spending.namespaces) == {"shop"}


async def test_what_nobody_has_kept_for_hours_is_said_and_not_guessed(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay = Stay(account(), 1.0, 0.0, ready_s=0.0)
    meter = Meter(NOW_S - 3 * HOUR_S, {"m": Machine(100.0, whole=True, since_s=0.0, stays={"p": stay})})
    shelf.put(written_open("system", Open(meter, Ledger(), since_s=0.0, closed_s=0.0)), 1)
    async with connected(shelf.app, tmp_path, monkeypatch) as connection:
        found = await Spending(connection, "system", lambda: NOW_S).course()
    assert (found.late, found.kept_s, total(found)) == (True, NOW_S - 3 * HOUR_S, 0.0)


async def test_before_there_is_a_ledger_there_is_nothing(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(shelf.app, tmp_path, monkeypatch) as connection:
        found = await Spending(connection, "system", lambda: NOW_S).course()
    assert (dict(found.by_namespace), found.kept_s) == ({}, None)


def total(found: Course) -> float:
    return sum(spend.usd for hours in found.by_namespace.values() for spend in hours)
