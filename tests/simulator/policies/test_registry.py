"""What every policy keeps to, whatever it sees: bounds, known pools, the same answer to the same question."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.sight import PoolSeen
from wharfage_simulator.policies.registry import POLICIES, candidates, make
from wharfage_simulator.policies.scene import Scene
from wharfage_simulator.policy import ReplicaSeen, Seen

from tests.sights import pool
from tests.simulator.policies.views import seen, step

POOLS = (
    pool("g6.xlarge", accelerator="L4", usd_per_hour=1.0, good_rps=2.0),
    pool("g6e.xlarge", accelerator="L40S", usd_per_hour=2.0, good_rps=6.0, kv_tokens=150_000),
    pool("g6.xlarge", accelerator="L4", market=Market.SPOT, zone="a", usd_per_hour=0.4, good_rps=2.0),
    pool("g6.xlarge", accelerator="L4", market=Market.SPOT, zone="b", usd_per_hour=0.5, good_rps=2.0),
)
RATES = tuple(8.0 + 4.0 * math.sin(minute * math.tau / 1440) for minute in range(3 * 1440))
ARRIVALS = np.repeat(np.asarray(RATES[:480]), 4) * 15.0
SCENE = Scene(
    pools=POOLS,
    pool=POOLS[0].key,
    training_rps=RATES,
    best_sequences=40.0,
    best_kv_used=0.31,
    step=step(),
    arrivals=ARRIVALS,
)


@lru_cache
def history(seed: int) -> tuple[Seen, ...]:
    """A few minutes of whatever may be seen, some of it unknown, at uneven steps; the bounds stay."""
    random = Random(seed)

    def some(most: float) -> float:
        return random.choice((random.uniform(0, most), random.uniform(0, most), 0.0, math.nan))

    least, now_s, views = random.randint(0, 4), 0.0, []
    most = random.randint(max(1, least), 40)
    for _ in range(30):
        pools = [
            replace(
                empty,
                ready=random.randint(0, 30),
                starting=random.randint(0, 30),
                draining=random.randint(0, 3),
                running=some(500),
                waiting=some(500),
                kv_used=some(1),
                obtainable=random.random() < 0.7,
            )
            for empty in POOLS
        ]
        views.append(
            seen(
                *pools,
                now_s=now_s,
                least=least,
                most=most,
                rps=some(200),
                replicas=_replicas(pools),
                ttft_p90_s=some(10),
                tpot_p90_s=some(0.2),
                prompt_tokens_per_s=some(1e5),
                output_tokens_per_s=some(1e5),
            )
        )
        now_s += random.choice((1.0, 15.0, 60.0, 400.0))
    return tuple(views)


def _replicas(pools: list[PoolSeen]) -> Iterator[ReplicaSeen]:
    for each in pools:
        for _ in range(each.ready):
            yield ReplicaSeen(
                pool=each.key,
                running=each.running / each.ready,
                waiting=each.waiting / each.ready,
                kv_used=each.kv_used,
                kv_tokens_used=each.kv_used * each.kv_tokens,
            )


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("seed", range(6))
def test_it_wants_known_pools_within_the_bounds_and_the_same_again(name: str, seed: int) -> None:
    known = {each.key for each in POOLS}
    first, second = make(name, SCENE), make(name, SCENE)
    for view in history(seed):
        wanted = dict(first.target(view))
        assert wanted == dict(second.target(view)), "one state, one question, one answer"
        assert set(wanted) <= known
        assert all(isinstance(count, int) and count >= 0 for count in wanted.values())
        assert view.least <= sum(wanted.values()) <= view.most


@pytest.mark.parametrize("name", POLICIES)
def test_every_setting_makes_a_policy_with_a_name_of_its_own(name: str) -> None:
    found = candidates(name, SCENE)
    assert len(found) == len(POLICIES[name].settings(SCENE)), "a table tells them apart"
    assert next(iter(found)) == make(name, SCENE).name, "the default comes first"
    for called, setting in found.items():
        policy = make(name, SCENE, setting)
        assert policy.name == called
        assert 0.5 <= policy.every_s <= 60


@pytest.mark.parametrize("name", POLICIES)
def test_what_two_settings_share_is_tried_once(name: str) -> None:
    unknown = replace(SCENE, best_sequences=math.nan, best_kv_used=math.nan)
    assert len(candidates(name, unknown)) <= len(POLICIES[name].settings(unknown))


@pytest.mark.parametrize("name", POLICIES)
def test_what_chooses_a_count_keeps_to_the_pool_it_was_given(name: str) -> None:
    busy_pools = [replace(each, ready=2, running=100.0, waiting=9.0, kv_used=0.7) for each in POOLS]
    view = seen(*busy_pools, rps=20.0, replicas=_replicas(busy_pools))
    chosen: set[PoolKey] = {key for key, count in make(name, SCENE).target(view).items() if count}
    if POLICIES[name].chooses == "count":
        assert chosen == {SCENE.pool}


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no policy 'hpa'; there are static-peak, .*oracle"):
        make("hpa", SCENE)


def test_a_scene_without_its_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="is not among"):
        Scene(pools=POOLS[1:], pool=POOLS[0].key)


def test_the_oracle_is_not_made_without_a_future() -> None:
    with pytest.raises(ValueError, match="cannot know what comes"):
        make("oracle", replace(SCENE, arrivals=None))


@pytest.mark.parametrize(
    ("name", "sequences", "kv_used", "among"),
    [
        pytest.param("hpa-running", math.nan, 0.3, "hpa(running=44.8)", id="70 % of the 64 slots"),
        pytest.param("hpa-running", 40.0, 0.3, "hpa(running=28)", id="70 % of those at its best rate, if known"),
        pytest.param("hpa-kv", 40.0, math.nan, "hpa(kv=0.7)", id="70 % of the cache"),
        pytest.param("hpa-kv", 40.0, 0.3, "hpa(kv=0.21)", id="70 % of what it uses of it at its best rate, if known"),
    ],
)
def test_targets_are_shares_of_what_a_replica_can_work_on(
    name: str, sequences: float, kv_used: float, among: str
) -> None:
    assert among in candidates(name, replace(SCENE, best_sequences=sequences, best_kv_used=kv_used))


def test_the_documentation_says_what_each_is_compared_for() -> None:
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "comparison.md").read_text(encoding="utf-8")
    assert [name for name in POLICIES if f"`{name}`" not in page] == []
