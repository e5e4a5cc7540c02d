"""Replicas come and go while a trace is served: routing, draining, kills, waiting for the first, minutes judged."""

import math

import numpy as np
import pytest
from wharfage_simulator.minutes import Minutes, minutes, tpot
from wharfage_simulator.records import NOBODY, Outcome, Status
from wharfage_simulator.replica import Replicas, Service
from wharfage_simulator.routing import Routing

from tests.simulator.engines import profile, random_trace, trace

LOAD = random_trace(3, 2_000, req_per_s=40.0, prompt=40, output=20)


def fleet_of(slots: int, service: Service, weights: tuple[float, ...] = ()) -> Replicas:
    fleet = Replicas(LOAD, [profile(sequences=32, kv_tokens=20_000)], slots, service)
    for slot in range(slots):
        fleet.serve(slot, 0, weight=weights[slot] if weights else 1.0)
    return fleet


def shares(fleet: Replicas) -> list[float]:
    return [float((fleet.requests["replica"] == slot).mean()) for slot in range(len(fleet.status))]


@pytest.mark.parametrize("routing", [Routing.RANDOM, Routing.ROUND_ROBIN])
def test_requests_are_spread_in_proportion_to_the_weights(routing: Routing) -> None:
    fleet = fleet_of(3, Service(routing), (1.0, 2.0, 5.0))
    fleet.run(math.inf)
    assert shares(fleet) == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.001 if routing == Routing.ROUND_ROBIN else 0.04)


def test_round_robin_with_equal_weights_goes_in_turn() -> None:
    fleet = fleet_of(3, Service(Routing.ROUND_ROBIN))
    fleet.run(math.inf)
    assert fleet.requests["replica"][:7].tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_looking_at_loads_shortens_the_worst_waits() -> None:
    waits = {}
    for routing in Routing:
        fleet = Replicas(LOAD, [profile(sequences=4)], 4, Service(routing))
        for slot in range(4):
            fleet.serve(slot, 0)
        fleet.run(math.inf)
        waits[routing] = float(np.percentile(fleet.requests["first_s"] - fleet.requests["arrival_s"], 99))
    assert waits[Routing.LEAST_LOADED] < waits[Routing.POWER_OF_TWO] < waits[Routing.RANDOM]


def test_a_small_load_is_not_all_given_to_the_first() -> None:
    fleet = Replicas(random_trace(1, 300, req_per_s=0.5, prompt=10, output=2), [profile()], 3, Service(Routing(3)))
    for slot in range(3):
        fleet.serve(slot, 0)
    fleet.run(math.inf)
    assert min(shares(fleet)) > 0.2


def test_the_same_seed_routes_the_same_and_another_one_otherwise() -> None:
    routes = []
    for seed in (1, 1, 2):
        fleet = fleet_of(3, Service(Routing.POWER_OF_TWO, seed=seed))
        fleet.run(math.inf)
        routes.append(fleet.requests["replica"].tolist())
    assert routes[0] == routes[1] != routes[2]


def test_stopping_more_often_changes_nothing() -> None:
    once, often = fleet_of(2, Service(Routing.LEAST_LOADED)), fleet_of(2, Service(Routing.LEAST_LOADED))
    once.run(math.inf)
    for stop in np.arange(0.1, 90.0, 0.1):
        often.run(float(stop))
        often.gauges()
    assert once.requests["finish_s"].tolist() == often.requests["finish_s"].tolist()


def test_first_and_last_tokens_are_listed_in_the_interval_they_fall_into() -> None:
    fleet = fleet_of(2, Service())
    for stop in (5.0, 10.0, 15.0):
        interval = fleet.run(stop)
        for ids, column in ((interval.started, "first_s"), (interval.finished, "finish_s")):
            at = fleet.requests[column][ids] - fleet.profiles[0].response_s
            assert len(ids)
            assert (at < stop).all()
            assert (at >= stop - 5.0).all()


def test_a_replica_that_drains_gets_nothing_more_and_finishes_what_it_has() -> None:
    fleet = fleet_of(2, Service())
    fleet.run(10.0)
    fleet.drain(0)
    had = int(fleet.load[0])
    assert had > 0
    arrived = fleet.gauges().arrived[0]
    fleet.run(40.0)
    assert (fleet.load[0], fleet.gauges().arrived[0]) == (0, arrived)
    assert fleet.kill(0) == 0
    assert fleet.status.tolist() == [Status.OFF, Status.SERVING]


def test_a_drain_can_be_taken_back() -> None:
    fleet = fleet_of(2, Service())
    fleet.run(10.0)
    fleet.drain(0)
    fleet.serve(0, 0)
    arrived = fleet.gauges().arrived[0]
    fleet.run(20.0)
    assert fleet.gauges().arrived[0] > arrived


def test_requests_of_a_killed_replica_ask_again_from_the_beginning() -> None:
    fleet = fleet_of(2, Service())
    fleet.run(10.0)
    there = (fleet.requests["replica"] == 0) & (fleet.requests["outcome"] == Outcome.PENDING)
    had = fleet.kill(0)
    assert had == there.sum() > 0
    assert fleet.parked == had
    assert np.isnan(fleet.requests["first_s"][there]).all()
    fleet.run(math.inf)
    again = fleet.requests[there]
    assert set(again["outcome"].tolist()) == {Outcome.FINISHED}
    assert set(again["replica"].tolist()) == {1}
    assert (again["first_s"] > 10.0).all()
    assert fleet.gauges().output_tokens.sum() >= fleet.requests["output"].sum()


