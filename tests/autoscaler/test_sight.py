"""What is seen of a deployment adds up, and says of each offer whether it can be had."""

import math
from dataclasses import replace

import pytest
from wharfage_autoscaler.offers import Offer

from tests.builders import offer
from tests.sights import pool, sight

NAMED, NAMELESS = offer(obtainable="NodePool gpu"), offer(obtainable="")
OFFERED = [
    pytest.param(NAMED, True, "NodePool gpu", id="what gives its machines, where that is known"),
    pytest.param(NAMELESS, True, "market", id="something, where only that they can be had is known"),
    pytest.param(NAMED, False, "", id="nothing, after a refusal"),
    pytest.param(NAMELESS, False, "", id="nothing at all"),
]


@pytest.mark.parametrize(("of", "obtainable", "gives"), OFFERED)
def test_an_offer_says_what_gives_its_machines_now(of: Offer, obtainable: bool, gives: str) -> None:
    seen = replace(pool(obtainable=obtainable), offer=of)
    assert seen.offered == replace(NAMED, obtainable=gives)


def test_the_fleet_is_what_serves_and_what_is_on_its_way() -> None:
    view = sight(pool(ready=2, starting=1), pool("g6e.xlarge", accelerator="L40S", starting=1), pool(zone="b"))
    assert [(each.key.offer, each.replicas, each.ready) for each in view.fleet.pools] == [
        ("g6.xlarge", 3, 2),
        ("g6e.xlarge", 1, 0),
    ]


def test_what_serves_has_room_and_what_starts_has_none() -> None:
    assert sight(pool(ready=2, good_rps=2.0), pool(zone="b", starting=4, good_rps=9.0)).room_rps == 4.0


def test_what_one_pool_does_not_measure_is_not_known_of_all() -> None:
    assert math.isnan(sight(pool(running=3.0), pool(zone="b", running=math.nan)).running)
