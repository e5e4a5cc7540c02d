"""The decision where the load decides: demand, steadiness, allotted pools, losses, dollars."""

import math
from dataclasses import replace

import pytest
from wharfage_autoscaler.allotment import Allotment, Portion
from wharfage_autoscaler.bounds import Bounds
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.ladder import Shares
from wharfage_autoscaler.law import Held, Law, thrifty
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.seats import Short
from wharfage_autoscaler.snapshot import Memory, Snapshot

from tests.builders import offer, snapshot, wanted

ON_DEMAND = offer("g6.xlarge", usd_per_hour=0.8)
SPOT = offer("g6.xlarge", market=Market.SPOT, zone="a", usd_per_hour=0.3)
TWELVE = Memory(held=Held(replicas=12.0))
ALONE = Shares(floor=0.0, survive=0.0, max_spot=1.0, lost=())
NOTHING_SHORT = Short(0.0, 0.0, 0.0, 0)


def portion(rented: Offer, replicas: int) -> Portion:
    """Replicas that carry one request per second and take five minutes to come."""
    return Portion(Pool(rented, "bf16", replicas, 1), 1.0, 300.0, usd_per_hour=replicas * rented.usd_per_hour)


def allotment(*shapes: Portion, usd_per_hour: float | None = None) -> Allotment:
    """Everything that is asked for, in these pools."""
    carried = float(sum(each.pool.replicas for each in shapes))
    return Allotment(
        key=("shop", "chat"),
        shapes=shapes,
        peak_rps=carried,
        usual_rps=carried,
        usd_per_hour=usd_per_hour,
        usd_per_hour_limit=None,
        min_replicas=1,
        max_replicas=50,
        shares=ALONE,
        short=NOTHING_SHORT,
    )


def load(rps: float, *, waiting: float = 0.0) -> Load:
    return Load(60.0, rps, 900 * rps, 200 * rps, 5.0, waiting)


def seen(
    rps: float | None = 10.0,
    *,
    allotted: Allotment | None = None,
    runs: tuple[Pool, ...] = (),
    offers: tuple[Offer, ...] = (ON_DEMAND, SPOT),
) -> Snapshot:
    """Auto, between one and fifty replicas, on four on-demand and eight spot replicas."""
    asked = wanted(mode=Mode.AUTO, min_replicas=1, max_replicas=50)
    base = snapshot(offers=offers, wanted=asked, pools=runs)
    return replace(
        base,
        load=None if rps is None else load(rps),
        allotment=allotted or allotment(portion(ON_DEMAND, 4), portion(SPOT, 8)),
        law=Law(headroom=1.2, level=0.9),
    )


def counts(decision: Decision) -> dict[Market, int]:
    return {pool.offer.market: pool.replicas for pool in decision.target.pools}


def reasons(decision: Decision) -> list[Reason]:
    return [step.reason for step in decision.steps]


def test_the_load_is_carried_by_the_allotted_pools_and_every_step_says_why() -> None:
    decision, memory = decide(seen(10.0), TWELVE)
    assert counts(decision) == {Market.ON_DEMAND: 4, Market.SPOT: 8}
    assert reasons(decision)[:1] == [Reason.DEMAND_SEEN]
    assert Reason.ALLOTTED in reasons(decision)
    assert decision.steps[0].message == "10.0 req/s, with headroom 12.0; a replica is planned for 1.00"
    assert memory.held.replicas == 12


def test_what_is_held_against_the_demand_is_said() -> None:
    _, memory = decide(seen(10.0), TWELVE)
    later = replace(seen(5.0), now=seen().now + 60.0)
    decision, _ = decide(later, memory)
    assert decision.target.replicas == 12
    (step,) = [each for each in decision.steps if each.reason is Reason.STEADY]
    assert step.message == "6.0 replicas asked for, 12 replicas held: down only after 300 s, by 10 % in 60 s"


def test_while_a_budget_holds_dollars_down_there_is_less_headroom_and_what_is_wished_for_stays() -> None:
    usual, rising = seen(10.0), Forecast(0.0, 300.0, (0.5, 0.8, 0.9), ((9.0,) * 9, (10.5,) * 9, (14.0,) * 9), "test")
    held_down = replace(usual, law=thrifty(usual.law), usual_law=usual.law)
    for forecast, wanted_usually, wanted_less in ((None, 12.0, 11.0), (rising, 14.0, 11.0)):
        before, _ = decide(replace(usual, forecast=forecast, now=0.0), TWELVE)
        after, _ = decide(replace(held_down, forecast=forecast, now=0.0), TWELVE)
        assert before.demand is not None
        assert after.demand is not None
        assert before.demand.wanted_rps == pytest.approx(wanted_usually)
        assert before.demand.unrestricted_rps is None
        assert after.demand.wanted_rps == pytest.approx(wanted_less)
        assert after.demand.unrestricted_rps == pytest.approx(wanted_usually)
        assert "less headroom than usual while a budget holds dollars down" in after.steps[0].message
        assert "headroom than usual" not in before.steps[0].message


