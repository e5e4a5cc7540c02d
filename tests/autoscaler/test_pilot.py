"""From what is seen to what `decide` is told, and what stays of it: the part that operator and simulator share."""

import math
import pickle
from dataclasses import replace

import pytest
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.enquiry import answered, due, enquiry
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.law import thrifty
from wharfage_autoscaler.move import Forced
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.pilot import decided, heard, snapshot
from wharfage_autoscaler.purse import Budget
from wharfage_autoscaler.sight import PoolSeen, Sight
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.work import Work

from tests.sights import charter, pool, sight

SMALL = pool(ready=3, good_rps=2.0, usd_per_hour=2.0)
LARGE = pool("g6e.xlarge", accelerator="L40S", good_rps=8.0, usd_per_hour=2.0)
CHARTER = charter(SMALL, LARGE)
THERE = CHARTER.berth(LARGE).shape
NEW = Experience()


def solved(need: Need) -> Allotment:
    """The optimiser's answer."""
    return allot(ClusterSnapshot((need,))).by_key[need.key]


def steered(experience: Experience, view: Sight, asked: Charter = CHARTER) -> tuple[Decision, Experience]:
    """One look, from beginning to end."""
    known, _ = heard(experience, view, asked)
    if due(known, view):
        question = enquiry(known, view, asked)
        best = solved(question.need)
        here = question.here(best)
        known = answered(known, view, question, best, None if here is None else solved(here))
    decision, memory = decide(snapshot(known, view, asked), known.memory)
    return decision, decided(known, view, asked, decision, memory)


def test_a_look_adds_its_work_to_the_record() -> None:
    by_answer = charter(SMALL, work=Work(output_tokens=100.0, output_power=1.0))
    _, entry = heard(NEW, sight(SMALL, rps=3.0, finished_rps=3.0, answer_tokens=200.0), by_answer)
    assert entry.rps == pytest.approx(6.0)
    _, unknown = heard(NEW, sight(SMALL), by_answer)
    assert math.isnan(unknown.rps), "a load that nobody measured is none of zero"


def test_every_minute_is_told_once() -> None:
    experience, told = NEW, []
    for tick in range(12):
        view = sight(SMALL, now_s=15.0 * (tick + 1), rps=3.0, bad=0.0)
        experience, entry = heard(experience, view, CHARTER)
        told.append(entry.minute is not None)
    assert told == [False, False, False, True] * 3


@pytest.mark.parametrize(("bad", "reads"), [(0.5, True), (0.0, False), (math.nan, False)])
def test_latencies_are_worth_reading_where_objectives_are_missed(bad: float, reads: bool) -> None:
    experience, _ = heard(NEW, sight(SMALL, rps=3.0, bad=bad), CHARTER)
    assert experience.missed is reads


def test_a_spot_pool_that_is_gone_is_remembered_as_a_loss() -> None:
    spot = pool("g6.2xlarge", market=Market.SPOT)
    asked = charter(SMALL, spot)
    known, _ = heard(NEW, sight(SMALL, spot, now_s=15.0), asked)
    lost, _ = heard(known, sight(SMALL, replace(spot, obtainable=False), now_s=30.0), asked)
    assert known.regions is not None
    assert lost.regions is not None
    assert known.regions.lost_s == {}
    assert lost.regions.lost_s == {"cloud": 30.0}


def test_what_runs_is_spent_from_the_purse_where_there_is_a_budget() -> None:
    asked = charter(SMALL, budget=Budget(usd=1.0, period_s=7200.0))
    with_budget, _ = heard(NEW, sight(SMALL, now_s=3600.0), asked)
    without, _ = heard(NEW, sight(SMALL, now_s=3600.0), CHARTER)
    assert with_budget.purse.spent_usd == pytest.approx(6.0)
    assert with_budget.purse.prefers_cheaper
    assert without.purse.spent_usd == 0.0


def test_a_snapshot_says_what_is_not_known_and_what_cannot_be_had() -> None:
    told = snapshot(NEW, sight(SMALL, replace(LARGE, obtainable=False)), CHARTER)
    assert told.load is None
    assert told.allotment is None
    assert [bool(each.obtainable) for each in told.offers] == [True, False]
    measured = snapshot(NEW, sight(SMALL, LARGE, rps=3.0), CHARTER).load
    assert measured is not None
    assert measured.bad_share_5m is None


def test_a_budget_that_holds_dollars_down_has_another_law_hold_and_the_tuned_one_is_kept() -> None:
    usual, view = snapshot(Experience(), sight(), CHARTER), sight()
    held_down = snapshot(Experience(), view, replace(CHARTER, economises=True))
    assert usual.usual_law is None
    assert held_down.usual_law == usual.law
    assert held_down.law == thrifty(usual.law)


def test_a_move_that_is_decided_is_what_holds_from_then_on_until_something_serves_there() -> None:
    slow = sight(SMALL, LARGE, rps=3.0, bad=0.0)
    forced = replace(NEW, unfit=NEW.unfit.gone([CHARTER.berth(SMALL).shape], slow.now_s))
    decision, experience = steered(forced, slow)
    assert decision.moves
    assert experience.bound_for == {THERE}
    assert experience.answer is not None
    assert experience.answer.allotment == decision.allotment
    assert experience.answer.elsewhere is None


def bound(*pools: PoolSeen) -> Experience:
    """After one more look, while a move to the large ones is under way."""
    view = sight(SMALL, LARGE, rps=3.0)
    _, begun = steered(NEW, view)
    known, _ = heard(replace(begun, bound_for=frozenset({THERE})), sight(SMALL, *pools, now_s=30.0), CHARTER)
    return known


def test_a_move_is_under_way_until_one_replica_serves_there() -> None:
    waits = bound(replace(LARGE, starting=1))
    arrived = bound(replace(LARGE, starting=1, ready=1))
    assert waits.bound_for == {THERE}
    assert arrived.bound_for == frozenset()
    assert waits.answer is not None
    assert arrived.answer is not None


def test_a_move_whose_machines_stop_coming_is_undone_and_not_tried_again_at_once() -> None:
    vain = bound(replace(LARGE, starting=1, obtainable=False))
    assert vain.bound_for == frozenset()
    assert vain.answer is None, "the optimiser is asked at once"
    assert vain.unfit.reasons(sight(SMALL, LARGE, now_s=45.0), CHARTER) == {THERE: Forced.UNOBTAINABLE}


def test_a_move_to_what_nobody_knows_any_more_is_over() -> None:
    gone = bound()
    assert gone.bound_for == frozenset()
    assert gone.answer is not None, "what was allotted holds until the next answer"


def test_who_reads_it_again_after_a_restart_goes_on_as_if_there_had_been_none() -> None:
    through, restarted = NEW, NEW
    small, large = SMALL, LARGE
    for tick in range(120):
        at_s, rps = 15.0 * (tick + 1), 3.0 + tick / 12.0
        view = sight(small, large, now_s=at_s, rps=rps, finished_rps=rps, bad=0.1 if tick % 40 > 30 else 0.0)
        decision, through = steered(through, view)
        same, restarted = steered(pickle.loads(pickle.dumps(restarted)), view)
        assert (same.target, same.steps) == (decision.target, decision.steps)
        aimed = {each.key: each.replicas for each in decision.target.pools}
        small, large = (replace(each, ready=aimed.get(each.key, 0)) for each in (small, large))
    assert large.ready > 0, "something happened meanwhile"
