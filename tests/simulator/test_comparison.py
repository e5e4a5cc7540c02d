"""Policies against each other: tuned on the first half, scored on the second, all on the same load."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.traffic import Traffic
from wharfage_simulator.comparison import compare
from wharfage_simulator.scenario import Asked
from wharfage_simulator.stage import Stage, Where, drawn, per_tick, stage
from wharfage_simulator.traces import RateTrace
from wharfage_simulator.trial import USD_PER_BAD_MINUTE, Trial, judged, prices, scene, settled, told_from_s, tried_on

from tests.builders import QWEN3_8B, offer

L4 = offer("g6.xlarge", usd_per_hour=0.8)
L4_SPOT = offer("g6.xlarge", market=Market.SPOT, zone="a", usd_per_hour=0.3)
L40S = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48, usd_per_hour=1.86)
OFFERS = (L4, L4_SPOT, L40S)
ASKED = Asked(
    variant=Variant("bf16", 1.0, "", "hf://Qwen/Qwen3-8B", QWEN3_8B),
    traffic=Traffic(2000, 400),
    objectives=Objectives(ttft_p95_s=2.0, tpot_p95_s=0.2),
    lead_s=120.0,
)


BUDGET = 10_000  # requests: seconds of a replay


def load(hours: int = 8) -> RateTrace:
    """Waves of an hour between a half and two requests per second."""
    rates = 1.25 + 0.75 * np.sin(np.arange(hours * 6) / 6 * 2 * np.pi)
    return RateTrace("waves", 0.0, 600.0, rates)


def on(where: Where, offers: Sequence[Offer] = OFFERS, *, hours: int = 8, seed: int = 1, **market: Any) -> Stage:
    """The waves in a setting."""
    return stage(
        drawn(load(hours), seed=seed, context_tokens=8192, request_budget=BUDGET), offers, ASKED, where, **market
    )


def test_every_policy_meets_the_same_requests_and_ours_is_the_shipping_one() -> None:
    policies = ["static-peak", "oracle", "wharfage"]
    results = compare([load()], OFFERS, ASKED, settings=["one"], policies=policies, seeds=[1], request_budget=BUDGET)
    assert [result.policy for result in results] == policies
    assert len({result.requests for result in results}) == 1
    assert all(result.usd > 0 and result.minutes > 100 for result in results)
    peak, oracle, ours = results
    assert oracle.usd <= ours.usd
    assert oracle.usd <= peak.usd
    assert ours.tuned.startswith("wharfage(")


def test_the_same_seed_gives_the_same_result() -> None:
    once, again = (judged(Trial(on(Where.ONE, seed=3), "wharfage", ASKED)) for _ in range(2))
    assert (once.usd, once.bad_minutes, once.churn) == (again.usd, again.bad_minutes, again.churn)


PLACES = [
    pytest.param(Where.ONE, {Market.ON_DEMAND}, 1, id="one pool, on-demand"),
    pytest.param(Where.ALL, {Market.ON_DEMAND}, 2, id="all accelerators, on-demand"),
    pytest.param(Where.SPOT, {Market.ON_DEMAND, Market.SPOT}, 3, id="and spot"),
    pytest.param(Where.GATEWAY, {Market.ON_DEMAND, Market.SPOT}, 3, id="behind the gateway"),
]


@pytest.mark.parametrize(("where", "markets", "pools"), PLACES)
def test_a_setting_says_what_may_be_used(where: Where, markets: set[Market], pools: int) -> None:
    place = on(where, seed=1)
    assert {kind.offer.market for kind in place.pools.kinds} == markets
    assert len(place.pools.kinds) == pools
    assert (place.setting.service.gateway is not None) is (where is Where.GATEWAY)
    assert all((kind.at_once is not None) is (where is Where.GATEWAY) for kind in place.pools.kinds)


def test_training_and_scoring_share_no_request() -> None:
    place = on(Where.ONE, hours=48, seed=1)
    assert place.training.duration_s == place.scored.duration_s == 24 * 3600
    sums = [place.scored.requests, place.scored.prompt_tokens.sum(), place.scored.output_tokens.sum()]
    assert per_tick(place.scored).sum(axis=0).tolist() == sums
    assert not np.array_equal(per_tick(place.training), per_tick(place.scored))


def test_a_policy_is_made_from_what_its_own_pool_is() -> None:
    place = on(Where.ALL, seed=1)
    small, large = (scene(place, place.training, kind) for kind in place.pools.kinds)
    assert small.step is not None
    assert large.step is not None
    assert large.step.kv_tokens > small.step.kv_tokens
    assert 0 < small.best_sequences < large.best_sequences <= large.seen.slots
    assert 0 < small.best_kv_used <= 1


def test_who_counts_is_tried_on_other_shapes_and_not_on_a_larger_machine_of_the_same() -> None:
    eight = offer("g6.48xlarge", accelerators=8, vcpus=192, memory_gib=768, usd_per_hour=8 * L4.usd_per_hour)
    place = on(Where.ALL, (replace(eight, name="g6.16xlarge"), L40S, L4))
    assert sorted(kind.offer.name for kind in tried_on(place)) == ["g6.xlarge", "g6e.xlarge"]


def test_a_small_load_begins_on_what_is_cheapest_in_whole_machines() -> None:
    huge = offer("p5.48xlarge", accelerator="H100", accelerator_memory_gib=80, usd_per_hour=8.0)
    place = on(Where.ALL, (huge, replace(L40S, usd_per_hour=3.0), L4))
    most = max(place.pools.kinds, key=lambda kind: kind.planned_rps / kind.offer.usd_per_hour)
    assert most.offer.name == "p5.48xlarge"
    assert settled(place).offer.name == "g6e.xlarge"
    assert settled(place) in tried_on(place)


def test_the_day_that_is_tuned_on_is_no_history_of_itself() -> None:
    place = on(Where.ONE, hours=96, seed=1)
    tuning, scoring = (scene(place, trace, place.first) for trace in (place.training, place.scored))
    assert len(scoring.training_rps) == 48 * 60
    assert tuning.training_rps == scoring.training_rps[: 24 * 60]


REHEARSALS = [
    pytest.param(
        96, 3600.0, len(USD_PER_BAD_MINUTE), id="a day before it is known: tuned at once, and every price tried"
    ),
    pytest.param(48, 7 * 3600.0, len(USD_PER_BAD_MINUTE), id="nothing before it: tuned after six hours of it"),
    pytest.param(24, 7 * 3600.0, 1, id="half a day: five hours say nothing of 0.3 %, and one price is taken untried"),
]


@pytest.mark.parametrize(("hours", "told_s", "tried"), REHEARSALS)
def test_a_rehearsal_tells_of_prices_once_the_law_was_tuned_by_them(hours: int, told_s: float, tried: int) -> None:
    place = on(Where.ONE, hours=hours, seed=1)
    assert told_from_s(place) == told_s
    assert len(prices(place)) == tried


def test_spot_is_taken_where_it_is_cheaper_and_its_share_is_kept() -> None:
    dear = replace(L4, usd_per_hour=1.5)
    result = judged(Trial(on(Where.SPOT, (dear, L4_SPOT), seed=1), "wharfage", ASKED))
    spot = result.course.usd_per_hour_spot[30:]
    assert spot.max() > 0
    assert (spot < result.course.usd_per_hour[30:]).all(), "never all of it"


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no policy hpa; there are wharfage, static-peak"):
        compare([load()], OFFERS, ASKED, settings=["one"], policies=["hpa"], seeds=[1])
    with pytest.raises(ValueError, match="two"):
        compare([load()], OFFERS, ASKED, settings=["two"], policies=["wharfage"], seeds=[1])
