"""AIBrix's solver and ours: the same integer program, the same cost."""

from random import Random

import pytest
from wharfage_simulator.policies.melange import SLICES, cheapest

from tests.peers.peer import peer


def test_the_mixes_cost_the_same() -> None:
    random = Random(7)
    with peer("aibrix", "melange", {}) as theirs:
        for case in range(60):
            rows, columns = random.choice(((1, 1), (1, 1), (1, 2), (2, 1)))
            kinds = random.randint(1, 5)
            rates = [[random.uniform(0.1, 60) for _ in range(columns)] for _ in range(rows)]
            throughputs = [[[random.uniform(0.5, 12) for _ in row] for row in rates] for _ in range(kinds)]
            costs = [random.uniform(0.5, 9) for _ in range(kinds)]
            cost = theirs.ask(rates=rates, throughputs=throughputs, costs=costs, slices=SLICES)
            flat = [[each for row in kind for each in row] for kind in throughputs]
            found = cheapest([rate for row in rates for rate in row], flat, costs)
            assert found is not None
            ours = sum(count * price for count, price in zip(found, costs, strict=True))
            assert ours == pytest.approx(cost), f"case {case}: {rates} {throughputs} {costs}"


def test_the_example_of_the_project() -> None:
    throughputs = [[[5.0, 3.0], [2.0, 1.0]], [[20.0, 12.0], [10.0, 6.0]]]
    with peer("aibrix", "melange", {}) as theirs:
        cost = theirs.ask(rates=[[5.0, 5.0], [5.0, 5.0]], throughputs=throughputs, costs=[1.01, 3.67], slices=SLICES)
    flat = [[each for row in kind for each in row] for kind in throughputs]
    assert cheapest([5.0] * 4, flat, [1.01, 3.67]) == (0, 2)
    assert cost == pytest.approx(7.34)
