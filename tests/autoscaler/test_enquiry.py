"""What the optimiser is asked: for which demand, on which machines, and once more for those that serve."""

import math
from dataclasses import replace

import pytest
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.enquiry import ASKED_EVERY_S, Enquiry, answered, due, enquiry
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.lately import Lately
from wharfage_autoscaler.law import FRESH, LAW
from wharfage_autoscaler.move import Forced
from wharfage_autoscaler.need import Need
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.purse import Purse
from wharfage_autoscaler.sight import PoolSeen, Sight
from wharfage_autoscaler.snapshot import ClusterSnapshot, Memory
from wharfage_autoscaler.spot import spot_pool
from wharfage_autoscaler.unfit import Unfit
from wharfage_autoscaler.unrest import Regions

from tests.sights import charter, pool, sight

SMALL = pool(ready=3, good_rps=2.0, usd_per_hour=2.0)
LARGE = pool("g6e.xlarge", accelerator="L40S", good_rps=8.0, usd_per_hour=2.0)
VIEW = sight(SMALL, LARGE, rps=4.0)
CHARTER = charter(SMALL, LARGE)
NEW = Experience()


def asked(experience: Experience = NEW, view: Sight = VIEW) -> Enquiry:
    """The question, for Qwen3-8B on what is seen."""
    return enquiry(experience, view, charter(*view.pools))


def solved(need: Need) -> Allotment:
    """The optimiser's answer."""
    return allot(ClusterSnapshot((need,))).by_key[need.key]


def holding(replicas: float) -> Memory:
    """The law holds so many, each of which carries 1.3 requests a second."""
    return Memory(held=FRESH._replace(replicas=replicas), unit_rps=1.3)


DEMANDS = [
    pytest.param(NEW, VIEW, 4.0, 4.0 * LAW.headroom, id="the load with its headroom, before the law holds any"),
    pytest.param(Experience(lately=Lately(worth=1.5)), VIEW, 6.0, 6.0 * LAW.headroom, id="in planned requests"),
    pytest.param(Experience(memory=holding(9.0)), VIEW, 4.0, 9.0 * 1.3, id="what the law holds, as it counts them"),
    pytest.param(Experience(memory=holding(1.0)), VIEW, 4.0, 4.0 * LAW.headroom, id="the load, if it holds less"),
    pytest.param(
        Experience(memory=holding(9.0)), sight(SMALL, LARGE), 0.0, 9.0 * 1.3, id="what it holds, where no load is known"
    ),
]


@pytest.mark.parametrize(("experience", "view", "usual_rps", "peak_rps"), DEMANDS)
def test_the_demand_is_the_larger_of_load_and_what_is_held(
    experience: Experience, view: Sight, usual_rps: float, peak_rps: float
) -> None:
    need = asked(experience, view).need
    assert need.usual_rps == pytest.approx(usual_rps)
    assert need.peak_rps == pytest.approx(peak_rps)


def names(need: Need | None) -> list[str]:
    """Of the offers that it is asked for."""
    return [] if need is None else [berth.offer.name for berth in need.berths]


def gone(*pools: PoolSeen) -> Experience:
    """Machines of these shapes stopped coming a moment ago."""
    return Experience(unfit=Unfit().gone([CHARTER.berth(each).shape for each in pools], 0.0))


OFFERED = [
    pytest.param(NEW, VIEW, ["g6.xlarge", "g6e.xlarge"], id="all that can be had"),
    pytest.param(NEW, sight(SMALL, replace(LARGE, obtainable=False)), ["g6.xlarge"], id="not what cannot"),
    pytest.param(gone(LARGE), VIEW, ["g6.xlarge"], id="not what is unfit"),
    pytest.param(gone(SMALL, LARGE), VIEW, ["g6.xlarge", "g6e.xlarge"], id="what is unfit, if nothing else is there"),
    pytest.param(
        gone(SMALL), sight(SMALL, replace(LARGE, obtainable=False)), ["g6.xlarge"], id="and if nothing else can be had"
    ),
]


