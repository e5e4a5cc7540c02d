"""`wharfage offers build` on files: what it prints and refuses, and what the shipped catalogs are made of."""

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from wharfage_cli.__main__ import cli

ROOT = Path(__file__).resolve().parents[3]
CATALOGS = ROOT / "examples" / "catalogs"
TODAY = datetime.now(UTC).date().isoformat()
TABLE = f"""date,region,instance_type,usd_per_hour
{TODAY},us-east-1,g6.xlarge,0.8048
{TODAY},us-east-1,g6.2xlarge,0.9776
{TODAY},us-east-1,p6-b300.48xlarge,142.416
{TODAY},us-east-1,trn1.2xlarge,1.34
{TODAY},eu-west-1,g6.xlarge,0.9
"""
ADVICE = "instance_type,spot_savings_pct,interruption_band_month\ng6.xlarge,49,>20%\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a price table and an advisor's file, which is the current one."""
    (tmp_path / "prices.csv").write_text(TABLE)
    (tmp_path / "advice.csv.gz").write_bytes(gzip.compress(ADVICE.encode()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(*arguments: str, table: str = "prices.csv", provider: str = "aws", region: str = "us-east-1") -> Result:
    given = ["offers", "build", "--provider", provider, "--region", region, "--from", table, *arguments]
    return CliRunner().invoke(cli, given)


def offers(text: str) -> dict[str, Any]:
    return {row["name"]: row for row in yaml.safe_load(text)["spec"]["offers"]}


def test_a_table_becomes_a_catalog_with_its_date_and_source(folder: Path) -> None:
    done = build("--origin", "my provider's list")
    assert done.exit_code == 0, done.output
    catalog = yaml.safe_load(done.stdout)
    assert catalog["metadata"] == {
        "name": "aws-us-east-1",
        "annotations": {"wharfage.dev/prices": "my provider's list"},
    }
    assert catalog["spec"]["observedAt"] == f"{TODAY}T00:00:00Z"
    assert list(offers(done.stdout)) == ["g6.xlarge", "g6.2xlarge"]


def test_what_was_left_out_is_said_beside_the_catalog_with_a_count(folder: Path) -> None:
    said = build("--max-offers", "1").stderr
    assert re.search(
        r"^left out: 2 rows of machines that are not known .*: p6-b300.48xlarge, trn1.2xlarge$", said, re.M
    )
    assert "left out by --max-offers: g6.2xlarge" in said


def test_advice_adds_interruptions_and_an_estimated_spot_price(folder: Path) -> None:
    done = build("--spot-advisor", "advice.csv.gz", "-o", "made.yaml")
    assert (done.exit_code, done.stdout) == (0, "")
    text = (folder / "made.yaml").read_text()
    assert "# Spot: an estimate, on-demand x (1 - average saving)." in text
    assert offers(text)["g6.xlarge"]["prices"][1] == {
        "market": "Spot",
        "usdPerHour": "0.4104",
        "interruptionsPerMonth": "0.25",
    }


def test_a_wrong_row_ends_it_before_anything_is_written(folder: Path) -> None:
    (folder / "prices.csv").write_text(TABLE.replace("0.9776", "-3"))
    done = build("-o", "made.yaml")
    assert done.exit_code == 1
    assert "prices.csv line 3: price_per_hour is -3: it cannot be negative" in done.stderr
    assert "1 row wrong: mend the table, or pass --skip-bad-rows" in done.stderr
    assert not (folder / "made.yaml").exists()


def test_wrong_rows_can_be_skipped_and_are_still_listed(folder: Path) -> None:
    (folder / "prices.csv").write_text(TABLE.replace("0.9776", "0"))
    done = build("--skip-bad-rows")
    assert (done.exit_code, list(offers(done.stdout))) == (0, ["g6.xlarge"])
    assert "prices.csv line 3: the price is 0" in done.stderr


def test_of_many_wrong_rows_the_first_are_shown(folder: Path) -> None:
    rows = "".join(f"{TODAY},us-east-1,g6.xlarge,-{number}\n" for number in range(1, 31))
    (folder / "prices.csv").write_text(TABLE + rows)
    assert "... and 10 more" in build().stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"table": "none.csv"}, "none.csv cannot be read", id="a file that is not there"),
        pytest.param(
            {"region": "mars-1"}, "no row is of region mars-1; the table has: eu-west-1, us-east-1", id="region"
        ),
        pytest.param({"table": "advice.csv.gz"}, "advice.csv.gz: no column price_per_hour", id="another file"),
        pytest.param({"table": "gpuhunt", "provider": "onprem"}, "gpuhunt knows aws, gcp, azure", id="not in gpuhunt"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(folder: Path, arguments: dict[str, str], says: str) -> None:
    done = build(**arguments)
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param(["--usd-per-unit", "x"], "--usd-per-unit is 'x'", id="a rate in words"),
        pytest.param(["--observed-at", "July"], "--observed-at: 'July' is no date", id="a date in words"),
        pytest.param(["--dry-run"], "go with --apply", id="a dry run of nothing"),
        pytest.param(["--max-offers", "513"], "1<=x<=512", id="more offers than a catalog takes"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused(folder: Path, options: list[str], says: str) -> None:
    done = build(*options)
    assert done.exit_code in (1, 2)
    assert says in done.stderr


def test_one_providers_file_of_gpuhunts_catalog_can_be_given(folder: Path) -> None:
    (folder / "aws.csv").write_text(
        "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size,gpu_vendor,flags,cpu_arch\n"
        "g6.xlarge,us-east-1,0.8048,4,16.0,1,L4,24.0,False,,nvidia,,x86\n"
        "g6.xlarge,us-east-1,0.44,4,16.0,1,L4,24.0,True,,nvidia,,x86\n"
        "g5g.xlarge,us-east-1,0.42,4,8.0,1,T4g,16.0,False,,nvidia,,arm\n"
    )
    done = build("--observed-at", TODAY, table="aws.csv")
    assert [price["market"] for price in offers(done.stdout)["g6.xlarge"]["prices"]] == ["OnDemand", "Spot"]
    assert done.stderr == "left out: 1 row of accelerators that are not known: T4g (16 GiB)\n"


def test_prices_in_another_currency_state_its_rate(folder: Path) -> None:
    (folder / "prices.csv").write_text(f"machine,price_per_hour,currency,date\ng6.xlarge,0.75,EUR,{TODAY}\n")
    made = yaml.safe_load(build("--usd-per-unit", "1.08").stdout)
    assert made["spec"]["usdPerUnit"] == "1.08"


def test_a_machine_without_the_library_is_told_what_to_install(folder: Path) -> None:
    done = build(table="gpuhunt")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: gpuhunt is not installed: pip install 'wharfage[offers]', or pass --from FILE\n",
    )


SOLD = {
    "aws-us-east-1": "T4 L4 A10G L40S RTX-PRO-6000 A100-40 A100-80 H100 H200 B200",
    "gcp-us-central1": "L4 RTX-PRO-6000 A100-40 A100-80 H100",
    "azure-eastus": "T4 A10 A100-40 A100-80 A100-80-PCIE H100 H100-NVL",
}


@pytest.mark.parametrize("name", SOLD)
def test_a_shipped_catalog_has_what_its_cloud_sells_and_names_its_source(name: str) -> None:
    text = (CATALOGS / f"{name}.yaml").read_text()
    assert set(SOLD[name].split()) <= {row["accelerator"]["name"] for row in offers(text).values()}
    assert "(Apache-2.0)" in yaml.safe_load(text)["metadata"]["annotations"]["wharfage.dev/prices"]


def test_the_table_in_the_reference_builds_the_shipped_catalog_of_ones_own_machines(folder: Path) -> None:
    page = (ROOT / "docs" / "reference" / "offers-csv.md").read_text()
    table = page.split("```csv\n")[1].split("```")[0]
    (folder / "own.csv").write_text(table.replace("2026-11-01", TODAY))
    done = build(table="own.csv", provider="onprem", region="local")
    assert done.exit_code == 0, done.output
    assert offers(done.stdout) == offers((CATALOGS / "onprem.yaml").read_text())
