"""What every policy of a comparison is replayed on: which machines, in which market, when."""

from dataclasses import replace

import numpy as np
import pytest
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.work import Work
from wharfage_simulator.boots import BootTimes
from wharfage_simulator.prices import Prices, Steps
from wharfage_simulator.replica import Service
from wharfage_simulator.report import LEAST_PEAK_REPLICAS
from wharfage_simulator.scenario import ScenarioError, fleetable
from wharfage_simulator.spot import Availability, Runs
from wharfage_simulator.stage import Where, drawn, stage, summed, undominated, worked, zoned
from wharfage_simulator.sweep import swept
from wharfage_simulator.trial import Trial, judged
from wharfage_simulator.workload import taken

from tests.builders import offer
from tests.simulator.engines import trace
from tests.simulator.test_comparison import ASKED, BUDGET, L4, L4_SPOT, L40S, load, on

DAY_S = 86_400.0
RECORD = Availability("record", 4 * DAY_S, {"x": Runs((0.0, DAY_S), (0.0, 1.0)), "y": Runs((0.0,), (1.0,))})


def test_a_spot_offer_of_any_zone_is_one_in_each_zone_of_the_record() -> None:
    anywhere = replace(L4_SPOT, zone="")
    assert [each.zone for each in zoned((anywhere, L4, L4_SPOT), RECORD)] == ["x", "y", "", "a"]
    assert zoned((anywhere,), None) == (anywhere,)


def test_a_machine_that_another_equals_for_less_is_left_out() -> None:
    dear, other = replace(L4, name="g6.2xlarge", usd_per_hour=0.9), replace(L4_SPOT, name="g6.2xlarge")
    kept = undominated(fleetable((dear, L4, L4_SPOT, other, L40S), ASKED)).kinds
    assert [(kind.offer.name, kind.offer.market) for kind in kept] == [
        ("g6.xlarge", Market.ON_DEMAND),
        ("g6.2xlarge", Market.SPOT),
        ("g6e.xlarge", Market.ON_DEMAND),
    ]


def test_machines_that_carry_too_much_of_the_peak_are_left_out_unless_all_do() -> None:
    everything, some, none = (
        {kind.offer.name for kind in on(Where.ALL, largest_share=share).pools.kinds} for share in (9.0, 1.5, 0.01)
    )
    assert some == {"g6.xlarge"} < everything == none


def test_a_gateway_may_use_the_machines_that_a_plain_service_may_and_gets_no_less_of_them() -> None:
    plain, gateway = (on(where, largest_share=1.5) for where in (Where.SPOT, Where.GATEWAY))
    assert [kind.key for kind in gateway.pools.kinds] == [kind.key for kind in plain.pools.kinds]
    assert gateway.first.key == plain.first.key
    assert gateway.first.good_rps >= plain.first.good_rps


def test_the_training_day_meets_the_market_of_the_day_before() -> None:
    place = on(Where.SPOT, hours=48, availability=RECORD)
    spot = next(kind.offer for kind in place.pools.kinds if kind.offer.market is Market.SPOT)
    looks = np.arange(0.0, 4 * DAY_S, 3600.0)
    now, before = (
        [setting.supply.given(spot, float(t_s)) for t_s in (looks, looks + DAY_S)[number]]
        for number, setting in enumerate((place.setting, place.rehearsal))
    )
    assert now == before
    assert len(set(now)) == 2


def test_another_seed_meets_another_part_of_the_record() -> None:
    looks = np.arange(0.0, 4 * DAY_S, 3600.0)
    seen = []
    for seed in (1, 2):
        place = on(Where.SPOT, seed=seed, availability=RECORD)
        spot = next(kind.offer for kind in place.pools.kinds if kind.offer.market is Market.SPOT)
        seen.append([place.setting.supply.given(spot, float(t_s)) for t_s in looks])
    assert seen[0] != seen[1]


def test_a_replay_pays_the_prices_of_its_time() -> None:
    begins = 24 * 3600.0  # the second half of two days
    dated = Prices({("g6.xlarge", "OnDemand", ""): Steps((0.0, begins, begins + 7200.0), (0.7, 0.8, 1.2))})
    place = on(Where.ONE, offers=(L4,), hours=48, prices=dated)
    supply = place.setting.supply
    assert [supply.usd_per_hour(L4, t_s) for t_s in (0.0, 7199.0, 7200.0)] == [0.8, 0.8, 1.2]
    assert [supply.changes_at(L4, t_s) for t_s in (0.0, 7200.0)] == [7200.0, np.inf]
    assert place.rehearsal.supply.usd_per_hour(L4, 7200.0) == 0.7, "the training day meets its own prices"
    assert place.first.offer.usd_per_hour == 0.8, "and a choice beforehand those of its moment"


def test_a_price_that_moves_is_compared_when_it_has_moved() -> None:
    dear = replace(L4, name="g6.2xlarge", usd_per_hour=0.9)
    falls = Prices({("g6.2xlarge", "OnDemand", ""): Steps((0.0, 20_000.0), (0.9, 0.1))})
    still = Prices({("g6.2xlarge", "OnDemand", ""): Steps((0.0, 20_000.0), (0.9, 0.9))})
    for prices, names in ((falls, ["g6.xlarge", "g6.2xlarge"]), (still, ["g6.xlarge"])):
        place = on(Where.ALL, (L4, dear), prices=prices)
        assert [kind.offer.name for kind in place.pools.kinds] == names


