"""What is decided for one deployment, and what is said about it."""

import pytest
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.model import Mode, Placement, SpotPolicy
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot

from tests.builders import TINY, machine, offer, pool, snapshot, variant, wanted

L4 = offer("g6.xlarge", usd_per_hour=0.80)
L4_SPOT = offer("g6.xlarge", market=Market.SPOT, zone="a", usd_per_hour=0.40)
L40S = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48, usd_per_hour=1.86)
H100_8 = offer("p5", accelerator="H100", accelerators=8, accelerator_memory_gib=80, vcpus=192, usd_per_hour=55.0)
T4 = offer("g4dn.xlarge", accelerator="T4", accelerator_memory_gib=16, usd_per_hour=0.53)
FREE_SHARES = Placement(spot=SpotPolicy.ALLOW, max_spot_share=1.0, min_on_demand_share=0.0)


def _decided(seen: Snapshot, memory: Memory = Memory()) -> Decision:  # noqa: B008 - immutable
    return decide(seen, memory)[0]


def _fleet(decision: Decision) -> list[tuple[str, Market, int]]:
    return [(pool.offer.name, pool.offer.market, pool.replicas) for pool in decision.target.pools]


def _reasons(decision: Decision) -> list[Reason]:
    return [step.reason for step in decision.steps]


def test_the_cheapest_offer_that_fits_is_taken_and_the_next_best_listed() -> None:
    decision = _decided(snapshot(offers=(H100_8, L40S, L4, T4), wanted=wanted(replicas=3)))
    assert _fleet(decision) == [("g6.xlarge", Market.ON_DEMAND, 3)]
    assert _reasons(decision) == [Reason.MANUAL_REPLICAS, Reason.CHEAPEST_OFFER]
    assert decision.steps[-1].message == (
        "3x g6.xlarge (L4 x1) on-demand at 2.40 usd/h, cheapest of 3 that fit and are obtainable, through NodePool gpu"
        ": 15.3 GiB weights + 3.1 GiB KV + 1.9 GiB overhead of 20.2 usable, 2 x 8192 tokens"
    )
    assert [(row.fleet, row.why) for row in decision.rejected] == [
        ("3x g6e.xlarge (L40S x1) on-demand", "dearer by 3.18 usd/h"),
        ("3x p5 (H100 x8) on-demand", "dearer by 52.60 usd/h"),
    ]


def test_replicas_that_share_a_machine_are_paid_for_once() -> None:
    eight = offer("g6.48xlarge", accelerators=8, vcpus=192, usd_per_hour=5.0)
    assert _fleet(_decided(snapshot(offers=(L4, eight), wanted=wanted(replicas=8)))) == [
        ("g6.48xlarge", Market.ON_DEMAND, 8)
    ]
    assert _fleet(_decided(snapshot(offers=(L4, eight), wanted=wanted(replicas=6)))) == [
        ("g6.xlarge", Market.ON_DEMAND, 6)
    ]


@pytest.mark.parametrize(
    ("mode", "count", "reason"),
    [
        pytest.param(Mode.MANUAL, 4, Reason.MANUAL_REPLICAS, id="by hand, as many as were set"),
        pytest.param(Mode.RECOMMEND, 4, Reason.MANUAL_REPLICAS, id="as an adviser, still as many as were set"),
        pytest.param(Mode.AUTO, 2, Reason.MIN_REPLICAS, id="by itself, the floor"),
    ],
)
def test_the_mode_says_who_counts(mode: Mode, count: int, reason: Reason) -> None:
    decision = _decided(snapshot(wanted=wanted(mode=mode, replicas=4, min_replicas=2)))
    assert decision.target.replicas == count
    assert decision.steps[0].reason is reason


def test_zero_replicas_keep_the_pool_and_cost_nothing() -> None:
    decision = _decided(snapshot(wanted=wanted(replicas=0), pools=(pool(offer(), 3),)))
    assert [p.replicas for p in decision.target.pools] == [0]
    assert decision.target.usd_per_hour == 0


