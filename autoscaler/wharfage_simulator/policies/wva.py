"""llm-d's Workload Variant Autoscaler (WVA): tokens in the caches against their capacity, cheapest variant first."""

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from wharfage_autoscaler.behavior import KUBERNETES, Behavior
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.sight import PoolSeen
from wharfage_autoscaler.traffic import Traffic

from wharfage_simulator.policies.bounds import within
from wharfage_simulator.policies.external import External
from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policy import ReplicaSeen, Seen, Target

MARGINS = (1.0, 0.85, 0.7, 0.55, 0.4)

_History = tuple[str, int, str]
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Variant:
    """A pool as the optimiser sees it; `tokens` is what one replica of it holds, 0 where that is unknown."""

    key: PoolKey
    usd_per_hour: float
    tokens: float
    replicas: int

    @property
    def usd_per_token(self) -> float:
        """Per hour, of its capacity."""
        return self.usd_per_hour / self.tokens if self.tokens > 0 else math.inf


def allocated(variants: Sequence[Variant], *, required: float, spare: float, most: int) -> dict[PoolKey, int]:
    """`cost_aware_optimizer.go`: tokens that are missing come from the cheapest per token, spare ones off the dearest.

    The cheapest variant keeps one replica unless another has some. The bound is the deployment's, where WVA has one
    for each variant.
    """
    counts = {variant.key: variant.replicas for variant in variants}
    if required > 0:
        for variant in sorted(variants, key=lambda each: each.usd_per_token):
            room = most - sum(counts.values())
            if variant.tokens > 0 and required > 0 and room > 0:
                more = min(room, math.ceil(required / variant.tokens - _ROUNDING))
                counts[variant.key] += more
                required -= more * variant.tokens
        return counts
    dearest_first = sorted(variants, key=lambda each: (-each.usd_per_hour, each.tokens, each.key))
    for variant in dearest_first:
        count = counts[variant.key]
        if variant.tokens <= 0 or count <= 0:
            continue
        fewer = min(math.floor(spare / variant.tokens + _ROUNDING), count)
        last = variant is dearest_first[-1]
        if last and fewer == count and not any(counts[other.key] for other in dearest_first[:-1]):
            fewer = count - 1
        counts[variant.key] = count - fewer
        spare -= fewer * variant.tokens
    return counts


