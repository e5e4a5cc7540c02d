"""From prices to a catalog: names, zones, a limit on offers, and a file that reads back as it was."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml
from wharfage_api import OfferCatalog
from wharfage_autoscaler.offers import Market
from wharfage_cli.offers.catalog import Description, NoCatalog, cheapest, layout, manifest, offered
from wharfage_cli.offers.price import Price

from tests.cli.offers.prices import price, spot


def made(*prices: Price, provider: str = "aws") -> dict[str, Any]:
    about = Description("here", provider, "us-east-1", Decimal(1), {"prices": "p.csv"})
    return manifest(offered(prices, provider), about)


def rows(*prices: Price, provider: str = "aws") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made(*prices, provider=provider)["spec"]["offers"]
    return found


def test_a_machine_is_one_offer_with_all_its_prices() -> None:
    found = rows(spot(zone="us-east-1b"), spot(zone="us-east-1a", interruptions_per_month=Decimal("0.075")), price())
    assert [row["name"] for row in found] == ["g6.xlarge"]
    assert found[0]["prices"] == [
        {"market": "OnDemand", "usdPerHour": "1"},
        {"market": "Spot", "zone": "us-east-1a", "usdPerHour": "0.4", "interruptionsPerMonth": "0.075"},
        {"market": "Spot", "zone": "us-east-1b", "usdPerHour": "0.4"},
    ]


def test_one_on_demand_price_in_all_zones_is_the_regions_and_spot_keeps_its_zones() -> None:
    zones = ("us-central1-a", "us-central1-b")
    found = rows(*(price(zone=zone) for zone in zones), *(spot(zone=zone) for zone in zones))
    assert [(row["market"], row.get("zone", "")) for row in found[0]["prices"]] == [
        ("OnDemand", ""),
        ("Spot", "us-central1-a"),
        ("Spot", "us-central1-b"),
    ]


def test_on_demand_prices_that_differ_keep_their_zones() -> None:
    found = rows(price(zone="a", per_hour="1"), price(zone="b", per_hour="2"))
    assert [row["zone"] for row in found[0]["prices"]] == ["a", "b"]


def test_a_machine_that_takes_several_accelerators_is_several_offers() -> None:
    found = rows(price("m", accelerators=1), price("m", accelerators=2), price("n"))
    assert [row["name"] for row in found] == ["m-l4-1", "n", "m-l4-2"]


def test_what_is_attached_to_googles_n1_is_told_apart_by_labels() -> None:
    (row,) = rows(price("n1-standard-8", accelerator="T4", accelerators=2, accelerator_memory_gib=16), provider="gcp")
    assert row["name"] == "n1-standard-8-t4-2"
    assert row["nodeSelector"] == {
        "node.kubernetes.io/instance-type": "n1-standard-8",
        "cloud.google.com/gke-accelerator": "nvidia-tesla-t4",
        "cloud.google.com/gke-accelerator-count": "2",
    }


def test_machines_that_would_share_a_name_are_told() -> None:
    with pytest.raises(NoCatalog, match=r"^p.csv: a-1: its name a-1 is that of p.csv: A_1: give one of them a name$"):
        rows(price("A_1"), price("a-1"))


def test_a_name_that_is_too_long_is_told() -> None:
    with pytest.raises(NoCatalog, match="more than 63 characters: give a name"):
        rows(price("m" * 64))


def test_a_catalog_is_as_old_as_its_oldest_price() -> None:
    found = made(price(), price("g6.2xlarge", observed_at=datetime(2026, 7, 1, 12, tzinfo=UTC)))
    assert found["spec"]["observedAt"] == "2026-07-01T12:00:00Z"


def test_its_sources_are_annotations() -> None:
    assert made(price())["metadata"] == {"name": "here", "annotations": {"wharfage.dev/prices": "p.csv"}}


def test_no_price_makes_no_catalog() -> None:
    with pytest.raises(NoCatalog, match="no price is left"):
        made()


def test_what_the_api_refuses_is_told_with_its_field() -> None:
    with pytest.raises(NoCatalog, match=r"(?s)the API would refuse this catalog.*spec.offers.0.vcpus"):
        made(price(vcpus=9999))


def test_with_a_limit_the_cheapest_machine_of_every_shape_comes_first() -> None:
    eight = {"accelerators": 8, "vcpus": 192}
    machines = offered(
        [price("a", "1"), price("b", "2"), price("c", "3"), price("d", "10", **eight), price("e", "9", **eight)], "aws"
    )
    assert [machine.name for machine in cheapest(machines, 2)] == ["a", "e"]
    assert [machine.name for machine in cheapest(machines, 3)] == ["a", "b", "e"]
    assert cheapest(machines, 512) == machines


def test_the_file_reads_back_as_what_was_written() -> None:
    reserved = price("box", market=Market.RESERVED, count=2, node_selector=(("gpu", "true"),), node_group="pool-1")
    catalog = made(price(), spot(per_hour="0.123456"), reserved)
    text = layout(catalog, ["Prices: p.csv.", "x" * 60 + " " + "y" * 60])
    assert yaml.safe_load(text) == catalog
    assert OfferCatalog.model_validate(yaml.safe_load(text)).spec.offers[0].node_selector == {"gpu": "true"}
    assert text.startswith("# Prices: p.csv.\n# xxx")
    assert all(line.startswith("# ") for line in text.splitlines()[:3])
    assert '    - {market: Spot, usdPerHour: "0.1235"}' in text.splitlines()
