"""`wharfage offers build --opencost`: prices of what runs, out of a real Prometheus that reads OpenCost's page."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.cli.offers.library import wharfage
from tests.operator.servers import answering, body
from tests.prometheus import scraping

LABELS = 'instance="{node}",node="{node}",instance_type="{machine}",region="{region}",provider_id="aws:///{node}"'
"""As opencost/opencost names them in pkg/costmodel/metrics.go at commit 4ed1bcfe7835b1746a20a1a2a6ee6f1369d0fcbb."""

NODES = (
    ("a", "g6.xlarge", "us-east-1", 0.61, 0),
    ("b", "g6.xlarge", "us-east-1", 0.63, 0),
    ("c", "g6.xlarge", "us-east-1", 0.62, 0),
    ("d", "g6.xlarge", "us-east-1", 0.31, 1),
    ("e", "g6e.xlarge", "eu-west-1", 9.99, 0),
    ("f", "p5.48xlarge", "us-east-1", 70.0, 0),
    ("g", "g6e.xlarge", "us-east-1", 0.0, 0),  # a price that OpenCost does not know
)
TODAY = datetime.now(UTC).date()
TABLE = f"""machine,price_per_hour,spot_price_per_hour,observed_at
g6.xlarge,0.8048,0.40,{TODAY}
g6e.xlarge,1.861,,{TODAY}
"""


def page() -> str:
    lines = []
    for name, place in (("node_total_hourly_cost", 3), ("kubecost_node_is_spot", 4)):
        lines += [f"# HELP {name} {name}", f"# TYPE {name} gauge"]
        for each in NODES:
            labels = LABELS.format(node=each[0], machine=each[1], region=each[2])
            lines.append(f"{name}{{{labels}}} {each[place]}")
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    opencost = body(page(), Content_Type="text/plain; version=0.0.4")
    with answering(opencost) as told, scraping({told.removeprefix("http://"): {}}, folder) as url:
        yield url


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "prices.csv").write_text(TABLE)
    return tmp_path / "prices.csv"


def build(table: Path, url: str, *more: str) -> tuple[int, str, str]:
    where = ("--provider", "aws", "--region", "us-east-1", "--from", str(table))
    done = wharfage("offers", "build", *where, "--opencost", url, *more)
    return done.returncode, done.stdout, done.stderr


def read(table: Path, url: str) -> tuple[int, str, str]:
    """Until Prometheus has read the page."""
    for _ in range(50):
        found = build(table, url)
        if found[0] == 0:
            return found
    return found


def test_what_runs_has_the_price_that_is_paid_and_the_rest_that_of_the_table(prometheus: str, table: Path) -> None:
    code, catalog, said = read(table, prometheus)
    assert code == 0, said
    prices = {
        (offer["name"], price["market"]): price["usdPerHour"]
        for offer in yaml.safe_load(catalog)["spec"]["offers"]
        for price in offer["prices"]
    }
    assert prices == {
        ("g6.xlarge", "OnDemand"): "0.62",
        ("g6.xlarge", "Spot"): "0.31",
        ("g6e.xlarge", "OnDemand"): "1.861",
    }
    assert "priced by OpenCost: g6.xlarge OnDemand, g6.xlarge Spot" in said
    assert "runs, but has no row: p5.48xlarge OnDemand" in said
    assert "2 by OpenCost" in catalog


def test_a_prometheus_without_opencost_is_said(tmp_path: Path, table: Path) -> None:
    with scraping({}, tmp_path) as url:
        code, _, said = build(table, url)
    assert code == 1
    assert "does it read OpenCost's /metrics?" in said


def test_an_address_that_is_none_is_said(table: Path) -> None:
    code, _, said = build(table, "prometheus:9090")
    assert code == 1
    assert "http(s)://HOST" in said


def test_prices_in_another_currency_are_refused(table: Path) -> None:
    code, _, said = build(table, "http://127.0.0.1:1", "--usd-per-unit", "1.08")
    assert code == 2
    assert "leave --usd-per-unit out" in said
