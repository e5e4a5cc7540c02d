"""Reports from a ledger of two months: sums, what is unknown, what would have saved."""

import csv
import io
import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.spend import Spend, Used
from wharfage_cli.__main__ import cli
from wharfage_cli.reporting import rendering
from wharfage_cli.reporting.baseline import savings
from wharfage_cli.reporting.periods import Length, before, span
from wharfage_cli.reporting.prices import Prices, prices
from wharfage_cli.reporting.report import By, Question, Report, report
from wharfage_cli.reporting.sections import sections, usd
from wharfage_cli.reporting.shelf import Shelf, brought_up
from wharfage_cli.reporting.wastes import wastes
from wharfage_operator.books import Open

from tests.ledgers import BEGINS_S, CATALOG, HOUR_S, L4, NOW_S, ON_DEMAND, SPOT, batch, chat, hour, ledger

UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
PRICES = prices([CATALOG])
CHEAP = {"usdPerBadMinute": "0.1"}
SHARES = (("ann", 0.75), ("bob", 0.25))
NOVEMBER = span(Length.MONTH, UTC_ZONE, NOW_S)


def shelf(rows: Ledger, *, since_s: float = BEGINS_S, until_s: float = NOW_S, trouble: tuple[str, ...] = ()) -> Shelf:
    stays = {"pod": Stay(chat(), 1.0, BEGINS_S)}
    meter = Meter(until_s, {"node": Machine(SPOT[L4], whole=True, since_s=BEGINS_S, stays=stays)})
    return Shelf(rows, Open(meter, Ledger(), since_s, until_s), until_s, trouble)


def asked(by: By = By.TEAM, *, now_s: float = NOW_S, namespace: str | None = None) -> Question:
    return Question(by, NOVEMBER, before(Length.MONTH, UTC_ZONE, NOVEMBER), now_s, namespace)


def answered(rows: Ledger | None = None, question: Question | None = None, **kept: Any) -> Report:
    return report(shelf(rows or ledger(), **kept), PRICES, question or asked())


def deployment(name: str, uid: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name, "uid": uid}, "spec": spec}


@pytest.mark.parametrize("by", list(By))
def test_lines_add_up_to_the_ledger_to_the_cent(by: By) -> None:
    found = answered(question=asked(by))
    spent = ledger().between(NOVEMBER.begins_s, NOVEMBER.ends_s).spend.usd
    assert sum(line.cents for line in found.lines) == found.total.cents == round(100 * spent)
    assert found.total.share.split.usd == pytest.approx(spent)


def test_a_running_period_is_compared_with_as_much_of_the_one_before() -> None:
    found = answered()
    hours = round((NOW_S - NOVEMBER.begins_s) / HOUR_S)
    begins_s = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
    assert found.total.before_usd == pytest.approx(ledger().between(begins_s, begins_s + hours * HOUR_S).spend.usd)
    assert found.total.change == pytest.approx(0.0, abs=0.01)


def test_lines_of_tenants_are_theirs_and_nobody_elses() -> None:
    """Ann has three quarters of the chat's tokens; the batch has no gateway, and at night nobody asks."""
    chats, rows = {}, {}
    for begins_s, row in ledger().between(NOVEMBER.begins_s, NOVEMBER.ends_s).rows.items():
        requests = sum(row[account].served.requests for account in row if account.payer.name == "chat")
        told = tuple((name, Used(*(part * requests * each for each in (1, 900, 220)))) for name, part in SHARES)
        rows[begins_s] = {**row, chat(): replace(row[chat()], tenants=told if requests else ())}
        chats[begins_s] = {account: spend for account, spend in row.items() if account.payer.name == "chat"}
    found = {line.name: line for line in answered(Ledger(rows), asked(By.TENANT)).lines}
    assert found.keys() == {"shop/ann", "shop/bob", "(no tenant)", "(nothing served)"}
    used = sum(
        spend.usd for row in chats.values() for spend in row.values() if any(s.served.work for s in row.values())
    )
    assert found["shop/ann"].usd == pytest.approx(0.75 * used, abs=0.01)
    assert found["shop/bob"].usd == pytest.approx(0.25 * used, abs=0.01)
    assert found["shop/ann"].share.split.unused == pytest.approx(0.0, abs=0.01)
    assert found["shop/ann"].spot_share == pytest.approx(found["shop/bob"].spot_share)
    teams = [(line.name, line.share) for line in answered(Ledger(rows), asked(By.TEAM)).lines]
    assert teams == [(line.name, line.share) for line in answered().lines]


