"""Reports from a real API server: of a ledger that lies there, and of one that is kept while engines serve."""

import csv
import io
import json
import shlex
from collections.abc import Iterator

import pytest
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Meter
from wharfage_operator.books import OPEN, Open, parts, read_open, written_open, written_part
from wharfage_operator.kinds import CONFIG_MAPS, LLM_DEPLOYMENTS, OFFER_CATALOGS

from tests.cluster.emulated import READS, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.server import Object, eventually
from tests.cluster.test_explain import wharfage
from tests.ledgers import BEGINS_S, CATALOG, NOW_S, ledger


@pytest.fixture
def catalog(lab: Lab) -> Iterator[None]:
    """The catalog that the ledger's machines are of."""
    lab.server.create(OFFER_CATALOGS, CATALOG)
    yield
    lab.server.delete(OFFER_CATALOGS, "", CATALOG["metadata"]["name"])


def put(lab: Lab, rows: Ledger) -> None:
    """Lay a ledger down as an operator does, all of it closed."""
    objects = [written_part(lab.system, name, part) for name, part in parts(rows).items()]
    objects.append(written_open(lab.system, Open(Meter(NOW_S), Ledger(), BEGINS_S, NOW_S)))
    for each in objects:
        lab.server.create(CONFIG_MAPS, each)


def told(lab: Lab, *arguments: str) -> Object:
    asked = ("report", "--operator-namespace", lab.system, "--format", "json", *arguments)
    found = wharfage(lab, *asked)
    assert found.returncode == 0, found.stderr
    answer: Object = json.loads(found.stdout)
    return answer


def test_every_patch_of_the_wastes_is_one_that_the_api_server_takes(lab: Lab, catalog: None) -> None:
    chat = lab.create(routing="Gateway", placement={"spot": {"policy": "Allow"}}, objectives={"usdPerBadMinute": "0.1"})
    batch = lab.create("batch", replicas=4, scaling={"mode": "Manual"})
    floor = lab.create("floor", scaling={"minReplicas": 4})
    uids = {"chat_uid": chat["metadata"]["uid"], "batch_uid": batch["metadata"]["uid"]}
    second = ledger(batch_uid=floor["metadata"]["uid"], chat_uid="gone", namespace=lab.namespace)
    rows = ledger(**uids, namespace=lab.namespace)
    put(lab, Ledger({begins_s: {**second.rows[begins_s], **row} for begins_s, row in rows.rows.items()}))
    report = told(lab, "--at", "2026-11-15", "--by", "team")
    assert {line["name"] for line in report["lines"]} == {"search", "data"}
    assert round(sum(line["usd"] for line in report["lines"]), 2) == report["total"]["usd"] > 0.0
    patched = {}
    for waste in report["wastes"]:
        command = shlex.split(waste["command"])
        assert command[0] == "kubectl"
        answer = json.loads(lab.cluster.kubectl(*command[1:], "--dry-run=server", "-o", "json"))
        patched[waste["name"], *waste["patch"]["spec"]] = answer["spec"]
    assert patched.keys() == {
        ("batch", "scaling"),
        ("batch", "placement"),
        ("floor", "scaling"),
        ("floor", "placement"),
        ("chat", "scaling"),
    }
    assert patched["batch", "scaling"]["scaling"]["mode"] == "Auto"
    assert patched["floor", "scaling"]["scaling"]["minReplicas"] == 1
    assert patched["chat", "scaling"]["scaling"]["minReplicas"] == 0
    untouched = lab.server.get(LLM_DEPLOYMENTS, lab.namespace, "batch")
    assert untouched is not None
    assert untouched["spec"]["scaling"]["mode"] == "Manual"
    for form in ("table", "md", "html", "csv"):
        found = wharfage(lab, "report", "--operator-namespace", lab.system, "--at", "2026-11-15", "--format", form)
        assert found.returncode == 0, found.stderr
        assert "\x1b" not in found.stdout
        assert f"{report['total']['usd']}" in found.stdout.replace(",", "") or form == "csv"
    bill = wharfage(lab, "report", "--operator-namespace", lab.system, "--at", "2026-11-15", "--format", "focus")
    billed = list(csv.DictReader(io.StringIO(bill.stdout)))
    assert sum(float(row["EffectiveCost"]) for row in billed) == pytest.approx(report["total"]["usd"], abs=0.01)
    assert len({row["BillingAccountId"] for row in billed}) == 1


def test_without_a_ledger_it_says_where_to_look(lab: Lab) -> None:
    found = wharfage(lab, "report", "--operator-namespace", lab.system)
    assert found.returncode == 2
    assert f"no ledger in namespace {lab.system}" in found.stderr


def test_tokens_of_engines_that_serve_are_in_the_ledger_and_in_the_report(lab: Lab, emulator: EmulatorProcess) -> None:
    operator = lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create()
    lab.ready(within_s=90)

    def read() -> bool:
        return operator.metric('wharfage_scrapes_total{outcome="read"}') >= 5

    def served_any() -> bool:
        written = lab.server.get(CONFIG_MAPS, lab.system, OPEN)
        return written is not None and read_open(written).ledger.spend.served.requests > 0.0

    eventually(read, within_s=120.0, what="engines are read")
    eventually(served_any, within_s=120.0, what="what they served is in the ledger")
    operator.stop()
    found = lab.server.get(CONFIG_MAPS, lab.system, OPEN)
    assert found is not None
    served = read_open(found).ledger.spend.served
    assert served.requests > 0.0
    assert served.output_tokens > served.requests
    assert served.prompt_work > 0.0
    checked = wharfage(lab, "-o", "json", "doctor", "--operator-namespace", lab.system)
    assert [each["level"] for each in json.loads(checked.stdout) if each["subject"] == "ledger"] == ["ok"]
    (shown,) = json.loads(wharfage(lab, "-o", "json", "status").stdout)
    assert float(shown["usd_this_month"]) > 0.0
    total = told(lab)["total"]
    assert total["usd"] > 0.0
    assert total["output_tokens"] >= served.output_tokens - 1.0
    assert total["usd_per_million_output_tokens"] > 0.0
