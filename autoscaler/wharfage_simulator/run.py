"""One policy over one trace: the clock, the questions, the orders, and the bill."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from wharfage_autoscaler.fleet import PoolKey

from wharfage_simulator.cluster import NONE, Count, Kind, VirtualCluster
from wharfage_simulator.gateway import waits_s
from wharfage_simulator.gauges import Recorder
from wharfage_simulator.minutes import minutes
from wharfage_simulator.observer import Observer
from wharfage_simulator.policy import Policy
from wharfage_simulator.records import Outcome
from wharfage_simulator.replica import Replicas
from wharfage_simulator.result import Course, Floats, Result
from wharfage_simulator.setting import Setting
from wharfage_simulator.traces import RequestTrace

TICK_S = 15.0
UNSCORED_S = 3600.0  # every policy begins with the same fleet; what it makes of it is scored after an hour
_PER_MINUTE = 4


def run(
    policy: Policy,
    trace: RequestTrace,
    setting: Setting,
    *,
    first: Mapping[PoolKey, int],
    seed: int = 0,
    scored_from_s: float = UNSCORED_S,
) -> Result:
    """Let the policy serve the trace. `first` serves from the beginning.

    ValueError where the trace is shorter than what is not scored.
    """
    count = ticks(trace)
    if count * TICK_S <= scored_from_s:
        raise ValueError(
            f"{trace.name}: {trace.duration_s:g} s long, of which the first {scored_from_s:g} do not count"
        )
    replicas = Replicas(trace, setting.profiles, setting.slots, setting.service)
    cluster = VirtualCluster(replicas, setting.kinds, setting.supply, notice_s=setting.notice_s)
    cluster.begin(first)
    recorder = Recorder(replicas, setting.objectives)
    observer = Observer(setting, cluster, recorder, replicas, policy)
    rows = np.zeros((count, 7))
    every = max(1, round(policy.every_s / TICK_S))
    taken = 0
    for tick in range(count):
        now_s = (tick + 1) * TICK_S
        interval = replicas.run(now_s)
        cluster.advance(now_s)
        recorder.add(interval)
        counts = cluster.counts()
        carried, ordered = _rates(setting.kinds, counts)
        usd, usd_spot = cluster.usd_per_hour()
        lost = cluster.spot_losses - taken
        rows[tick] = (len(interval.arrived) / TICK_S, carried, ordered, usd, usd_spot, lost, cluster.machines_given)
        taken = cluster.spot_losses
        if tick % every == 0:
            cluster.apply(policy.target(observer.seen(counts)))
    replicas.run(math.inf)
    return _judged(policy, trace, setting, cluster, replicas, rows, seed=seed, scored_from_s=scored_from_s)


def ticks(trace: RequestTrace) -> int:
    """How many whole ticks a replay of the trace has."""
    return math.floor(trace.duration_s / TICK_S)


def _rates(kinds: Sequence[Kind], counts: Sequence[Count]) -> tuple[float, float]:
    there = [(kind.good_rps, count) for kind, count in zip(kinds, counts, strict=True) if count is not NONE]
    carried = sum(rps * count.ready for rps, count in there)
    return carried, carried + sum(rps * count.starting for rps, count in there)


def _judged(
    policy: Policy,
    trace: RequestTrace,
    setting: Setting,
    cluster: VirtualCluster,
    replicas: Replicas,
    rows: Floats,
    *,
    seed: int,
    scored_from_s: float,
) -> Result:
    count = len(rows) // _PER_MINUTE
    objectives = setting.objectives
    judged = minutes(
        replicas.requests,
        replicas.now_s,
        ttft_s=objectives.ttft_p95_s,
        tpot_s=objectives.tpot_p95_s,
        duration_s=trace.duration_s,
    )
    bad_minutes, scored_minutes = judged.bad_minutes(since_s=scored_from_s)
    by_minute = rows[: count * _PER_MINUTE].reshape(count, _PER_MINUTE, rows.shape[1])
    means = by_minute.mean(axis=1)
    scored = np.arange(count) * 60.0 >= scored_from_s
    course = Course(
        demand_rps=means[:, 0],
        carried_rps=means[:, 1],
        ordered_rps=means[:, 2],
        usd_per_hour=means[:, 3],
        usd_per_hour_spot=means[:, 4],
        bad_share=judged.bad_share[:count],
        lost=by_minute[:, :, 5].sum(axis=1),
    )
    waits = np.zeros(1) if replicas.gate is None else waits_s(replicas.gate)
    failed = np.isin(replicas.requests["outcome"], (Outcome.REFUSED, Outcome.ABANDONED, Outcome.LOST))
    return Result(
        setting=setting.name,
        trace=trace.name,
        policy=policy.name,
        seed=seed,
        usd=float(course.usd_per_hour[scored].sum()) / 60.0,
        bad_minutes=bad_minutes,
        minutes=scored_minutes,
        scored_from_s=scored_from_s,
        requests=trace.requests,
        failed=int(np.count_nonzero(failed)),
        replica_hours=float(means[scored, 6].sum()) / 60.0,
        churn=cluster.churn,
        spot_losses=cluster.spot_losses,
        course=course,
        waited_p50_s=float(np.nanquantile(waits, 0.5)),
        waited_p99_s=float(np.nanquantile(waits, 0.99)),
    )