def test_what_the_ledger_was_not_there_for_is_not_zero() -> None:
    since_s = NOVEMBER.begins_s + 5 * 24 * HOUR_S
    found = answered(since_s=since_s)
    assert all(line.before_usd is None and math.isnan(line.change) for line in found.lines)
    assert any("the ledger begins 2026-11-06" in gap for gap in found.gaps)


@pytest.mark.parametrize(("since_s", "told"), [(NOW_S - 1800.0, False), (NOW_S - HOUR_S, True)])
def test_what_was_saved_is_told_of_whole_hours(since_s: float, *, told: bool) -> None:
    found = answered(since_s=since_s)
    assert ("always on, on demand" in rendering.text(sections(found, (), ()))) is told
    assert any("what was saved is told once" in gap for gap in found.gaps) is not told


def test_no_dollars_are_not_less_than_none() -> None:
    assert (usd(-0.001), usd(-0.01), usd(1234.5)) == ("0.00", "-0.01", "1,234.50")


def test_gaps_are_named() -> None:
    rows = {begins_s: row for begins_s, row in ledger().rows.items() if not 0 <= begins_s - NOVEMBER.begins_s < 7200}
    late = NOW_S - 10 * HOUR_S
    rows[late] = {batch(): Spend(serving=1.0, estimated=0.5)}
    found = answered(Ledger(rows), until_s=NOW_S - 5 * HOUR_S, trouble=("ConfigMap x cannot be read",))
    told = " ".join(found.gaps)
    assert "no entry from 2026-11-01 00:00 UTC to 2026-11-01 02:00 UTC" in told
    assert "0.50 usd rest on a guess" in told
    assert "ConfigMap x cannot be read" in told
    assert "nobody has written the ledger since 2026-11-27 07:00 UTC" in told


def test_a_forecast_is_near_what_the_same_month_costs() -> None:
    whole = ledger(until_s=NOVEMBER.ends_s).between(NOVEMBER.begins_s, NOVEMBER.ends_s).spend.usd
    found = answered()
    assert found.forecast is not None
    assert found.forecast.mid == pytest.approx(whole, rel=0.03)
    over = asked(now_s=NOVEMBER.ends_s + 1.0)
    assert answered(question=over).forecast is None


def test_only_one_namespace_is_asked_about() -> None:
    assert answered(question=asked(namespace="another")).lines == ()
    assert "nothing was spent" in rendering.text(sections(answered(question=asked(namespace="another")), (), ()))


def test_the_baseline_is_the_busiest_hour_always_on_and_on_demand() -> None:
    """Two replicas for ten hours on spot and one for ten: two on demand for twenty would have cost 2 x 20."""
    prices = Prices(on_demand={L4: 1.0}, spot={L4: 0.4})
    rows = {n * HOUR_S: {chat(): hour(0.4, 2.0 if n < 10 else 1.0, 10.0)} for n in range(20)}
    (found,) = savings(Ledger(rows), prices, 20 * HOUR_S).values()
    assert found.peak == 2
    assert found.baseline_usd == pytest.approx(40.0)
    assert found.by_spot_usd == pytest.approx(0.6 * 30)
    assert found.by_count_usd == pytest.approx(10.0)


def test_dollars_per_million_are_a_distribution_over_hours() -> None:
    found = answered(question=asked(By.MODEL))
    for line in found.lines:
        assert 0.0 < line.usual <= line.dear
    assert found.total.share.usd_per_million_output > found.total.share.usd_per_million_prompt