@pytest.mark.parametrize(
    ("runs", "least", "left", "count"),
    [
        pytest.param(7, 1, None, 7, id="what runs may go on"),
        pytest.param(0, 2, None, 2, id="of one that begins the least"),
        pytest.param(7, 1, 0.0, 1, id="nothing is left"),
        pytest.param(30, 1, None, 12, id="less is wanted anyway"),
    ],
)
def test_nothing_is_added_to_what_runs_before_its_budget_has_counted_it(
    runs: int, least: int, left: float | None, count: int
) -> None:
    pools = (Pool(ON_DEMAND, "bf16", runs, 1, ready=runs),) if runs else ()
    world = seen(10.0, allotted=allotment(portion(ON_DEMAND, 50)), runs=pools)
    held = Bounds(economises=True, still=True, usd_per_hour=left, why="LLMBudget all")
    decision, _ = decide(
        replace(world, bounds=held, wanted=replace(world.wanted, min_replicas=least)),
        Memory(held=Held(replicas=12.0)),
    )
    assert decision.target.replicas == count
    said = [step.message for step in decision.steps if step.reason is Reason.BUDGET_ALLOTMENT]
    assert bool(said) is (count != 12)
    assert all("LLMBudget all holds dollars down and has not counted this deployment yet" in each for each in said)


@pytest.mark.parametrize(
    ("under", "part", "count"),
    [
        pytest.param((), 0.01, 7, id="allotted while nothing held it: what runs may go on, whatever its part would be"),
        pytest.param(("team",), 0.01, 7, id="allotted under the budget that it was in before"),
        pytest.param((), 0.0, 1, id="nothing is left"),
        pytest.param(("all",), 0.01, 12, id="allotted under it"),
        pytest.param(("all", "team"), 0.01, 12, id="allotted under one that it has left, too"),
    ],
)
def test_nothing_is_added_to_what_runs_before_dollars_are_allotted_under_its_budget(
    under: tuple[str, ...], part: float, count: int
) -> None:
    runs = (Pool(ON_DEMAND, "bf16", 7, 1, ready=7),)
    allotted = replace(allotment(portion(ON_DEMAND, 50)), caps=frozenset(under))
    world = seen(10.0, allotted=allotted, runs=runs)
    bounds = Bounds(economises=True, usd_per_hour=part, why="LLMBudget all", caps=frozenset({"all"}))
    decision, _ = decide(replace(world, bounds=bounds), TWELVE)
    assert decision.target.replicas == count
    said = [step.message for step in decision.steps if step.reason is Reason.BUDGET_ALLOTMENT]
    assert bool(said) is (count != 12)
    assert all("LLMBudget all holds dollars down and nothing is allotted under it yet" in each for each in said)


def test_until_dollars_are_allotted_under_its_budget_what_serves_is_not_swapped_for_others_of_the_same_price() -> None:
    runs = (Pool(ON_DEMAND, "bf16", 2, 1, ready=2),)
    mixed = allotment(portion(ON_DEMAND, 20), portion(SPOT, 30))
    world = seen(10.0, allotted=replace(mixed, shares=replace(ALONE, floor=0.4, max_spot=0.6)), runs=runs)
    bounds = Bounds(economises=True, usd_per_hour=1.0, why="LLMBudget all", caps=frozenset({"all"}))
    decision, _ = decide(replace(world, bounds=bounds), TWELVE)
    assert [(pool.offer, pool.replicas) for pool in decision.target.pools if pool.replicas] == [(ON_DEMAND, 2)]


def test_without_metrics_and_forecast_the_count_stays() -> None:
    runs = (Pool(ON_DEMAND, "bf16", 7, 1, ready=7),)
    decision, _ = decide(seen(None, runs=runs), Memory(held=Held(replicas=7.0)))
    assert decision.demand is not None
    assert decision.demand.held.replicas == 7
    assert reasons(decision)[0] is Reason.NO_METRICS


class Foreseen:
    """A forecast that is sure of itself."""

    def __init__(self, rps: float) -> None:
        self.rps = rps
        self.asked: list[tuple[float, float, float]] = []

    def highest(self, level: float, from_s: float, to_s: float) -> float | None:
        self.asked.append((level, from_s, to_s))
        return self.rps


