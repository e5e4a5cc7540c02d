"""llm-d's Workload Variant Autoscaler: demand and supply in tokens, and who gives or gets replicas."""

import math

import pytest
from wharfage_autoscaler.sight import PoolSeen
from wharfage_simulator.policies.bounds import within
from wharfage_simulator.policies.wva import Variant, Wva, allocated
from wharfage_simulator.policy import ReplicaSeen

from tests.sights import pool
from tests.simulator.policies.views import seen

L4 = pool("l4", accelerator="L4", usd_per_hour=1.0, kv_tokens=50_000)
H100 = pool("h100", accelerator="H100", usd_per_hour=4.0, kv_tokens=400_000)
CHEAP = Variant(L4.key, usd_per_hour=1.0, tokens=100.0, replicas=2)
DEAR = Variant(H100.key, usd_per_hour=4.0, tokens=500.0, replicas=1)


def rows(of: PoolSeen, *tokens: float, waiting: float = 0.0) -> list[ReplicaSeen]:
    return [
        ReplicaSeen(pool=of.key, running=1, waiting=waiting, kv_used=each / of.kv_tokens, kv_tokens_used=each)
        for each in tokens
    ]


@pytest.mark.parametrize(
    ("required", "spare", "counts"),
    [
        pytest.param(600.0, 0.0, (2, 3), id="what is missing comes from the cheapest per token: 4/500 under 1/100"),
        pytest.param(0.0, 0.0, (2, 1), id="neither missing nor spare: as it is"),
        pytest.param(0.0, 499.0, (0, 1), id="spare is less than one of the dearest: the cheap ones go"),
        pytest.param(0.0, 500.0, (2, 0), id="the dearest goes first"),
        pytest.param(0.0, 900.0, (1, 0), id="of the cheapest the last one stays"),
    ],
)
def test_replicas_are_taken_and_given_by_cost(required: float, spare: float, counts: tuple[int, int]) -> None:
    got = allocated([CHEAP, DEAR], required=required, spare=spare, most=100)
    assert (got[L4.key], got[H100.key]) == counts


def test_a_variant_of_unknown_capacity_is_neither_raised_nor_lowered() -> None:
    unknown = Variant(H100.key, usd_per_hour=0.1, tokens=0.0, replicas=1)
    assert allocated([CHEAP, unknown], required=150.0, spare=0.0, most=100) == {L4.key: 4, H100.key: 1}
    assert allocated([CHEAP, unknown], required=0.0, spare=900.0, most=100) == {L4.key: 0, H100.key: 1}


def test_no_more_than_the_deployment_may_have() -> None:
    assert allocated([CHEAP, DEAR], required=9_000.0, spare=0.0, most=5) == {L4.key: 2, H100.key: 3}


@pytest.mark.parametrize(
    ("used", "waiting", "count"),
    [
        pytest.param([30_000.0, 30_000.0], 0.0, 2, id="60k of 2 x 40k held, and 60k/.85 is 71k: enough"),
        pytest.param([35_000.0, 35_000.0], 0.0, 3, id="70k/.85 is 82k: one more"),
        pytest.param([10_000.0, 10_000.0], 0.0, 1, id="20k/.70 leaves 51k of 80k spare: one less"),
        pytest.param([30_000.0, 30_000.0], 4.0, 2, id="eight that wait are 6.4k tokens more: 78k, still enough"),
        pytest.param([30_100.0, 30_100.0], 4.9, 3, id="but not for nearly ten: 80.05k"),
    ],
)
def test_tokens_in_use_against_capacity(used: list[float], waiting: float, count: int) -> None:
    wva = Wva()
    course = []
    for tick in range(12):
        of = pool("l4", kv_tokens=50_000, ready=2, waiting=2 * waiting)
        course.append(wva.target(seen(of, now_s=30.0 * tick, replicas=rows(of, *used, waiting=waiting))).get(of.key))
    assert course[-1] == count


def test_a_queue_shows_what_a_replica_really_holds() -> None:
    wva, of = Wva(), pool("l4", kv_tokens=50_000, ready=2, waiting=12)
    queued = seen(of, replicas=rows(of, 15_000, 15_000, waiting=6))
    assert wva.target(queued) == {of.key: 4}, "(30k + 12 x 800)/.85 is 46.6k, of which 2 x 15k are there"
    calm = seen(pool("l4", kv_tokens=50_000, ready=4), now_s=30.0, replicas=rows(of, *[13_000.0] * 4))
    assert wva.target(calm) == {of.key: 5}, "what was seen then counts still: 52k/.85 is 61.2k of 4 x 15k"


def test_what_waits_before_the_engines_is_demand() -> None:
    of = pool("l4", kv_tokens=50_000, ready=2, waiting=40)
    assert Wva().target(seen(of, replicas=rows(of, 30_000, 30_000))) == {of.key: 3}


def test_a_pool_that_never_ran_is_sized_by_its_cache_and_batch() -> None:
    cheap, dear = pool("l4", kv_tokens=50_000, ready=2), pool("h100", accelerator="H100", usd_per_hour=1.5)
    busy = seen(cheap, dear, replicas=rows(cheap, 39_000, 39_000))
    assert Wva().target(busy)[cheap.key] == 3, "40k for 1 usd is cheaper than 40k for 1.5"
    larger = pool("h100", accelerator="H100", usd_per_hour=1.05, kv_tokens=400_000)
    assert Wva().target(seen(cheap, larger, replicas=rows(cheap, 39_000, 39_000))) == {cheap.key: 2, larger.key: 1}


def test_while_no_replica_reports_it_holds() -> None:
    of = pool("l4", kv_tokens=50_000, ready=3)
    views = [seen(of, now_s=30.0 * tick, replicas=rows(of, math.nan, math.nan, math.nan)) for tick in range(20)]
    assert [Wva().target(view) for view in views] == [{of.key: 3}] * 20


def test_thresholds_that_cross_are_refused() -> None:
    with pytest.raises(ValueError, match="down <= up"):
        Wva(up=0.5, down=0.6)


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        pytest.param((1, 1), (2, 1), id="too few: more of the first"),
        pytest.param((2, 2), (2, 2), id="enough: as it is"),
        pytest.param((4, 4), (4, 1), id="too many: less of the last"),
        pytest.param((9, 4), (5, 0), id="and then of the one before"),
    ],
)
def test_totals_stay_within_bounds(counts: tuple[int, int], kept: tuple[int, int]) -> None:
    keys = (L4.key, H100.key)
    view = seen(L4, H100, least=3, most=5)
    assert within(view, dict(zip(keys, counts, strict=True)), keys) == dict(zip(keys, kept, strict=True))
