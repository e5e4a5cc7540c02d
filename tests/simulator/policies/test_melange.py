"""Mélange's mix: the integer program against a solver and against brute force, and the policy around it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from wharfage_autoscaler.offers import Market
from wharfage_simulator.policies.melange import Melange, cheapest

from tests.sights import pool
from tests.simulator.policies.views import seen

L4 = pool("l4", accelerator="L4", usd_per_hour=1.0, good_rps=2.0)
H100 = pool("h100", accelerator="H100", usd_per_hour=4.0, good_rps=10.0)
SPOT = pool("l4", accelerator="L4", market=Market.SPOT, usd_per_hour=0.3, good_rps=2.0)


def solved(rates: Sequence[float], throughputs: Sequence[Sequence[float]], costs: Sequence[float]) -> float:
    """What the integer program of `melange/solver.py` costs, slice by slice; infinite where there is no place."""
    kinds, slices = len(costs), [(rate / 4, bucket) for bucket, rate in enumerate(rates) for _ in range(4)]
    variables = len(slices) * kinds + kinds
    rows, low, high = [], [], []
    most = np.concatenate([np.ones(len(slices) * kinds), np.full(kinds, np.inf)])
    for number, (_, bucket) in enumerate(slices):
        row = np.zeros(variables)
        row[number * kinds : (number + 1) * kinds] = 1
        rows.append(row)
        low.append(1.0)
        high.append(1.0)
        for kind in range(kinds):
            most[number * kinds + kind] = float(throughputs[kind][bucket] > 0)
    for kind in range(kinds):
        row = np.zeros(variables)
        for number, (rate, bucket) in enumerate(slices):
            row[number * kinds + kind] = rate / max(throughputs[kind][bucket], 1e-9)
        row[len(slices) * kinds + kind] = -1
        rows.append(row)
        low.append(-np.inf)
        high.append(0.0)
    objective = np.concatenate([np.zeros(len(slices) * kinds), np.asarray(costs)])
    found = milp(
        objective,
        constraints=LinearConstraint(np.array(rows), low, high),
        integrality=np.ones(variables),
        bounds=Bounds(np.zeros(variables), most),
    )
    return float(found.fun) if found.success else math.inf


@pytest.mark.parametrize(
    ("rates", "throughputs", "costs", "counts"),
    [
        pytest.param([4.0], [[2.0], [10.0]], [1.0, 4.0], (2, 0), id="two small ones are cheaper than a large one"),
        pytest.param([10.0], [[2.0], [10.0]], [1.0, 4.0], (0, 1), id="a large one is cheaper than five small ones"),
        pytest.param([12.0], [[2.0], [10.0]], [1.0, 4.0], (2, 1), id="three slices of four on the large one"),
        pytest.param([0.0], [[2.0], [10.0]], [1.0, 4.0], (0, 0), id="nothing for nothing"),
        pytest.param(
            [4.0, 4.0], [[2.0, 0.0], [10.0, 10.0]], [1.0, 4.0], (0, 1), id="what one cannot do the other must"
        ),
        pytest.param([4.0], [[0.0]], [1.0], None, id="no place at all"),
    ],
)
def test_the_cheapest_machines_that_carry_every_slice(
    rates: list[float], throughputs: list[list[float]], costs: list[float], counts: tuple[int, ...] | None
) -> None:
    assert cheapest(rates, throughputs, costs) == counts


@given(
    rates=st.lists(st.integers(0, 40), min_size=1, max_size=2),
    kinds=st.lists(
        st.tuples(st.lists(st.integers(0, 12), min_size=2, max_size=2), st.integers(1, 9)), min_size=1, max_size=3
    ),
)
@settings(max_examples=40, deadline=None)
def test_a_solver_finds_nothing_cheaper(rates: list[int], kinds: list[tuple[list[int], int]]) -> None:
    throughputs = [[float(each) for each in row[: len(rates)]] for row, _ in kinds]
    costs = [float(cost) for _, cost in kinds]
    found = cheapest([float(rate) for rate in rates], throughputs, costs)
    paid = math.inf if found is None else sum(count * cost for count, cost in zip(found, costs, strict=True))
    assert paid == pytest.approx(solved([float(rate) for rate in rates], throughputs, costs))


def test_brute_force_finds_nothing_cheaper() -> None:
    throughput, costs, rate = (2.0, 3.0, 7.0), (1.0, 1.4, 3.0), 13.0
    ways = (way for way in product(range(5), repeat=3) if sum(way) == 4)
    least = min(
        sum(cost * math.ceil(rate / 4 * part / each) for part, each, cost in zip(way, throughput, costs, strict=True))
        for way in ways
    )
    found = cheapest([rate], [[each] for each in throughput], costs)
    assert found is not None
    assert sum(count * cost for count, cost in zip(found, costs, strict=True)) == pytest.approx(least)


def test_the_mix_comes_up_at_once_and_goes_down_as_the_hpa_does() -> None:
    melange = Melange()
    busy = [seen(replace(L4, ready=2), H100, now_s=0.0, rps=10.0)]
    calm = [seen(L4, replace(H100, ready=1), now_s=15.0 * tick, rps=2.0) for tick in range(1, 60)]
    course = [melange.target(view) for view in (*busy, *calm)]
    assert course[0] == {L4.key: 2, H100.key: 1}, "the large one now; the small ones stay for the window of the HPA"
    assert course[-1] == {L4.key: 1}


def test_the_larger_of_the_mean_and_of_now_counts() -> None:
    calm = [seen(L4, now_s=15.0 * tick, rps=2.0) for tick in range(16)]
    melange = Melange()
    for view in calm:
        melange.target(view)
    assert melange.target(replace(calm[0], now_s=240.0, rps_15s=8.0)) == {L4.key: 4}


def test_spot_is_used_only_when_told_to() -> None:
    view = seen(L4, SPOT, rps=4.0)
    assert Melange().target(view) == {L4.key: 2}
    assert Melange(markets=(Market.ON_DEMAND, Market.SPOT)).target(view) == {SPOT.key: 2}


def test_an_unknown_rate_leaves_the_mix() -> None:
    melange = Melange()
    first = melange.target(seen(L4, H100, rps=10.0))
    assert [melange.target(seen(L4, H100, now_s=1000.0 + t)) for t in range(3)] == [first] * 3
    assert Melange().target(seen(replace(L4, ready=3), rps=math.nan)) == {L4.key: 3}
