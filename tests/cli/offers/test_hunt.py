"""`wharfage offers build` with the real gpuhunt library, on catalogs in its own format that the tests publish."""

import csv
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.offers.library import wharfage

TODAY = datetime.now(UTC).date()
COLUMNS = (
    "instance_name location price cpu memory gpu_count gpu_name gpu_memory spot disk_size gpu_vendor flags cpu_arch"
)


def row(machine: str, location: str, price: str, gpu: str, count: int, gib: str, **fields: str) -> dict[str, str]:
    """One row as gpuhunt publishes it."""
    given = {"instance_name": machine, "location": location, "price": price, "cpu": "8", "memory": "32.5"}
    gpus = {"gpu_count": str(count), "gpu_name": gpu, "gpu_memory": gib, "gpu_vendor": "nvidia" if count else ""}
    return dict.fromkeys(COLUMNS.split(), "") | given | gpus | {"spot": "False", "cpu_arch": "x86"} | fields


AWS = [
    row("g6.xlarge", "us-east-1", "0.8048", "L4", 1, "24.0"),
    row("g6.xlarge", "us-east-1", "0.4412", "L4", 1, "24.0", spot="True"),
    row("g6.xlarge", "eu-west-1", "0.9", "L4", 1, "24.0"),
    row("p4de.24xlarge", "us-east-1", "27.447", "A100", 8, "80.0"),
    row("g5g.xlarge", "us-east-1", "0.42", "T4g", 1, "16.0"),
    row("c5.large", "us-east-1", "0.085", "", 0, ""),
]
GCP = [
    *(row("g2-standard-8", f"us-central1-{zone}", "0.8536", "L4", 1, "24.0") for zone in "abc"),
    *(row("g2-standard-8", f"us-central1-{zone}", "0.4799", "L4", 1, "24.0", spot="True") for zone in "ab"),
    row("g4-standard-48", "us-central1-b", "4.4999", "RTXPRO6000", 1, "96.0", flags="gcp-g4"),
    row("g4-standard-48", "us-central1-b", "4.4999", "RTXPRO6000", 1, "96.0", flags="gcp-g4-preview"),
    row("g4-standard-12", "us-central1-b", "1.125", "RTXPRO6000", 1, "24.0", flags="gcp-g4"),
    row("n1-standard-8", "us-central1-a", "0.73", "T4", 1, "16.0"),
    row("n1-standard-8", "us-central1-a", "1.08", "T4", 2, "16.0"),
]
AZURE = [
    row("Standard_NC24ads_A100_v4", "eastus", "3.673", "A100", 1, "80.0"),
    row("Standard_NV12ads_A10_v5", "eastus", "0.908", "A10", 1, "8.0"),
]


