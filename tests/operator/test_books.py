"""The ledger as ConfigMaps: read as it was written, or not at all."""

import base64
import random
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from wharfage_autoscaler.counting import Counters, Mark
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Meter
from wharfage_autoscaler.metering import charged
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Served, Spend, Used
from wharfage_autoscaler.tenants import MOST, OTHERS
from wharfage_autoscaler.usage import Usage
from wharfage_operator.books import (
    OPEN,
    Open,
    Unreadable,
    Wanted,
    day_name,
    part_name,
    parts,
    read_open,
    read_part,
    written_open,
    written_part,
)
from wharfage_operator.packing import unpacked

from tests.histories import ENDS_S, Fleet, fleets, row_of, seen

HOUR_S = 3600.0
MIDNIGHT_S = 1_790_000_000.0 // 86400 * 86400
ACCOUNT = Account(
    Payer("1", "shop", "chat", "search", "hf://Qwen/Qwen3-8B"), ("cloud", "g6", Market.SPOT, "a"), ("month", "team")
)


@given(fleets())
def test_what_is_open_is_read_as_it_was_written(fleet: Fleet) -> None:
    meter, charges = charged(Meter(-1.0), seen(fleet, -1.0, ENDS_S, ENDS_S), ENDS_S, proven_s=ENDS_S, row_of=row_of)
    marks = {"pod/0": Mark(ACCOUNT, ENDS_S - 0.5, Counters(1.0, 2.0, 3.0, 4.0))}
    uses = {("chat", "ann"): Used(1.0, 2.0, 3.0), ("chat", ""): Used(4.0), ("other", "ann"): Used(output_tokens=5.0)}
    usages = {"http://10.0.0.1:8081@1.500": Usage("shop", 1.5, ENDS_S - 0.25, uses)}
    books = Open(meter, Ledger().posted(charges), since_s=12.5, closed_s=1800.0, marks=marks, usages=usages)
    found = read_open(written_open("system", books))
    assert (found.meter, found.since_s, found.closed_s, found.marks) == (meter, 12.5, 1800.0, marks)
    assert found.usages == usages
    assert found.ledger.spend.usd == pytest.approx(books.ledger.spend.usd, abs=1e-6)
    assert found.ledger.rows.keys() == books.ledger.rows.keys()


def test_closed_rows_lie_in_the_quarter_of_their_day() -> None:
    served = Served(1.0, 900.0, 90.5, 220.0, 50.5, 0.5)
    tenants = (("", Used(1.0, 9.0, 2.0)), ("ann", Used(7.0, 8.0, 9.0)))
    rows = {
        MIDNIGHT_S + hour * HOUR_S: {
            ACCOUNT: Spend(serving=float(hour), machine_hours=0.25, interruptions=1.0, served=served, tenants=tenants)
        }
        for hour in (0, 5, 6, 23, 24)
    }
    found = parts(Ledger(rows))
    assert sorted(sorted(begins_s for begins_s in part.rows) for part in found.values()) == [
        [MIDNIGHT_S, MIDNIGHT_S + 5 * HOUR_S],
        [MIDNIGHT_S + 6 * HOUR_S],
        [MIDNIGHT_S + 23 * HOUR_S],
        [MIDNIGHT_S + 24 * HOUR_S],
    ]
    for name, part in found.items():
        assert all(part_name(begins_s) == name for begins_s in part.rows)
        assert read_part(written_part("system", name, part)) == part


def test_a_row_of_before_there_were_tenants_is_read_and_one_of_many_names_those_with_the_most_tokens() -> None:
    served = Served(1.0, 900.0, 90.5, 220.0, 50.5, 0.5)
    row = {ACCOUNT: Spend(serving=1.0, served=served)}
    old = written_part("system", part_name(MIDNIGHT_S), Ledger({MIDNIGHT_S: row}))
    assert set(unpacked(old["binaryData"]["ledger"])) == {"accounts", "rows"}
    assert read_part(old) == Ledger({MIDNIGHT_S: row})
    many = tuple(sorted((f"tenant-{n}", Used(1.0, float(n), 1.0)) for n in range(MOST + 5)))
    crowded = Ledger({MIDNIGHT_S: {ACCOUNT: Spend(serving=1.0, served=served, tenants=many)}})
    (spend,) = read_part(written_part("system", part_name(MIDNIGHT_S), crowded)).rows[MIDNIGHT_S].values()
    assert len(spend.tenants) == MOST
    assert dict(spend.tenants)[OTHERS] == Used(6.0, 15.0, 6.0)