SPOT_CASES = [
    pytest.param(Placement(), "on-demand", id="forbidden by default"),
    pytest.param(Placement(spot=SpotPolicy.ALLOW), "on-demand", id="allowed, but the shares want some on demand"),
    pytest.param(FREE_SHARES, "spot", id="allowed altogether, and cheaper"),
    pytest.param(Placement(spot=SpotPolicy.PREFER), "on-demand", id="preferred, but the shares want some on demand"),
    pytest.param(Placement(spot=SpotPolicy.REQUIRE), "spot", id="required, whatever the shares"),
]


@pytest.mark.parametrize(("placement", "market"), SPOT_CASES)
def test_spot_is_taken_as_far_as_placement_goes(placement: Placement, market: str) -> None:
    decision = _decided(snapshot(offers=(L4, L4_SPOT), wanted=wanted(placement=placement)))
    assert decision.target.pools[0].offer.market is (Market.SPOT if market == "spot" else Market.ON_DEMAND)


def test_spot_that_the_shares_rule_out_is_listed_with_its_price() -> None:
    decision = _decided(snapshot(offers=(L4, L4_SPOT), wanted=wanted(placement=Placement(spot=SpotPolicy.ALLOW))))
    assert [(row.fleet, row.usd_per_hour, row.why) for row in decision.rejected] == [
        ("1x g6.xlarge (L4 x1) spot a", 0.40, "all spot: maxShare 0.6, minOnDemandShare 0.4")
    ]


def test_preferred_spot_is_taken_even_where_on_demand_is_cheaper() -> None:
    dear = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48, market=Market.SPOT, usd_per_hour=0.9)
    placement = Placement(spot=SpotPolicy.PREFER, max_spot_share=1, min_on_demand_share=0)
    decision = _decided(snapshot(offers=(L4, dear), wanted=wanted(placement=placement)))
    assert decision.target.pools[0].offer == dear
    assert decision.rejected[0].why == "cheaper by 0.10 usd/h, but not spot, which placement prefers"


@pytest.mark.parametrize(
    ("placement", "taken"),
    [
        pytest.param(Placement(accelerators=("L40S",)), "g6e.xlarge", id="a named accelerator"),
        pytest.param(Placement(catalogs=("other",)), "elsewhere", id="a named catalog"),
        pytest.param(Placement(node_selector=(("team", "b"),)), "g6.xlarge", id="a label that contradicts an offer's"),
        pytest.param(Placement(), "elsewhere", id="nothing narrows the choice"),
    ],
)
def test_placement_narrows_the_choice(placement: Placement, taken: str) -> None:
    elsewhere = offer("elsewhere", catalog="other", usd_per_hour=0.1, node_selector=(("team", "a"),))
    decision = _decided(snapshot(offers=(L4, L40S, elsewhere), wanted=wanted(placement=placement)))
    assert decision.target.pools[0].offer.name == taken


def test_what_cannot_be_had_is_never_taken_but_listed_with_what_would_admit_it() -> None:
    cheap = offer("g5.xlarge", accelerator="A10G", usd_per_hour=0.50, obtainable="")
    decision = _decided(snapshot(offers=(L4, cheap)))
    assert _fleet(decision) == [("g6.xlarge", Market.ON_DEMAND, 1)]
    assert decision.rejected[0].usd_per_hour == 0.50
    assert decision.rejected[0].why == (
        "not obtainable: needs a ready g5.xlarge node, a Karpenter NodePool that admits g5.xlarge on-demand, or a "
        "declared node group"
    )


def test_a_running_pool_is_kept_and_the_cheaper_offer_named() -> None:
    decision = _decided(snapshot(offers=(L4, L40S), pools=(pool(L40S, 2),), wanted=wanted(replicas=2)))
    assert _fleet(decision) == [("g6e.xlarge", Market.ON_DEMAND, 2)]
    assert _reasons(decision)[-1] is Reason.KEPT_OFFER
    assert "g6.xlarge (L4 x1) on-demand would save 2.12 usd/h" in decision.steps[-1].message
    assert decision.rejected[0].why == "cheaper by 2.12 usd/h; what runs is kept"
    assert ", as it runs;" in decision.steps[-1].message


