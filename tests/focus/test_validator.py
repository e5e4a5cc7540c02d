"""Our rows before the official validator: every rule of FOCUS 1.2 holds but one of two that exclude each other."""

import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.spend import Used
from wharfage_cli.reporting.focus import Cluster, rows, rows_by_tenant, written
from wharfage_cli.reporting.prices import prices

from tests.focus.environment import environment, python
from tests.ledgers import CATALOG, HOUR_S, NOW_S, ledger

EITHER_FAILS = "InvoiceId-C-005-C"
"""That InvoiceId is not null, where InvoiceId-C-004 wants it null; the validator applies both."""


def judged(text: str, folder: Path) -> tuple[int, list[str]]:
    """How many rules were applied, and those that failed."""
    interpreter = python()
    if interpreter is None:
        pytest.skip("the validator wants Python 3.12, and this machine has none")
    made = environment(interpreter)
    data, told = folder / "rows.csv", folder / "told.xml"
    data.write_text(text, encoding="utf-8")
    command: list[str | Path] = [made / "bin" / "python3", "-m", "focus_validator.main", "--block-download"]
    command += ["--data-file", data]
    command += ["--validate-version", "1.2.0.1", "--focus-dataset", "CostAndUsage"]
    command += ["--output-type", "unittest", "--output-destination", told]
    (within,) = made.glob("lib/python3.*/site-packages")  # it opens files of its own by a relative path
    ended = subprocess.run(command, cwd=within, capture_output=True, text=True, check=False)
    assert told.exists(), ended.stderr[-2000:]
    suites = ElementTree.parse(told).getroot()
    failed = [str(failure.get("name")) for failure in suites.iter("failure")]
    return int(suites.get("tests", 0)) - int(suites.get("skipped", 0)), failed


def test_two_days_of_two_deployments_pass_one_of_them_parted_among_tenants(tmp_path: Path) -> None:
    noon_s, lab = NOW_S - 24 * HOUR_S, Cluster("8f0c-uid", "lab")
    first, second = ledger().between(noon_s - 24 * HOUR_S, noon_s), ledger().between(noon_s, NOW_S)
    told = (("ann", Used(1.0, 900.0, 220.0)), ("bob", Used(1.0, 9.0, 22.0)))
    tenanted = Ledger(
        {
            begins_s: {account: replace(spend, tenants=told) for account, spend in row.items()}
            for begins_s, row in second.rows.items()
        }
    )
    found = [*rows(first, prices([CATALOG]), lab), *rows_by_tenant(tenanted, prices([CATALOG]), lab)]
    text = written(found)
    assert sum("tenant" in row["Tags"] for row in found) > 24
    applied, failed = judged(text, tmp_path)
    assert failed == [EITHER_FAILS]
    assert applied >= 130


def test_so_do_rows_of_a_machine_that_no_catalog_has(tmp_path: Path) -> None:
    period = ledger().between(NOW_S - 2 * HOUR_S, NOW_S)
    text = written(rows(period, prices([]), Cluster("8f0c-uid", "lab")))
    assert judged(text, tmp_path)[1] == [EITHER_FAILS]


def test_the_validator_finds_what_is_wrong(tmp_path: Path) -> None:
    found = rows(ledger().between(NOW_S - HOUR_S, NOW_S), prices([CATALOG]), Cluster("8f0c-uid", "lab"))
    _, failed = judged(written([{**row, "ChargeCategory": "Guess"} for row in found]), tmp_path)
    assert any(name.startswith("ChargeCategory") for name in failed)