def test_of_a_day_that_is_there_whole_no_quarter_is_read_nor_what_is_over_before() -> None:
    names = ["20260830", "20260831-3", "20260901", "20260901-0", "20260901-3", "20260902-0", "20260903"]
    found = [{"metadata": {"name": f"wharfage-ledger-{name}"}} for name in names]
    noon_s = 1_788_264_000.0
    assert day_name(noon_s) == "wharfage-ledger-20260901"
    read = [each["metadata"]["name"].removeprefix("wharfage-ledger-") for each in filter(Wanted(noon_s), found)]
    assert read == ["20260901", "20260902-0", "20260903"]


def broken(**changes: Any) -> dict[str, Any]:
    whole = written_open("system", Open(Meter(0.0), Ledger(), 0.0, 0.0))
    return {**whole, **changes}


def packed(text: bytes) -> dict[str, str]:
    return {"ledger": base64.b64encode(zlib.compress(text)).decode()}


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(broken(data={"form": "2"}), id="a later form"),
        pytest.param(broken(data=None), id="no form"),
        pytest.param(broken(binaryData=None), id="no data"),
        pytest.param(broken(binaryData={"ledger": "!"}), id="no base64"),
        pytest.param(broken(binaryData={"ledger": "AAAA"}), id="not compressed"),
        pytest.param(broken(binaryData=packed(b"{")), id="no JSON"),
        pytest.param(broken(binaryData=packed(b"[]")), id="no object"),
        pytest.param(broken(binaryData=packed(b"{}")), id="nothing in it"),
        pytest.param(broken(binaryData=packed(b'{"rows":[[0,[[3,1,1,1,1]]]],"accounts":[]}')), id="an unknown account"),
    ],
)
def test_what_cannot_be_read_says_which_and_what_to_do(found: dict[str, Any]) -> None:
    for read in (read_open, read_part):
        with pytest.raises(Unreadable, match=rf"system/{OPEN}.*save it elsewhere and delete it"):
            read(found)


def test_a_quarter_of_a_day_of_300_deployments_fits_an_object_twice() -> None:
    """Three offers each, dollars to nine digits, tokens to one; an object of the API server has at most a MiB.

    Where each deployment has twenty tenants in every hour it still fits.
    """
    dice = random.Random(1)

    def paid() -> Spend:
        serving, idle, startup, estimated, replicas, machines = (dice.random() for _ in range(6))
        return Spend(serving, idle, startup, estimated, replicas, machines)

    accounts = [
        Account(Payer(f"{dice.getrandbits(128):032x}", f"team-{each % 20}", f"model-{each}"), offer, ("month", "team"))
        for each in range(300)
        for offer in [("cloud", f"g{size}.xlarge", Market.SPOT, "") for size in range(3)]
    ]
    rows = {
        MIDNIGHT_S + hour * HOUR_S: {
            each: replace(paid(), served=Served(*(1e6 * dice.random() for _ in range(6)))) for each in accounts
        }
        for hour in range(6)
    }
    (name,) = parts(Ledger(rows))
    assert len(written_part("system", name, Ledger(rows))["binaryData"]["ledger"]) <= 512 * 1024

    def tenants() -> tuple[tuple[str, Used], ...]:
        names = sorted(dice.sample(range(1000), MOST))
        return tuple((f"tenant-{each:04d}", Used(*(10.0**5 * dice.random() for _ in range(3)))) for each in names)

    for row in rows.values():
        row.update({each: replace(row[each], tenants=tenants()) for each in accounts[::3]})
    assert len(base64.b64decode(written_part("system", name, Ledger(rows))["binaryData"]["ledger"])) <= 800 * 1024
