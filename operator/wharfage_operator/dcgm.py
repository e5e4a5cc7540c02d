"""What NVIDIA's DCGM exporter tells of the GPUs of pods, as a Prometheus has it: how busy, which power, which energy.

The exporter names the pod that a GPU is given to by the labels `namespace` and `pod`. Where Prometheus does not honour
a target's labels those are the exporter's own pod, and ours are in `exported_namespace` and `exported_pod`. Of a slice
of a GPU (MIG) the exporter repeats the figures of the whole one under each slice, so nothing is told of slices here.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Pod = tuple[str, str]
"""Namespace and name."""

_WHO = "namespace,pod,exported_namespace,exported_pod"
_MILLIJOULES = 1000.0
_MOST_W = 3000.0  # of one GPU: what tells more is not believed


@dataclass(frozen=True, slots=True)
class Gpus:
    """Those of one pod. What is not told is None, never 0.

    `busy` is the mean share of the time in which any kernel ran; `joules` counts by the GPU's UUID, since they booted.
    """

    count: int
    busy: float | None = None
    watts: float | None = None
    joules: Mapping[str, float] | None = None


def questions() -> dict[str, str]:
    """One for each figure; a GPU that two jobs read counts once."""

    def of(series: str) -> str:
        return f'max by({_WHO},UUID)(last_over_time({series}{{GPU_I_ID=""}}[2m]))'

    return {
        "busy": of("DCGM_FI_DEV_GPU_UTIL"),
        "watts": of("DCGM_FI_DEV_POWER_USAGE"),
        "joules": of("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"),
    }


def gpus(answers: Mapping[str, Any]) -> dict[Pod, Gpus]:
    """The GPUs of each pod from the parsed JSON of the answers. ValueError for what Prometheus does not say."""
    told: dict[Pod, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    try:
        for figure, body in answers.items():
            for row in body["data"]["result"]:
                pod, value = _pod(row["metric"]), float(row["value"][1])
                if pod is not None and math.isfinite(value) and value >= 0.0:
                    told[pod][figure][str(row["metric"].get("UUID", ""))] = value
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError("it does not answer as Prometheus does") from error
    return {pod: _gpus(figures) for pod, figures in told.items()}


def grown_j(before: Gpus | None, now: Gpus) -> float:
    """Joules since the last look; nothing for a GPU that was not there then, or whose machine has booted since."""
    if before is None or before.joules is None or now.joules is None:
        return 0.0
    both = before.joules.keys() & now.joules.keys()
    return sum(max(0.0, now.joules[each] - before.joules[each]) for each in both)


def together(found: Mapping[Pod, Gpus]) -> Gpus | None:
    """Those of several pods as of one; None of none. Energy is each pod's own."""
    if not found:
        return None
    busy = [(each.busy, each.count) for each in found.values() if each.busy is not None]
    watts = [each.watts for each in found.values() if each.watts is not None]
    counted = sum(count for _, count in busy)
    return Gpus(
        count=sum(each.count for each in found.values()),
        busy=sum(share * count for share, count in busy) / counted if counted else None,
        watts=sum(watts) if watts else None,
    )


def words(seen: Gpus, tokens_per_second: float | None) -> str:
    """One sentence for people: `4 GPUs: 71 % busy, 1120 W, 0.9 J per token of answers`."""
    said = [f"{100.0 * seen.busy:.0f} % busy"] if seen.busy is not None else []
    if seen.watts is not None:
        said.append(f"{seen.watts:.0f} W")
        if tokens_per_second:
            said.append(f"{seen.watts / tokens_per_second:.2g} J per token of answers")
    return f"{seen.count} GPU{'s' if seen.count != 1 else ''}: {', '.join(said) or 'nothing is told of them'}"


def _pod(metric: Mapping[str, str]) -> Pod | None:
    """Whom a GPU is given to; None where to nobody."""
    name = metric.get("exported_pod") or metric.get("pod") or ""
    namespace = metric.get("exported_namespace") or metric.get("namespace") or ""
    return (namespace, name) if namespace and name else None


def _gpus(figures: Mapping[str, Mapping[str, float]]) -> Gpus:
    busy, watts, millijoules = (figures.get(name, {}) for name in ("busy", "watts", "joules"))
    believed = [each for each in watts.values() if each <= _MOST_W]
    return Gpus(
        count=len(busy.keys() | watts.keys() | millijoules.keys()),
        busy=min(1.0, sum(busy.values()) / len(busy) / 100.0) if busy else None,
        watts=sum(believed) if believed else None,
        joules={uuid: each / _MILLIJOULES for uuid, each in millijoules.items()} if millijoules else None,
    )
