"""What the scaling benchmark concludes from results: which goals count, and whether they are reached."""

import pytest
from wharfage_simulator.report import boards
from wharfage_simulator.stage import Where
from wharfage_simulator.trial import Trial

from benchmarks.scaling import Failure, attempted
from benchmarks.scaling_cases import CASES, chosen
from benchmarks.scaling_goals import goals
from tests.simulator.test_comparison import ASKED, on
from tests.simulator.test_report import result

REACHED = [
    result("oracle", 100.0, setting="one"),
    result("wharfage", 120.0, 2, setting="one"),
    result("hpa-kv", 200.0, 1, setting="one"),
    result("wharfage", 100.0, setting="all"),
    result("keda", 60.0, 9, setting="all"),
    result("oracle", 50.0, setting="all"),
    result("wharfage", 60.0, 3, setting="all+spot"),
]


def test_goals_are_figures_of_one_trace_against_the_best_that_kept_the_objectives() -> None:
    over, hpa, spot = goals(boards(REACHED))
    assert (over.value, hpa.value, spot.value) == pytest.approx((1.2, 40.0, 40.0))
    assert all(goal.line.endswith(": reached") for goal in (over, hpa))
    assert spot.line.endswith(": reached; wharfage")


def test_an_oracle_that_misses_the_objectives_is_no_goal() -> None:
    over = goals(boards([result("oracle", 100.0, 4, setting="one"), *REACHED[1:3]]))[0]
    assert over.value is None
    assert "not counted: the oracle itself misses" in over.line


def test_what_is_not_reached_is_said_with_the_reason() -> None:
    over, hpa = goals(boards([REACHED[0], result("wharfage", 190.0, 5, setting="one"), REACHED[2]]))
    assert "NOT reached; ours has 0.50 % bad minutes" in over.line
    assert "NOT reached" in hpa.line


def test_a_low_cost_with_too_many_bad_minutes_reaches_nothing() -> None:
    _, hpa = goals(boards([REACHED[0], result("wharfage", 90.0, 24, setting="one"), REACHED[2]]))
    assert "NOT reached; ours has 2.40 % bad minutes" in hpa.line


def test_traces_are_chosen_by_name() -> None:
    assert chosen([]) == CASES
    assert [case.trace for case in chosen(["worldcup98"])] == ["worldcup98"]
    with pytest.raises(ValueError, match="no trace x; there are servegen/deepseek-r1"):
        chosen(["x"])


def test_a_replay_that_breaks_is_told_and_costs_no_other() -> None:
    failed = attempted(Trial(on(Where.ONE), "no such policy", ASKED))
    assert failed == Failure("one", "waves", "no such policy", "KeyError: 'no such policy'")