@pytest.mark.parametrize(("experience", "view", "offered"), OFFERED)
def test_it_is_asked_for_machines_that_can_be_had_and_help(
    experience: Experience, view: Sight, offered: list[str]
) -> None:
    assert names(asked(experience, view).need) == offered


def test_what_serves_is_asked_about_alone_where_something_else_would_be_better() -> None:
    question = asked()
    best = solved(question.need)
    assert {each.pool.offer.name for each in best.shapes if each.pool.replicas} == {"g6e.xlarge"}
    assert names(question.here(best)) == ["g6.xlarge"], "what runs, before anything is allotted"
    moved = answered(NEW, VIEW, question, best)
    assert asked(moved).here(best) is None, "what is allotted, from then on"
    lost = sight(replace(SMALL, obtainable=False), LARGE, rps=4.0)
    assert asked(NEW, lost).here(best) is None, "nothing of what serves can be had"


FORCED = [
    pytest.param(NEW, 0.0, None, id="nothing"),
    pytest.param(gone(SMALL), 0.0, Forced.UNOBTAINABLE, id="what was learned of the shape"),
    pytest.param(NEW, 0.5, Forced.UNOBTAINABLE, id="what serves cannot carry the load"),
    pytest.param(Experience(purse=Purse(prefers_cheaper=True)), 0.0, Forced.TOO_DEAR, id="the budget would not last"),
    pytest.param(
        Experience(purse=Purse(prefers_cheaper=True)), 0.5, Forced.UNOBTAINABLE, id="the load before the budget"
    ),
]


@pytest.mark.parametrize(("experience", "short", "force"), FORCED)
def test_a_move_is_forced_by(experience: Experience, short: float, force: Forced | None) -> None:
    question = asked(experience)
    best = solved(question.need)
    here = question.here(best)
    assert here is not None
    current = solved(here)
    current = replace(current, short=replace(current.short, peak=short))
    answer = answered(experience, VIEW, question, best, current).answer
    assert answer is not None
    assert answer.allotment == current
    assert answer.elsewhere is not None
    assert answer.elsewhere.force is force


def test_the_hours_ahead_are_those_of_yesterday_with_headroom_or_go_on_as_now() -> None:
    question = asked()
    best = solved(question.need)
    known = question.elsewhere(best, best, [2.0, 3.0]).ahead
    assert known.peak_rps == pytest.approx([2.0 * LAW.headroom, 3.0 * LAW.headroom])
    unknown = question.elsewhere(best, best, []).ahead
    assert set(unknown.peak_rps) == {question.need.peak_rps}
    assert unknown.horizon_s == 6 * 3600.0


ANSWERED = answered(NEW, VIEW, asked(), solved(asked().need))
DUE = [
    pytest.param(NEW, VIEW, True, id="it never was"),
    pytest.param(ANSWERED, replace(VIEW, now_s=VIEW.now_s + ASKED_EVERY_S - 1.0), False, id="it was lately"),
    pytest.param(ANSWERED, replace(VIEW, now_s=VIEW.now_s + ASKED_EVERY_S), True, id="it was five minutes ago"),
    pytest.param(ANSWERED, sight(SMALL, replace(LARGE, obtainable=False)), True, id="a market has changed since"),
]


@pytest.mark.parametrize(("experience", "view", "wanted"), DUE)
def test_the_optimiser_is_asked_again_when(experience: Experience, view: Sight, wanted: bool) -> None:
    assert due(experience, view) is wanted


def test_after_a_loss_of_spot_more_of_them_are_expected() -> None:
    spot = pool(market=Market.SPOT)
    assert asked().need.restless == {}, "nobody has looked yet"
    calm = Regions(-1e6)
    lost = calm.heard(0.0, [spot_pool(spot.offer)])
    assert asked(Experience(regions=calm)).need.restless["cloud"] < 1.0
    assert asked(Experience(regions=lost)).need.restless["cloud"] > 1.0


def test_a_load_that_is_not_known_makes_no_demand_that_is_not_a_number() -> None:
    assert not math.isnan(asked(NEW, sight(SMALL, LARGE)).need.peak_rps)
