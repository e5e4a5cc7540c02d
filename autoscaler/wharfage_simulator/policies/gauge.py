"""The gauges of an engine that autoscalers follow, and the two ways in which Kubernetes turns one into a count."""

import math
from enum import StrEnum

from wharfage_autoscaler.sight import PoolSeen

TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance


class Gauge(StrEnum):
    """What is compared with a target per replica."""

    RUNNING = "running"
    """vllm:num_requests_running."""
    WAITING = "waiting"
    """vllm:num_requests_waiting."""
    IN_FLIGHT = "in-flight"
    """Both together: what a proxy in front of the replica counts."""
    KV = "kv"
    """vllm:kv_cache_usage_perc, 0 to 1."""


def total(pool: PoolSeen, gauge: Gauge) -> float:
    """The gauge's sum over the serving replicas; NaN where it is unknown."""
    if gauge is Gauge.RUNNING:
        return pool.running
    if gauge is Gauge.WAITING:
        return pool.waiting
    if gauge is Gauge.IN_FLIGHT:
        return pool.running + pool.waiting
    return pool.kv_used * pool.ready


def mean(pool: PoolSeen, gauge: Gauge) -> float:
    """The gauge's mean over the serving replicas; NaN where it is unknown or none serves."""
    return total(pool, gauge) / pool.ready if pool.ready else math.nan


def of_pods(
    *, current: int, ready: int, starting: int, total: float, target: float, tolerance: float = TOLERANCE
) -> int | None:
    """The HPA's count for a metric of type Pods; None where no pod reports it.

    Pods that do not report yet count as 0 when the others are above target, and as at target when they are below;
    a change of direction that this causes changes nothing. Kubernetes 1.33, `replica_calculator.go`,
    `calcPlainMetricReplicas`.
    """
    if ready <= 0 or math.isnan(total):
        return None
    ratio = total / ready / target
    if not starting:
        return current if abs(1.0 - ratio) <= tolerance else math.ceil(ratio * ready - 1e-9)
    pods = ready + starting
    filled = (total + (starting * target if ratio < 1.0 else 0.0)) / pods / target
    if abs(1.0 - filled) <= tolerance or (ratio < 1.0 < filled) or (filled < 1.0 < ratio):
        return current
    count = math.ceil(filled * pods - 1e-9)
    if (filled < 1.0 and count > current) or (filled > 1.0 and count < current):
        return current
    return count


def of_all(*, pods: int, total: float, target: float, tolerance: float = TOLERANCE) -> int | None:
    """The HPA's count for an external metric of type AverageValue; None where it is unknown.

    `pods` are all there are, serving or not. Kubernetes 1.33, `replica_calculator.go`,
    `GetExternalPerPodMetricReplicas`.
    """
    if math.isnan(total):
        return None
    if pods and abs(1.0 - total / (target * pods)) <= tolerance:
        return pods
    return math.ceil(total / target - 1e-9)
