"""Where replicas could run, what they carry there, and for which lengths that is planned."""

from dataclasses import replace

import pytest
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.model import Mode, Placement, SpotPolicy
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.steptime import Theta
from wharfage_autoscaler.traffic import Traffic
from wharfage_operator.charts import USUAL, Chart, Charts, Terms, planned_traffic
from wharfage_operator.history import STEP_S, Row, Rows

from tests.builders import offer, variant, wanted

L4 = offer("g6.xlarge", usd_per_hour=0.8)
H100 = offer("p5.4xlarge", accelerator="H100", accelerator_memory_gib=80, usd_per_hour=4.3)
SPOT = replace(L4, market=Market.SPOT, usd_per_hour=0.3)


def drawn(
    *offers: Offer,
    spot: SpotPolicy = SpotPolicy.FORBID,
    objectives: Objectives | None = None,
    traffic: Traffic = USUAL,
    fleet: Fleet | None = None,
    learned: Theta | None = None,
) -> Chart:
    """The chart; `learned` is what was learned of L4."""
    asked = wanted(variants=(variant(),), mode=Mode.AUTO, placement=Placement(spot=spot))
    return Charts().drawn(
        ("shop", "chat"),
        asked,
        objectives or Objectives(),
        traffic,
        offers,
        fleet or Fleet(),
        Terms(priority=7),
        lambda candidate: learned if learned and candidate.offer.accelerator == "L4" else Theta(),
    )


def test_every_offer_that_can_be_had_and_holds_the_model_is_on_it() -> None:
    chart = drawn(L4, H100, offer("tiny", accelerator_memory_gib=4))
    assert [pool.offer for pool in chart.pools] == [L4, H100]
    assert set(chart.charter.moorings) == {pool.key for pool in chart.pools}
    assert chart.charter.priority == 7


def test_a_faster_accelerator_carries_more() -> None:
    slow, fast = drawn(L4, H100).pools
    assert fast.planned_rps > 3 * slow.planned_rps > 0


def test_longer_requests_are_fewer() -> None:
    (usual,), (longer,) = (
        drawn(L4, traffic=each).pools for each in (USUAL, replace(USUAL, prompt_tokens=2 * USUAL.prompt_tokens))
    )
    assert longer.planned_rps < usual.planned_rps


def test_what_was_learned_of_an_engine_is_what_it_is_planned_with_and_requests_are_worth_what_they_were() -> None:
    plain, taught = drawn(L4, H100), drawn(L4, H100, learned=Theta(0.5, 0.5, 0.5))
    (slow, other), (fast, same) = plain.pools, taught.pools
    assert fast.planned_rps > 1.5 * slow.planned_rps
    assert same == other
    assert taught.charter.work == plain.charter.work
    assert taught.charter.moorings[fast.key].pace != plain.charter.moorings[slow.key].pace


@pytest.mark.parametrize(
    ("policy", "markets"),
    [
        (SpotPolicy.FORBID, {Market.ON_DEMAND}),
        (SpotPolicy.ALLOW, {Market.ON_DEMAND, Market.SPOT}),
        (SpotPolicy.REQUIRE, {Market.SPOT}),
    ],
    ids=["nowhere on spot", "on spot as well, within its shares", "on spot alone"],
)
def test_spot_is_on_it_where_placement_allows(policy: SpotPolicy, markets: set[Market]) -> None:
    assert {pool.offer.market for pool in drawn(L4, SPOT, spot=policy).pools} == markets


def test_what_runs_is_on_it_though_it_is_offered_no_more() -> None:
    gone = replace(L4, name="gone", usd_per_hour=0.0, obtainable="")
    chart = drawn(H100, fleet=Fleet((Pool(gone, "bf16", 2, 1, ready=2),)))
    assert {pool.offer.name: pool.obtainable for pool in chart.pools} == {"gone": False, "p5.4xlarge": True}


def test_an_objective_that_no_machine_reaches_is_said_with_the_nearest_that_one_does() -> None:
    chart = drawn(L4, objectives=Objectives(tpot_p95_s=0.001))
    assert not chart.pools
    assert "out of reach" in chart.refused[0]
    assert chart.refused[0].startswith("L4 x1")


def weeks(rows: int, requests: float = 2.0) -> Rows:
    found = Rows()
    for place in range(rows):
        found = found.with_row(STEP_S * (1 + place), Row(requests, 600.0 * requests, 150.0 * requests))
    return found


@pytest.mark.parametrize(
    ("written", "rows", "prompt"),
    [
        (None, 0, USUAL.prompt_tokens),
        (Traffic(2000.0, 100.0), 0, 2000.0),
        (Traffic(2000.0, 100.0), 35, 2000.0),
        (Traffic(2000.0, 100.0), 36, 600.0),
    ],
    ids=["the usual ones", "those that are written", "the same before three hours", "those that were measured"],
)
def test_the_lengths_that_are_planned_for_are(written: Traffic | None, rows: int, prompt: float) -> None:
    assert planned_traffic(written, weeks(rows)).prompt_tokens == pytest.approx(prompt, rel=0.05)


def test_hours_without_a_request_say_nothing_of_lengths() -> None:
    assert planned_traffic(None, weeks(100, requests=0.0)) == USUAL


def test_a_little_more_of_the_same_changes_no_plan() -> None:
    assert planned_traffic(None, weeks(100)) == planned_traffic(None, weeks(101))