def text(rows: list[dict[str, str]]) -> str:
    """The rows as the CSV that gpuhunt publishes."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS.split())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def publish(folder: Path, providers: Mapping[str, list[dict[str, str]]], published: str = f"{TODAY:%Y%m%d}") -> str:
    """Publish catalogs as dstack does, a zip per provider under its version; returns the address of the mirror."""
    for provider, rows in providers.items():
        place = folder / provider / published
        place.mkdir(parents=True)
        (folder / provider / "version").write_text(f"{published}\n")
        with zipfile.ZipFile(place / "catalog.zip", "w") as archive:
            archive.writestr(f"{provider}.csv", text(rows))
    return folder.as_uri()


def built(address: str, provider: str, region: str, *options: str) -> tuple[dict[str, Any], str]:
    """The offers by name, and what was said on stderr."""
    where = ("offers", "build", "--provider", provider, "--region", region)
    done = wharfage(*where, *options, GPUHUNT_CATALOG_URL=address)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout), done.stderr


def prices(catalog: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """Market, zone and price by offer."""
    return {
        offer["name"]: [(each["market"], each.get("zone", ""), each["usdPerHour"]) for each in offer["prices"]]
        for offer in catalog["spec"]["offers"]
    }


def test_awss_catalog_of_the_day_becomes_a_catalog_of_the_region(tmp_path: Path) -> None:
    catalog, said = built(publish(tmp_path, {"aws": AWS}), "aws", "us-east-1")
    assert prices(catalog) == {
        "g6.xlarge": [("OnDemand", "", "0.8048"), ("Spot", "", "0.4412")],
        "p4de.24xlarge": [("OnDemand", "", "27.447")],
    }
    assert catalog["spec"]["observedAt"] == f"{TODAY}T00:00:00Z"
    source = catalog["metadata"]["annotations"]["wharfage.dev/prices"]
    assert source.startswith("gpuhunt 0.")
    assert source.endswith(f"catalog {TODAY:%Y%m%d} of aws")
    assert said == "left out: 1 row of accelerators that are not known: T4g (16 GiB)\n"


def test_googles_zones_attached_accelerators_and_shares_of_a_card_are_understood(tmp_path: Path) -> None:
    catalog, said = built(publish(tmp_path, {"gcp": GCP}), "gcp", "us-central1")
    assert prices(catalog) == {
        "n1-standard-8-t4-1": [("OnDemand", "us-central1-a", "0.73")],
        "n1-standard-8-t4-2": [("OnDemand", "us-central1-a", "1.08")],
        "g2-standard-8": [
            ("OnDemand", "", "0.8536"),
            ("Spot", "us-central1-a", "0.4799"),
            ("Spot", "us-central1-b", "0.4799"),
        ],
        "g4-standard-48": [("OnDemand", "us-central1-b", "4.4999")],
    }
    assert "RTXPRO6000 (24 GiB)" in said


def test_azures_cards_are_told_apart_by_their_machines(tmp_path: Path) -> None:
    catalog, said = built(publish(tmp_path, {"azure": AZURE}), "azure", "eastus")
    (offer,) = catalog["spec"]["offers"]
    assert (offer["name"], offer["accelerator"]["name"]) == ("standard-nc24ads-a100-v4", "A100-80-PCIE")
    assert "A10 (8 GiB)" in said


def test_a_row_that_the_library_cannot_read_is_told(tmp_path: Path) -> None:
    broken = row("g6.2xlarge", "us-east-1", "cheap", "L4", 1, "24.0")
    catalog, said = built(publish(tmp_path, {"aws": [*AWS, broken]}), "aws", "us-east-1")
    assert "g6.2xlarge" not in prices(catalog)
    assert "Skipping malformed row in aws catalog at line 8" in said


def test_a_folder_of_catalogs_is_read_without_the_network_and_needs_a_date(tmp_path: Path) -> None:
    (tmp_path / "aws.csv").write_text(text(AWS))
    build = ("offers", "build", "--provider", "aws", "--region", "us-east-1")
    undated = wharfage(*build, GPUHUNT_CATALOG_DIR=str(tmp_path))
    assert (undated.returncode, "pass --observed-at" in undated.stderr) == (1, True)
    done = wharfage(*build, "--observed-at", TODAY.isoformat(), GPUHUNT_CATALOG_DIR=str(tmp_path))
    assert list(prices(yaml.safe_load(done.stdout))) == ["g6.xlarge", "p4de.24xlarge"]


@pytest.mark.parametrize(
    ("published", "says"),
    [
        pytest.param({}, "gpuhunt's catalog could not be loaded", id="nothing is there"),
        pytest.param({"gcp": GCP}, "No catalog for offline provider aws", id="only another provider's is there"),
        pytest.param({"aws": AWS[-1:]}, "of aws has no machine with accelerators", id="it has no accelerator"),
    ],
)
def test_a_catalog_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, published: dict[str, list[dict[str, str]]], says: str
) -> None:
    address = publish(tmp_path, published)
    done = wharfage("offers", "build", "--provider", "aws", "--region", "us-east-1", GPUHUNT_CATALOG_URL=address)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_catalog_is_refused(tmp_path: Path) -> None:
    address = publish(tmp_path, {"aws": AWS}, "20240310")
    done = wharfage("offers", "build", "--provider", "aws", "--region", "us-east-1", GPUHUNT_CATALOG_URL=address)
    assert done.returncode == 1
    assert "the price is of 2024-03-10" in done.stderr
