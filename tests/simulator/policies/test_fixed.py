"""The two that look at nothing: a fixed count, and the oracle."""

import math

import numpy as np
import pytest
from wharfage_simulator.oracle import targets
from wharfage_simulator.policies.clairvoyant import Clairvoyant
from wharfage_simulator.policies.static import Static, replicas_for

from tests.sights import pool
from tests.simulator.policies.views import KEY, counts, seen


@pytest.mark.parametrize(
    ("share", "replicas"),
    [
        pytest.param(1.0, 10, id="the busiest minute: 20 over 2"),
        pytest.param(0.95, 10, id="of twenty minutes the nineteenth: 19 over 2"),
        pytest.param(0.5, 5, id="the middle one: 10 over 2"),
        pytest.param(0.0, 1, id="the quietest"),
    ],
)
def test_a_quantile_of_the_training_half_sizes_it(share: float, replicas: int) -> None:
    rates = [*map(float, range(20, 0, -1)), math.nan]
    assert replicas_for(rates, share=share, rps=2.0) == replicas


@pytest.mark.parametrize(("rates", "rps"), [([], 2.0), ([math.nan], 2.0), ([1.0], 0.0)])
def test_nothing_is_sized_by_nothing(rates: list[float], rps: float) -> None:
    with pytest.raises(ValueError, match="size nothing"):
        replicas_for(rates, share=1.0, rps=rps)


def test_a_fixed_count_stays_within_what_is_allowed() -> None:
    assert counts(Static(KEY, 7), [seen(pool(ready=1)), seen(pool(), most=5), seen(pool(), least=9)]) == [7, 5, 9]


def test_the_oracle_gives_the_targets_tick_by_tick() -> None:
    arrivals = np.repeat([30.0, 90.0, 15.0], 20)
    oracle = Clairvoyant(KEY, arrivals, rps=1.0, lead_s=60.0)
    views = [seen(pool(), now_s=15.0 * (tick + 1)) for tick in range(60)]
    assert counts(oracle, views) == targets(arrivals, rps=1.0, lead_s=60.0).astype(int).tolist()


def test_the_oracle_holds_its_first_target_before_and_its_last_after() -> None:
    oracle = Clairvoyant(KEY, np.array([30.0] * 4 + [90.0] * 4), rps=1.0, lead_s=0.0)
    assert counts(oracle, [seen(pool(), now_s=0.0), seen(pool(), now_s=900.0)]) == [2, 6]
    assert counts(Clairvoyant(KEY, np.array([]), rps=1.0, lead_s=0.0), [seen(pool())]) == [1]