def test_where_nothing_runs_now_it_is_said_so() -> None:
    decision = _decided(snapshot(offers=(L4, L40S), pools=(pool(L40S, 0),), wanted=wanted(replicas=2)))
    assert ", as it ran;" in decision.steps[-1].message


@pytest.mark.parametrize(
    ("offers", "placement"),
    [
        pytest.param((L4,), Placement(), id="its offer left the catalogs"),
        pytest.param(
            (L4, offer("g6e.xlarge", accelerator="L40S", obtainable="")), Placement(), id="nothing gives it now"
        ),
        pytest.param((L4, L40S), Placement(accelerators=("L4",)), id="placement forbids it now"),
    ],
)
def test_a_running_pool_that_is_no_longer_admissible_is_left(offers: tuple[Offer, ...], placement: Placement) -> None:
    decision = _decided(snapshot(offers=offers, pools=(pool(L40S),), wanted=wanted(placement=placement)))
    assert _fleet(decision) == [("g6.xlarge", Market.ON_DEMAND, 1)]


def test_a_move_under_way_is_not_turned_back() -> None:
    moving = snapshot(offers=(L4, L40S), pools=(pool(L40S, 3), pool(L4, 3, ready=0)), wanted=wanted(replicas=3))
    towards_l4 = Memory(target=(pool(L4).key,))
    assert _fleet(_decided(moving, towards_l4)) == [("g6.xlarge", Market.ON_DEMAND, 3)]
    assert _fleet(_decided(moving)) == [("g6e.xlarge", Market.ON_DEMAND, 3)]


def test_a_price_change_reaches_the_pool_that_runs() -> None:
    decision = _decided(snapshot(offers=(offer(usd_per_hour=1.25),), pools=(pool(offer(usd_per_hour=1.0), 2),)))
    assert decision.target.usd_per_hour == 1.25


def test_the_best_variant_that_fits_somewhere_is_served() -> None:
    variants = (variant("bf16"), variant("int4", quality=0.97, quantization="awq"))
    seen = snapshot(offers=(T4,), wanted=wanted(variants=variants, quality_floor=0.95))
    assert [p.variant for p in _decided(seen).target.pools] == ["int4"]
    roomier = snapshot(offers=(T4, L4), wanted=wanted(variants=variants, quality_floor=0.95))
    decision = _decided(roomier)
    assert [p.variant for p in decision.target.pools] == ["bf16"]
    assert ("variant int4 has quality 0.97") in [row.why for row in decision.rejected]


def test_nothing_below_the_quality_floor_is_served() -> None:
    variants = (variant("bf16"), variant("int4", quality=0.97, quantization="awq"))
    decision = _decided(snapshot(offers=(T4,), wanted=wanted(variants=variants, quality_floor=0.98)))
    assert decision.target.pools == ()
    assert _reasons(decision)[-1] is Reason.MODEL_DOES_NOT_FIT


