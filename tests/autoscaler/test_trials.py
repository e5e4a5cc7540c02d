"""A variant on trial: replicas for its share of the requests, within what is left by what serves."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.bounds import Bounds
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.idle import Idle
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import ClusterSnapshot, Memory, Snapshot
from wharfage_autoscaler.trials import Trial, taken, trials_of, without_trials

from tests.autoscaler.test_decide_allotted import world
from tests.builders import offer, pool, snapshot, variant, wanted
from tests.needs import berth, clusters, need

L4 = offer("g6.xlarge", usd_per_hour=0.80)
L40S = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48, usd_per_hour=1.86)
BOTH = (variant("bf16"), variant("int4", quality=0.9, quantization="awq"))
INT4 = Trial("int4", 0.05)


def by_hand(*trials: Trial, pools: tuple[Pool, ...] = (), **wishes: Any) -> Snapshot:
    """Two variants, so many replicas as the user says, and what is on trial."""
    asked = wanted(variants=BOTH, quality_floor=0.8, **wishes)
    return replace(snapshot(wanted=asked, offers=(L4, L40S), pools=pools), trials=trials or (INT4,))


def decided(seen: Snapshot) -> Decision:
    return decide(seen, Memory())[0]


def counts(fleet: Fleet) -> dict[str, int]:
    return {each.variant: each.replicas for each in fleet.pools if each.replicas}


def why_denied(decision: Decision) -> str:
    return next(step.message for step in decision.steps if step.reason is Reason.TRIAL_DENIED)


def test_a_trial_has_a_replica_of_its_own_beside_what_serves() -> None:
    decision = decided(by_hand(replicas=3))
    assert counts(decision.target) == {"bf16": 3, "int4": 1}
    assert counts(decision.on_trial) == {"int4": 1}
    assert counts(decision.serving) == {"bf16": 3}
    assert decision.steps[-1].reason is Reason.ON_TRIAL
    assert decision.steps[-1].message == (
        "5 % of the requests are for variant int4 on trial: 1 replica on g6.xlarge (L4 x1) on-demand at 0.80 usd/h"
    )


def test_where_no_load_leads_a_trial_has_its_share_of_the_replicas() -> None:
    assert counts(decided(by_hand(Trial("int4", 0.5), replicas=5)).target) == {"bf16": 5, "int4": 3}


def test_what_serves_is_decided_as_without_a_trial() -> None:
    seen = by_hand(replicas=3)
    alone = replace(seen, wanted=replace(seen.wanted, variants=BOTH[:1]), trials=())
    assert decided(seen).steps[:-1] == decided(alone).steps
    assert decide(seen, Memory())[1] == decide(alone, Memory())[1], "and is all that is remembered"


def test_a_trial_is_no_replica_of_what_serves() -> None:
    tried = replace(pool(L4, 2, variant="int4"), ready=2)
    assert counts(decided(by_hand(replicas=3, pools=(pool(L4, 3), tried))).target)["bf16"] == 3


@pytest.mark.parametrize(
    ("ceilings", "why"),
    [
        ({"replicas": 3, "max_replicas": 3}, "maxReplicas 3 leaves no room beside what serves"),
        (
            {"replicas": 3, "usd_per_hour_limit": 3.0},
            "g6.xlarge (L4 x1) on-demand costs 0.80 usd/h and 0.60 are left beside what serves",
        ),
    ],
)
def test_what_serves_goes_first_where_ceilings_leave_no_room(ceilings: dict[str, Any], why: str) -> None:
    decision = decided(by_hand(**ceilings))
    assert counts(decision.target) == {"bf16": 3}
    assert why_denied(decision) == (
        f"variant int4 on trial has no replica, since {why}; its 5 % of the requests are answered by what serves"
    )


def test_as_many_as_the_dollars_pay_for() -> None:
    decision = decided(by_hand(Trial("int4", 0.5), replicas=4, usd_per_hour_limit=4.1))
    assert counts(decision.target) == {"bf16": 4, "int4": 1}
    assert decision.steps[-1].message.endswith(", 2 asked for")


def test_under_freeze_a_trial_neither_begins_nor_grows() -> None:
    frozen = Bounds(frozen="LLMBudget all at its stage Freeze")
    begins = replace(by_hand(replicas=3), bounds=frozen)
    assert "LLMBudget all at its stage Freeze lets nothing new begin" in why_denied(decided(begins))
    there = by_hand(Trial("int4", 0.5), replicas=4, pools=(pool(L4, 4), pool(L4, 1, variant="int4")))
    assert counts(decided(there).target)["int4"] == 2
    assert counts(decided(replace(there, bounds=frozen)).target)["int4"] == 1


def test_at_the_floor_a_trial_ends_and_its_share_is_answered_by_what_serves() -> None:
    seen = by_hand(replicas=3, pools=(pool(L4, 3), pool(L4, 1, variant="int4")))
    decision = decided(replace(seen, bounds=Bounds(floored="LLMBudget all at its stage Floor")))
    assert counts(decision.target) == {"bf16": 3}
    assert "LLMBudget all at its stage Floor leaves nothing beside the least replicas" in why_denied(decision)


def test_nothing_is_tried_where_nothing_is_to_serve() -> None:
    pools = (pool(L4, 3), pool(L4, 1, variant="int4"))
    seen = by_hand(replicas=3, pools=pools)
    stopped = replace(seen, bounds=Bounds(stopped="LLMBudget all is at its stage Stop"))
    asleep = replace(seen, idle=Idle(600.0, 600.0, 300.0, 60.0, 0.001, asleep=True))
    for nothing in (decided(stopped), decided(asleep)):
        assert (nothing.target.replicas, nothing.on_trial) == (0, Fleet())


def test_it_stays_where_it_runs_though_another_is_cheaper() -> None:
    seen = by_hand(replicas=3, pools=(pool(L4, 3), pool(L40S, 1, variant="int4")))
    tried = decided(seen).on_trial.pools
    assert [each.offer.name for each in tried] == ["g6e.xlarge"]


def test_what_served_so_far_goes_on_until_what_takes_over_serves() -> None:
    """The variant that serves is written into the split: it goes down to its share once another serves."""
    before = by_hand(replicas=3, pools=(pool(L4, 3, variant="int4"),))
    assert counts(decided(before).target) == {"bf16": 3, "int4": 3}
    after = by_hand(replicas=3, pools=(pool(L4, 3), pool(L4, 3, variant="int4")))
    assert counts(decided(after).target) == {"bf16": 3, "int4": 1}


def test_a_shape_that_nobody_knows_is_said() -> None:
    seen = by_hand(replicas=1)
    unknown = replace(seen, wanted=replace(seen.wanted, variants=(BOTH[0], replace(BOTH[1], shape=None))))
    assert "nobody knows its shape yet" in why_denied(decided(unknown))


def test_only_what_may_be_served_is_tried_and_the_best_serves_where_all_are_on_trial() -> None:
    assert trials_of((("int4", 0.1),), BOTH, 0.95) == ()
    assert trials_of((("int4", 0.0),), BOTH, 0.8) == ()
    assert trials_of((("int4", 0.4), ("bf16", 0.6)), BOTH, 0.8) == (Trial("int4", 0.4),)


LARGE = need(berth(L4, 1.0), peak_rps=20.0, usual_rps=10.0, max_replicas=40)


def under_load(rps: float, *trials: Trial, fleet: Fleet = Fleet()) -> Snapshot:  # noqa: B008 - immutable
    """A replica of what serves carries one request a second, one of what is tried two."""
    given_pools = allot(ClusterSnapshot((LARGE,))).by_key[LARGE.key]
    seen = world(LARGE, given_pools, rps, fleet=fleet)
    asked = replace(seen.wanted, variants=(variant(berth(L4).pool.variant), BOTH[1]), quality_floor=0.8)
    return replace(seen, wanted=asked, trials=trials)


RATED = Trial("int4", 0.5, ((pool(L4, variant="int4").key, 2.0),))


def test_it_is_sized_by_what_its_replicas_carry_of_the_load() -> None:
    seen = under_load(20.0, RATED)
    decision = decided(seen)
    assert decision.demand is not None
    asked_for = decision.demand.wanted_rps
    assert asked_for > 20.0
    assert counts(decision.on_trial) == {"int4": -(-asked_for * 0.5 // 2.0)}


def test_what_a_trial_answers_is_no_load_of_what_serves() -> None:
    tried = Fleet((pool(L4, 10, variant="int4"),))
    alone, beside = under_load(20.0, RATED), under_load(20.0, RATED, fleet=tried)
    assert taken(alone) == 0.0
    assert taken(beside) == 0.5
    few, many = (decide(seen, Memory())[0] for seen in (beside, alone))
    assert few.demand is not None
    assert many.demand is not None
    assert few.demand.wanted_rps == pytest.approx(many.demand.wanted_rps / 2)
    assert few.steps[-1].message.endswith("; what is on trial answers 50 % now, and the load above is the rest")


def test_a_trial_that_answers_everything_keeps_its_replicas() -> None:
    whole = replace(RATED, share=1.0)
    serving = pool(L4, 1, variant=berth(L4).pool.variant)
    ordered = decided(under_load(20.0, whole)).on_trial.replicas
    assert ordered > 10
    for _ in range(3):
        there = Fleet((serving, pool(L4, ordered, variant="int4")))
        assert taken(under_load(20.0, whole, fleet=there)) == 1.0
        again = decided(under_load(20.0, whole, fleet=there)).on_trial.replicas
        assert again == ordered


def test_what_a_trial_misses_raises_neither_its_own_count_nor_that_of_what_serves() -> None:
    tenth = replace(RATED, share=0.1)
    there = Fleet((pool(L4, 25, variant=berth(L4).pool.variant), pool(L4, 2, variant="int4")))
    calm = under_load(20.0, tenth, fleet=there)
    assert calm.load is not None
    missed = replace(calm, load=replace(calm.load, bad_share_1m=0.1, bad_share_5m=0.1, bad_share_30m=0.1))
    assert counts(decided(missed).target) == counts(decided(calm).target)
    worse = replace(calm, load=replace(calm.load, bad_share_1m=0.4, bad_share_5m=0.4, bad_share_30m=0.4))
    more, before = decided(worse), decided(calm)
    assert more.demand is not None
    assert before.demand is not None
    assert more.demand.wanted_rps > before.demand.wanted_rps, "a trial answers for no more than its share"
    assert more.on_trial == before.on_trial


def test_what_served_so_far_is_not_cut_down_for_want_of_room_before_anything_else_serves() -> None:
    before = by_hand(replicas=3, max_replicas=4, pools=(pool(L4, 3, variant="int4"),))
    assert not decided(before).on_trial.replicas
    assert "maxReplicas 4 leaves no room" in why_denied(
        decided(replace(before, wanted=replace(before.wanted, replicas=4)))
    )


def test_it_takes_no_more_than_its_replicas_carry() -> None:
    assert taken(under_load(20.0, RATED, fleet=Fleet((pool(L4, 2, variant="int4"),)))) == pytest.approx(0.2)
    starting = replace(pool(L4, 2, variant="int4"), ready=0)
    assert taken(under_load(20.0, RATED, fleet=Fleet((starting,)))) == 0.0


def test_a_replica_goes_only_once_the_load_is_well_below_what_the_others_carry() -> None:
    whole = decided(under_load(20.0, RATED)).on_trial.replicas
    at_rest = Fleet((pool(L4, whole + 1, variant="int4"),))
    assert decided(under_load(20.0, RATED, fleet=at_rest)).on_trial.replicas == whole + 1
    far_less = Fleet((pool(L4, 3 * whole, variant="int4"), pool(L4, 40, variant=berth(L4).pool.variant)))
    assert decided(under_load(20.0, RATED, fleet=far_less)).on_trial.replicas < 3 * whole


def test_without_trials_a_decision_looks_at_all_there_is() -> None:
    seen = under_load(20.0)
    assert without_trials(seen) is seen


@settings(max_examples=40, deadline=None)
@given(
    clusters(most=2),
    st.none() | st.floats(0.0, 60.0),
    st.floats(0.01, 1.0),
    st.floats(0.1, 5.0),
    st.integers(0, 5),
    st.booleans(),
)
def test_no_trial_crosses_a_ceiling_or_costs_more_than_its_dollars(
    seen: ClusterSnapshot, rps: float | None, share: float, rate: float, runs: int, freezes: bool
) -> None:
    for key, given_pools in allot(seen).by_key.items():
        asked = next(each for each in seen.needs if each.key == key)
        there = pool(L4, runs, variant="int4")
        at_present = world(asked, given_pools, rps, fleet=Fleet((*given_pools.planned.pools, there)))
        trial = Trial("int4", share, ((there.key, rate),))
        at_present = replace(
            at_present,
            wanted=replace(at_present.wanted, variants=BOTH, quality_floor=0.5),
            offers=(*at_present.offers, L4),
            trials=(trial,),
            bounds=Bounds(frozen="LLMBudget all at its stage Freeze" if freezes else ""),
        )
        decision, memory = decide(at_present, Memory())
        assert (decision, memory) == decide(at_present, Memory())
        if not decision.on_trial.replicas:
            continue
        assert at_present.wanted.mode is Mode.AUTO
        assert decision.target.replicas <= asked.max_replicas
        if asked.usd_per_hour_limit is not None:
            assert decision.target.usd_per_hour <= asked.usd_per_hour_limit + 1e-6
        if given_pools.usd_per_hour is not None and decision.demand is not None:
            charged = given_pools.charged(decision.serving) + decision.on_trial.usd_per_hour
            assert charged <= given_pools.usd_per_hour + 1e-6
        if freezes:
            assert decision.on_trial.replicas <= runs
