"""One policy over one trace: the clock, the questions, the orders, and the bill."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.traffic import Traffic

from wharfage_simulator.cluster import Count, Kind, Supply, VirtualCluster
from wharfage_simulator.gauges import Recorder
from wharfage_simulator.minutes import minutes
from wharfage_simulator.policy import Policy, PoolSeen, ReplicaSeen, Seen
from wharfage_simulator.profile import EngineProfile
from wharfage_simulator.records import Outcome
from wharfage_simulator.replica import Gauges, Replicas, Service
from wharfage_simulator.result import Course, Floats, Result
from wharfage_simulator.traces import RequestTrace

TICK_S = 15.0
SERVICE = Service()
"""A plain one: connections go to replicas at random."""
_PER_MINUTE = 4
UNSCORED_S = 3600.0  # every policy begins with the same fleet; what it makes of it is scored after an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a policy has to work with."""

    name: str
    kinds: tuple[Kind, ...]
    profiles: tuple[EngineProfile, ...]
    supply: Supply
    objectives: Objectives
    traffic: Traffic
    service: Service = SERVICE
    weighted: bool = False
    least: int = 1
    most: int = 1000
    slots: int = 2000
    notice_s: float = 120.0


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
    ticks = math.floor(trace.duration_s / TICK_S)
    if ticks * TICK_S <= scored_from_s:
        raise ValueError(
            f"{trace.name}: {trace.duration_s:g} s long, of which the first {scored_from_s:g} do not count"
        )
    replicas = Replicas(trace, setting.profiles, setting.slots, setting.service)
    cluster = VirtualCluster(
        replicas, setting.kinds, setting.supply, notice_s=setting.notice_s, weighted=setting.weighted
    )
    cluster.begin(first)
    recorder = Recorder(replicas, setting.objectives)
    reads_latencies = getattr(policy, "reads_latencies", True)
    rows = np.zeros((ticks, 7))
    every = max(1, round(policy.every_s / TICK_S))
    taken = 0
    for tick in range(ticks):
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
            seen = observed(setting, cluster, recorder, replicas.gauges(), counts, reads_latencies=reads_latencies)
            cluster.apply(policy.target(seen))
    replicas.run(math.inf)
    return _judged(policy, trace, setting, cluster, replicas, rows, seed=seed, scored_from_s=scored_from_s)


def observed(
    setting: Setting,
    cluster: VirtualCluster,
    recorder: Recorder,
    gauges: Gauges,
    counts: Sequence[Count],
    *,
    reads_latencies: bool,
) -> Seen:
    """What the policy may know."""
    ttft, tpot = recorder.latencies() if reads_latencies else (None, None)
    prompt, output = recorder.tokens_per_s()
    nothing = math.nan
    return Seen(
        now_s=cluster.now_s,
        pools=tuple(
            _pool(kind, count, gauges, obtainable=cluster.obtainable(number))
            for number, (kind, count) in enumerate(zip(setting.kinds, counts, strict=True))
        ),
        replicas=tuple(
            ReplicaSeen(
                pool=kind.key,
                running=float(gauges.running[slot]),
                waiting=float(gauges.waiting[slot]),
                kv_used=float(gauges.kv_tokens[slot]) / float(gauges.kv_capacity[slot]),
                kv_tokens_used=float(gauges.kv_tokens[slot]),
            )
            for kind, count in zip(setting.kinds, counts, strict=True)
            for slot in count.slots
        ),
        rps_15s=recorder.arrived_rps(15.0),
        rps_1m=recorder.arrived_rps(60.0),
        rps_5m=recorder.arrived_rps(300.0),
        finished_rps_1m=recorder.finished_rps(),
        prompt_tokens_per_s=prompt,
        output_tokens_per_s=output,
        ttft_p50_s=ttft.p50 if ttft else nothing,
        ttft_p90_s=ttft.p90 if ttft else nothing,
        ttft_p95_s=ttft.p95 if ttft else nothing,
        tpot_p50_s=tpot.p50 if tpot else nothing,
        tpot_p90_s=tpot.p90 if tpot else nothing,
        tpot_p95_s=tpot.p95 if tpot else nothing,
        bad_5m=recorder.bad_share(300.0),
        bad_30m=recorder.bad_share(1800.0),
        objectives=setting.objectives,
        traffic=setting.traffic,
        least=setting.least,
        most=setting.most,
    )


def _pool(kind: Kind, count: Count, gauges: Gauges, *, obtainable: bool) -> PoolSeen:
    slots = count.slots
    tokens = float(gauges.kv_tokens[slots].sum())
    return PoolSeen(
        offer=kind.offer,
        variant=kind.variant,
        accelerators=kind.accelerators,
        good_rps=kind.good_rps,
        planned_rps=kind.planned_rps,
        slots=kind.slots,
        kv_tokens=kind.kv_tokens,
        lead_s=kind.lead_s,
        obtainable=obtainable,
        ready=count.ready,
        starting=count.starting,
        draining=count.draining,
        leaving=count.leaving,
        running=float(gauges.running[slots].sum()),
        waiting=float(gauges.waiting[slots].sum()),
        kv_used=tokens / (kind.kv_tokens * len(slots)) if slots else 0.0,
    )


def _rates(kinds: Sequence[Kind], counts: Sequence[Count]) -> tuple[float, float]:
    carried = sum(kind.good_rps * count.ready for kind, count in zip(kinds, counts, strict=True))
    return carried, carried + sum(kind.good_rps * count.starting for kind, count in zip(kinds, counts, strict=True))


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
    )