REFUSALS = [
    pytest.param(
        snapshot(offers=()),
        Reason.CAPACITY_UNAVAILABLE,
        ("no catalog lists an offer",),
        id="no catalog at all",
    ),
    pytest.param(
        snapshot(offers=(T4, machine(4, 8))),
        Reason.MODEL_DOES_NOT_FIT,
        (
            "none of 2 offers holds hf://Qwen/Qwen3-8B",
            "T4 x1 (16 GiB, g4dn.xlarge): short by 5.1 GiB",
            "cpu-4 (4 cores",
        ),
        id="nothing holds the model, nearest miss first",
    ),
    pytest.param(
        snapshot(offers=(T4, offer("p5.4xlarge", accelerator="H100", accelerator_memory_gib=80, obtainable=""))),
        Reason.CAPACITY_UNAVAILABLE,
        (
            "1 offers fit, none can be had",
            "needs a ready p5.4xlarge node",
            "Obtainable but too small: T4 x1 (16 GiB, g4dn.xlarge): short by 5.1 GiB",
        ),
        id="what holds it cannot be had",
    ),
    pytest.param(
        snapshot(offers=(L4_SPOT,), wanted=wanted(placement=Placement(spot=SpotPolicy.ALLOW))),
        Reason.CAPACITY_UNAVAILABLE,
        ("would be all spot: set maxShare 1 and minOnDemandShare 0 (now 0.6 and 0.4)",),
        id="only spot is there and the shares forbid all of it",
    ),
    pytest.param(
        snapshot(offers=(L4_SPOT, L4), wanted=wanted(placement=Placement(accelerators=("H100",)))),
        Reason.CAPACITY_UNAVAILABLE,
        ("placement (accelerators H100; spot policy Forbid) excludes all 2 offers", "L4 (cloud, Spot)"),
        id="placement excludes everything",
    ),
    pytest.param(
        snapshot(offers=(L4_SPOT, L4), wanted=wanted(placement=Placement(accelerators=("l4",)))),
        Reason.CAPACITY_UNAVAILABLE,
        ("excludes all 2 offers", "no offer has l4, the nearest name is L4"),
        id="an accelerator in small letters",
    ),
    pytest.param(
        snapshot(wanted=wanted(variants=(variant(shape=None, source="s3://b/m"),))),
        Reason.UNKNOWN_SHAPE,
        ("the shape of s3://b/m is not known",),
        id="a model of unknown shape",
    ),
    pytest.param(
        snapshot(wanted=wanted(variants=(variant("int4", quality=0.97),))),
        Reason.INVALID_SPEC,
        ("no variant reaches qualityFloor 1: the best is int4 at 0.97",),
        id="no variant good enough",
    ),
]


@pytest.mark.parametrize(("seen", "reason", "says"), REFUSALS)
def test_a_refusal_gives_the_reason_with_numbers(seen: Snapshot, reason: Reason, says: tuple[str, ...]) -> None:
    decision = _decided(seen)
    assert decision.target == seen.fleet
    assert decision.steps[-1].reason is reason
    for part in says:
        assert part in decision.steps[-1].message


def test_what_runs_stays_when_nothing_can_be_had_any_more() -> None:
    gone = offer(obtainable="")
    decision = _decided(snapshot(offers=(gone,), pools=(pool(gone, 3),), wanted=wanted(replicas=5)))
    assert decision.target.replicas == 3
    fewer = _decided(snapshot(offers=(gone,), pools=(pool(gone, 3),), wanted=wanted(replicas=1)))
    assert fewer.target.replicas == 1


def test_the_nearest_misses_come_first_and_only_three_are_told() -> None:
    sizes = tuple(offer(f"m{gib}", accelerator="A10G", accelerator_memory_gib=gib) for gib in (4, 12, 16, 8, 10))
    message = _decided(snapshot(offers=sizes)).steps[-1].message
    assert [message.index(f"m{gib})") for gib in (16, 12, 10)] == sorted(
        message.index(f"m{gib})") for gib in (16, 12, 10)
    )
    assert "m8)" not in message


def test_a_cpu_is_taken_for_a_model_it_can_serve() -> None:
    tiny = variant(source="pvc://tiny", shape=TINY)
    decision = _decided(snapshot(offers=(L4, machine()), wanted=wanted(variants=(tiny,), max_model_tokens=0)))
    assert (decision.target.pools[0].offer.name, decision.target.pools[0].accelerators) == ("cpu-2", 1)


@pytest.mark.parametrize(
    ("placement", "taken"),
    [
        pytest.param(Placement(), "g6.xlarge", id="not by price alone"),
        pytest.param(Placement(accelerators=("CPU",)), "cpu-16", id="where it was asked for"),
    ],
)
def test_a_cpu_that_would_crawl_is_taken_only_on_request(placement: Placement, taken: str) -> None:
    idle = machine(16, 64, usd_per_hour=0.2)
    decision = _decided(snapshot(offers=(L4, idle), wanted=wanted(placement=placement)))
    assert decision.target.pools[0].offer.name == taken


