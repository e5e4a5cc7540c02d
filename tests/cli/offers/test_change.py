"""What is said of a change, and which changes are too large to be believed."""

from typing import Any

import pytest
from wharfage_cli.offers.change import Change, difference, doubts, report


def catalog(*offers: dict[str, Any], day: str = "2026-07-20", **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "aws", "annotations": annotations},
        "spec": {"provider": "aws", "observedAt": f"{day}T00:00:00Z", "offers": list(offers)},
    }


def offer(name: str, on_demand: str = "1", spot: str = "", **price: str) -> dict[str, Any]:
    prices: list[dict[str, str]] = [{"market": "OnDemand", "zone": "", "usdPerHour": on_demand}]
    if spot:
        prices.append({"market": "Spot", "zone": "a", "usdPerHour": spot, **price})
    return {"name": name, "machine": name, "vcpus": 4, "prices": prices}


def between(before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    return report(difference(before, after))


def test_a_catalog_that_is_the_same_has_nothing_to_change() -> None:
    same = catalog(offer("x", spot="0.4"))
    assert difference(same, same).nothing
    assert between(same, same) == ["nothing to change"]


def test_a_new_catalog_is_told_by_its_offers() -> None:
    assert between(None, catalog(offer("x"), offer("y"))) == ["+ x", "+ y", "2 offers added, 0 removed, 0 prices moved"]


def test_offers_that_come_and_go_and_prices_that_move_are_told_with_their_figures() -> None:
    before = catalog(offer("x", "1.00", spot="0.40"), offer("y"))
    after = catalog(offer("x", "1.00", spot="0.44"), offer("z"), day="2026-08-01")
    assert between(before, after) == [
        "~ observedAt 2026-07-20T00:00:00Z -> 2026-08-01T00:00:00Z",
        "+ z",
        "- y",
        "~ x Spot a 0.40 -> 0.44 per hour (+10.0 %)",
        "1 offer added, 1 removed, 1 price moved",
    ]


def test_a_price_that_comes_or_goes_in_an_offer_is_told() -> None:
    assert between(catalog(offer("x")), catalog(offer("x", spot="0.4"))) == [
        "+ x Spot a",
        "0 offers added, 0 removed, 0 prices moved, 1 price added or removed",
    ]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({**offer("x", spot="0.4"), "vcpus": 8}, id="another fact of the machine"),
        pytest.param(offer("x", spot="0.4", interruptionsPerMonth="0.1"), id="another rate of interruptions"),
    ],
)
def test_what_is_no_price_is_told_as_the_offers_description(after: dict[str, Any]) -> None:
    assert between(catalog(offer("x", spot="0.4")), catalog(after))[0] == "~ x: its description"


def test_another_source_is_told() -> None:
    assert between(catalog(offer("x"), prices="a"), catalog(offer("x"), prices="b"))[0] == "~ annotation prices: b"


def change(before: dict[str, Any], after: dict[str, Any]) -> Change:
    return difference(before, after)


@pytest.mark.parametrize(
    ("after", "doubt"),
    [
        pytest.param(offer("x", "9.9"), [], id="nearly tenfold is believed"),
        pytest.param(offer("x", "186.1"), ["x OnDemand 1 -> 186.1 per hour (+18510.0 %)"], id="cents for dollars"),
        pytest.param(offer("x", "0.01"), ["x OnDemand 1 -> 0.01 per hour (-99.0 %)"], id="dollars for cents"),
    ],
)
def test_a_price_that_moves_by_more_than_a_factor_of_ten_is_doubted(after: dict[str, Any], doubt: list[str]) -> None:
    assert doubts(change(catalog(offer("x", "1")), catalog(after))) == doubt


def test_a_catalog_that_loses_more_than_half_of_its_offers_is_doubted() -> None:
    four = catalog(*(offer(name) for name in "abcd"))
    assert doubts(change(four, catalog(offer("a"), offer("b")))) == []
    assert doubts(change(four, catalog(offer("a")))) == ["3 of 4 offers would go"]
