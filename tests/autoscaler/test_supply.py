"""Which prices are believed, and what a machine costs at the margin."""

from dataclasses import replace

import pytest
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.prune import MOST_PER_ACCELERATOR, MOST_PER_RESERVED, MOST_SHAPES, pruned
from wharfage_autoscaler.supply import Cap, Prices, Supply, doubted

from tests.builders import offer
from tests.needs import berth, need, reserved, spot

FAIR = (offer("a", usd_per_hour=0.8), offer("b", usd_per_hour=1.0), offer("c", accelerators=4, usd_per_hour=4.6))


@pytest.mark.parametrize(
    ("odd", "word"),
    [
        pytest.param(offer("odd", usd_per_hour=0.0), "has the price 0", id="nothing is free on demand"),
        pytest.param(offer("odd", usd_per_hour=-1.0), "has the price -1", id="a negative price"),
        pytest.param(offer("odd", usd_per_hour=float("nan")), "has the price nan", id="no number"),
        pytest.param(offer("odd", usd_per_hour=float("inf")), "has the price inf", id="an infinite price"),
        pytest.param(offer("odd", usd_per_hour=0.004), "others 0.9", id="a thousandth of what others cost"),
        pytest.param(spot("odd", usd_per_hour=0.01), "others 0.9", id="spot below anything seen"),
    ],
)
def test_prices_that_are_not_believed(odd: Offer, word: str) -> None:
    doubts = doubted([*FAIR, odd])
    assert list(doubts) == [odd.key]
    assert word in doubts[odd.key]
    assert "correct the catalog" in doubts[odd.key]


@pytest.mark.parametrize(
    "fair",
    [
        pytest.param(spot("fair", usd_per_hour=0.1), id="spot at a tenth"),
        pytest.param(offer("fair", usd_per_hour=900.0), id="too dear is harmless: it is not chosen"),
        pytest.param(reserved("fair", usd_per_hour=0.0), id="a machine of one's own may be written off"),
        pytest.param(offer("fair", accelerator="T4", usd_per_hour=0.01), id="nothing to compare with"),
    ],
)
def test_prices_that_are_believed(fair: Offer) -> None:
    assert doubted([*FAIR, fair]) == {}


def test_only_counted_reservations_are_free_at_the_margin() -> None:
    held, bought = reserved(usd_per_hour=0.7), offer(usd_per_hour=1.0)
    counted = Supply(machines={held.key: 1, bought.key: 5})
    assert [counted.rent(each) for each in (held, bought)] == [0.0, 1.0]
    assert Supply().rent(held) == 0.7


def test_prices_under_a_budget_hold_what_its_dollar_is_worth() -> None:
    one, other = need(berth(FAIR[0]), key=("shop", "a")), need(berth(FAIR[0]), key=("shop", "b"))
    supply = Supply(caps=(Cap("team", frozenset({one.key}), 10.0),))
    prices = Prices({FAIR[0].key: 0.8}, {"team": 0.5})
    assert prices.seen_by(one, supply) == pytest.approx({FAIR[0].key: 1.2})
    assert prices.seen_by(other, supply) == pytest.approx({FAIR[0].key: 0.8})


def _sizes(accelerator: str, count: int) -> list[Offer]:
    return [offer(f"{accelerator}-{n}", accelerator=accelerator, usd_per_hour=1.0 + n) for n in range(count)]


def test_three_shapes_per_accelerator_and_a_dozen_in_all_are_looked_at() -> None:
    cards = ["T4", "L4", "A10G", "L40S", "H100"]
    asked = need(*(berth(each) for card in cards for each in _sizes(card, 5)))
    kept = pruned(asked, Supply()).berths
    assert len(kept) == MOST_SHAPES
    for card in cards:
        names = [each.offer.name for each in kept if each.offer.accelerator == card]
        assert len(names) <= MOST_PER_ACCELERATOR
        assert names == [f"{card}-{n}" for n in range(len(names))]


def test_what_runs_is_looked_at_however_dear() -> None:
    rows = _sizes("L4", 6)
    asked: Need = need(*(berth(each) for each in rows))
    asked = replace(asked, fleet=replace(asked.fleet, pools=(berth(rows[4]).replicas(1),)))
    assert {each.offer.name for each in pruned(asked, Supply()).berths} == {"L4-0", "L4-1", "L4-2", "L4-4"}


def test_of_what_fits_on_reserved_machines_the_four_that_carry_most_are_looked_at_too() -> None:
    held = reserved("held", accelerators=8, usd_per_hour=5.0)
    on_it = [berth(held, rps, accelerators=size) for size, rps in ((1, 2.0), (2, 5.0), (4, 11.0), (8, 14.0))]
    asked = need(*(berth(each) for each in _sizes("L4", 5)), *on_it, berth(held, 2.5, variant_name="fp8"))
    kept = pruned(asked, Supply(machines={held.key: 1})).berths
    assert [(each.accelerators, each.pool.variant) for each in kept if each.offer == held] == [
        (1, "bf16"),
        (2, "bf16"),
        (4, "bf16"),
        (1, "fp8"),
    ]
    assert [each.offer.name for each in kept if each.offer != held] == ["L4-0", "L4-1", "L4-2"]


def test_what_runs_on_reserved_machines_is_looked_at_though_others_carry_more() -> None:
    held = reserved("held", accelerators=8, usd_per_hour=5.0)
    others = [berth(held, 3.0 + n, variant_name=f"v{n}") for n in range(MOST_PER_RESERVED)]
    runs = berth(held, 2.0)
    asked = need(runs, *others)
    asked = replace(asked, fleet=replace(asked.fleet, pools=(runs.replicas(1),)))
    assert runs in pruned(asked, Supply(machines={held.key: 1})).berths


def test_on_demand_zones_are_one_and_spot_zones_are_not() -> None:
    zoned = [offer(zone=zone, usd_per_hour=1.0 + (zone == "a") / 10) for zone in "abc"]
    asked = need(*(berth(each) for each in [*zoned, spot(zone="a"), spot(zone="b")]))
    kept = [(each.offer.market, each.offer.zone) for each in pruned(asked, Supply()).berths]
    assert kept == [(Market.ON_DEMAND, "b"), (Market.SPOT, "a"), (Market.SPOT, "b")]


def test_zones_with_a_quota_stay_apart() -> None:
    zoned = [offer(zone=zone) for zone in "ab"]
    asked = need(*(berth(each) for each in zoned))
    assert len(pruned(asked, Supply(machines={each.key: 1 for each in zoned})).berths) == 2