def test_a_cpu_that_would_crawl_says_how_slow() -> None:
    decision = _decided(snapshot(offers=(machine(16, 64),)))
    assert "too slow: 205 ms per token on 16 cores, 100 wanted" in decision.steps[-1].message


@pytest.mark.parametrize(
    ("count", "limit", "most", "left", "reasons"),
    [
        pytest.param(12, None, 10, 10, [Reason.MAX_REPLICAS], id="the largest count cuts"),
        pytest.param(5, 3.3, 10, 4, [Reason.USD_PER_HOUR_LIMIT], id="dollars per hour cut"),
        pytest.param(
            12, 3.3, 10, 4, [Reason.MAX_REPLICAS, Reason.USD_PER_HOUR_LIMIT], id="both cut, one after the other"
        ),
        pytest.param(5, 0.5, 10, 0, [Reason.USD_PER_HOUR_LIMIT], id="not even one is affordable"),
        pytest.param(4, 3.2, 10, 4, [], id="exactly the limit is within it"),
        pytest.param(0, 0.1, 10, 0, [], id="nothing costs nothing"),
    ],
)
def test_ceilings_win(count: int, limit: float | None, most: int, left: int, reasons: list[Reason]) -> None:
    asked = wanted(replicas=count, max_replicas=most, usd_per_hour_limit=limit)
    decision = _decided(snapshot(offers=(L4,), wanted=asked))
    assert decision.target.replicas == left
    assert _reasons(decision)[2:] == reasons


def test_a_ceiling_wins_over_the_floor() -> None:
    asked = wanted(mode=Mode.AUTO, min_replicas=4, usd_per_hour_limit=2.0)
    assert _decided(snapshot(offers=(L4,), wanted=asked)).target.replicas == 2


def test_under_a_dollar_limit_the_offer_that_carries_more_is_taken() -> None:
    eight = offer("g6.48xlarge", accelerators=8, vcpus=192, usd_per_hour=5.0)
    asked = wanted(replicas=8, usd_per_hour_limit=4.0)
    decision = _decided(snapshot(offers=(L4, eight), wanted=asked))
    assert _fleet(decision) == [("g6.xlarge", Market.ON_DEMAND, 5)]
    assert decision.rejected[0].why == "carries 0 of 8 replicas within 4.00 usd/h"


def test_a_limit_that_what_runs_cannot_keep_moves_it() -> None:
    asked = wanted(replicas=1, usd_per_hour_limit=1.0)
    decision = _decided(snapshot(offers=(L4, L40S), pools=(pool(L40S),), wanted=asked))
    assert _fleet(decision) == [("g6.xlarge", Market.ON_DEMAND, 1)]


def test_three_machines_at_ten_cents_are_within_thirty() -> None:
    asked = wanted(replicas=3, usd_per_hour_limit=0.3)
    assert _decided(snapshot(offers=(offer(usd_per_hour=0.1),), wanted=asked)).target.replicas == 3


def test_memory_keeps_since_when_a_target_holds() -> None:
    first = decide(snapshot(now=100.0), Memory())[1]
    second = decide(snapshot(now=200.0), first)[1]
    assert (first.since, second.since) == (100.0, 100.0)
    moved = decide(snapshot(now=300.0, offers=(L40S,)), second)[1]
    assert moved.since == 300.0


def test_steps_chain_from_what_runs_to_what_is_wanted() -> None:
    seen = snapshot(pools=(pool(offer(), 2),), wanted=wanted(replicas=20, max_replicas=4))
    decision = _decided(seen)
    assert decision.steps[0].before == seen.fleet
    assert decision.steps[-1].after == decision.target
    for earlier, later in zip(decision.steps, decision.steps[1:], strict=False):
        assert earlier.after == later.before


def test_readiness_is_never_aimed_for() -> None:
    gone = offer(obtainable="")
    assert [p.ready for p in _decided(snapshot(offers=(gone,), pools=(pool(gone),))).target.pools] == [0]
