"""KEDA as the production-stack ships it."""

import math

import pytest
from wharfage_simulator.policies.keda import HELM, ONE_A_MINUTE, TUTORIAL, Keda, Query, Trigger

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen


@pytest.mark.parametrize(
    ("triggers", "count"),
    [
        pytest.param(HELM, 6, id="as shipped: 30 waiting over 5"),
        pytest.param((Trigger(Query.RUNNING, 20.0),), 8, id="160 running over 20"),
        pytest.param((Trigger(Query.OUTPUT_TOKENS, 500.0),), 5, id="2500 tokens a second over 500"),
        pytest.param((*HELM, Trigger(Query.PROMPT_TOKENS, 1000.0)), 8, id="of two the one that wants more"),
    ],
)
def test_sums_over_thresholds_give_the_count(triggers: tuple[Trigger, ...], count: int) -> None:
    view = seen(pool(ready=4, running=160, waiting=30), output_tokens_per_s=2500, prompt_tokens_per_s=7500)
    assert Keda(KEY, triggers).target(view) == {KEY: count}


def test_a_queue_is_no_reason_to_shrink_at_once() -> None:
    views = [seen(pool(ready=4, running=160, waiting=0), now_s=15.0 * tick) for tick in range(21)]
    assert counts(Keda(KEY), views) == [4] * 20 + [1]


def test_the_documented_triggers_move_one_pod_a_minute() -> None:
    keda = Keda(KEY, TUTORIAL, behavior=ONE_A_MINUTE, cooldown_s=1800)
    busy = [seen(pool(ready=4, running=160), now_s=15.0 * tick) for tick in range(9)]
    assert counts(keda, busy) == [5, 5, 5, 5, 6, 6, 6, 6, 7]


def test_it_sleeps_after_the_cooldown_and_wakes_at_a_request() -> None:
    keda = Keda(KEY, (Trigger(Query.RUNNING, 5.0),), cooldown_s=60)
    idle = [seen(pool(ready=1), now_s=15.0 * tick, least=0) for tick in range(6)]
    assert counts(keda, idle) == [1, 1, 1, 1, 0, 0]
    assert counts(keda, [seen(pool(running=0), now_s=90, least=0), seen(pool(running=1), now_s=105, least=0)]) == [0, 1]


def test_what_is_unknown_is_no_idleness() -> None:
    keda = Keda(KEY, cooldown_s=60)
    views = [seen(pool(ready=3, waiting=math.nan), now_s=15.0 * tick, least=0) for tick in range(40)]
    assert set(counts(keda, views)) == {3}


def test_one_unknown_trigger_may_raise_and_not_lower() -> None:
    triggers = (Trigger(Query.RUNNING, 5.0), Trigger(Query.OUTPUT_TOKENS, 100.0))
    assert Keda(KEY, triggers).target(seen(pool(ready=4, running=30))) == {KEY: 6}
    views = [seen(pool(ready=4, running=5), now_s=15.0 * tick) for tick in range(40)]
    assert set(counts(Keda(KEY, triggers), views)) == {4}


def test_a_threshold_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="each threshold must be positive"):
        Keda(KEY, (Trigger(Query.WAITING, 0.0),))
