"""One pilot for the operator and the simulator: from what is seen to what `decide` is told, and what stays of it.

A look at a deployment goes like this, whoever looks and wherever the solver, the forecast and the tuning run:

    experience, entry = heard(experience, sight, charter)               # the entry goes into the record of the load
    if due(experience, sight):                                          # `enquiry`
        asked = enquiry(experience, sight, charter)
        ... allot(asked.need), and allot(asked.here(best)) where there is one ...
        experience = answered(experience, sight, asked, best, current, yesterday_rps)
    decision, memory = decide(snapshot(experience, sight, charter, forecast), experience.memory)
    experience = decided(experience, sight, charter, decision, memory)

All of these are pure functions over values, so what is backtested is what ships.
"""

import math
from dataclasses import replace

from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.experience import Entry, Experience
from wharfage_autoscaler.law import thrifty
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.sight import Sight
from wharfage_autoscaler.snapshot import Expectation, Memory, Snapshot
from wharfage_autoscaler.spot import spot_pool
from wharfage_autoscaler.tide import missed
from wharfage_autoscaler.unrest import Regions


def heard(experience: Experience, sight: Sight, charter: Charter) -> tuple[Experience, Entry]:
    """What is known after one more look, and what the look adds to the record."""
    lately = experience.lately.heard(sight, charter.work, charter.pace(sight))
    tide, minute = experience.tide.heard(sight, lately.worth)
    purse = experience.purse
    if charter.budget is not None:
        purse = purse.spent(charter.budget, sight.fleet.usd_per_hour, sight.now_s)
    away = {spot_pool(pool.offer) for pool in sight.pools if pool.offer.market is Market.SPOT and not pool.obtainable}
    after = replace(
        experience,
        lately=lately,
        tide=tide,
        missed=missed(sight.bad_1m),
        unfit=experience.unfit.heard(sight, charter),
        regions=(experience.regions or Regions(sight.now_s)).heard(sight.now_s, away),
        purse=purse,
    )
    return _under_way(after, sight, charter), Entry(lately.worth * sight.rps_15s, minute)


def snapshot(experience: Experience, sight: Sight, charter: Charter, forecast: Expectation | None = None) -> Snapshot:
    """All that the decision may look at. `forecast` is of the record's rates, None where none can be made yet.

    Offers are those of the pools that are seen: whoever knows of others, for a good refusal, adds them.
    """
    answer = experience.answer
    return Snapshot(
        now=sight.now_s,
        key=charter.key,
        wanted=charter.wanted,
        offers=tuple(pool.offered for pool in sight.pools),
        fleet=sight.fleet,
        load=_load(sight, experience.lately.worth),
        allotment=None if answer is None else answer.allotment,
        forecast=forecast,
        law=thrifty(experience.law) if charter.economises else experience.law,
        usual_law=experience.law if charter.economises else None,
        elsewhere=None if answer is None else answer.elsewhere,
    )


def decided(experience: Experience, sight: Sight, charter: Charter, decision: Decision, memory: Memory) -> Experience:
    """With what was decided: where it moves, the allotment there is the one that holds from now on."""
    answer = experience.answer
    if not decision.moves or decision.allotment is None or answer is None:
        return replace(experience, memory=memory)
    there = {pool.key for pool in decision.target.pools} - {pool.key for pool in sight.fleet.pools}
    return replace(
        experience,
        memory=memory,
        answer=replace(answer, allotment=decision.allotment, elsewhere=None),
        bound_for=frozenset(charter.berth(pool).shape for pool in sight.pools if pool.key in there),
    )


def _under_way(experience: Experience, sight: Sight, charter: Charter) -> Experience:
    """A move has arrived once anything serves there. Where nothing there can be had any more it was in vain.

    Then what holds is asked for anew, and without those shapes: they are unfit for a while. A move to what nobody knows
    any more, since its offer or variant is gone, is over: what there is instead is another question.
    """
    bound_for = experience.bound_for
    if not bound_for:
        return experience
    there = [pool for pool in sight.pools if charter.berth(pool).shape in bound_for]
    if not there or any(pool.ready for pool in there):
        return replace(experience, bound_for=frozenset())
    if any(pool.obtainable for pool in there):
        return experience
    unfit = experience.unfit.gone(bound_for, sight.now_s)
    return replace(experience, bound_for=frozenset(), unfit=unfit, answer=None)


def _load(sight: Sight, worth: float) -> Load | None:
    if math.isnan(sight.rps_1m):
        return None
    return Load(
        window_s=60.0,
        requests_per_second=sight.rps_1m,
        prompt_tokens_per_second=sight.prompt_tokens_per_s,
        output_tokens_per_second=sight.output_tokens_per_s,
        running=sight.running,
        waiting=sight.waiting,
        requests_per_second_15s=sight.rps_15s,
        requests_per_second_5m=sight.rps_5m,
        bad_share_1m=_known(sight.bad_1m),
        bad_share_5m=_known(sight.bad_5m),
        bad_share_30m=_known(sight.bad_30m),
        work_per_request=worth,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