def test_the_dearest_wastes_come_with_the_patch_that_ends_them() -> None:
    rows = ledger().between(NOVEMBER.begins_s, NOVEMBER.ends_s)
    manual = deployment("batch", "batch-uid", scaling={"mode": "Manual"}, replicas=4)
    follows = deployment(
        "chat", "chat-uid", routing="Gateway", placement={"spot": {"policy": "Allow"}}, objectives=CHEAP
    )
    found = wastes(rows, [manual, follows, deployment("new", "new-uid")], PRICES)
    assert [(each.name, each.patch["spec"]) for each in found] == [
        ("batch", {"scaling": {"mode": "Auto"}}),
        ("batch", {"placement": {"spot": {"policy": "Allow"}}}),
        ("chat", {"scaling": {"minReplicas": 0}}),
    ]
    assert found[0].command == (
        'kubectl -n shop patch llmdeployment batch --type merge -p \'{"spec":{"scaling":{"mode":"Auto"}}}\''
    )
    batch_usd = sum(row[batch()].usd for row in rows.rows.values())
    assert found[1].usd == pytest.approx(0.6 * batch_usd * (1 - 0.74 / 1.861))


@pytest.mark.parametrize(("spot", "share"), [({}, 0.6), ({"maxShare": "0.25"}, 0.25), ({"maxShare": "0"}, 0.0)])
def test_spot_saves_on_as_much_as_the_spec_lets_run_on_it(spot: dict[str, str], share: float) -> None:
    rows = ledger().between(NOVEMBER.begins_s, NOVEMBER.ends_s)
    written = deployment("batch", "batch-uid", placement={"spot": {"policy": "Forbid", **spot}})
    found = [each for each in wastes(rows, [written], PRICES) if "placement" in each.patch["spec"]]
    batch_usd = sum(row[batch()].usd for row in rows.rows.values())
    assert sum(each.usd for each in found) == pytest.approx(share * batch_usd * (1 - 0.74 / 1.861))
    assert all(f"{100 * share:.0f} % may be on it" in each.why for each in found)


def test_a_floor_that_no_hour_needed_is_a_waste_and_one_that_is_needed_is_none() -> None:
    rows = ledger().between(NOVEMBER.begins_s, NOVEMBER.ends_s)
    spot = {"spot": {"policy": "Allow"}}
    floor = deployment("batch", "batch-uid", scaling={"minReplicas": 4}, placement=spot)
    (found,) = wastes(rows, [floor], PRICES)
    assert found.patch == {"spec": {"scaling": {"minReplicas": 1}}}
    steady = Ledger({begins_s: {batch(): hour(ON_DEMAND[L4], 4.0, 8000.0)} for begins_s in rows.rows})
    assert wastes(steady, [floor], PRICES) == ()


def test_a_count_that_is_too_small_is_no_waste_although_its_quiet_hours_are() -> None:
    """Full by day, at a third by night: as many as the day takes would cost more than the night saves."""
    rows = {n * HOUR_S: {batch(): hour(1.0, 2.0, 900.0 if n % 24 < 16 else 300.0)} for n in range(48)}
    manual = deployment("batch", "batch-uid", scaling={"mode": "Manual"}, placement={"spot": {"policy": "Allow"}})
    assert wastes(Ledger(rows), [manual], PRICES) == ()


@pytest.mark.parametrize(
    ("price", "usd"),
    [
        pytest.param(
            "0.1", 2 * (8 * 0.4 - 2 * 0.5), id="cheap minutes: each night but what is waited and one cold start"
        ),
        pytest.param("0.5", 2 * (8 * 0.4 - 2 * 2.5), id="dearer ones: a night is no longer worth it"),
        pytest.param("1.00", 0.0, id="as it is where nothing is written: nobody would sleep"),
    ],
)
def test_zero_is_proposed_where_silences_pay_for_their_cold_starts(price: str, usd: float) -> None:
    rows = {n * HOUR_S: {chat(): hour(0.4, 1.0, 900.0 if n % 24 < 16 else 0.0)} for n in range(48)}
    spec = {"routing": "Gateway", "placement": {"spot": {"policy": "Allow"}}, "objectives": {"usdPerBadMinute": price}}
    found = wastes(Ledger(rows), [deployment("chat", "chat-uid", **spec)], PRICES)
    assert [each.usd for each in found] == ([pytest.approx(usd)] if usd > 0.0 else [])


