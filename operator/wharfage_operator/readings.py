"""One page of an engine's /metrics as numbers, and several of them as the load of a deployment.

Missing is never zero: a deployment of which some ready pod has no two fresh readings has no load.
Names differ between vLLM releases; each figure lists the names it was seen under.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from wharfage_autoscaler.load import Load

T = TypeVar("T")

_FEWEST_REQUESTS = 5
_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_EDGE = re.compile(r'le="([^"]+)"')

REQUESTS = ("vllm:request_success_total",)
PROMPT_TOKENS = ("vllm:prompt_tokens_total",)
OUTPUT_TOKENS = ("vllm:generation_tokens_total",)
RUNNING = ("vllm:num_requests_running",)
WAITING = ("vllm:num_requests_waiting",)
TTFT = ("vllm:time_to_first_token_seconds",)
TPOT = ("vllm:request_time_per_output_token_seconds", "vllm:time_per_output_token_seconds")

Buckets = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """One pod's figures at `at_s` (monotonic seconds): counters since its start, and two gauges."""

    at_s: float
    requests: float
    prompt_tokens: float
    output_tokens: float
    running: float
    waiting: float
    ttft: Buckets = field(default_factory=dict)
    tpot: Buckets = field(default_factory=dict)


def reading(text: str, *, at_s: float) -> Reading | None:
    """Parse a Prometheus page; None unless all the counters and gauges are there and finite."""
    sums: dict[str, float] = {}
    buckets: dict[str, dict[float, float]] = {}
    for line in text.splitlines():
        if not line.startswith("vllm:"):
            continue
        match = _LINE.match(line)
        if match is None:
            continue
        name, labels, figure = match[1], match[2] or "", _number(match[3])
        if figure is None:
            continue
        if name.endswith("_bucket"):
            edge = _EDGE.search(labels)
            at = _number(edge[1], infinite=True) if edge else None
            if at is not None:
                row = buckets.setdefault(name.removesuffix("_bucket"), {})
                row[at] = row.get(at, 0.0) + figure
        else:
            sums[name] = sums.get(name, 0.0) + figure
    figures = [_first(sums, names) for names in (REQUESTS, PROMPT_TOKENS, OUTPUT_TOKENS, RUNNING, WAITING)]
    if any(figure is None or figure < 0 for figure in figures[1:]):
        return None
    requests = figures[0] or 0.0  # this counter has no series before the first request has finished
    _, prompt, output, running, waiting = (figure or 0.0 for figure in figures)
    return Reading(
        at_s, requests, prompt, output, running, waiting, _first(buckets, TTFT) or {}, _first(buckets, TPOT) or {}
    )


def load(histories: Iterable[Iterable[Reading]], *, now_s: float, window_s: float, stale_s: float) -> Load | None:
    """Add up the rates of pods over the window; None if there is no pod or one has no two fresh readings."""
    spans = [_span(history, now_s=now_s, window_s=window_s, stale_s=stale_s) for history in histories]
    pairs = [span for span in spans if span is not None]
    if not pairs or len(pairs) < len(spans):
        return None
    requests = prompt = output = finished = 0.0
    ttft: dict[float, float] = {}
    tpot: dict[float, float] = {}
    for first, last in pairs:
        seconds = last.at_s - first.at_s
        done = _growth(first.requests, last.requests)
        finished += done
        requests += done / seconds
        prompt += _growth(first.prompt_tokens, last.prompt_tokens) / seconds
        output += _growth(first.output_tokens, last.output_tokens) / seconds
        _add(ttft, first.ttft, last.ttft)
        _add(tpot, first.tpot, last.tpot)
    return Load(
        window_s=max(last.at_s - first.at_s for first, last in pairs),
        requests_per_second=requests,
        prompt_tokens_per_second=prompt,
        output_tokens_per_second=output,
        running=sum(last.running for _, last in pairs),
        waiting=sum(last.waiting for _, last in pairs),
        ttft_p95_s=quantile(ttft, 0.95) if finished >= _FEWEST_REQUESTS else None,
        tpot_p95_s=quantile(tpot, 0.95) if finished >= _FEWEST_REQUESTS else None,
    )


def quantile(buckets: Buckets, share: float) -> float | None:
    """Prometheus' `histogram_quantile`: linear inside a bucket; None when empty, the last edge beyond it."""
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    below = lower = 0.0
    for edge in sorted(buckets):
        if buckets[edge] >= share * total:
            if math.isinf(edge):
                return lower or None
            inside = buckets[edge] - below
            return lower + (edge - lower) * ((share * total - below) / inside if inside else 1.0)
        below, lower = buckets[edge], edge
    return None


def _span(
    history: Iterable[Reading], *, now_s: float, window_s: float, stale_s: float
) -> tuple[Reading, Reading] | None:
    kept = [one for one in history if one.at_s >= now_s - window_s - stale_s]
    if len(kept) < 2 or kept[-1].at_s < now_s - stale_s:
        return None
    inside = [one for one in kept if one.at_s >= kept[-1].at_s - window_s]
    return (inside[0], inside[-1]) if inside[0].at_s < inside[-1].at_s else None


def _growth(before: float, after: float) -> float:
    """How much a counter grew; after a reset it started again from zero."""
    return after - before if after >= before else after


def _add(total: dict[float, float], before: Buckets, after: Buckets) -> None:
    reset = any(after.get(edge, 0.0) < count for edge, count in before.items())
    for edge, count in after.items():
        total[edge] = total.get(edge, 0.0) + (count if reset else count - before.get(edge, 0.0))


def _number(text: str, *, infinite: bool = False) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) or (infinite and number > 0) else None


def _first(found: Mapping[str, T], names: Iterable[str]) -> T | None:
    return next((found[name] for name in names if name in found), None)
