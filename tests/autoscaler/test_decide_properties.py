"""What holds for every decision, whatever the offers, the fleet and the wishes."""

import copy
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.choice import allowed, within_shares
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fit import Fit, fit
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.model import Mode, Placement, SpotPolicy, Variant, Wanted
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot

from tests.builders import TINY, machine, offer, pool, snapshot, variant, wanted

_CARDS = {"T4": 16, "L4": 24, "L40S": 48, "H100": 80}
_ROUNDING = 1e-9

quickly = settings(max_examples=30)

prices = st.integers(1, 4000).map(lambda cents: cents / 100)


@st.composite
def _offers(draw: st.DrawFn) -> Offer:
    obtainable = draw(st.sampled_from(["", "NodePool gpu", "node n"]))
    if draw(st.integers(0, 9)) == 0:
        return machine(draw(st.sampled_from([2, 16])), 32, usd_per_hour=draw(prices), obtainable=obtainable)
    card = draw(st.sampled_from(sorted(_CARDS)))
    return offer(
        draw(st.sampled_from(["a", "b", "c", "d"])),
        market=draw(st.sampled_from(Market)),
        zone=draw(st.sampled_from(["", "z1"])),
        accelerator=card,
        accelerators=draw(st.sampled_from([1, 2, 8])),
        accelerator_memory_gib=_CARDS[card],
        vcpus=64,
        memory_gib=512,
        usd_per_hour=draw(prices),
        interruptions_per_month=draw(st.sampled_from([None, 0.05, 0.25])),
        obtainable=obtainable,
    )


catalogs = st.lists(_offers(), max_size=6, unique_by=lambda offer: offer.key).map(tuple)

variants: st.SearchStrategy[tuple[Variant, ...]] = st.sampled_from(
    [
        (variant(),),
        (variant("fp8", quantization="fp8"),),
        (variant("bf16"), variant("int4", quality=0.97, quantization="awq")),
        (variant("tiny", source="pvc://tiny", shape=TINY),),
        (variant("unknown", shape=None),),
    ]
)

placements = st.builds(
    Placement,
    accelerators=st.sampled_from([(), ("L4",), ("H100", "L40S")]),
    spot=st.sampled_from(SpotPolicy),
    max_spot_share=st.sampled_from([0.6, 1.0]),
    min_on_demand_share=st.sampled_from([0.0, 0.4]),
)