def test_requests_of_a_killed_replica_are_lost_where_nobody_asks_again() -> None:
    fleet = fleet_of(2, Service())
    fleet.run(10.0)
    had = fleet.kill(0, ask_again=False)
    fleet.run(math.inf)
    assert (fleet.requests["outcome"] == Outcome.LOST).sum() == had


def test_a_slot_is_free_for_another_kind_after_its_replica_ended() -> None:
    fleet = Replicas(LOAD, [profile(), profile(sequences=16)], 1, Service())
    fleet.serve(0, 0)
    with pytest.raises(ValueError, match="slot 0 is taken by a replica of test"):
        fleet.serve(0, 1)
    fleet.kill(0)
    fleet.serve(0, 1)
    fleet.run(5.0)
    assert fleet.gauges().completed[0] > 0


def test_a_gateway_holds_requests_until_the_first_replica_serves_and_a_service_refuses_them() -> None:
    load = trace([0.0, 1.0, 2.0, 8.0], [10] * 4, [5] * 4)
    held, refused = (Replicas(load, [profile()], 1, Service(hold=hold)) for hold in (True, False))
    for fleet in (held, refused):
        fleet.run(5.0)
        fleet.serve(0, 0)
    assert (held.parked, refused.parked) == (3, 0)
    for fleet in (held, refused):
        fleet.run(math.inf)
    assert held.requests["outcome"].tolist() == [Outcome.FINISHED] * 4
    assert (held.requests["first_s"][:3] > 5.0).all()
    assert refused.requests["outcome"].tolist() == [Outcome.REFUSED] * 3 + [Outcome.FINISHED]
    assert refused.requests["replica"][0] == NOBODY


def test_held_requests_are_abandoned_by_impatient_clients() -> None:
    fleet = Replicas(trace([0.0, 4.5], [10, 10], [5, 5]), [profile()], 1, Service(hold=True, patience_s=2.0))
    fleet.run(5.0)
    fleet.serve(0, 0)
    fleet.run(math.inf)
    assert fleet.requests["outcome"].tolist() == [Outcome.ABANDONED, Outcome.FINISHED]


def test_gauges_between_two_steps_count_the_tokens_made_so_far() -> None:
    kind = profile()
    fleet = Replicas(trace([0.0, 100.0], [10, 10], [300, 1]), [kind], 1, Service())
    fleet.serve(0, 0)
    fleet.run(1.0)
    shown = fleet.gauges()
    expected, spent = 0, 0.0
    while True:
        spent += kind.step.seconds(0, 0, 10, 0, 1) if expected == 0 else kind.step.seconds(1, 10 + expected)
        if spent >= 1.0:
            break
        expected += 1
    assert (shown.running[0], shown.waiting[0]) == (1, 0)
    assert (shown.output_tokens[0], shown.kv_tokens[0]) == (expected, 10 + expected)


def test_the_clock_does_not_go_back_and_weights_are_positive() -> None:
    fleet = fleet_of(1, Service())
    fleet.run(10.0)
    for until in (9.0, math.nan):
        with pytest.raises(ValueError, match="the clock stands at 10 s"):
            fleet.run(until)
    with pytest.raises(ValueError, match="it must be above 0"):
        fleet.serve(0, 0, weight=0.0)


def judged_requests() -> Replicas:
    fleet = Replicas(trace([0.0, 30.0, 70.0, 200.0], [10, 10, 10, 10], [20, 1, 20, 20]), [profile()], 1, Service())
    fleet.serve(0, 0)
    fleet.run(math.inf)
    return fleet


def test_a_minute_counts_the_requests_that_arrived_in_it() -> None:
    fleet = judged_requests()
    found = minutes(fleet.requests, 1e9, ttft_s=1.0, tpot_s=1.0, duration_s=240.0)
    assert found.requests.tolist() == [2, 1, 0, 1]
    assert found.bad.tolist() == [0, 0, 0, 0]
    assert found.bad_minutes() == (0, 3)
    assert np.isnan(found.bad_share[2])


def test_objectives_are_judged_apart_and_a_single_token_has_no_tpot() -> None:
    fleet = judged_requests()
    assert np.isnan(tpot(fleet.requests)[1])
    slow_first = minutes(fleet.requests, 1e9, ttft_s=1e-3, tpot_s=1.0, duration_s=240.0)
    slow_rest = minutes(fleet.requests, 1e9, ttft_s=1.0, tpot_s=1e-3, duration_s=240.0)
    assert (slow_first.bad.tolist(), slow_rest.bad.tolist()) == ([2, 1, 0, 1], [1, 1, 0, 1])
    assert slow_rest.bad_minutes(0.5) == (2, 3)
    assert slow_rest.bad_minutes(0.5, since_s=61.0) == (1, 1)


def test_requests_under_way_count_once_they_are_late() -> None:
    fleet = Replicas(trace([0.0, 0.5, 1000.0], [10] * 3, [20] * 3), [profile()], 1, Service(hold=True))
    fleet.run(2.0)
    early = minutes(fleet.requests, 2.0, ttft_s=5.0, tpot_s=1.0, duration_s=60.0)
    late = minutes(fleet.requests, 2.0, ttft_s=1.8, tpot_s=1.0, duration_s=60.0)
    assert (early.requests.tolist(), late.requests.tolist(), late.bad.tolist()) == ([0], [1], [1])


def test_an_attainment_of_ninety_five_percent_forgives_one_in_twenty() -> None:
    found = Minutes(np.array([20, 20, 100]), np.array([1, 2, 5]))
    assert found.bad_minutes(0.95) == (1, 3)
    with pytest.raises(ValueError, match="an attainment of 95"):
        found.bad_minutes(95)
