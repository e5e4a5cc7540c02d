"""What a policy gets to see of a replay at one instant: `policy.Seen`, made anew at every question.

A replay asks forty thousand times a week, and most pools are empty most of the time: what cannot have changed since
the last question is not made again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.sight import PoolSeen

from wharfage_simulator.cluster import NONE, Count, Kind, VirtualCluster
from wharfage_simulator.gauges import Recorder
from wharfage_simulator.policy import ReplicaSeen, Seen
from wharfage_simulator.replica import Gauges, Replicas
from wharfage_simulator.setting import Setting


@dataclass(slots=True, eq=False)
class Observer:
    """Looks at one replay."""

    setting: Setting
    cluster: VirtualCluster
    recorder: Recorder
    replicas: Replicas
    policy: object = None
    """Who looks; `reads_latencies` false: percentiles of latencies take a tenth of a millisecond, and it has no use for
    them now."""
    _empty: dict[tuple[int, bool, float], PoolSeen] = field(default_factory=dict)
    """Pools without a replica, by number, whether they could be had, and price."""

    def seen(self, counts: Sequence[Count]) -> Seen:
        """What the policy may know."""
        setting, cluster, recorder = self.setting, self.cluster, self.recorder
        gauges = self.replicas.gauges()
        ttft, tpot = recorder.latencies() if getattr(self.policy, "reads_latencies", True) else (None, None)
        prompt, output = recorder.tokens_per_s()
        nothing = math.nan
        queue = _Queue.at(gauges.held, setting.kinds, counts)
        return Seen(
            now_s=cluster.now_s,
            pools=tuple(self._pool(number, count, gauges, queue) for number, count in enumerate(counts)),
            replicas=tuple(
                replica
                for kind, count in zip(setting.kinds, counts, strict=True)
                if count.slots
                for replica in _replicas(kind, list(count.slots), gauges, queue)
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
            bad_1m=recorder.bad_share(60.0),
            bad_5m=recorder.bad_share(300.0),
            bad_30m=recorder.bad_share(1800.0),
            objectives=setting.objectives,
            traffic=setting.traffic,
            least=setting.least,
            most=setting.most,
        )

    def _pool(self, number: int, count: Count, gauges: Gauges, queue: "_Queue") -> PoolSeen:
        obtainable, usd_per_hour = self.cluster.obtainable(number), self.cluster.price(number)
        if count is not NONE:
            return _pool(self.setting.kinds[number], usd_per_hour, count, gauges, queue, obtainable=obtainable)
        key = (number, obtainable, usd_per_hour)
        if key not in self._empty:
            self._empty[key] = _pool(
                self.setting.kinds[number], usd_per_hour, count, gauges, queue, obtainable=obtainable
            )
        return self._empty[key]


@dataclass(frozen=True, slots=True)
class _Queue:
    """What waits at a gateway, shown as the part of each replica by what it carries.

    Behind a Service it would wait in the replicas, where every policy looks for it.
    """

    per_rps: float = 0.0

    @classmethod
    def at(cls, held: int, kinds: Sequence[Kind], counts: Sequence[Count]) -> "_Queue":
        """So many requests in front of these replicas; where none serves nobody sees them."""
        if not held:
            return cls()
        carried = sum(kind.planned_rps * count.ready for kind, count in zip(kinds, counts, strict=True) if count.ready)
        return cls(held / carried if carried > 0 else 0.0)

    def part(self, kind: Kind) -> float:
        """Of each replica of a kind."""
        return self.per_rps * kind.planned_rps


def _replicas(kind: Kind, slots: list[int], gauges: Gauges, queue: _Queue) -> list[ReplicaSeen]:
    """The replicas of one kind, each by itself."""
    rows = zip(
        gauges.running[slots].tolist(),
        gauges.waiting[slots].tolist(),
        gauges.kv_tokens[slots].tolist(),
        gauges.kv_capacity[slots].tolist(),
        strict=True,
    )
    key, queued = kind.key, queue.part(kind)
    return [
        ReplicaSeen(
            pool=key,
            running=float(running),
            waiting=float(waiting) + queued,
            kv_used=tokens / capacity,
            kv_tokens_used=float(tokens),
        )
        for running, waiting, tokens, capacity in rows
    ]


def unused(kind: Kind) -> PoolSeen:
    """What is known of a pool before anything runs in it, at its catalog price."""
    return PoolSeen(
        offer=kind.offer,
        variant=kind.variant,
        accelerators=kind.accelerators,
        good_rps=kind.good_rps,
        planned_rps=kind.planned_rps,
        slots=kind.slots,
        kv_tokens=kind.kv_tokens,
        lead_s=kind.lead_s,
    )


def _pool(
    kind: Kind, usd_per_hour: float, count: Count, gauges: Gauges, queue: _Queue, *, obtainable: bool
) -> PoolSeen:
    slots = list(count.slots)
    offer = kind.offer
    if usd_per_hour != offer.usd_per_hour:
        offer = replace(offer, usd_per_hour=usd_per_hour)
    tokens = float(gauges.kv_tokens[slots].sum()) if slots else 0.0
    return replace(
        unused(kind),
        offer=offer,
        obtainable=obtainable,
        ready=count.ready,
        starting=count.starting,
        draining=count.draining,
        leaving=count.leaving,
        running=float(gauges.running[slots].sum()) if slots else 0.0,
        waiting=float(gauges.waiting[slots].sum()) + queue.part(kind) * len(slots) if slots else 0.0,
        kv_used=tokens / (kind.kv_tokens * len(slots)) if slots else 0.0,
    )