def test_a_forecast_is_asked_for_the_time_when_an_order_would_serve() -> None:
    foreseen = Foreseen(25.0)
    world = replace(seen(10.0), forecast=foreseen)
    decision, _ = decide(world, TWELVE)
    assert decision.target.replicas == 24, "at most double at once"
    assert foreseen.asked == [(0.9, world.now + 300.0, world.now + 300.0)]
    assert reasons(decision)[0] is Reason.DEMAND_FORECAST


def test_spot_that_cannot_be_had_is_stood_in_for_at_once() -> None:
    away = replace(SPOT, obtainable="")
    runs = (Pool(ON_DEMAND, "bf16", 4, 1, ready=4), Pool(SPOT, "bf16", 8, 1, ready=3))
    before, _ = decide(seen(10.0, runs=runs), TWELVE)
    decision, _ = decide(seen(10.0, runs=runs, offers=(ON_DEMAND, away)), TWELVE)
    assert counts(decision)[Market.SPOT] == 3, "what still serves is kept"
    assert decision.target.replicas == before.target.replicas
    assert reasons(decision)[-1] is Reason.SPOT_INTERRUPTED


def test_nothing_costs_more_than_its_allotment_but_for_the_least_replicas() -> None:
    tight = allotment(portion(ON_DEMAND, 4), portion(SPOT, 8), usd_per_hour=3.0)
    away = replace(SPOT, obtainable="")
    decision, _ = decide(seen(10.0, allotted=tight, offers=(ON_DEMAND, away)), Memory())
    assert decision.target.usd_per_hour <= 3.0
    broke = allotment(portion(ON_DEMAND, 1), usd_per_hour=0.1)
    assert decide(seen(10.0, allotted=broke), Memory())[0].target.replicas == 1


@pytest.mark.parametrize("mode", [Mode.MANUAL, Mode.RECOMMEND])
def test_the_load_decides_in_auto_only(mode: Mode) -> None:
    world = seen(10.0)
    world = replace(world, wanted=replace(world.wanted, mode=mode, replicas=2))
    decision, memory = decide(world, Memory())
    assert decision.target.replicas == 2
    assert decision.demand is None
    assert math.isinf(memory.held.stretch_s)


def test_identical_inputs_give_identical_decisions() -> None:
    assert decide(seen(10.0), Memory()) == decide(seen(10.0), Memory())


def test_a_first_fleet_grows_by_four_and_then_doubles() -> None:
    memory, grown = Memory(), []
    for tick in range(3):
        decision, memory = decide(replace(seen(10.0), now=1e6 + 15.0 * tick), memory)
        grown.append(decision.target.replicas)
    assert grown == [4, 8, 12]


def test_an_empty_fleet_costs_nothing_and_is_no_crash() -> None:
    assert decide(seen(0.0), Memory())[0].target.replicas == 1
    assert Fleet().usd_per_hour == 0


def test_requests_that_are_worth_more_than_planned_ones_count_for_more_and_it_is_said() -> None:
    asked = seen(10.0)
    assert asked.load is not None
    decision, memory = decide(replace(asked, load=replace(asked.load, work_per_request=1.5)), TWELVE)
    assert memory.held.replicas > 12
    assert decision.steps[0].message == (
        "15.0 req/s, with headroom 18.0; counted as planned ones, since each is worth 1.50 of them; "
        "a replica is planned for 1.00"
    )


def test_replicas_of_another_shape_count_by_what_they_carry_and_by_one_where_that_is_not_known() -> None:
    small = Pool(offer("g4dn.xlarge", accelerator="T4", usd_per_hour=0.5), "bf16", 60, 1, ready=50)
    asked = seen(4.0, allotted=allotment(portion(ON_DEMAND, 6)), runs=(small,))
    known = Memory(held=Held(replicas=6.0), unit_rps=1.0, rates=((small.key, 0.1),))
    for memory, ready, starting in ((known, 5.0, 1.0), (TWELVE, 50.0, 10.0)):
        demand = decide(asked, memory)[0].demand
        assert demand is not None
        assert (demand.signals.ready, demand.signals.starting) == pytest.approx((ready, starting))


def test_missed_objectives_do_not_buy_a_large_replica_for_each_small_one() -> None:
    small = Pool(offer("g4dn.xlarge", accelerator="T4", usd_per_hour=0.5), "bf16", 40, 1, ready=40)
    asked = seen(4.0, allotted=allotment(portion(ON_DEMAND, 6)), runs=(small,))
    assert asked.load is not None
    missed = replace(asked, load=replace(asked.load, bad_share_5m=1.0, bad_share_30m=1.0))
    _, memory = decide(missed, Memory(held=Held(replicas=4.0), unit_rps=1.0, rates=((small.key, 0.1),)))
    assert memory.held.replicas == 6
