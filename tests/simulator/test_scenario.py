"""From a catalog and a model to pools that may be used."""

from dataclasses import replace

import pytest
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.traffic import Traffic
from wharfage_simulator.scenario import Asked, ScenarioError, cheapest, fleetable

from tests.builders import offer, variant

L4 = offer("g6.xlarge", usd_per_hour=0.8)
L4_SPOT = offer("g6.xlarge", market=Market.SPOT, zone="a", usd_per_hour=0.3)
H100 = offer("p5.4xlarge", accelerator="H100", accelerator_memory_gib=80, vcpus=16, memory_gib=256, usd_per_hour=6.88)
T4 = offer("g4dn.xlarge", accelerator="T4", accelerator_memory_gib=16, usd_per_hour=0.53)
ASKED = Asked(variant=variant(), traffic=Traffic(900, 200), objectives=Objectives())


def test_every_offer_that_holds_the_model_is_a_pool_and_equal_machines_share_an_engine() -> None:
    found = fleetable([L4, L4_SPOT, H100, T4], ASKED)
    assert [kind.offer for kind in found.kinds] == [L4, L4_SPOT, H100]
    assert [kind.profile for kind in found.kinds] == [0, 0, 1]
    assert [profile.name for profile in found.profiles] == ["L4 x1", "H100 x1"]
    slow, spot, fast = found.kinds
    assert slow.planned_rps == spot.planned_rps < slow.good_rps < fast.planned_rps


def test_the_cheapest_pool_is_by_what_it_carries_not_by_its_price() -> None:
    assert cheapest(fleetable([L4, H100], ASKED).kinds).offer is H100
    assert cheapest(fleetable([L4, replace(H100, usd_per_hour=60.0)], ASKED).kinds).offer is L4
    with pytest.raises(ScenarioError, match="no Spot offer"):
        cheapest(fleetable([L4], ASKED).kinds, Market.SPOT)


def test_a_catalog_without_a_fitting_offer_says_why() -> None:
    with pytest.raises(ScenarioError, match=r"no offer serves .*T4 x1"):
        fleetable([T4], ASKED)
    with pytest.raises(ScenarioError, match="the catalog is empty"):
        fleetable([], ASKED)


def test_objectives_that_no_machine_meets_are_named_with_the_nearest_that_one_meets() -> None:
    def within(tpot_ms: float) -> Asked:
        return replace(ASKED, objectives=Objectives(tpot_p95_s=tpot_ms / 1e3))

    with pytest.raises(ScenarioError, match="within its objectives: H100 x1") as refused:
        fleetable([T4, L4, H100], within(1.0))
    nearest_ms = float(str(refused.value).split("ask for ")[1].split(" ms")[0])
    assert [kind.offer for kind in fleetable([T4, L4, H100], within(nearest_ms)).kinds] == [H100]
    with pytest.raises(ScenarioError):
        fleetable([T4, L4, H100], within(0.97 * nearest_ms))


def test_machines_that_miss_an_objective_alike_are_told_once() -> None:
    larger = replace(L4, name="g6.12xlarge", accelerators=4, vcpus=48, memory_gib=192)
    with pytest.raises(ScenarioError) as refused:
        fleetable([L4, larger, H100], replace(ASKED, objectives=Objectives(ttft_p95_s=0.001)))
    told = str(refused.value)
    assert (told.count("L4 x1"), told.count("H100 x1")) == (1, 1)
    assert told.count("ttftP95 1.0 ms is out of reach") == 2


def test_of_many_offers_that_serve_nothing_the_nearest_are_told_and_the_rest_counted() -> None:
    small = [replace(T4, name=f"m{n}", accelerator_memory_gib=15.0 - n) for n in range(5)]
    with pytest.raises(ScenarioError, match="; and 2 more") as refused:
        fleetable(small[::-1], ASKED)
    told = str(refused.value)
    assert told.index("m0") < told.index("m1") < told.index("m2")
    assert "m3" not in told
