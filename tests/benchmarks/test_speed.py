"""The benchmark of speed: what it decides on, and that what is missed is said."""

import pytest
from wharfage_autoscaler.allot import allot, as_before
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.supply import Supply

from benchmarks import speed
from benchmarks.deployments import needs, reserved_machines


def test_the_deployments_are_the_same_every_time_and_have_all_markets_to_choose_from() -> None:
    asked = needs(6, shapes=1)
    assert asked == needs(6, shapes=1)
    for each in asked:
        assert {berth.offer.market.value for berth in each.berths} == {"Reserved", "OnDemand", "Spot"}
        assert each.peak_rps > each.usual_rps > 0
    assert reserved_machines().keys() <= {berth.offer.key for each in asked for berth in each.berths}


def test_a_tenth_of_the_demands_are_news_and_no_more() -> None:
    asked = needs(20, shapes=1)
    before = allot(ClusterSnapshot(asked, Supply(machines=reserved_machines())), nodes=0)
    after = speed.changed(asked, before)
    assert sum(not as_before(one, other) for one, other in zip(asked, after, strict=True)) == 2


@pytest.mark.parametrize(
    ("figure", "value", "said"),
    [
        pytest.param("mix_ms", 40.0, "wanted: at most 100", id="reached"),
        pytest.param("mix_ms", 140.0, "wanted: at most 100, MISSED", id="missed"),
        pytest.param("mix_100_budget_warm_s", 5.9, "wanted: at most 5, MISSED", id="changed under a spent budget"),
        pytest.param("mix_100_gateway_warm_gap", 0.02, "wanted: at most 0.03", id="the gap of the second round"),
        pytest.param("replay_requests_per_s", 9e5, "wanted: at least 1e+06, MISSED", id="too few"),
        pytest.param("mix_gateway_ms", 900.0, "", id="nothing is asked of a part"),
    ],
)
def test_goals_are_said_beside_the_figures(figure: str, value: float, said: str) -> None:
    assert speed.goal(figure, value) == said


def test_a_figure_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        speed.main(["mix_1000"])
    assert "no such figure: mix_1000; there are: decide, mix" in capsys.readouterr().err
