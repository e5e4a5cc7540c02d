"""The operator's loop over values: load in, counts out, with the optimiser's answers coming later."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment, Allotments
from wharfage_autoscaler.bounds import FREE, Bounds
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.law import LAW, Law
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode, SpotPolicy
from wharfage_autoscaler.need import Key
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import ClusterSnapshot, Snapshot
from wharfage_autoscaler.supply import Supply
from wharfage_operator.archive import Before
from wharfage_operator.calibrations import Calibrations
from wharfage_operator.clock import Clock
from wharfage_operator.errands import Foreseeing, Foreseen, Tuning
from wharfage_operator.expectations import Expectations
from wharfage_operator.gather import Subject
from wharfage_operator.history import STEP_S, Row, Rows
from wharfage_operator.laws import Laws
from wharfage_operator.pilotage import TICK_S, Pilotage
from wharfage_operator.rounds import Rounds, Unsolved
from wharfage_operator.spec import on_trial, pinned, wanted

from tests.builders import offer
from tests.operator.objects import UID, deployment

KEY = ("shop", "chat")
NOW = 1_790_000_000.0
L4 = offer("g6.xlarge", usd_per_hour=0.8)
L40S = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48, usd_per_hour=1.9)
SPOTS = tuple(replace(L40S, market=Market.SPOT, usd_per_hour=0.7, zone=zone) for zone in "abc")


@dataclass(slots=True)
class World:
    """One deployment whose orders are filled `lead` ticks later, in an operator that may or may not have its solver."""

    offers: tuple[Offer, ...] = (L4,)
    spec: dict[str, Any] = field(default_factory=dict)
    lead: int = 20
    bounds: Bounds = FREE
    solves: bool = True
    before: Before | None = field(default_factory=lambda: Before(Experience(), measured=False))
    unread: str = ""
    orders_ahead: bool = False
    forecast: Forecast | None = None
    gone: set[tuple[str, str, Market, str]] = field(default_factory=set)
    rows: Rows = field(default_factory=Rows)
    fleet: Fleet = field(default_factory=Fleet)
    now: float = NOW
    annotations: dict[str, str] = field(default_factory=dict)
    decision: Decision = field(default_factory=lambda: Decision(Fleet()))
    _before: dict[str, Allotments] = field(default_factory=dict)
    _ordered: list[Fleet] = field(default_factory=list)
    weeks: Rows = field(default_factory=Rows)
    rounds: Rounds = field(init=False)
    expectations: Expectations = field(init=False)
    laws: Laws = field(init=False)
    pilotage: Pilotage = field(init=False)

    def __post_init__(self) -> None:
        self.rounds = Rounds(self._solve, Supply, answered=lambda key: None)
        self.laws = Laws(_tuned, lambda key: self.weeks, Clock())
        self.restart()

    def restart(self) -> None:
        self.expectations = Expectations(self._foresee, self._lately, Clock())
        self.pilotage = Pilotage(
            self.rounds,
            Clock(),
            rows=lambda key: self.rows,
            expectations=self.expectations,
            laws=self.laws,
            market=self,
            calibrations=Calibrations(lambda key: {}, image="engine"),
            before=lambda key, uid: self.before,
            unread=lambda key, uid: self.unread,
            orders_ahead=self.orders_ahead,
        )

    def lead_s(self, offer: Offer, owner: Key) -> float:
        return self.lead * TICK_S

    def machine_s(self, offer: Offer) -> float:
        return self.lead * TICK_S / 2

    def obtainable(self, offer: Offer) -> bool:
        return offer.key not in self.gone

    async def _foresee(self, errand: Foreseeing) -> Foreseen:
        return Foreseen(self.forecast, wants_whole=False)

    def _lately(self, key: Key) -> Rows:
        return Rows().with_row(int(self.now) // STEP_S * STEP_S - STEP_S, Row(10.0, 9000.0, 2200.0))

    async def _solve(self, seen: ClusterSnapshot, chain: str) -> Mapping[Key, Allotment]:
        if not self.solves:
            raise Unsolved("the worker is dead")
        self._before[chain] = allot(seen, self._before.get(chain))
        return self._before[chain].by_key

    def tick(self, requests_per_second: float | None) -> Decision:
        """A quarter of a minute under this load; None: it is not known."""
        self.now += TICK_S
        asked = deployment(**self.spec)
        subject = Subject({"metadata": {"uid": UID, "annotations": self.annotations}}, asked, (), (), None)
        seen = Snapshot(
            now=self.now,
            key=subject.key,
            wanted=pinned(wanted(asked, spot_default=SpotPolicy.FORBID), asked.spec.scaling.pin, now=self.now),
            offers=self.offers,
            fleet=self.fleet,
            load=None if requests_per_second is None else load(requests_per_second),
            trials=on_trial(asked),
            bounds=self.bounds,
        )
        self.decision = self.pilotage.decision(subject, seen)
        with suppress(Unsolved):
            asyncio.run(self.rounds.hold())
        self._ordered.append(self.decision.target)
        self.fleet = self._filled()
        return self.decision

    def _filled(self) -> Fleet:
        """What runs: of each pool what was wanted all along for as long as it takes to come."""
        lately = self._ordered[-self.lead :]
        pools = []
        for pool in self.decision.target.pools:
            least = min((each.pool(pool.key) or replace(pool, replicas=0)).replicas for each in lately)
            pools.append(replace(pool, ready=least if len(lately) == self.lead else min(least, pool.ready)))
        return Fleet(tuple(pools))

    def lose(self, *offers: Offer) -> None:
        """All machines of these are taken back, and there are no others."""
        keys = {each.key for each in offers}
        self.gone |= keys
        self.fleet = Fleet(tuple(pool for pool in self.fleet.pools if pool.offer.key not in keys))
        self._ordered.clear()

    def ticks(self, count: int, requests_per_second: float | None) -> Decision:
        """So many of them."""
        for _ in range(count):
            self.tick(requests_per_second)
        return self.decision


TUNED = LAW._replace(headroom=1.7)


async def _tuned(errand: Tuning) -> Law:
    return TUNED


def load(requests_per_second: float) -> Load:
    """Of the usual lengths, in every window."""
    return Load(
        window_s=60.0,
        requests_per_second=requests_per_second,
        prompt_tokens_per_second=900 * requests_per_second,
        output_tokens_per_second=220 * requests_per_second,
        running=9 * requests_per_second,
        waiting=0.0,
        requests_per_second_15s=requests_per_second,
        requests_per_second_5m=requests_per_second,
        bad_share_1m=0.0,
        bad_share_5m=0.0,
        bad_share_30m=0.0,
        requests_finished_per_second=requests_per_second,
    )


def reasons(decision: Decision) -> set[Reason]:
    return {step.reason for step in decision.steps}


def test_before_any_load_is_known_the_least_replicas_run_on_the_cheapest_offer() -> None:
    world = World((L4, L40S), {"scaling": {"minReplicas": 2}})
    decision = world.ticks(3, None)
    assert [(pool.offer, pool.replicas) for pool in decision.target.pools] == [(L4, 2)]


def test_the_count_follows_the_load_up_and_down_again() -> None:
    world = World(lead=4, spec={"scaling": {"maxReplicas": 40}})
    world.ticks(5, 0.3)
    few = world.decision.target.replicas
    world.ticks(60, 10.0)
    many = world.decision.target.replicas
    assert many > 3 * few
    assert reasons(world.decision) & {Reason.DEMAND_SEEN}
    world.ticks(400, 0.3)
    assert world.decision.target.replicas == few


def test_no_ceiling_is_crossed_whatever_comes() -> None:
    world = World(lead=4, spec={"scaling": {"maxReplicas": 5}})
    world.ticks(60, 500.0)
    assert world.decision.target.replicas == 5


def test_what_runs_is_kept_while_the_load_is_not_known_any_more() -> None:
    world = World(lead=4, spec={"scaling": {"maxReplicas": 40}})
    many = world.ticks(60, 10.0).target.replicas
    assert world.ticks(200, None).target.replicas == many


@pytest.mark.parametrize("measured", [10.0, None], ids=["the load is known", "the load is not known"])
@pytest.mark.parametrize("solves", [True, False], ids=["a solver", "no solver"])
def test_a_restart_takes_nothing_away_of_what_was_written_down(solves: bool, measured: float | None) -> None:
    world = World(lead=4, spec={"scaling": {"maxReplicas": 40}})
    many = world.ticks(60, 10.0).target.replicas
    known = world.pilotage.experience(KEY, UID)
    assert known is not None
    world.solves, world.before = solves, Before(known, measured=True)
    world.restart()
    assert [world.tick(measured).target.replicas for _ in range(8)] == [many] * 8


@pytest.mark.parametrize(
    "before", [None, Before(Experience(), measured=True)], ids=["not read back yet", "of another release"]
)
def test_nor_while_nobody_knows_what_was_known(before: Before | None) -> None:
    world = World(lead=4, spec={"scaling": {"maxReplicas": 40}})
    many = world.ticks(60, 10.0).target.replicas
    world.before = before
    world.restart()
    assert [world.tick(None).target.replicas for _ in range(8)] == [many] * 8


DEAR = {"objectives": {"usdPerBadMinute": "10.00"}}
TAIL = Forecast(NOW, 3600.0, (0.5, 0.9, 0.99), ((2.0,) * 4, (2.0,) * 4, (90.0,) * 4))


@pytest.mark.parametrize(
    ("world", "sent"),
    [
        (World(orders_ahead=True, forecast=TAIL, spec={**DEAR}), True),
        (World(forecast=TAIL, spec={**DEAR}), False),
        (World(orders_ahead=True, spec={**DEAR}), False),
        (World(orders_ahead=True, forecast=TAIL, spec={**DEAR, "scaling": {"mode": "Recommend"}}), False),
    ],
    ids=["for a thick tail", "not unless it is asked for", "not without a forecast", "not where nothing may change"],
)
def test_machines_wait(world: World, *, sent: bool) -> None:
    world.ticks(60, 2.0)
    asyncio.run(world.expectations.turn(world.now))
    decision = world.tick(2.0)
    ahead = world.pilotage.ahead(("shop", "chat"))
    assert bool(ahead.pools) is sent
    assert decision.target.replicas + ahead.replicas <= 10, "maxReplicas"
    world.spec["scaling"] = {"pin": {"replicas": 1, "until": "2030-01-01T00:00:00Z"}}
    world.tick(2.0)
    assert world.pilotage.ahead(("shop", "chat")).pools == (), "a pin is no load"


def test_the_peak_that_the_user_expects_is_provided_for_before_any_load_is_known() -> None:
    world = World(lead=4, spec={"traffic": {"peakRequestsPerSecond": "10"}, "scaling": {"maxReplicas": 40}})
    assert world.ticks(10, None).target.replicas >= 10
    assert reasons(world.decision) & {Reason.DEMAND_FORECAST}


def test_a_pin_overrides_the_load_until_it_ends_and_the_load_goes_on_from_there() -> None:
    until = datetime.fromtimestamp(NOW + 100 * TICK_S, UTC).isoformat().replace("+00:00", "Z")
    pin = {"replicas": 7, "until": until, "reason": "launch"}
    world = World(lead=4, spec={"scaling": {"maxReplicas": 40, "pin": pin}})
    assert world.ticks(60, 0.3).target.replicas == 7
    assert "launch" in next(step.message for step in world.decision.steps if step.reason is Reason.PINNED)
    counts = [world.tick(0.3).target.replicas for _ in range(200)]
    assert counts[-1] == 1
    assert max(before - after for before, after in pairwise(counts)) == 1


def test_recommend_runs_what_is_written_and_says_what_the_load_would_ask_for() -> None:
    world = World(lead=4, spec={"scaling": {"mode": "Recommend", "maxReplicas": 40}, "replicas": 9})
    decision = world.ticks(60, 0.3)
    assert decision.target.replicas == 9
    assert decision.advised is not None
    assert decision.advised.replicas == 1
    assert "mode Auto would run 1x" in next(s.message for s in decision.steps if s.reason is Reason.RECOMMENDED)


def test_without_a_solver_the_first_replicas_run_all_the_same() -> None:
    world = World(solves=False)
    assert world.ticks(3, 0.3).target.replicas == 1


def test_it_moves_to_larger_machines_once_the_load_is_worth_it_and_never_serves_less_meanwhile() -> None:
    world = World((L4, L40S), {"scaling": {"maxReplicas": 40}}, lead=8)
    world.ticks(10, 0.2)
    assert {pool.offer for pool in world.fleet.pools} == {L4}
    served = []
    for _ in range(400):
        world.tick(12.0)
        served.append(sum(_carried(pool) for pool in world.fleet.pools))
    assert {pool.offer for pool in world.decision.target.pools} == {L40S}
    grown = next(place for place, rate in enumerate(served) if rate >= 12.0)
    assert min(served[grown:]) >= 12.0


def test_after_a_move_the_count_is_of_the_new_machines_though_the_answer_to_an_older_question_comes() -> None:
    world = World((L4, L40S), {"scaling": {"maxReplicas": 40}}, lead=8)
    world.ticks(10, 0.2)
    world.ticks(200, 12.0)
    assert {pool.offer for pool in world.fleet.pools} == {L40S}
    world.ticks(60, 90.0)  # forty of the small ones carry 26
    assert sum(_carried(pool) for pool in world.fleet.pools) >= 90.0


def test_what_spot_cannot_give_comes_from_machines_that_can_be_had() -> None:
    spec = {"scaling": {"maxReplicas": 60}, "placement": {"spot": {"policy": "Allow"}}}
    world = World((L40S, *SPOTS), spec, lead=4)
    world.ticks(300, 60.0)
    assert any(pool.offer.market is Market.SPOT and pool.ready for pool in world.fleet.pools)
    world.lose(*SPOTS)
    decision = world.ticks(3, 60.0)
    assert all(pool.offer == L40S for pool in decision.target.pools if pool.replicas)
    assert sum(_carried(replace(pool, ready=pool.replicas)) for pool in decision.target.pools) >= 60.0


def test_objectives_that_no_machine_reaches_are_said_at_once_with_the_nearest_that_one_does() -> None:
    world = World((L4, L40S), {"objectives": {"tpot": {"p95": "1ms"}}})
    decision = world.ticks(3, None)
    (said,) = (step.message for step in decision.steps if step.reason is Reason.OBJECTIVES_OUT_OF_REACH)
    assert said.startswith("L40S x1: tpotP95 1.0 ms is out of reach")
    assert decision.target.replicas == 1


@pytest.mark.parametrize("left", [(), (replace(L4, obtainable=""),)], ids=["its catalog goes", "its node is cordoned"])
def test_what_serves_is_kept_where_nothing_can_be_had_any_more(left: tuple[Offer, ...]) -> None:
    world = World(lead=4, spec={"scaling": {"maxReplicas": 40}})
    many = world.ticks(60, 10.0).target.replicas
    world.offers = left
    assert [world.tick(10.0).target.replicas for _ in range(40)] == [many] * 40


def test_after_manual_the_count_goes_on_from_what_runs() -> None:
    world = World(lead=4, spec={"scaling": {"maxReplicas": 40}})
    world.ticks(60, 0.3)
    world.spec = {"scaling": {"maxReplicas": 40, "mode": "Manual"}, "replicas": 20}
    world.ticks(60, 10.0)
    world.spec = {"scaling": {"maxReplicas": 40}}
    counts = [world.tick(10.0).target.replicas for _ in range(40)]
    assert min(counts) >= 15
    assert max(before - after for before, after in pairwise([20, *counts])) <= 2


def test_other_lengths_to_plan_for_change_no_count_by_themselves() -> None:
    world = World((L40S,), {"scaling": {"maxReplicas": 60}}, lead=4)
    many = world.ticks(100, 20.0).target.replicas
    world.spec = {
        "scaling": {"maxReplicas": 60},
        "traffic": {"promptTokens": {"mean": 1800, "p95": 4000}, "outputTokens": {"mean": 440, "p95": 900}},
    }
    counts = [world.tick(20.0).target.replicas for _ in range(60)]
    assert max(counts) <= 1.5 * many
    assert min(counts) >= 0.6 * many


def test_a_mixed_fleet_stays_as_it_is_over_a_restart() -> None:
    spec = {"scaling": {"maxReplicas": 60}, "placement": {"spot": {"policy": "Allow"}}}
    world = World((L40S, *SPOTS), spec, lead=4)
    fleet = world.ticks(300, 60.0).target
    known = world.pilotage.experience(KEY, UID)
    assert known is not None
    world.before = Before(replace(known, answer=None), measured=True)
    world.restart()
    before = {pool.key: pool.replicas for pool in fleet.pools}
    counts = [{pool.key: pool.replicas for pool in world.tick(60.0).target.pools} for _ in range(10)]
    assert counts[0] == before
    assert all(abs(after[key] - count) <= 1 for after in counts for key, count in before.items())


def test_an_expected_peak_is_provided_for_only_until_the_load_itself_is_known() -> None:
    spec = {"traffic": {"peakRequestsPerSecond": "30"}, "scaling": {"maxReplicas": 60}}
    world = World(lead=4, spec=spec)
    for place in range(40):
        world.rows = world.rows.with_row(STEP_S * (1 + place), Row(0.5, 450.0, 110.0))
    assert max(world.tick(0.5).target.replicas for _ in range(20)) <= 2


def test_the_users_behavior_slows_the_count() -> None:
    slow = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    world = World(spec={"scaling": {"behavior": slow}}, lead=1)
    world.ticks(8, 0.1)
    counts = [world.tick(40.0).target.replicas for _ in range(12)]
    assert counts[-1] - counts[0] in (2, 3)


def test_what_keeps_decisions_from_being_better_is_told() -> None:
    world = World(before=None, unread="it belongs to somebody else")
    world.ticks(2, 1.0)
    assert world.pilotage.hindrances(KEY, UID) == {Reason.HISTORY_UNREADABLE: "it belongs to somebody else"}
    world.before = Before(Experience(), measured=False)
    world.tick(1.0)
    assert world.pilotage.hindrances(KEY, UID) == {}
    assert world.pilotage.hindrances(KEY, "another") == {}


WINDOW = {"scaleDown": {"stabilizationWindowSeconds": 300}}


def test_with_a_window_of_the_users_the_count_still_follows_the_load_down() -> None:
    world = World(spec={"scaling": {"behavior": WINDOW, "maxReplicas": 40}}, lead=4)
    assert world.ticks(60, 10.0).target.replicas > 10
    assert world.ticks(240, 0.3).target.replicas <= 2


def test_a_move_under_a_users_behavior_ends_with_as_many_as_one_without() -> None:
    ends = []
    for behavior in ({}, {"behavior": WINDOW}, {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}):
        world = World(offers=(L4, L40S), spec={"scaling": {"maxReplicas": 40, **behavior}})
        world.ticks(60, 0.5)
        world.ticks(400, 12.0)
        ends.append([(pool.offer.name, pool.replicas) for pool in world.decision.target.pools if pool.replicas])
    assert ends[0] == ends[1] == ends[2]
    assert {name for name, _ in ends[0]} == {"g6e.xlarge"}


def test_by_hand_nothing_is_said_of_the_optimiser_and_nobody_looks_every_tick() -> None:
    world = World()
    world.ticks(4, 1.0)
    assert world.pilotage.steers(KEY)
    world.spec = {"scaling": {"mode": "Manual"}, "replicas": 2}
    world.tick(1.0)
    assert not world.pilotage.steers(KEY)
    assert world.pilotage.hindrances(KEY, UID) == {}


def test_after_manual_that_cut_a_move_short_no_move_is_forced() -> None:
    world = World(offers=(L4, L40S), spec={"scaling": {"maxReplicas": 40, "vertical": {"cooldown": "24h"}}}, lead=40)
    world.ticks(60, 0.5)
    for _ in range(400):
        if any(pool.offer.name == "g6e.xlarge" for pool in world.tick(12.0).target.pools):
            break
    running = world.fleet.replicas
    world.spec = {"scaling": {**world.spec["scaling"], "mode": "Manual"}, "replicas": running}
    world.ticks(4, 12.0)
    world.spec = {"scaling": {"maxReplicas": 40, "vertical": {"cooldown": "24h"}}}
    for _ in range(40):
        assert not world.tick(12.0).moves


def test_manual_replicas_are_not_the_loads_business() -> None:
    world = World(spec={"scaling": {"mode": Mode.MANUAL.value}, "replicas": 3})
    assert world.ticks(10, 50.0).target.replicas == 3


def _carried(pool: Pool) -> float:
    """Requests of the usual lengths that its serving replicas carry, roughly as planned."""
    return pool.ready * {"L4": 1.09, "L40S": 5.38}[pool.offer.accelerator]


def test_what_serves_is_kept_where_neither_it_nor_anything_else_can_be_had() -> None:
    world = World(lead=4)
    many = world.ticks(40, 10.0).target.replicas
    world.gone.add(L4.key)
    assert world.ticks(40, 10.0).target.replicas == many > 1


def test_a_law_that_was_tuned_steers_from_the_next_tick_on_and_is_to_be_written_down() -> None:
    world = World()
    before = world.ticks(60, 4.0).target.replicas
    for place in range(100):
        world.weeks = world.weeks.with_row(int(NOW) // 300 * 300 + 300 * (place - 100), Row(4.0, 3600.0, 880.0))
    asyncio.run(world.laws.turn(world.now))
    assert world.ticks(60, 4.0).target.replicas > before
    known = world.pilotage.experience(("shop", "chat"), UID)
    assert known is not None
    assert known.law == TUNED
    assert world.now - 60 * TICK_S <= known.tuned_s <= world.now


def test_a_clock_that_was_far_ahead_and_is_right_again_holds_nothing_up() -> None:
    usual, ahead = (World(lead=4, spec={"scaling": {"maxReplicas": 40}}) for _ in range(2))
    for world in (usual, ahead):
        world.ticks(40, 2.0)
    ahead.now += 3.0e7
    ahead.ticks(40, 2.0)
    ahead.now -= 3.0e7
    for world in (usual, ahead):
        world.ticks(60, 12.0)
    assert ahead.decision.target.replicas == usual.decision.target.replicas > 15
    for world in (usual, ahead):
        world.ticks(480, 2.0)
    assert ahead.decision.target.replicas == usual.decision.target.replicas < 6


TRIED: dict[str, Any] = {
    "variants": [{"name": "bf16", "quality": "1"}, {"name": "int4", "quality": "0.95", "quantization": "awq"}],
    "objectives": {"qualityFloor": "0.9"},
    "routing": "Gateway",
    "scaling": {"maxReplicas": 40},
}


def tried(world: World, share: str | None) -> None:
    world.spec = TRIED | ({"gateway": {"split": [{"variant": "int4", "share": share}]}} if share else {})


def by_variant(decision: Decision) -> dict[str, int]:
    found: dict[str, int] = {}
    for pool in decision.target.pools:
        found[pool.variant] = found.get(pool.variant, 0) + pool.replicas
    return {variant: count for variant, count in found.items() if count}


def test_a_trial_has_capacity_for_its_share_of_the_load_beside_what_serves() -> None:
    usual = World(lead=4, spec=TRIED | {"variants": TRIED["variants"][:1]})
    alone = by_variant(usual.ticks(60, 10.0))["bf16"]
    world = World(lead=4)
    tried(world, "0.05")
    few = by_variant(world.ticks(60, 10.0))
    assert few["int4"] >= 1
    assert few["bf16"] <= alone
    assert world.pilotage.slots(KEY).keys() >= {pool.key for pool in world.decision.target.pools}
    tried(world, "0.5")
    half = by_variant(world.ticks(120, 10.0))
    assert half["int4"] > few["int4"]
    assert half["bf16"] < few["bf16"], "what the trial answers is no load of what serves"


def test_a_trial_ends_with_its_split() -> None:
    world = World(lead=4, spec=TRIED | {"variants": TRIED["variants"][:1]})
    alone = by_variant(world.ticks(60, 10.0))
    tried(world, "0.05")
    assert by_variant(world.ticks(60, 10.0)).keys() == {"bf16", "int4"}
    world.spec |= {"variants": TRIED["variants"][:1], "gateway": {"split": []}}
    assert by_variant(world.tick(10.0)).keys() == {"bf16"}
    assert by_variant(world.ticks(60, 10.0)) == pytest.approx(alone, abs=1)  # within the law's dead band


def test_a_variant_that_has_served_goes_on_until_what_takes_its_place_serves() -> None:
    world = World(lead=4)
    tried(world, None)
    before = by_variant(world.ticks(60, 10.0))
    assert before.keys() == {"int4"}, "the cheaper one that is good enough"
    tried(world, "0.05")
    for _ in range(4):
        assert by_variant(world.tick(10.0))["int4"] >= before["int4"]
    after = by_variant(world.ticks(60, 10.0))
    assert after["bf16"] > after["int4"] == 1


def test_a_budget_that_stops_ends_what_the_load_leads_as_well() -> None:
    world = World(lead=4)
    assert world.ticks(20, 10.0).target.replicas
    world.bounds = Bounds(stopped="LLMBudget all is at its stage Stop")
    assert world.tick(10.0).target.replicas == 0


def of_other_lengths(rows: Rows) -> Rows:
    for place in range(40):
        rows = rows.with_row(STEP_S * (1 + place), Row(10.0, 10.0 * 1800.0, 10.0 * 440.0))
    return rows


HELD_DOWN = Bounds(economises=True, usd_per_hour=2.0, why="LLMBudget all", caps=frozenset({"all"}))


def test_what_runs_stays_while_a_budgets_terms_are_yet_to_be_allotted() -> None:
    world = World(lead=4)
    many = world.ticks(40, 10.0).target.replicas
    assert many * L4.usd_per_hour > 2.0
    world.rows, world.offers, world.bounds = of_other_lengths(world.rows), (replace(L4, usd_per_hour=0.81),), HELD_DOWN
    decision = world.tick(10.0)
    assert decision.demand is None
    assert world.pilotage.awaits(KEY)
    assert decision.target.replicas == many
    assert world.tick(10.0).demand is not None
    assert not world.pilotage.awaits(KEY)


@pytest.mark.parametrize("mode", ["Manual", "Recommend"])
def test_whoever_decides_by_hand_waits_for_no_allotment(mode: str) -> None:
    world = World(lead=4)
    world.ticks(40, 10.0)
    world.rows, world.offers, world.solves = of_other_lengths(world.rows), (replace(L4, usd_per_hour=0.81),), False
    world.tick(10.0)
    assert world.pilotage.awaits(KEY)
    world.spec = {"scaling": {"mode": mode}, "replicas": 3}
    world.tick(10.0)
    assert not world.pilotage.awaits(KEY)


def test_a_budget_holds_down_what_no_optimiser_will_answer_for() -> None:
    world = World(lead=4)
    many = world.ticks(40, 10.0).target.replicas
    world.rows, world.offers, world.bounds = of_other_lengths(world.rows), (replace(L4, usd_per_hour=0.81),), HELD_DOWN
    world.solves = False
    decisions = [world.tick(10.0) for _ in range(8)]
    assert decisions[0].target.replicas == many
    assert decisions[-1].target.usd_per_hour <= 2.0
    assert any(Reason.BUDGET_ALLOTMENT in reasons(each) for each in decisions)


def test_a_budget_that_holds_down_asks_for_no_other_lengths() -> None:
    world = World(lead=4)
    world.ticks(40, 10.0)
    world.rows, world.bounds = of_other_lengths(world.rows), HELD_DOWN
    assert world.tick(10.0).demand is not None
