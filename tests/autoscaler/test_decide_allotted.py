"""What holds for every decision on what was allotted, whatever the load, the fleet and what can be had."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.floors import floors
from wharfage_autoscaler.law import FRESH, Held
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode, Placement, SpotPolicy
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.snapshot import ClusterSnapshot, Memory, Snapshot
from wharfage_autoscaler.supply import Cap, Supply

from tests.autoscaler.test_allot import believed
from tests.builders import offer, wanted
from tests.needs import berth, clusters, need

SMALL, LARGE = offer("small", usd_per_hour=0.1), offer("large", accelerators=2, usd_per_hour=0.2)
LEAST = need(berth(SMALL, 0.5), berth(LARGE, 0.75), peak_rps=1.0, usual_rps=0.0, min_replicas=1, max_replicas=1)
POOR = ClusterSnapshot((LEAST,), Supply(caps=(Cap("all", frozenset({LEAST.key}), 0.0),)))
"""The floor costs 0.10 usd/h, the shape that carries more of the demand a whole machine of 0.20."""
WIDE = offer("wide", accelerators=2, usd_per_hour=15.1)
HELD = need(
    berth(WIDE, 0.5),
    berth(offer("wide", market=Market.SPOT, accelerators=2, usd_per_hour=12.4), 0.5, accelerators=2),
    peak_rps=0.0,
    usual_rps=0.25,
    min_replicas=1,
    max_replicas=1,
    placement=Placement(spot=SpotPolicy.FORBID, min_on_demand_share=0.0),
)
FREE = need(berth(WIDE, 0.5), peak_rps=0.0, usual_rps=0.0, max_replicas=1, key=("shop", "other"))
BESIDE = ClusterSnapshot((HELD, FREE), Supply(caps=(Cap("some", frozenset({HELD.key}), 0.0),)))
"""Half of a wide machine is within the budget of the floor, the whole of it, which nobody else takes, is not."""

quickly = settings(max_examples=25, deadline=None)
NOTHING = Fleet()


def world(asked: Need, given_pools: Allotment, rps: float | None, *, gone: int = 0, fleet: Fleet = NOTHING) -> Snapshot:
    """A load on the pools that were allotted; `gone` of their offers cannot be had."""
    offers = sorted({portion.pool.offer.key: portion.pool.offer for portion in given_pools.shapes}.items())
    return Snapshot(
        now=1_000_000.0,
        key=asked.key,
        wanted=wanted(
            mode=Mode.AUTO,
            min_replicas=asked.min_replicas,
            max_replicas=asked.max_replicas,
            placement=asked.placement,
            usd_per_hour_limit=asked.usd_per_hour_limit,
        ),
        offers=tuple(each for _, each in offers[gone:])
        + tuple(replace(each, obtainable="") for _, each in offers[:gone]),
        fleet=fleet,
        load=None if rps is None else Load(60.0, rps, 900 * rps, 200 * rps, 5.0, 0.0),
        allotment=given_pools,
    )


@quickly
@given(
    clusters(most=2),
    st.none() | st.floats(0.0, 60.0),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from([FRESH, Held(replicas=3.0)]),
)
def test_no_decision_costs_more_than_its_floor_or_its_dollars_nor_crosses_a_ceiling(
    seen: ClusterSnapshot, rps: float | None, gone: int, runs: bool, held: Held
) -> None:
    for key, given_pools in allot(seen).by_key.items():
        asked = next(each for each in seen.needs if each.key == key)
        fleet = given_pools.planned if runs else NOTHING
        at_present = world(asked, given_pools, rps, gone=gone, fleet=fleet)
        decision, memory = decide(at_present, Memory(held=held))
        assert (decision, memory) == decide(at_present, Memory(held=held))
        target = decision.target
        assert target.replicas <= asked.max_replicas
        if asked.usd_per_hour_limit is not None:
            assert target.usd_per_hour <= asked.usd_per_hour_limit + 1e-6
        if given_pools.usd_per_hour is not None and target.replicas > asked.min_replicas:
            assert given_pools.charged(target) <= given_pools.usd_per_hour + 1e-6


@settings(max_examples=60, deadline=None)
@example(POOR, None, False, FRESH)
@example(BESIDE, None, False, FRESH)
@given(
    clusters(most=2).filter(lambda seen: bool(seen.supply.caps)),
    st.none() | st.floats(0.0, 200.0),
    st.booleans(),
    st.sampled_from([FRESH, Held(replicas=30.0)]),
)
def test_cost_is_never_above_the_dollars_or_what_the_floor_costs_whichever_is_more(
    seen: ClusterSnapshot, rps: float | None, runs: bool, held: Held
) -> None:
    least = floors(believed(seen), seen.supply)
    for key, given_pools in allot(seen).by_key.items():
        asked = next(each for each in seen.needs if each.key == key)
        fleet = given_pools.planned if runs else NOTHING
        decision, _ = decide(world(asked, given_pools, rps, fleet=fleet), Memory(held=held))
        if given_pools.usd_per_hour is not None:
            most = max(given_pools.usd_per_hour, least[key].fleet.usd_per_hour)
            assert given_pools.charged(decision.target) <= most + 1e-4


def test_a_part_of_a_shared_machine_is_paid_for_as_a_part() -> None:
    big = offer("big", accelerators=4, usd_per_hour=3.2)
    asked = tuple(need(berth(big), peak_rps=4.0, key=("shop", name)) for name in "abcd")
    budget = Supply(caps=(Cap("all", frozenset(each.key for each in asked), 3.3),))
    for each, given_pools in zip(asked, allot(ClusterSnapshot(asked, budget)).by_key.values(), strict=True):
        assert decide(world(each, given_pools, 3.0), Memory())[0].target.replicas == 1