def test_a_dearer_hour_is_in_the_bill_and_a_slow_boot_in_the_bad_minutes() -> None:
    twice = Prices({("g6.xlarge", "OnDemand", ""): Steps((0.0,), (2 * L4.usd_per_hour,))})
    slow = BootTimes((0.0, 100.0, 3000.0))
    plain, dear, late = (
        judged(Trial(on(Where.ONE, offers=(L4,), **market), "hpa-running", ASKED))
        for market in ({}, {"prices": twice}, {"boots": slow})
    )
    assert dear.usd == pytest.approx(2 * plain.usd)
    assert dear.bad_minutes == plain.bad_minutes
    assert late.bad_minutes > plain.bad_minutes


def test_half_of_the_drawn_starts_come_within_the_lead_time() -> None:
    boots = BootTimes((20.0, 60.0, 400.0))
    supply = on(Where.ONE, offers=(L4,), boots=boots).setting.supply
    starts = [supply.start_s(L4, number) for number in range(400)]
    assert np.median(starts) == pytest.approx(ASKED.lead_s, abs=10)
    assert min(starts) >= 20 + ASKED.lead_s - 60
    assert max(starts) > 2 * ASKED.lead_s
    assert starts == [supply.start_s(L4, number) for number in range(400)]


def test_a_policy_that_runs_away_is_bounded_by_thrice_the_peak() -> None:
    place = on(Where.ONE)
    assert place.setting.most == max(10, int(np.ceil(3.0 * place.peak_replicas)))
    assert place.setting.slots > 3 * place.setting.most
    assert place.peak_replicas < LEAST_PEAK_REPLICAS


def test_only_the_beginning_of_the_second_half_is_scored_where_that_is_asked() -> None:
    played = drawn(load(48), seed=1, context_tokens=8192, request_budget=BUDGET, scored_s=6 * 3600.0)
    assert (played.scored.duration_s, played.training.duration_s) == (6 * 3600.0, DAY_S)


def test_an_engine_refuses_what_fills_its_context_and_ends_answers_there() -> None:
    asked = trace([0.0, 1.0, 2.0], [10, 100, 60], [5, 5, 80])
    kept = taken(asked, 100)
    assert kept.t_s.tolist() == [0.0, 2.0]
    assert kept.output_tokens.tolist() == [5, 40]


def test_a_sweep_finds_less_than_the_model_where_requests_differ() -> None:
    played = drawn(load(), seed=1, context_tokens=8192, request_budget=BUDGET)
    pools = fleetable((L4, L40S), ASKED)
    measured = swept(pools, played.training, ASKED.objectives, Service()).kinds
    for kind, model in zip(measured, pools.kinds, strict=True):
        assert 0.1 * model.good_rps < kind.good_rps < 1.25 * model.good_rps
        assert kind.planned_rps / kind.good_rps == pytest.approx(model.planned_rps / model.good_rps)
        assert 1.0 <= kind.sequences <= kind.slots


def test_objectives_that_no_machine_keeps_are_refused_in_words() -> None:
    played = drawn(load(), seed=1, context_tokens=8192, request_budget=BUDGET)
    hasty = Objectives(ttft_p95_s=2.0, tpot_p95_s=0.001)
    with pytest.raises(ScenarioError, match="however few come: allow more time"):
        swept(fleetable((L4,), ASKED), played.training, hasty, Service())
    with pytest.raises(ScenarioError, match="no offer serves"):
        stage(played, (offer("tiny", accelerator_memory_gib=4),), ASKED, Where.ONE)


@pytest.mark.parametrize(
    "market", [pytest.param(Market.RESERVED, id="one's own racks"), pytest.param(Market.SPOT, id="spot alone")]
)
def test_a_catalog_without_an_on_demand_offer_is_refused_with_what_to_write(market: Market) -> None:
    with pytest.raises(ScenarioError, match=rf"no OnDemand offer .* only {market}: .* an OnDemand price"):
        on(Where.ALL, [replace(L40S, market=market)])


def test_the_work_of_a_tick_goes_by_the_lengths_of_the_minutes_before() -> None:
    answers = Work(output_tokens=100.0, output_power=2.0)
    rows = np.array([[2.0, 0.0, 200.0]] * 20 + [[0.0, 0.0, 0.0]] + [[2.0, 0.0, 800.0]] * 40)
    found = worked(rows, answers)
    assert found[:20] == pytest.approx([2.0] * 20)
    assert found[20] == 0.0
    assert found[21] == pytest.approx(2.0 * ((18 * 2 + 8) / 19 / 2) ** 2, rel=0.05)
    assert found[-20:] == pytest.approx([32.0] * 20)
    assert len(worked(rows[:0], answers)) == 0


@pytest.mark.parametrize(
    ("powers", "expected"),
    [
        pytest.param((0.5, 1.5), [2.0, 1.25, 3.5], id="powers beyond one: through the origin, in their proportion"),
        pytest.param((0.25, 0.25), [2.0, 1.75, 2.5], id="powers below one: the rest is a request's as such"),
    ],
)
def test_the_oracle_counts_the_work_of_a_tick_as_a_sum(powers: tuple[float, float], expected: list[float]) -> None:
    rows = np.array([[2.0, 200.0, 20.0], [2.0, 200.0, 10.0], [2.0, 200.0, 40.0]])
    assert summed(rows, Work(100.0, 10.0, *powers)) == pytest.approx(expected)
