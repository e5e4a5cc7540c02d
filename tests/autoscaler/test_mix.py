"""The mix is the cheapest there is, keeps every row, and says what it could not do."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.alike import alike
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.greedy import greedy
from wharfage_autoscaler.mix import mix
from wharfage_autoscaler.model import Placement, SpotPolicy
from wharfage_autoscaler.need import LOSS_ALLOWED, Need
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.plans import Sketchbook, planned, sketched
from wharfage_autoscaler.seats import Mix, Row, broken, machines_used, score, short, spot_pools, spot_rps
from wharfage_autoscaler.solution import How
from wharfage_autoscaler.supply import Cap, Supply

from tests.builders import offer
from tests.needs import ANY_SPOT, EVERYWHERE, berth, best, catalogs, everything, need, needs, reserved, spot, supplies

quickly = settings(max_examples=40, deadline=None)


def counts(mixed: Mix) -> dict[tuple[str, Market, str], int]:
    return {(s.berth.offer.name, s.berth.offer.market, s.berth.offer.zone): s.replicas for s in mixed.seats}


def equal(one: float, other: float) -> bool:
    return one == pytest.approx(other, rel=1e-6, abs=1e-6)


# --- against everything there is -----------------------------------------------------------------------------------


@st.composite
def small(draw: st.DrawFn) -> tuple[Need, Supply]:
    asked = draw(needs())
    return asked, draw(supplies(asked))


@st.composite
def two(draw: st.DrawFn) -> tuple[tuple[Need, Need], Supply]:
    catalog = draw(catalogs(3))
    asked = (
        draw(needs(catalog, most_berths=2, most_replicas=3, key=("shop", "chat"))),
        draw(needs(catalog, most_berths=2, most_replicas=3, key=("shop", "code"))),
    )
    supply = draw(supplies(*asked))
    if draw(st.booleans()):
        supply = replace(supply, caps=(Cap("team", frozenset(each.key for each in asked), draw(st.integers(0, 50))),))
    return asked, supply


@quickly
@given(small())
def test_no_mix_of_one_deployment_is_cheaper(case: tuple[Need, Supply]) -> None:
    asked, supply = case
    found = mix([asked], supply, gap=0.0)
    assert found.how is How.EXACT
    assert equal(found.usd_per_hour, best([asked], supply, 4))


@quickly
@given(two())
def test_no_mixes_of_two_deployments_together_are_cheaper(case: tuple[tuple[Need, Need], Supply]) -> None:
    asked, supply = case
    found = mix(asked, replace(supply, caps=()), gap=0.0)
    assert equal(found.usd_per_hour, best(asked, supply, 3))


@quickly
@given(case=small(), times=st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=3))
def test_a_book_of_sketches_changes_nothing_at_whatever_prices_come_next(
    case: tuple[Need, Supply], times: list[float]
) -> None:
    asked, supply = case
    book = Sketchbook()
    for each in times:
        prices = {
            berth.offer.key: berth.offer.usd_per_hour * (each if at % 2 else 1.0)
            for at, berth in enumerate(asked.berths)
        }
        assert sketched(asked, supply, prices, book) == sketched(asked, supply, prices)
        assert planned(asked, supply, prices, book) == planned(asked, supply, prices)


@quickly
@given(small(), st.sampled_from([0.0, 1.0, 40.0, 5000.0]), st.booleans())
def test_counting_equals_the_programme_where_replicas_are_alike(
    case: tuple[Need, Supply], times: float, together: bool
) -> None:
    asked, supply = replace(case[0], shapes=1, usd_per_hour_limit=None), replace(case[1], open={})
    if together:
        asked = replace(asked, survive=(frozenset(spot_pools(asked)),))
    prices = {each.offer.key: times * each.offer.usd_per_hour for each in asked.berths}
    counted = alike(asked, supply, prices)[0]
    many = replace(asked, survive=(*asked.survive, frozenset()))  # what counting leaves to the programme
    assert equal(counted.usd_per_hour, planned(many, supply, prices).least) or (
        counted.usd_per_hour <= planned(many, supply, prices).least * 1.002
    )


def test_a_shape_that_is_left_out_does_not_make_on_demand_any_dearer_or_cheaper() -> None:
    dear = berth(replace(spot("a", "y", usd_per_hour=9.7), interruptions_per_month=0.0), 0.5)
    cheap = berth(replace(spot("a", "x", usd_per_hour=0.1), interruptions_per_month=0.0), 1.5)
    asked = need(
        berth(offer("a", usd_per_hour=0.2), 2.0),
        cheap,
        dear,
        peak_rps=14.0,
        usual_rps=9.75,
        max_replicas=2,
        usd_per_hour_limit=0.2,
        placement=Placement(spot=SpotPolicy.PREFER, max_spot_share=1.0, min_on_demand_share=0.4),
    )
    supply = Supply(open={each.offer.key: 0.5 for each in asked.berths})
    assert counts(mix([asked], supply, gap=0.0).mixes[0]) == {("a", Market.SPOT, "x"): 2}


# --- what always holds ---------------------------------------------------------------------------------------------


@quickly
@given(small())
def test_every_mix_keeps_every_row_and_says_what_is_open(case: tuple[Need, Supply]) -> None:
    asked, supply = case
    (found,) = mix([asked], supply).mixes
    assert not broken([asked], [found], supply)
    left = short(asked, found)
    carried = sum(s.replicas * s.berth.requests_per_second for s in found.seats)
    steady = sum(s.replicas * s.berth.requests_per_second for s in found.seats if s.berth.offer.market != Market.SPOT)
    assert carried >= asked.peak_rps * (1 - left.peak) - 1e-4
    assert steady >= asked.floor_rps * (1 - left.floor) - 1e-4
    assert len(found.fleet.pools) == len({pool.key for pool in found.fleet.pools})
    for key, used in machines_used([found]).items():
        assert used <= supply.machines.get(key, 99) + supply.open.get(key, 0.0) + 1e-6


def with_room(case: tuple[Need, Supply]) -> tuple[Need, Supply]:
    """The same with as much of everything as it may need: what is left open is compared with nothing."""
    asked, supply = case
    berths = (berth(offer("always", usd_per_hour=5.0)), *asked.berths)
    return replace(asked, berths=berths, max_replicas=40, usd_per_hour_limit=None), replace(supply, machines={})


@quickly
@given(small(), st.integers(1, 20))
def test_more_demand_never_costs_less(case: tuple[Need, Supply], more: int) -> None:
    asked, supply = with_room(case)
    larger = replace(asked, peak_rps=asked.peak_rps + more, usual_rps=asked.usual_rps + more / 2)
    found = mix([larger], supply, gap=0.0)
    if not short(larger, found.mixes[0]).nothing:
        return  # what is open is priced by the demand that is left, and the two differ
    assert found.usd_per_hour >= mix([asked], supply, gap=0.0).usd_per_hour - 1e-5


@quickly
@given(small())
def test_fewer_offers_never_cost_less(case: tuple[Need, Supply]) -> None:
    asked, supply = with_room(case)
    # under Prefer, on-demand counts as dearer the dearer spot is: what is minimised is not only money
    asked = replace(asked, placement=replace(asked.placement, spot=SpotPolicy.ALLOW))
    whole = mix([asked], supply, gap=0.0)
    for at in range(1, len(asked.berths)):
        fewer = replace(asked, berths=asked.berths[:at] + asked.berths[at + 1 :])
        left = mix([fewer], supply, gap=0.0)
        if short(fewer, left.mixes[0]).nothing:
            assert left.usd_per_hour >= whole.usd_per_hour - 1e-5


@quickly
@given(two())
def test_greedy_is_never_below_the_programme_nor_that_below_its_bound(case: tuple[tuple[Need, Need], Supply]) -> None:
    asked, supply = case[0], replace(case[1], caps=())
    found, rough = mix(asked, supply, gap=0.0), greedy(asked, supply)
    assert not broken(asked, rough, supply)
    assert score(asked, rough, supply) >= found.usd_per_hour - 1e-5 * max(1.0, found.usd_per_hour)
    assert found.bound <= found.usd_per_hour


@quickly
@given(two(), st.sampled_from([0, 1]))
def test_however_early_the_solver_ends_the_answer_is_no_dearer_than_greedy(
    case: tuple[tuple[Need, Need], Supply], nodes: int
) -> None:
    asked, supply = case[0], replace(case[1], caps=())
    found = mix(asked, supply, nodes=nodes)
    rough = score(found.needs, greedy(found.needs, supply), supply)
    assert not broken(asked, found.mixes, supply)
    assert found.usd_per_hour <= rough * (1 + 1e-9) + 1e-9


@quickly
@given(small())
def test_the_same_need_gets_the_same_mix_in_whatever_order_its_berths_come(case: tuple[Need, Supply]) -> None:
    asked, supply = case
    turned = replace(asked, berths=asked.berths[::-1])
    assert mix([asked], supply).mixes == mix([asked], supply).mixes == mix([turned], supply).mixes


@quickly
@given(two())
def test_greedy_breaks_no_row_under_budgets_either(case: tuple[tuple[Need, Need], Supply]) -> None:
    asked, supply = case
    floorless = [replace(each, min_replicas=0) for each in asked]
    rough = greedy(floorless, supply)
    assert not broken(floorless, rough, supply)
    for cap in supply.caps:
        assert sum(each.fleet.usd_per_hour for each in rough) <= cap.usd_per_hour + 1e-6


# --- by example ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most_spot", "expected"),
    [
        pytest.param(0.6, (3, 1, 1), id="four of five must be left, and spot is at most 60 %"),
        pytest.param(1.0, (2, 2, 2), id="another on spot is cheaper than a third on demand"),
    ],
)
def test_the_floor_runs_on_demand_and_spot_is_spread_over_zones(
    most_spot: float, expected: tuple[int, int, int]
) -> None:
    where = [berth(offer()), berth(spot(zone="a")), berth(spot(zone="b"))]
    placement = replace(EVERYWHERE, max_spot_share=most_spot)
    (found,) = mix([need(*where, peak_rps=20.0, usual_rps=16.0, placement=placement)], Supply()).mixes
    assert tuple(seats.replicas for seats in found.seats) == expected


def test_a_single_spot_pool_must_be_survivable() -> None:
    where = [berth(offer()), berth(spot())]
    asked = need(*where, peak_rps=20.0, usual_rps=20.0, placement=ANY_SPOT)
    (found,) = mix([asked], Supply()).mixes
    assert counts(found) == {("g6.xlarge", Market.ON_DEMAND, ""): 5}


def test_spot_beside_what_is_usual_needs_no_insurance() -> None:
    where = [berth(offer()), berth(spot())]
    asked = need(*where, peak_rps=20.0, usual_rps=16.0, placement=ANY_SPOT)
    (found,) = mix([asked], Supply()).mixes
    assert counts(found) == {("g6.xlarge", Market.ON_DEMAND, ""): 4, ("g6.xlarge", Market.SPOT, "a"): 1}


def test_in_a_bout_of_losses_more_is_survived_than_in_quiet_times() -> None:
    zones = [replace(spot(zone=zone), interruptions_per_month=None) for zone in "abc"]
    where = [berth(each, start_s=300.0) for each in (offer(), *zones)]
    asked = need(*where, peak_rps=40.0, usual_rps=40.0, placement=ANY_SPOT, max_replicas=30, loss_allowed=LOSS_ALLOWED)
    region = spot().catalog
    quiet, bout = (mix([replace(asked, restless={region: often})], Supply()) for often in (0.12, 2.8))
    (least,), (most,) = quiet.mixes, bout.mixes
    assert least.requests_per_second - sum(spot_rps(least).values()) < asked.survive_rps
    assert most.requests_per_second - sum(spot_rps(most).values()) >= asked.survive_rps
    assert bout.usd_per_hour > quiet.usd_per_hour


def test_pools_that_fall_together_too_often_are_survived_as_one() -> None:
    risky = [replace(spot(zone=zone), interruptions_per_month=2000.0) for zone in "abc"]
    where = [berth(offer(), start_s=600.0), *(berth(each, start_s=600.0) for each in risky)]
    asked = need(*where, peak_rps=40.0, usual_rps=40.0, placement=ANY_SPOT, max_replicas=20)
    bold, careful = mix([asked], Supply()), mix([replace(asked, loss_allowed=0.01)], Supply())
    assert careful.needs[0].survive
    assert careful.usd_per_hour > bold.usd_per_hour
    assert short(careful.needs[0], careful.mixes[0]).nothing


def test_a_region_that_falls_is_not_escaped_into_its_other_machines() -> None:
    zones = [replace(spot(machine, zone=zone), interruptions_per_month=2000.0) for machine in "mn" for zone in "abc"]
    where = [berth(each, start_s=600.0) for each in (offer(), *zones)]
    asked = need(*where, peak_rps=40.0, usual_rps=40.0, placement=ANY_SPOT, max_replicas=30, loss_allowed=LOSS_ALLOWED)
    found = mix([asked], Supply())
    (taken,) = found.mixes
    assert found.needs[0].survive == (frozenset(spot_pools(asked)),)
    assert taken.requests_per_second - sum(spot_rps(taken).values()) >= asked.survive_rps


def test_reserved_machines_cost_nothing_more_and_are_no_more_than_there_are() -> None:
    held = reserved(usd_per_hour=5.0)
    where = [berth(offer()), berth(held)]
    (found,) = mix([need(*where, peak_rps=20.0)], Supply(machines={held.key: 2})).mixes
    assert counts(found) == {("g6.xlarge", Market.ON_DEMAND, ""): 3, ("g6.xlarge", Market.RESERVED, ""): 2}


def test_reserved_machines_that_nobody_counted_cost_what_the_books_say() -> None:
    where = [berth(offer(usd_per_hour=1.0)), berth(reserved(usd_per_hour=5.0))]
    (found,) = mix([need(*where, peak_rps=8.0)], Supply()).mixes
    assert counts(found) == {("g6.xlarge", Market.ON_DEMAND, ""): 2}


def test_two_deployments_share_a_machine_that_neither_would_open_alone() -> None:
    big = offer("g6.12xlarge", accelerators=4, usd_per_hour=3.0)
    small_one = offer("g6.xlarge", usd_per_hour=1.0)
    asked = [need(berth(big), berth(small_one), peak_rps=8.0, key=("shop", name)) for name in ("a", "b")]
    alone, both = mix(asked[:1], Supply()), mix(asked, Supply())
    assert alone.usd_per_hour == pytest.approx(2.0)
    assert both.usd_per_hour == pytest.approx(3.0)


def test_an_open_machine_is_filled_before_another_is_opened() -> None:
    big, small_one = offer("g6.12xlarge", accelerators=4, usd_per_hour=3.0), offer("g6.xlarge", usd_per_hour=1.0)
    asked = need(berth(big), berth(small_one), peak_rps=8.0)
    for found in (mix([asked], Supply(open={big.key: 0.5})).mixes, greedy([asked], Supply(open={big.key: 0.5}))):
        assert counts(found[0]) == {("g6.12xlarge", Market.ON_DEMAND, ""): 2}


def test_greedy_opens_no_large_machine_for_one_replica() -> None:
    big, small_one = offer("p5.48xlarge", accelerators=8, usd_per_hour=34.6), offer("p5.4xlarge", usd_per_hour=4.33)
    (found,) = greedy([need(berth(big), berth(small_one), peak_rps=4.0)], Supply())
    assert counts(found) == {("p5.4xlarge", Market.ON_DEMAND, ""): 1}


def test_behind_a_service_one_shape_serves_and_behind_the_gateway_they_mix() -> None:
    large, small_one = berth(offer("large", usd_per_hour=4.0), 16.0), berth(offer("small", usd_per_hour=1.5), 4.0)
    asked = need(large, small_one, peak_rps=20.0)
    assert counts(mix([asked], Supply()).mixes[0]) == {("small", Market.ON_DEMAND, ""): 5}
    mixed = mix([replace(asked, shapes=3)], Supply())
    assert counts(mixed.mixes[0]) == {("large", Market.ON_DEMAND, ""): 1, ("small", Market.ON_DEMAND, ""): 1}


def test_variants_mix_where_they_may() -> None:
    best, small_one = berth(offer("large", usd_per_hour=4.0), 16.0), offer("small", usd_per_hour=1.5)
    asked = need(best, berth(small_one, 4.0, variant_name="int4"), peak_rps=20.0, shapes=3)
    alone, together = mix([asked], Supply()).mixes[0], mix([replace(asked, variants=3)], Supply()).mixes[0]
    assert counts(alone) == {("small", Market.ON_DEMAND, ""): 5}
    assert counts(together) == {("large", Market.ON_DEMAND, ""): 1, ("small", Market.ON_DEMAND, ""): 1}
    assert broken([asked], [together], Supply()) == ((asked.key, Row.VARIANTS),)


def test_one_variant_may_still_mix_machines() -> None:
    large, small_one = offer("large", usd_per_hour=4.0), offer("small", usd_per_hour=1.5)
    asked = need(
        berth(large, 16.0, variant_name="int4"),
        berth(small_one, 4.0, variant_name="int4"),
        berth(small_one, 3.0),
        peak_rps=20.0,
        shapes=3,
    )
    assert counts(mix([asked], Supply()).mixes[0]) == {
        ("large", Market.ON_DEMAND, ""): 1,
        ("small", Market.ON_DEMAND, ""): 1,
    }


def test_a_pool_never_holds_replicas_of_two_sizes() -> None:
    machine = offer("g6.12xlarge", accelerators=4, usd_per_hour=4.0)
    asked = need(berth(machine, 4.0), berth(machine, 9.0, accelerators=2), peak_rps=13.0, shapes=3)
    (found,) = mix([asked], Supply()).mixes
    assert len(found.seats) == 1


def test_what_runs_is_kept_where_starting_anew_costs_more_than_it_saves() -> None:
    runs, other = berth(offer("a", usd_per_hour=1.0), start_s=900.0), berth(offer("b", usd_per_hour=0.9), start_s=900.0)
    asked = need(runs, other, peak_rps=8.0)
    assert counts(mix([asked], Supply()).mixes[0]) == {("b", Market.ON_DEMAND, ""): 2}
    running = replace(asked, fleet=Fleet((runs.replicas(2),)))
    assert counts(mix([running], Supply()).mixes[0]) == {("a", Market.ON_DEMAND, ""): 2}


@pytest.mark.parametrize(
    ("policy", "markets"),
    [
        pytest.param(SpotPolicy.PREFER, {Market.SPOT}, id="Prefer takes spot as far as its shares allow"),
        pytest.param(SpotPolicy.ALLOW, {Market.ON_DEMAND}, id="Allow takes what is cheaper"),
    ],
)
def test_spot_that_is_dearer(policy: SpotPolicy, markets: set[Market]) -> None:
    where = [berth(offer(usd_per_hour=1.0)), *(berth(spot(zone=zone, usd_per_hour=1.2)) for zone in "ab")]
    asked = need(*where, peak_rps=16.0, usual_rps=8.0, placement=replace(ANY_SPOT, spot=policy))
    (found,) = mix([asked], Supply()).mixes
    assert {market for _, market, _ in counts(found)} == markets


def test_spot_beyond_its_share_is_not_taken() -> None:
    where = [berth(offer(usd_per_hour=10.0)), *(berth(spot(zone=zone)) for zone in "ab")]
    placement = Placement(spot=SpotPolicy.ALLOW, max_spot_share=0.5, min_on_demand_share=0.0)
    (found,) = mix([need(*where, peak_rps=16.0, usual_rps=1.0, placement=placement)], Supply()).mixes
    assert counts(found)[("g6.xlarge", Market.ON_DEMAND, "")] == 2


def test_lower_quality_is_taken_only_where_it_saves_more_than_it_is_worth() -> None:
    best_one, cheap = berth(offer("a", usd_per_hour=2.0)), berth(offer("b", usd_per_hour=1.5), penalty_usd_per_hour=1.0)
    assert counts(mix([need(best_one, cheap, peak_rps=4.0)], Supply()).mixes[0]) == {("a", Market.ON_DEMAND, ""): 1}


# --- what cannot be had --------------------------------------------------------------------------------------------


def test_without_any_berth_everything_is_open_and_nothing_is_hidden() -> None:
    asked = need(peak_rps=8.0, min_replicas=1)
    (found,) = mix([asked], Supply()).mixes
    assert found.seats == ()
    assert short(asked, found).peak == 1.0
    assert short(asked, found).replicas == 1


@pytest.mark.parametrize(
    ("asked", "replicas"),
    [
        pytest.param(need(berth(), peak_rps=100.0, max_replicas=3), 3, id="as many as maxReplicas"),
        pytest.param(need(berth(), peak_rps=100.0, usd_per_hour_limit=2.5), 2, id="as many as the limit pays for"),
        pytest.param(need(berth(), peak_rps=100.0, usd_per_hour_limit=0.5, min_replicas=1), 0, id="ceilings win"),
    ],
)
def test_more_than_may_be(asked: Need, replicas: int) -> None:
    for found in (mix([asked], Supply()).mixes, greedy([asked], Supply())):
        assert found[0].replicas == replicas
        assert not short(asked, found[0]).nothing


def test_scarce_machines_go_to_the_more_important_deployment() -> None:
    only = offer(usd_per_hour=1.0)
    asked = [need(berth(only), peak_rps=8.0, key=("shop", name), priority=p) for name, p in (("a", 50), ("b", 200))]
    supply = Supply(machines={only.key: 2})
    for found in (mix(asked, supply).mixes, greedy(asked, supply)):
        assert [each.replicas for each in found] == [0, 2]


def test_a_deployment_that_cannot_be_served_does_not_make_another_dear() -> None:
    hopeless = need(berth(offer("x"), 1.0), peak_rps=1000.0, max_replicas=1, key=("shop", "a"))
    where = [berth(offer("a", usd_per_hour=1.01)), berth(offer("b", usd_per_hour=1.0))]
    found = mix([hopeless, need(*where, peak_rps=8.0, key=("shop", "b"))], Supply(), gap=1e-3)
    assert counts(found.mixes[1]) == {("b", Market.ON_DEMAND, ""): 2}


def test_a_solver_that_ends_without_an_answer_leaves_the_greedy_one_and_says_so() -> None:
    asked = need(berth(offer()), berth(spot(zone="a")), berth(spot(zone="b")), peak_rps=20.0, shapes=3)
    found = mix([asked], Supply(), nodes=0)
    assert found.how is How.GREEDY
    assert found.mixes == greedy([asked], Supply())
    assert found.bound == 0.0


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused_by_name(rate: float) -> None:
    with pytest.raises(ValueError, match=r"shop/chat: a replica on cloud/g6\.xlarge"):
        need(berth(rps=rate))


@pytest.mark.parametrize("demand", [-1.0, float("nan"), float("inf")])
def test_a_demand_that_is_none_is_refused_by_name(demand: float) -> None:
    with pytest.raises(ValueError, match="shop/chat: peak_rps is"):
        need(berth(), peak_rps=demand)


def test_everything_that_is_tried_includes_the_empty_mix() -> None:
    assert any(not found[0].seats for found in everything([need(berth())], 1))
