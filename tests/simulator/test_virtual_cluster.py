"""A cluster without machines: what is ordered, given, served, drained, taken and paid for."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.traffic import Traffic
from wharfage_simulator.cluster import Count, Kind, VirtualCluster
from wharfage_simulator.policy import Seen, Target
from wharfage_simulator.replica import Replicas
from wharfage_simulator.run import run
from wharfage_simulator.setting import Setting
from wharfage_simulator.traces import RequestTrace

from tests.builders import offer
from tests.simulator.engines import profile, trace

TICK_S = 15.0


def kind(rented: Offer, *, accelerators: int = 1) -> Kind:
    """Replicas that carry ten requests per second."""
    return Kind(
        offer=rented,
        variant="",
        accelerators=accelerators,
        profile=0,
        good_rps=10.0,
        planned_rps=8.5,
        slots=8.0,
        kv_tokens=4000.0,
        lead_s=60.0,
    )


ON_DEMAND = kind(offer("a", usd_per_hour=2.0))
SPOT = kind(offer("a", market=Market.SPOT, zone="z", usd_per_hour=0.5))
HALF = kind(offer("b", accelerators=2, usd_per_hour=3.0))


@dataclass
class Supplied:
    """Gives what `given` says, after `start_s`."""

    start: float = 60.0
    gone: set[str] = field(default_factory=set)
    dearer_from_s: float = math.inf

    def given(self, rented: Offer, at_s: float) -> bool:
        return rented.zone not in self.gone

    def start_s(self, rented: Offer, number: int) -> float:
        return self.start

    def usd_per_hour(self, rented: Offer, at_s: float) -> float:
        return rented.usd_per_hour * (2.0 if at_s >= self.dearer_from_s else 1.0)

    def changes_at(self, rented: Offer, after_s: float) -> float:
        return after_s


def requests(*, every_s: float = 1.0, seconds: float = 7200.0, prompt: int = 20, output: int = 10) -> RequestTrace:
    """A steady, thin load."""
    times = np.arange(0.5, seconds, every_s)
    return trace(list(times), [prompt] * len(times), [output] * len(times))


class Lab:
    """A virtual cluster and its clock."""

    def __init__(self, *kinds: Kind, load: RequestTrace | None = None) -> None:
        self.replicas = Replicas(load or requests(), [profile()], slots=64)
        self.supply = Supplied()
        self.cluster = VirtualCluster(self.replicas, kinds, self.supply)

    def ticks(self, count: int = 1) -> tuple[Count, ...]:
        for _ in range(count):
            until_s = self.replicas.now_s + TICK_S
            self.replicas.run(until_s)
            self.cluster.advance(until_s)
        return self.cluster.counts()

    def apply(self, **counts: int) -> None:
        keys = {"on_demand": ON_DEMAND.key, "spot": SPOT.key, "half": HALF.key}
        self.cluster.apply({keys[name]: count for name, count in counts.items()})


def test_what_is_ordered_starts_and_is_paid_for_and_then_serves() -> None:
    lab = Lab(ON_DEMAND)
    lab.cluster.begin({ON_DEMAND.key: 1})
    lab.apply(on_demand=3)
    (count,) = lab.ticks(3)
    assert (count.ready, count.starting) == (1, 2)
    assert lab.cluster.usd_per_hour() == (6.0, 0.0)
    (count,) = lab.ticks()
    assert (count.ready, count.starting) == (3, 0)


def test_a_machine_costs_what_it_costs_at_the_time() -> None:
    lab = Lab(ON_DEMAND)
    lab.supply.dearer_from_s = 2 * TICK_S
    lab.cluster.begin({ON_DEMAND.key: 1})
    lab.ticks()
    assert lab.cluster.usd_per_hour() == (2.0, 0.0)
    lab.ticks()
    assert lab.cluster.usd_per_hour() == (4.0, 0.0)


def test_replicas_that_share_a_machine_pay_for_it_together() -> None:
    lab = Lab(HALF)
    lab.cluster.begin({HALF.key: 3})
    assert lab.cluster.usd_per_hour() == (6.0, 0.0)


def test_what_starts_is_let_go_before_what_serves() -> None:
    lab = Lab(ON_DEMAND)
    lab.cluster.begin({ON_DEMAND.key: 2})
    lab.apply(on_demand=4)
    lab.ticks()
    lab.apply(on_demand=2)
    (count,) = lab.ticks()
    assert (count.ready, count.starting, count.draining) == (2, 0, 0)


def test_what_drains_finishes_its_requests_and_ends() -> None:
    lab = Lab(ON_DEMAND, load=requests(every_s=0.5, output=200))
    lab.cluster.begin({ON_DEMAND.key: 2})
    lab.ticks(4)
    lab.apply(on_demand=1)
    assert lab.cluster.counts()[0].draining == 1
    (count,) = lab.ticks(3)
    assert (count.ready, count.draining) == (1, 0)
    assert lab.cluster.usd_per_hour() == (2.0, 0.0)


def test_what_drains_serves_again_before_anything_is_ordered() -> None:
    lab = Lab(ON_DEMAND, load=requests(every_s=0.5, output=2000))
    lab.cluster.begin({ON_DEMAND.key: 2})
    lab.ticks(4)
    lab.apply(on_demand=1)
    lab.apply(on_demand=2)
    (count,) = lab.cluster.counts()
    assert (count.ready, count.starting, count.draining) == (2, 0, 0)


def test_a_market_that_gives_nothing_leaves_orders_waiting_unpaid() -> None:
    lab = Lab(ON_DEMAND, SPOT)
    lab.supply.gone.add("z")
    lab.apply(spot=2)
    _, spot = lab.ticks(40)
    assert (spot.ready, spot.starting) == (0, 2)
    assert lab.cluster.usd_per_hour() == (0.0, 0.0)
    assert not lab.cluster.obtainable(1)
    lab.supply.gone.clear()
    _, spot = lab.ticks(5)
    assert (spot.ready, spot.starting) == (2, 0)


def test_an_interrupted_machine_drains_through_its_notice_and_is_replaced_at_once() -> None:
    lab = Lab(ON_DEMAND, SPOT)
    lab.cluster.begin({ON_DEMAND.key: 1, SPOT.key: 2})
    lab.ticks(2)
    lab.supply.gone.add("z")
    _, spot = lab.ticks()
    assert (spot.ready, spot.leaving) == (0, 2)
    lab.apply(on_demand=3, spot=0)
    on_demand, spot = lab.ticks(4)
    assert (on_demand.ready, spot.leaving) == (3, 2)
    _, spot = lab.ticks(5)
    assert spot.leaving == 0
    assert lab.cluster.spot_losses == 2
    assert lab.cluster.usd_per_hour() == (6.0, 0.0)


def test_requests_of_a_machine_that_is_taken_ask_again() -> None:
    lab = Lab(ON_DEMAND, SPOT, load=requests(every_s=5.0, seconds=300, output=3000))
    lab.cluster.begin({SPOT.key: 1, ON_DEMAND.key: 1})
    lab.ticks(2)
    lab.supply.gone.add("z")
    lab.ticks(9)
    assert lab.cluster.spot_losses == 1
    lab.ticks(200)
    assert int(np.isnan(lab.replicas.requests["finish_s"]).sum()) == 0


def test_churn_counts_starts_and_ends_but_not_the_first_fleet() -> None:
    lab = Lab(ON_DEMAND)
    lab.cluster.begin({ON_DEMAND.key: 2})
    assert lab.cluster.churn == 0
    lab.apply(on_demand=3)
    lab.ticks(5)
    lab.apply(on_demand=2)
    lab.ticks(20)
    assert lab.cluster.churn == 2


class Follows:
    """A policy that is a table of targets by time."""

    name = "table"
    every_s = 15.0

    def __init__(self, what: Callable[[Seen], Target]) -> None:
        self.seen: list[Seen] = []
        self._what = what

    def target(self, seen: Seen) -> Mapping[PoolKey, int]:
        self.seen.append(seen)
        return self._what(seen)


SETTING = Setting(
    name="one",
    kinds=(ON_DEMAND,),
    profiles=(profile(),),
    supply=Supplied(),
    objectives=Objectives(ttft_p95_s=0.5, tpot_p95_s=0.1),
    traffic=Traffic(20, 10),
)


def test_a_run_counts_dollars_and_minutes_after_the_first_hour() -> None:
    policy = Follows(lambda seen: {ON_DEMAND.key: 2})
    result = run(policy, requests(), SETTING, first={ON_DEMAND.key: 2})
    assert (result.minutes, result.bad_minutes, result.failed, result.churn) == (60, 0, 0, 0)
    assert result.usd == pytest.approx(4.0)
    assert result.replica_hours == pytest.approx(2.0)
    assert len(result.course.demand_rps) == 120
    assert set(result.course.demand_rps) == {1.0}
    assert set(result.course.carried_rps) == {20.0}


def test_a_policy_sees_rates_queues_and_latencies() -> None:
    policy = Follows(lambda seen: {ON_DEMAND.key: 1})
    run(policy, requests(), SETTING, first={ON_DEMAND.key: 1})
    seen = policy.seen[100]
    assert seen.now_s == 101 * TICK_S
    assert (seen.rps_15s, seen.rps_1m, seen.rps_5m) == (1.0, 1.0, 1.0)
    assert (seen.ready, seen.starting) == (1, 0)
    assert 0 < seen.ttft_p50_s <= seen.ttft_p95_s < 0.5
    assert seen.bad_5m == 0.0
    assert seen.prompt_tokens_per_s == pytest.approx(20.0, rel=0.1)


def test_a_minute_without_a_replica_is_bad_and_its_requests_failed() -> None:
    policy = Follows(lambda seen: {ON_DEMAND.key: 0 if 5400 <= seen.now_s < 5700 else 1})
    result = run(policy, requests(), SETTING, first={ON_DEMAND.key: 1})
    assert result.bad_minutes in (5, 6, 7)
    assert result.failed > 250
    assert result.bad_minutes_share == pytest.approx(result.bad_minutes / 60)


def test_a_trace_that_is_shorter_than_what_is_not_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="of which the first 3600 do not count"):
        run(Follows(lambda seen: {}), requests(seconds=1800), SETTING, first={})