def test_what_runs_is_charged_up_to_now_and_not_where_nobody_has_written_for_long() -> None:
    stays = {"pod": Stay(chat(), 1.0, 0.0, ready_s=0.0)}
    meter = Meter(HOUR_S, {"node": Machine(0.4, whole=True, since_s=0.0, stays=stays)})
    books = Open(meter, Ledger(), 0.0, HOUR_S)
    after, until_s = brought_up(books, 1.5 * HOUR_S)
    assert until_s == 1.5 * HOUR_S
    assert after.ledger.spend.usd == pytest.approx(0.2)
    assert brought_up(books, 9 * HOUR_S) == (books, HOUR_S)


@pytest.mark.parametrize(
    ("length", "at", "begins", "ends"),
    [
        pytest.param(Length.WEEK, "2026-11-27", "2026-11-23", "2026-11-30", id="weeks begin on Mondays"),
        pytest.param(Length.MONTH, "2026-12-31", "2026-12-01", "2027-01-01", id="over the year's end"),
        pytest.param(Length.QUARTER, "2026-12-31", "2026-10-01", "2027-01-01", id="the last quarter"),
        pytest.param(Length.QUARTER, "2026-03-31", "2026-01-01", "2026-04-01", id="over daylight saving"),
    ],
)
def test_periods_are_those_of_the_calendar(length: Length, at: str, begins: str, ends: str) -> None:
    moments = [datetime.fromisoformat(each).replace(tzinfo=BERLIN).timestamp() for each in (at, begins, ends)]
    found = span(length, BERLIN, moments[0])
    assert [found.begins_s, found.ends_s] == moments[1:]
    assert before(length, BERLIN, found).ends_s == found.begins_s


def test_every_format_tells_the_same() -> None:
    found = answered()
    manual = deployment("batch", "batch-uid", scaling={"mode": "Manual"})
    wasted = wastes(ledger(), [manual], PRICES)
    budget = {"metadata": {"name": "all"}, "spec": {"usd": "9000"}}
    told = rendering.value(found, wasted, [budget])
    rows = list(csv.DictReader(io.StringIO(rendering.table(found))))
    assert [row["usd"] for row in rows] == [str(line["usd"]) for line in (*told["lines"], told["total"])]
    shown = sections(found, wasted, [budget])
    for text in (rendering.text(shown), rendering.markdown(shown), rendering.page(shown)):
        assert f"{found.total.usd:,.2f}" in text
        assert "kubectl -n shop patch" in text
    assert told["wastes"][0]["patch"] == wasted[0].patch
    assert json.loads(json.dumps(told, allow_nan=False)) == yaml.safe_load(yaml.safe_dump(told)) == told


def test_names_cannot_break_a_page_or_a_table() -> None:
    rows = {begins_s: {chat(uid="<b>"): next(iter(row.values()))} for begins_s, row in ledger().rows.items()}
    renamed = {
        begins_s: {
            type(account)(type(account.payer)("u", "shop", "x", "<b>|", "m"), account.offer): spend
            for account, spend in row.items()
        }
        for begins_s, row in rows.items()
    }
    shown = sections(answered(Ledger(renamed)), (), ())
    assert "<b>" not in rendering.page(shown)
    assert "&lt;b>\\|" in rendering.markdown(shown)


def test_a_period_of_which_only_days_are_kept_is_refused() -> None:
    answer = CliRunner().invoke(cli, ["report", "--at", "2026-01-05"])
    assert answer.exit_code == 2
    assert "the ledger keeps hours for 200 days: ask for a later month" in answer.output
