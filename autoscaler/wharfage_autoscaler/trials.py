"""A variant on trial: part of the requests goes to it, so it has replicas for that part beside those that serve.

What serves is decided as if nothing were on trial, on the requests that a trial leaves. Then each trial gets replicas
for its share out of what ceilings and dollars leave. It is an experiment, and gives way to what serves: where it has no
replica its share is answered by the others.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wharfage_autoscaler.choice import Candidate, Options, options
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.model import SpotPolicy, Variant, Wanted
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.words import offer_words, replica_words

if TYPE_CHECKING:
    from wharfage_autoscaler.snapshot import Expectation, Snapshot

_ROUNDING = 1e-9
_DEAD_BAND = 1.25
"""A replica of a trial goes once this many times its load would do without it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A variant that is to get `share` (above 0, at most 1) of the requests.

    `rates` are requests of the planned kind a second that a replica of each pool carries that can be had; None where
    no load leads, so that they are not known.
    """

    variant: str
    share: float
    rates: tuple[tuple[PoolKey, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """What is expected of the requests that trials leave."""

    whole: "Expectation"
    share: float

    def highest(self, level: float, from_s: float, to_s: float) -> float | None:
        rate = self.whole.highest(level, from_s, to_s)
        return None if rate is None else rate * self.share


def trials_of(shares: Iterable[tuple[str, float]], variants: Iterable[Variant], floor: float) -> tuple[Trial, ...]:
    """The trials among variants of at least that quality.

    The best variant serves where all are on trial: somebody has to answer what no trial does.
    """
    served = [each.name for each in variants if each.quality >= floor]
    found = tuple(Trial(name, share) for name, share in shares if share > 0.0 and name in served)
    if served and len(found) == len(served):
        return tuple(each for each in found if each.variant != served[0])
    return found


def without_trials(seen: "Snapshot") -> "Snapshot":
    """What those look at who decide what serves: its variants, its pools, and the requests that trials leave."""
    if not seen.trials:
        return seen
    names = {trial.variant for trial in seen.trials}
    left, load = 1.0 - taken(seen), seen.load
    if load is not None:
        load = replace(
            load,
            requests_per_second=load.requests_per_second * left,
            waiting=load.waiting * left,
            requests_per_second_15s=_part(load.requests_per_second_15s, left),
            requests_per_second_5m=_part(load.requests_per_second_5m, left),
            bad_share_1m=_missed(load.bad_share_1m, left),
            bad_share_5m=_missed(load.bad_share_5m, left),
            bad_share_30m=_missed(load.bad_share_30m, left),
        )
    return replace(
        seen,
        wanted=serving(seen.wanted, seen.trials),
        fleet=Fleet(tuple(pool for pool in seen.fleet.pools if pool.variant not in names)),
        load=load,
        forecast=None if seen.forecast is None else _Part(seen.forecast, left),
        trials=(),
    )


def serving(wanted: Wanted, trials: Iterable[Trial]) -> Wanted:
    """The same without the variants on trial."""
    names = {trial.variant for trial in trials}
    return replace(wanted, variants=tuple(each for each in wanted.variants if each.name not in names))


def taken(seen: "Snapshot") -> float:
    """The share of the requests that replicas on trial answer now: at most what those that serve carry."""
    load, total = seen.load, 0.0
    rps = 0.0 if load is None else load.requests_per_second * load.work_per_request
    for trial in seen.trials:
        rates = dict(trial.rates or ())
        ready = [(pool.ready, rates.get(pool.key)) for pool in seen.fleet.pools if pool.variant == trial.variant]
        carried = sum(count * (math.inf if rate is None else rate) for count, rate in ready if count)
        total += min(trial.share, carried / rps if rps > 0.0 else 1.0) if carried else 0.0
    return min(1.0, total)


def order_trials(seen: "Snapshot", decision: Decision, whole_rps: float) -> Decision:
    """Beside what was decided to serve, replicas of what is on trial. Nothing where nothing is to serve.

    `whole_rps` is what the load asks for in all, requests of the planned kind a second; NaN where it leads no count.
    """
    if seen.bounds.stopped or not (decision.target.replicas or _answers(seen)):
        return decision
    for trial in seen.trials:
        decision = _ordered(seen, trial, decision, whole_rps)
    return decision


def _answers(seen: "Snapshot") -> bool:
    """Whether there is load that what is on trial answers: all of it, perhaps, so that nothing else is needed."""
    return seen.load is not None and seen.load.requests_per_second > 0.0 and taken(seen) > 0.0


def _ordered(seen: "Snapshot", trial: Trial, decision: Decision, whole_rps: float) -> Decision:
    variant = next((each for each in seen.wanted.variants if each.name == trial.variant), None)
    if variant is None or variant.shape is None:
        return _denied(trial, decision, "nobody knows its shape yet")
    if seen.bounds.floored:
        return _denied(trial, decision, f"{seen.bounds.floored} leaves nothing beside the least replicas")
    look = options(seen.wanted, variant, seen.offers)
    rates = None if trial.rates is None else dict(trial.rates)
    serves = {pool.key for pool in seen.fleet.pools if pool.ready}  # though no more of it can be had, perhaps
    found = (*look.admitted, *(each for each in look.unobtainable if each.pool(0).key in serves))
    candidates = [each for each in found if rates is None or each.pool(0).key in rates]
    if not candidates:
        return _denied(trial, decision, _why_nowhere(look))
    best = _chosen(seen, trial, decision, candidates, whole_rps)
    running = seen.fleet.pool(best.pool(0).key)
    count = _count(trial, best.pool(0).key, decision, running, whole_rps)
    # It may be what has served so far, until what takes over does.
    needed = running.ready if running is not None and not _serves(seen, decision) else 0
    count = max(count, needed)
    unsaid = seen.unsaid(decision)
    held = f"{seen.bounds.frozen} lets nothing new begin" if seen.bounds.frozen else unsaid
    if held:
        count = min(count, running.replicas if running is not None else 0)
        if not count:
            return _denied(trial, decision, held)
    affordable = _affordable(seen, decision, best, count)
    if affordable < max(1, needed):  # whoever writes the target down lets what serves alone stay
        return _denied(trial, decision, _why_nothing(seen, decision, best))
    pool = best.pool(affordable)
    held, away = f", {count} asked for" if affordable < count else "", taken(seen)
    now = (
        f"; what is on trial answers {100 * away:.0f} % now, and the load above is the rest"
        if away and decision.demand
        else ""
    )
    message = (
        f"{100 * trial.share:g} % of the requests are for variant {trial.variant} on trial: "
        f"{replica_words(affordable)} on {offer_words(best.offer)} at {pool.usd_per_hour:.2f} usd/h{held}{now}"
    )
    target = Fleet((*decision.target.pools, pool))
    on_trial = Fleet((*decision.on_trial.pools, pool))
    return replace(decision.amended(target, Reason.ON_TRIAL, message), on_trial=on_trial)


def _denied(trial: Trial, decision: Decision, why: str) -> Decision:
    message = (
        f"variant {trial.variant} on trial has no replica, since {why}; "
        f"its {100 * trial.share:g} % of the requests are answered by what serves"
    )
    return decision.amended(decision.target, Reason.TRIAL_DENIED, message)


def _chosen(
    seen: "Snapshot", trial: Trial, decision: Decision, candidates: list[Candidate], whole_rps: float
) -> Candidate:
    """Where it runs already, else where its share costs least; spot first where that is preferred."""
    prefers_spot = seen.wanted.placement.spot is SpotPolicy.PREFER

    def order(each: Candidate) -> tuple[int, bool, float, PoolKey]:
        there = seen.fleet.pool(each.pool(0).key)
        count = _count(trial, each.pool(0).key, decision, None, whole_rps)
        other = prefers_spot and each.offer.market is not Market.SPOT
        return (-there.ready if there else 1, other, each.usd_per_hour(count), each.pool(0).key)

    return min(candidates, key=order)


def _count(trial: Trial, key: PoolKey, decision: Decision, running: Pool | None, whole_rps: float) -> int:
    """At least one: what carries its share of what is asked for, or as many of the replicas where no load leads."""
    rate = dict(trial.rates or ()).get(key)
    if rate is None or math.isnan(whole_rps):
        return max(1, math.ceil(trial.share * decision.serving.replicas - _ROUNDING))
    exact = trial.share * whole_rps / rate
    least, most = (max(1, math.ceil(each - _ROUNDING)) for each in (exact, _DEAD_BAND * exact))
    return least if running is None else min(max(running.replicas, least), most)


def _serves(seen: "Snapshot", decision: Decision) -> bool:
    names = {trial.variant for trial in seen.trials}
    ready = sum(pool.ready for pool in seen.fleet.pools if pool.variant not in names)
    return ready >= decision.serving.replicas


def _affordable(seen: "Snapshot", decision: Decision, best: Candidate, count: int) -> int:
    """As many of them as ceilings leave room for."""
    room, dollars = max(0, seen.wanted.max_replicas - decision.target.replicas), _dollars(seen, decision)
    counts = range(min(count, room), 0, -1)
    return next((some for some in counts if best.pool(some).usd_per_hour <= dollars + _ROUNDING), 0)


def _dollars(seen: "Snapshot", decision: Decision) -> float:
    """Per hour, that limits and budgets leave; infinite where there are none."""
    allotment, usd_per_hour = decision.allotment, decision.target.usd_per_hour
    left = [] if seen.wanted.usd_per_hour_limit is None else [seen.wanted.usd_per_hour_limit - usd_per_hour]
    if decision.demand is None or allotment is None:
        left += [] if seen.bounds.usd_per_hour is None else [seen.bounds.usd_per_hour - usd_per_hour]
    elif allotment.usd_per_hour is not None:
        rates = allotment.rates
        beside = Fleet(tuple(pool for pool in decision.target.pools if pool.key not in rates))
        left.append(allotment.usd_per_hour - allotment.charged(decision.target) - beside.usd_per_hour)
    return min(left, default=math.inf)


def _why_nowhere(look: Options) -> str:
    if look.admitted:
        return "nothing that can be had now carries it within the objectives"
    nearest = f": {look.misses[0].message}" if look.misses and not look.unobtainable else ""
    return f"no offer that fits can be had{nearest}"


def _why_nothing(seen: "Snapshot", decision: Decision, best: Candidate) -> str:
    if decision.target.replicas >= seen.wanted.max_replicas:
        return f"maxReplicas {seen.wanted.max_replicas} leaves no room beside what serves"
    price, left = best.usd_per_hour(1), max(0.0, _dollars(seen, decision))
    return f"{offer_words(best.offer)} costs {price:.2f} usd/h and {left:.2f} are left beside what serves"


def _part(rate: float | None, share: float) -> float | None:
    return None if rate is None else rate * share


def _missed(bad_share: float | None, left: float) -> float | None:
    """Of the requests that are left, those that miss if all that a trial answers does: it raises no count of others."""
    if bad_share is None or left >= 1.0:
        return bad_share
    return max(0.0, bad_share - (1.0 - left)) / left if left > 0.0 else None