@dataclass(slots=True)
class Wva:
    """llm-d/llm-d-autoscaling 0.9: `saturation_v2/analyzer.go`, `pipeline/cost_aware_optimizer.go`, then an HPA.

    Every pool is a variant. What a replica holds is bounded by memory (80 % of its cache) and by compute: the tokens in
    use while its queue was 5 or longer, on average lately, else derived from what it may batch. A pool that never ran
    is sized by that derivation, which WVA needs the cache's size in the deployment's arguments for. Replicas that do
    not report (NaN) count as absent; while none of the serving ones reports, it holds. It knows nothing of markets: a
    spot pool that cannot be had stays pending and counts as supply. `batched_tokens` is the engine's
    `max_num_batched_tokens`.
    """

    reads_latencies: ClassVar[bool] = False

    up: float = 0.85
    down: float = 0.70
    kv_share: float = 0.80
    queue: float = 5.0
    batched_tokens: float = 8192.0
    behavior: Behavior = KUBERNETES
    every_s: float = 30.0
    _observed: defaultdict[_History, deque[float]] = field(init=False)
    _live: dict[PoolKey, float] = field(default_factory=dict, init=False)
    _hpas: External = field(init=False)
    _counts: dict[PoolKey, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin without history."""
        if not 0 < self.down <= self.up:
            raise ValueError(f"wva: 0 < down <= up is needed, found {self.down} and {self.up}")
        self._observed = defaultdict(lambda: deque(maxlen=10))
        self._hpas = External(self.behavior)

    @property
    def name(self) -> str:
        """`wva(0.85/0.7)`."""
        return f"wva({self.up:.3g}/{self.down:.3g})"

    def target(self, seen: Seen) -> Target:
        """The count of each pool."""
        rows = defaultdict[PoolKey, list[ReplicaSeen]](list)
        for row in seen.replicas:
            if not math.isnan(row.kv_tokens_used + row.waiting):
                rows[row.pool].append(row)
        if not self._counts:
            self._counts = {pool.key: pool.ready + pool.starting for pool in seen.pools}
        if rows or not seen.ready:
            self._counts = self._hpas.next(seen, wanted=self._wanted(seen, rows), counts=self._counts)
        cheapest_first = sorted(seen.pools, key=lambda pool: (pool.usd_per_hour / max(pool.good_rps, 1e-9), pool.key))
        self._counts = within(seen, self._counts, [pool.key for pool in cheapest_first])
        return {key: count for key, count in self._counts.items() if count}

    def _wanted(self, seen: Seen, rows: Mapping[PoolKey, Sequence[ReplicaSeen]]) -> dict[PoolKey, int]:
        variants = [
            Variant(
                key=pool.key,
                usd_per_hour=pool.usd_per_hour,
                tokens=self._tokens(pool, rows.get(pool.key, ()), seen.traffic),
                replicas=pool.ready + pool.starting,
            )
            for pool in seen.pools
        ]
        ready = sum(len(rows.get(variant.key, ())) * variant.tokens for variant in variants)
        pending = sum(pool.starting * variant.tokens for pool, variant in zip(seen.pools, variants, strict=True))
        demand = _demand(seen, rows)
        required = max(0.0, demand / self.up - ready - pending)
        spare = max(0.0, ready - demand / self.down)
        return allocated(variants, required=required, spare=spare, most=seen.most)

    def _tokens(self, pool: PoolSeen, rows: Sequence[ReplicaSeen], traffic: Traffic) -> float:
        """Of one replica: the median of those that serve, what they last held, or the derivation."""
        memory = pool.kv_tokens * self.kv_share
        kind = (pool.offer.accelerator, pool.accelerators, _bucket(traffic.output_tokens))
        if not rows:
            return self._live.get(pool.key, min(memory, self._derived(pool, traffic)))
        held = []
        for row in rows:
            compute = row.kv_tokens_used
            if row.waiting >= self.queue and compute > 0:
                self._observed[kind].append(compute)
            elif history := self._observed[kind]:
                compute = sum(history) / len(history)
            else:
                compute = self._derived(pool, traffic)
            held.append(min(memory, compute))
        self._live[pool.key] = median(held)
        return self._live[pool.key]

    def _derived(self, pool: PoolSeen, traffic: Traffic) -> float:
        prompt, output = traffic.prompt_tokens, traffic.output_tokens
        return min(self.batched_tokens * output / (prompt + output), pool.slots) * (prompt + output / 2)


def _demand(seen: Seen, rows: Mapping[PoolKey, Sequence[ReplicaSeen]]) -> float:
    """Tokens in use, of those that wait at an engine, and of those that no engine has been given yet."""
    traffic = seen.traffic
    whole = traffic.prompt_tokens + traffic.output_tokens
    held = [row for each in rows.values() for row in each]
    at_engines = sum(row.waiting for row in held)
    before = seen.waiting - at_engines
    queued = max(0.0, before) if not math.isnan(before) else 0.0
    upstream = traffic.prompt_tokens * (1 - traffic.prefix_hit_share) + traffic.output_tokens
    return sum(row.kv_tokens_used for row in held) + at_engines * whole + queued * upstream


def _bucket(output_tokens: float) -> str:
    return "short" if output_tokens < 100 else "medium" if output_tokens < 500 else "long"


def settings(scene: Scene) -> tuple[Setting, ...]:
    """The defaults; and lower thresholds, by what a replica uses of its cache at its best rate."""
    return tuple(
        {"up": 0.85 * margin, "down": 0.70 * margin} for margin in (1.0, *(m * scene.kv_used for m in MARGINS))
    )
