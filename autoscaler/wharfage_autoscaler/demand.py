"""How much capacity the work needs: what is seen now, what is expected, what went wrong; and the count that follows."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from wharfage_autoscaler.allotment import Allotment, demand_of
from wharfage_autoscaler.decision import Decision, Demand
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.law import UNKNOWN, Held, Law, Signals
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_autoscaler.words import replica_words

_BURN_1M, _BURN_5M, _BURN_30M = 6.0, 6.0, 3.0  # of the error budget per unit of time; all must exceed: no blip counts
_BURN_GAIN, _BURN_MOST = 0.1, 0.5
_TREND_S = 300.0
_WORTH_SAYING = 0.05
_DIGITS = 9  # a mean of equals is off by the last bit
_SLOTS = 256  # the engine's smallest default


def wanted_rps(law: Law, signals: Signals, held: Held) -> float:
    """The rate that should be carried once what is ordered now serves; NaN where nothing at all is known.

    The largest of three: the load with headroom, plus its trend and its backlog; the forecast's quantile at the
    lead time; and more than is ready while objectives are being missed. Concurrency and KV use are no input:
    both stay flat until the knee and explode behind it (`algorithms.md` 3.1: 381 against 304 GPU hours).
    """
    wanted = signals.expected_rps
    if not math.isnan(signals.rps_1m):
        seen = signals.rps_1m * law.headroom + law.swing_gain * held.swing_rps
        rise = signals.rps_1m - signals.rps_5m
        if rise > (law.trend_ratio - 1.0) * signals.rps_5m:
            seen += rise * min(law.trend_reach, signals.lead_s / _TREND_S)
        seen += signals.waiting / law.drain_s
        if math.isnan(wanted) or seen > wanted:
            wanted = seen
    burn = signals.bad_5m / law.bad_budget
    # NaN compares false; see `misses`. What was missed before more replicas served says nothing of those that do now.
    over = signals.bad_1m <= _BURN_1M * law.bad_budget
    if not over and burn > _BURN_5M and signals.bad_30m / law.bad_budget > _BURN_30M:
        more = signals.ready * signals.unit_rps * (1.0 + min(_BURN_MOST, _BURN_GAIN * burn))
        if math.isnan(wanted) or more > wanted:
            wanted = more
    return wanted


def misses(law: Law, signals: Signals) -> bool:
    """Whether objectives are being missed so fast that something has to happen."""
    return signals.bad_5m / law.bad_budget > _BURN_5M and signals.bad_30m / law.bad_budget > _BURN_30M


def replicas_wanted(seen: Snapshot) -> tuple[int, Reason, str]:
    """The count before any ceiling where the load does not decide it, why, and the sentence for it."""
    wanted = seen.wanted
    if wanted.mode is Mode.AUTO and wanted.pinned:
        return wanted.replicas, Reason.PINNED, f"{replica_words(wanted.replicas)}: {wanted.pinned}"
    if wanted.mode is Mode.AUTO and seen.kept > wanted.min_replicas:
        return seen.kept, Reason.NO_METRICS, f"{replica_words(seen.kept)} kept: neither load nor allotment is known now"
    if wanted.mode is Mode.AUTO:
        held = "1 replica while awake" if wanted.rests else f"minReplicas {wanted.min_replicas}"
        return wanted.min_replicas, Reason.MIN_REPLICAS, f"mode Auto holds {held}"
    return wanted.replicas, Reason.MANUAL_REPLICAS, f"mode {wanted.mode} runs replicas {wanted.replicas}"


def meet_demand(seen: Snapshot, memory: Memory, decision: Decision) -> Decision:
    """Say how much is wanted. Where the load decides, the next rule makes a count of it; else the count is set."""
    allotment = seen.allotment
    if seen.wanted.mode is not Mode.AUTO or seen.wanted.pinned or allotment is None or not allotment.shapes:
        count, reason, message = replicas_wanted(seen)
        return decision.amended(shrunk(decision.target, count), reason, message)
    signals = signals_of(seen, allotment, dict(memory.rates))
    wanted = wanted_rps(seen.law, signals, memory.held)
    reason, message = _because(seen.law, signals, memory.held, wanted, _worth(seen))
    if seen.usual_law is not None:
        message += "; less headroom than usual while a budget holds dollars down"
    demand = Demand(signals, wanted, memory.held, memory.tempo, _unrestricted_rps(seen, signals, memory.held))
    return replace(decision.amended(decision.target, reason, message), demand=demand)


def whole_rps(seen: Snapshot, memory: Memory, decision: Decision) -> float:
    """What the load asks for in all, whoever answers it; NaN where it leads no count.

    Without what does not grow with the load: swing, and what is added while objectives are missed.
    """
    if decision.demand is None or decision.allotment is None:
        return math.nan
    signals = signals_of(seen, decision.allotment, dict(memory.rates))
    calm = signals._replace(bad_1m=UNKNOWN, bad_5m=UNKNOWN, bad_30m=UNKNOWN)
    return wanted_rps(seen.law, calm, decision.demand.held._replace(swing_rps=0.0))


def signals_of(seen: Snapshot, allotment: Allotment, rates: Mapping[PoolKey, float]) -> Signals:
    """The instant as the law sees it; requests are of the planned kind, a replica the mean of the allotted ones.

    Replicas of pools that are not allotted count by what they carry, as far as `rates` say it.
    """
    load = seen.load
    unit_rps = demand_of(allotment, 1)
    known = {**rates, **allotment.rates} if unit_rps > 0.0 else {}
    units = {key: round(rate / unit_rps, _DIGITS) for key, rate in known.items()}
    work = _worth(seen)
    expected = expected_rps(seen)
    return Signals(
        now_s=seen.now,
        rps_15s=UNKNOWN if load is None else work * _or(load.requests_per_second_15s, load.requests_per_second),
        rps_1m=UNKNOWN if load is None else work * load.requests_per_second,
        rps_5m=UNKNOWN if load is None else work * _or(load.requests_per_second_5m, load.requests_per_second),
        expected_rps=UNKNOWN if expected is None else expected,
        waiting=0.0 if load is None else work * load.waiting,
        bad_1m=UNKNOWN if load is None else _or(load.bad_share_1m, UNKNOWN),
        bad_5m=UNKNOWN if load is None else _or(load.bad_share_5m, UNKNOWN),
        bad_30m=UNKNOWN if load is None else _or(load.bad_share_30m, UNKNOWN),
        lead_s=_lead_s(allotment),
        unit_rps=unit_rps,
        slots=float(seen.wanted.max_num_seqs or _SLOTS),
        ready=_counted(((pool.key, pool.ready) for pool in seen.fleet.pools), units),
        starting=_counted(((pool.key, pool.replicas - pool.ready) for pool in seen.fleet.pools), units),
        least=float(seen.wanted.min_replicas),
        most=float(max(seen.wanted.min_replicas, seen.wanted.max_replicas)),
    )


def expected_rps(seen: Snapshot, law: Law | None = None) -> float | None:
    """The forecast's quantile for the moment when what is ordered now serves: all that is ever asked of a forecast.

    `law` says which quantile; by default the one that holds does.
    """
    level = (law or seen.law).level
    if seen.forecast is None or seen.allotment is None or level <= 0.0:
        return None
    at_s = seen.now + _lead_s(seen.allotment)
    return seen.forecast.highest(level, at_s, at_s)


def _unrestricted_rps(seen: Snapshot, signals: Signals, held: Held) -> float | None:
    """What the usual law would want, where another one holds: what a budget saves must not end its stage."""
    if seen.usual_law is None:
        return None
    expected = expected_rps(seen, seen.usual_law)
    return wanted_rps(seen.usual_law, signals._replace(expected_rps=_or(expected, UNKNOWN)), held)


def _lead_s(allotment: Allotment) -> float:
    """From an order to the first answer, of the slowest pool that is allotted."""
    return max((portion.start_s for portion in allotment.shapes), default=0.0)


def _counted(replicas: Iterable[tuple[PoolKey, int]], units: Mapping[PoolKey, float]) -> float:
    """Replicas as so many of the mean one: sixty that carry a tenth of it are six. One where it is not known."""
    return sum(count * units.get(key, 1.0) for key, count in replicas)


def _worth(seen: Snapshot) -> float:
    """What a request of late is worth in planned ones; one where no load is known."""
    return 1.0 if seen.load is None else seen.load.work_per_request


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _because(law: Law, signals: Signals, held: Held, wanted: float, worth: float) -> tuple[Reason, str]:
    """Which of the law's three voices was the loudest, in numbers."""
    each = f"a replica is planned for {signals.unit_rps:.2f}"
    if abs(worth - 1.0) > _WORTH_SAYING:
        each = f"counted as planned ones, since each is worth {worth:.2f} of them; {each}"
    if math.isnan(wanted):
        return Reason.NO_METRICS, "no load is known and none is forecast: the count stays"
    if not math.isnan(signals.expected_rps) and wanted <= signals.expected_rps:
        ahead = f"in {signals.lead_s:.0f} s, when what is ordered now serves"
        return (
            Reason.DEMAND_FORECAST,
            f"forecast p{100 * law.level:.0f} {ahead}: {wanted:.1f} req/s, now {signals.rps_1m:.1f}; {each}",
        )
    calm = wanted_rps(law, signals._replace(bad_5m=UNKNOWN), held)
    if math.isnan(calm) or wanted > calm:
        return Reason.OBJECTIVES_MISSED, f"{100 * signals.bad_5m:.1f} % of requests miss: {wanted:.1f} req/s; {each}"
    queue = f", {signals.waiting:.0f} waiting" if signals.waiting >= 1 else ""
    return Reason.DEMAND_SEEN, f"{signals.rps_1m:.1f} req/s{queue}, with headroom {wanted:.1f}; {each}"


def shrunk(fleet: Fleet, replicas: int) -> Fleet:
    """At most that many replicas: pools that serve least give up theirs first, and empty pools stay listed."""
    surplus = fleet.replicas - replicas
    kept = {}
    for pool in sorted(fleet.pools, key=lambda pool: (pool.ready, -pool.usd_per_hour, pool.key)):
        taken = min(pool.replicas, max(0, surplus))
        surplus -= taken
        kept[pool.key] = replace(pool, replicas=pool.replicas - taken)
    return Fleet(tuple(kept[pool.key] for pool in fleet.pools))
