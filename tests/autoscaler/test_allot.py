"""All deployments together: what is shared is never exceeded, what did not change is left alone, nothing is hidden."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.allot import allot, as_before
from wharfage_autoscaler.allotment import Allotments, spread
from wharfage_autoscaler.floors import floors
from wharfage_autoscaler.mix import NODES
from wharfage_autoscaler.model import SpotPolicy
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.prune import pruned
from wharfage_autoscaler.seats import broken, machines_used, score
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.solution import How
from wharfage_autoscaler.supply import Cap, Supply, doubted
from wharfage_autoscaler.together import together

from tests.builders import offer
from tests.needs import ANY_SPOT, berth, best, catalogs, clusters, need, needs, reserved, spot

quickly = settings(max_examples=25, deadline=None)

SMALL, BIG = offer("small", usd_per_hour=1.0), offer("big", accelerators=4, usd_per_hour=3.2)
HELD = reserved("held", usd_per_hour=2.0, accelerators=4)


def team(count: int, *offers: Offer, rps: float = 8.0) -> tuple[Need, ...]:
    """Deployments of growing demand over the same offers."""
    where = [berth(each) for each in offers or (SMALL, BIG, spot("small", "a"), spot("small", "b"))]
    return tuple(need(*where, peak_rps=rps + n, key=("shop", f"d{n:02}")) for n in range(count))


def believed(seen: ClusterSnapshot) -> tuple[Need, ...]:
    doubts = doubted(each.offer for one in seen.needs for each in one.berths)
    return tuple(
        pruned(replace(one, berths=tuple(each for each in one.berths if each.offer.key not in doubts)), seen.supply)
        for one in seen.needs
    )


# --- what is shared ------------------------------------------------------------------------------------------------


@quickly
@given(clusters())
def test_allotted_machines_are_never_more_than_there_are(seen: ClusterSnapshot) -> None:
    given_out: dict[object, float] = {}
    for each in allot(seen).by_key.values():
        for portion in each.shapes:
            assert portion.most is None or portion.pool.replicas <= portion.most
            if portion.most is not None:
                offered = portion.pool.offer.key
                given_out[offered] = given_out.get(offered, 0.0) + portion.most / portion.per_machine
    for offered, machines in seen.supply.machines.items():
        assert given_out.get(offered, 0.0) <= machines + 1e-6


@quickly
@given(clusters())
def test_allotted_dollars_are_never_more_than_a_budget_or_what_its_floors_cost(seen: ClusterSnapshot) -> None:
    found = allot(seen).by_key
    least = {key: mix.fleet.usd_per_hour for key, mix in floors(believed(seen), seen.supply).items()}
    for cap in seen.supply.caps:
        members = [found[key] for key in sorted(cap.keys)]
        most = max(cap.usd_per_hour, sum(least[each.key] for each in members))
        assert all(each.usd_per_hour is not None for each in members)
        assert sum(each.usd_per_hour or 0.0 for each in members) <= most + 1e-4
        assert sum(each.planned_usd_per_hour for each in members) <= most + 1e-4


@quickly
@given(clusters(), st.floats(0.0, 3.0))
def test_whatever_the_demand_becomes_no_fleet_leaves_its_allotment(seen: ClusterSnapshot, times: float) -> None:
    for key, each in allot(seen).by_key.items():
        fleet = spread(each, each.peak_rps * times)
        assert fleet.replicas <= each.max_replicas
        assert fleet.usd_per_hour <= (math.inf if each.usd_per_hour_limit is None else each.usd_per_hour_limit) + 1e-6
        assert {pool.key for pool in fleet.pools} <= {portion.pool.key for portion in each.shapes}
        if each.usd_per_hour is not None and fleet.replicas > each.min_replicas:
            assert each.charged(fleet) <= max(each.usd_per_hour, each.planned_usd_per_hour) + 1e-4, key


@quickly
@given(clusters(), st.sampled_from([0, NODES]))
def test_every_deployment_gets_an_answer_and_rows_hold(seen: ClusterSnapshot, nodes: int) -> None:
    found = allot(seen, nodes=nodes)
    assert set(found.by_key) == {each.key for each in seen.needs}
    assert not broken(tuple(found.needs.values()), tuple(found.mixes.values()), seen.supply)
    assert found.bound <= found.usd_per_hour + 1e-6
    for each in found.by_key.values():
        assert each.short.nothing or each.said
        assert not each.short.nothing or spread(each, each.peak_rps).replicas <= each.planned.replicas


@pytest.mark.parametrize("nodes", [pytest.param(NODES, id="solved"), pytest.param(0, id="greedy")])
def test_many_deployments_stay_within_what_is_shared(nodes: int) -> None:
    asked = team(60, HELD, SMALL, BIG, spot("small", "a"), spot("small", "b"))
    half = frozenset(each.key for each in asked[:30])
    paid = sum(each.planned_usd_per_hour for key, each in allot(ClusterSnapshot(asked)).by_key.items() if key in half)
    held = Supply(machines={HELD.key: 3}, caps=(Cap("half", half, 0.7 * paid),))
    found = allot(ClusterSnapshot(asked, held), nodes=nodes)
    assert machines_used(tuple(found.mixes.values()))[HELD.key] <= 3 + 1e-6
    assert sum(each.most or 0 for one in found.by_key.values() for each in one.shapes if each.pool.offer == HELD) <= 12
    assert sum(found.by_key[key].usd_per_hour or 0.0 for key in half) <= 0.7 * paid + 1e-6
    assert sum(found.by_key[key].planned_usd_per_hour for key in half) <= 0.7 * paid + 1e-6
    assert found.bound <= found.usd_per_hour


@quickly
@given(clusters())
def test_the_same_cluster_gets_the_same_allotments_in_whatever_order_it_comes(seen: ClusterSnapshot) -> None:
    turned = ClusterSnapshot(seen.needs[::-1], replace(seen.supply, caps=seen.supply.caps[::-1]))
    first = allot(seen)
    assert first == allot(seen)
    assert first.by_key == allot(turned).by_key


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Need, Need]:
    catalog = draw(catalogs(3))
    one, two = (draw(needs(catalog, most_berths=2, most_replicas=3, key=("shop", name))) for name in ("a", "b"))
    return one, two


@quickly
@given(pairs(), st.integers(0, 2))
def test_the_bound_is_below_the_best_and_the_best_below_what_is_found(asked: tuple[Need, Need], held: int) -> None:
    counted = {each.offer.key for one in asked for each in one.berths if each.offer.market is Market.RESERVED}
    supply = Supply(machines=dict.fromkeys(sorted(counted), held))
    found, least = together(asked, supply).solution, best(asked, supply, 3)
    assert found.bound <= least * (1 + 1e-6) + 1e-6
    assert found.usd_per_hour >= least * (1 - 1e-6) - 1e-6
    assert found.usd_per_hour == pytest.approx(score(found.needs, found.mixes, supply))


# --- what changed --------------------------------------------------------------------------------------------------


def moved(seen: ClusterSnapshot, before: Allotments, *at: int, times: float = 1.5) -> ClusterSnapshot:
    """The next round: fleets are as planned, and some demands have changed."""
    after = [replace(each, fleet=before.mixes[each.key].fleet) for each in seen.needs]
    for n in at:
        after[n] = replace(after[n], peak_rps=after[n].peak_rps * times, usual_rps=after[n].usual_rps * times)
    return ClusterSnapshot(tuple(after), seen.supply)


def test_only_what_changed_is_planned_again_and_the_others_keep_what_they_have() -> None:
    seen = ClusterSnapshot(team(20))
    before = allot(seen)
    after = allot(moved(seen, before, 3, 7), before)
    assert after.solved == (("shop", "d03"), ("shop", "d07"))
    for key in before.by_key.keys() - set(after.solved):
        assert after.mixes[key] == before.mixes[key]
        assert after.by_key[key].rejected == before.by_key[key].rejected
    assert after.by_key["shop", "d03"].peak_rps == pytest.approx(1.5 * 11.0)
    assert after.bound <= after.usd_per_hour
    assert after.gap <= before.gap + 0.03


def test_open_places_in_machines_of_others_are_used() -> None:
    seen = ClusterSnapshot(team(10, BIG, rps=1.0))
    before = allot(seen)
    machines = sum(each.planned_usd_per_hour for each in before.by_key.values()) / 3.2
    grown = replace(seen.needs[0], peak_rps=5.0)
    after = allot(ClusterSnapshot((grown, *seen.needs[1:]), seen.supply), before)
    assert after.solved == (grown.key,)
    assert after.mixes[grown.key].replicas == 2
    assert sum(each.planned_usd_per_hour for each in after.by_key.values()) / 3.2 == pytest.approx(machines)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s, b: moved(s, b, 1, 2, 3), id="more than a tenth of the demands"),
        pytest.param(lambda s, b: ClusterSnapshot(s.needs[:15], s.supply), id="a quarter of the deployments gone"),
        pytest.param(lambda s, b: replace(s, supply=Supply(machines={BIG.key: 1})), id="a quota"),
    ],
)
def test_everything_is_planned_again_where_much_changed(change) -> None:  # type: ignore[no-untyped-def]
    seen = ClusterSnapshot(team(20))
    before = allot(seen)
    after = allot(change(seen, before), before)
    assert len(after.solved) == len(after.by_key)


def test_nothing_is_planned_where_nothing_changed() -> None:
    seen = ClusterSnapshot(team(12))
    before = allot(seen)
    after = allot(moved(seen, before), before)
    assert after.solved == ()
    assert after.by_key == before.by_key


def test_a_budget_that_came_is_obeyed_though_nothing_else_changed() -> None:
    seen = ClusterSnapshot(team(12))
    before = allot(seen)
    spent = sum(each.planned_usd_per_hour for each in before.by_key.values())
    held = replace(seen.supply, caps=(Cap("all", frozenset(before.by_key), 0.7 * spent),))
    after = allot(replace(seen, supply=held), before)
    assert sum(each.planned_usd_per_hour for each in after.by_key.values()) <= 0.7 * spent + 1e-6
    assert any(each.short.peak for each in after.by_key.values())
    assert {each.caps for each in before.by_key.values()} == {frozenset()}
    assert {each.caps for each in after.by_key.values()} == {frozenset({"all"})}
    assert sum(each.short.peak for each in after.by_key.values()) / 12 < 0.45


@pytest.mark.parametrize(
    ("now", "same"),
    [
        pytest.param({"peak_rps": 10.4}, True, id="a little more demand"),
        pytest.param({"peak_rps": 11.0}, False, id="more demand"),
        pytest.param({"usual_rps": 4.0}, False, id="less usual demand"),
        pytest.param({"max_replicas": 3}, False, id="another ceiling"),
        pytest.param({"berths": (berth(offer(usd_per_hour=1.04)),)}, True, id="a price that moved a little"),
        pytest.param({"berths": (berth(offer(usd_per_hour=1.2)),)}, False, id="a price that moved"),
        pytest.param({"berths": (berth(rps=5.0),)}, False, id="a rate that was learned"),
        pytest.param({"berths": ()}, False, id="an offer that is gone"),
        pytest.param({"placement": ANY_SPOT}, False, id="another placement"),
    ],
)
def test_what_is_news(now: dict[str, object], same: bool) -> None:
    before = need(berth(), peak_rps=10.0)
    assert as_before(before, replace(before, **now)) is same  # type: ignore[arg-type]


# --- by example ----------------------------------------------------------------------------------------------------


def test_reserved_machines_go_where_they_save_most() -> None:
    dear = need(berth(offer("dear", usd_per_hour=9.0)), berth(HELD), peak_rps=16.0, key=("shop", "dear"))
    cheap = need(berth(offer("cheap", usd_per_hour=0.5)), berth(HELD), peak_rps=16.0, key=("shop", "cheap"))
    found = allot(ClusterSnapshot((cheap, dear), Supply(machines={HELD.key: 1}))).mixes
    assert {s.berth.offer.market for s in found["shop", "dear"].seats} == {Market.RESERVED}
    assert {s.berth.offer.market for s in found["shop", "cheap"].seats} == {Market.ON_DEMAND}


def test_room_that_nobody_took_is_handed_out_to_grow_into() -> None:
    asked = [need(berth(HELD), berth(SMALL), peak_rps=4.0, key=("shop", name), shapes=3) for name in "abc"]
    found = allot(ClusterSnapshot(tuple(asked), Supply(machines={HELD.key: 2}))).by_key
    most = [next(p.most for p in each.shapes if p.pool.offer == HELD) for each in found.values()]
    assert sum(m or 0 for m in most) == 8
    assert min(m or 0 for m in most) >= 2


def test_the_next_best_is_named_with_its_price() -> None:
    (each,) = allot(ClusterSnapshot((need(berth(SMALL), berth(BIG), peak_rps=4.0),))).by_key.values()
    (other,) = each.rejected
    assert other.fleet == "1x big (L4 x4) on-demand"
    assert other.usd_per_hour == pytest.approx(3.2)
    assert other.why == "dearer by 2.20 usd/h"


def test_an_offer_that_is_not_believed_is_not_taken_and_is_named() -> None:
    odd = offer("odd", usd_per_hour=0.0)
    (each,) = allot(ClusterSnapshot((need(berth(SMALL), berth(odd), peak_rps=4.0),))).by_key.values()
    assert [pool.offer.name for pool in each.planned.pools] == ["small"]
    assert "odd" in each.said[0]


def test_where_the_solver_found_nothing_the_greedy_answer_stands_and_every_deployment_says_so() -> None:
    found = allot(ClusterSnapshot(team(3)), nodes=0)
    assert found.how is How.GREEDY
    for each in found.by_key.values():
        assert each.planned.replicas
        assert str(How.GREEDY) in each.said


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param(need(peak_rps=4.0), "no offer", id="no offer fits"),
        pytest.param(need(berth(offer(usd_per_hour=0.0)), peak_rps=4.0), "not believed", id="no price is believed"),
        pytest.param(need(berth(SMALL), peak_rps=80.0, max_replicas=2), "90% of the 80", id="too few replicas"),
        pytest.param(
            need(berth(SMALL), peak_rps=4.0, min_replicas=2, usd_per_hour_limit=1.0),
            "1 of minReplicas 2",
            id="a floor above a ceiling",
        ),
        pytest.param(
            need(berth(spot()), peak_rps=8.0, placement=replace(ANY_SPOT, spot=SpotPolicy.REQUIRE)),
            "the loss of its spot pools",
            id="one spot pool and nothing else",
        ),
        pytest.param(
            need(berth(spot()), peak_rps=8.0, placement=replace(ANY_SPOT, min_on_demand_share=0.4)),
            "must run on demand",
            id="a floor and nothing to stand on",
        ),
    ],
)
def test_what_cannot_be_had_is_said(asked: Need, words: str) -> None:
    (each,) = allot(ClusterSnapshot((asked,))).by_key.values()
    assert not each.short.nothing
    assert any(words in line for line in each.said), each.said


def test_a_deployment_that_sleeps_knows_where_it_would_wake() -> None:
    asked = replace(need(berth(SMALL), berth(BIG), peak_rps=0.0), min_replicas=0)
    (each,) = allot(ClusterSnapshot((asked,))).by_key.values()
    assert each.planned.pools == ()
    assert spread(each, 1.0).replicas == 1


def test_budgets_below_the_floors_leave_the_floors() -> None:
    asked = tuple(replace(each, min_replicas=1) for each in team(6, SMALL))
    held = Supply(caps=(Cap("all", frozenset(each.key for each in asked), 2.0),))
    found = allot(ClusterSnapshot(asked, held)).by_key
    assert [each.planned.replicas for each in found.values()] == [1] * 6
    assert sum(each.usd_per_hour or 0.0 for each in found.values()) == pytest.approx(6.0)


def test_dear_demand_goes_short_first_under_a_budget() -> None:
    vip = replace(need(berth(SMALL), peak_rps=16.0, key=("shop", "vip")), priority=400)
    rest = [need(berth(SMALL), peak_rps=16.0, key=("shop", f"d{n}")) for n in range(3)]
    held = Supply(caps=(Cap("all", frozenset(each.key for each in [vip, *rest]), 8.0),))
    found = allot(ClusterSnapshot((vip, *rest), held)).by_key
    assert found["shop", "vip"].planned.replicas == 4
    assert sum(each.planned.replicas for each in found.values()) == 8


def test_without_deployments_nothing_is_allotted() -> None:
    found = allot(ClusterSnapshot(()))
    assert found.by_key == {}
    assert found.gap == 0.0