wishes = st.builds(
    wanted,
    variants=variants,
    max_model_tokens=st.sampled_from([0, 4096]),
    mode=st.sampled_from(Mode),
    replicas=st.integers(0, 12),
    min_replicas=st.integers(1, 6),
    max_replicas=st.integers(1, 10),
    placement=placements,
    quality_floor=st.sampled_from([0.9, 1.0]),
    usd_per_hour_limit=st.none() | prices,
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    offers = draw(catalogs)
    running: tuple[Pool, ...] = ()
    runs = draw(st.booleans())
    if offers and runs:
        on = draw(st.lists(st.sampled_from(offers), max_size=2, unique_by=lambda offer: offer.key))
        names = st.sampled_from(["bf16", "int4", "tiny"])
        running = tuple(pool(of, draw(st.integers(0, 6)), variant=draw(names)) for of in on)
    return snapshot(wanted=draw(wishes), offers=offers, pools=running)


def _best_price(asked: Wanted, served: Variant, offers: tuple[Offer, ...], count: int) -> float:
    """The least that `count` replicas cost on one offer, by trying them all."""
    found = []
    for each in offers:
        seat = fit(served, each, max_model_tokens=asked.max_model_tokens)
        crawls = isinstance(seat, Fit) and (seat.seconds_per_token or 0) > 0.1
        admitted = each.obtainable and allowed(asked.placement, each) and within_shares(asked.placement, each.market)
        if isinstance(seat, Fit) and admitted and not crawls:
            found.append(Pool(each, served.name, max(1, count), seat.accelerators).usd_per_hour)
    return min(found)


@quickly
@given(snapshots())
def test_the_same_snapshot_gives_the_same_decision_and_is_left_as_it_was(seen: Snapshot) -> None:
    before = copy.deepcopy(seen)
    assert decide(seen, Memory()) == decide(seen, Memory())
    assert seen == before


@quickly
@given(snapshots())
def test_the_order_of_offers_does_not_matter(seen: Snapshot) -> None:
    turned = replace(seen, offers=tuple(reversed(seen.offers)))
    assert decide(seen, Memory())[0].target == decide(turned, Memory())[0].target


@quickly
@given(snapshots())
def test_no_ceiling_is_ever_crossed(seen: Snapshot) -> None:
    target = decide(seen, Memory())[0].target
    assert target.replicas <= seen.wanted.max_replicas
    if seen.wanted.usd_per_hour_limit is not None:
        assert target.usd_per_hour <= seen.wanted.usd_per_hour_limit + _ROUNDING


@quickly
@given(snapshots())
def test_never_more_replicas_than_were_wanted(seen: Snapshot) -> None:
    asked = seen.wanted
    assert decide(seen, Memory())[0].target.replicas <= (
        asked.min_replicas if asked.mode is Mode.AUTO else asked.replicas
    )


@quickly
@given(snapshots())
def test_what_is_chosen_is_allowed_fits_and_can_be_had(seen: Snapshot) -> None:
    decision = decide(seen, Memory())[0]
    if not {Reason.CHEAPEST_OFFER, Reason.KEPT_OFFER} & {step.reason for step in decision.steps}:
        return
    (chosen,) = decision.target.pools
    served = next(v for v in seen.wanted.variants if v.name == chosen.variant)
    seat = fit(served, chosen.offer, max_model_tokens=seen.wanted.max_model_tokens)
    assert chosen.offer in seen.offers
    assert chosen.offer.obtainable
    assert allowed(seen.wanted.placement, chosen.offer)
    assert within_shares(seen.wanted.placement, chosen.offer.market)
    assert served.quality >= seen.wanted.quality_floor
    assert isinstance(seat, Fit)
    assert chosen.accelerators == seat.accelerators


@quickly
@given(snapshots())
def test_a_new_fleet_is_the_cheapest_by_trying_all(seen: Snapshot) -> None:
    asked = replace(
        seen.wanted,
        usd_per_hour_limit=None,
        max_replicas=100,
        placement=replace(seen.wanted.placement, spot=SpotPolicy.ALLOW),
    )
    decision = decide(replace(seen, wanted=asked, fleet=Fleet()), Memory())[0]
    if Reason.CHEAPEST_OFFER not in {step.reason for step in decision.steps}:
        return
    (chosen,) = decision.target.pools
    served = next(v for v in asked.variants if v.name == chosen.variant)
    at_least_one = replace(chosen, replicas=max(1, chosen.replicas))
    assert at_least_one.usd_per_hour <= _best_price(asked, served, seen.offers, chosen.replicas) + _ROUNDING


@quickly
@given(snapshots())
def test_deciding_again_on_the_fleet_reached_changes_nothing(seen: Snapshot) -> None:
    decision, memory = decide(seen, Memory())
    reached = Fleet(tuple(replace(pool, ready=pool.replicas) for pool in decision.target.pools))
    again, kept = decide(replace(seen, fleet=reached, now=seen.now + 15), memory)
    assert again.target == decision.target
    assert kept == memory


@quickly
@given(snapshots())
def test_a_lost_memory_changes_nothing_once_the_fleet_is_reached(seen: Snapshot) -> None:
    decision, _ = decide(seen, Memory())
    reached = Fleet(tuple(replace(pool, ready=pool.replicas) for pool in decision.target.pools))
    assert decide(replace(seen, fleet=reached), Memory())[0].target == decision.target


@quickly
@given(snapshots())
def test_every_decision_says_why_in_short_lists(seen: Snapshot) -> None:
    decision = decide(seen, Memory())[0]
    assert 2 <= len(decision.steps) <= 4
    assert all(step.message for step in decision.steps)
    assert len(decision.rejected) <= 6
    assert all(row.usd_per_hour is not None and row.why for row in decision.rejected)


@quickly
@given(snapshots(), st.integers(1, 5))
def test_another_cheaper_offer_never_makes_a_new_fleet_dearer(seen: Snapshot, divisor: int) -> None:
    fresh = replace(seen, fleet=Fleet(), wanted=replace(seen.wanted, usd_per_hour_limit=None, placement=Placement()))
    before = decide(fresh, Memory())[0].target
    if not before.pools or before.replicas == 0:
        return
    (taken,) = before.pools
    copy_ = replace(taken.offer, name="copy", usd_per_hour=taken.offer.usd_per_hour / divisor)
    after = decide(replace(fresh, offers=(*fresh.offers, copy_)), Memory())[0].target
    assert after.usd_per_hour <= before.usd_per_hour + _ROUNDING
