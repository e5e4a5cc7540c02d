"""One page of an engine's /metrics as numbers.

Names differ between vLLM releases; each figure lists the names it was seen under. A page that lacks a figure which
every release has, or tells one that cannot be (negative, not a number, a histogram that falls), is no reading at all.

A real page has 600 lines, of which 60 are ours: they are found by name, and the others are never looked at.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wharfage_operator.latency import EMPTY, Histogram, histogram

REQUESTS = ("vllm:request_success_total",)
REFUSED = "vllm:admission_rejections_total"
PROMPT_TOKENS = ("vllm:prompt_tokens_total",)
OUTPUT_TOKENS = ("vllm:generation_tokens_total",)
RUNNING = ("vllm:num_requests_running",)
WAITING = ("vllm:num_requests_waiting",)
BY_REASON = "vllm:num_requests_waiting_by_reason"
KV_USED = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
TTFT = ("vllm:time_to_first_token_seconds",)
TPOT = ("vllm:request_time_per_output_token_seconds", "vllm:time_per_output_token_seconds")
STEPS = "vllm:iteration_tokens_total_count"
GAPS = ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")
"""Between two tokens of a sequence: one of each for every step that it decodes in."""
CACHED = ("vllm:prompt_tokens_cached_total", "vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total")
"""The first counts what other engines' caches held as well, and each prompt when it counts as one."""
CONFIG = "vllm:cache_config_info"

_NEEDED = (PROMPT_TOKENS, OUTPUT_TOKENS, RUNNING, WAITING)
_ENGINE = re.compile(r'[{,]engine="([^"]*)"')
_EDGE = re.compile(r'[{,]le="([^"]*)"')
_DEFERRED = 'reason="deferred"'
_KV_TOKENS = re.compile(r'[{,]kv_cache_size_tokens="(\d{1,12})"')
_KV_BLOCKS = re.compile(r'[{,]num_gpu_blocks="(\d{1,12})"')
_BLOCK_TOKENS = re.compile(r'[{,]block_size="(\d{1,6})"')
_MOST_SAMPLES = 5000  # of one name: a node of sixteen engines has 400 in a histogram


@dataclass(frozen=True, slots=True)
class Engine:
    """What one engine of a pod tells: counters since its start, and gauges of the moment."""

    finished: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    running: float = 0.0
    waiting: float = 0.0
    deferred: float = 0.0
    """Of those that wait: for an adapter or for another engine's cache, not for room."""
    kv_used: float | None = None
    """Share of the KV cache, 0 to 1."""
    ttft: Histogram = EMPTY
    tpot: Histogram = EMPTY
    steps: float | None = None
    """That it took; None, like those below, where it does not tell, or is not the only one of its pod."""
    gaps: float | None = None
    """Between two tokens of a sequence, and the seconds of them all."""
    gaps_s: float | None = None
    cached_tokens: float | None = None
    """Of the prompts, those that were found in the cache."""
    kv_tokens: float | None = None
    """That the KV cache holds."""

    @property
    def arrived(self) -> float:
        """Requests that have come since its start: those that wait, and those that had their first token.

        A client that leaves before the end counts as a first token and never as a finished request. Without a
        histogram of first tokens: those that run and those that finished.
        """
        begun = self.ttft.total if self.ttft.edges else self.finished + self.running
        return begun + self.waiting


@dataclass(frozen=True, slots=True)
class Reading:
    """One pod at `at_s` (monotonic seconds): its engines by label, and what its server refused since its start."""

    at_s: float
    engines: Mapping[str, Engine] = field(default_factory=dict)
    refused: float = 0.0

    @property
    def running(self) -> float:
        """Requests under way, of all engines."""
        return sum(each.running for each in self.engines.values())

    @property
    def waiting(self) -> float:
        """Requests that wait for room, of all engines."""
        return sum(max(0.0, each.waiting - each.deferred) for each in self.engines.values())

    @property
    def kv_used(self) -> float | None:
        """Mean share of the KV cache in use; None where an engine does not tell it."""
        shares = [each.kv_used for each in self.engines.values() if each.kv_used is not None]
        return sum(shares) / len(shares) if shares and len(shares) == len(self.engines) else None


def reading(text: str, *, at_s: float) -> Reading | None:
    """Parse a Prometheus page; None unless each engine on it has all the counters and gauges, and each can be true."""
    page = "\n" + text
    try:
        prompt_tokens, output_tokens, running, waiting = (_by_engine(page, names) for names in _NEEDED)
        if not running or any(found.keys() != running.keys() for found in (prompt_tokens, output_tokens, waiting)):
            return None
        finished = _by_engine(page, REQUESTS)  # no series before the first request has finished
        kv_used = _by_engine(page, KV_USED)
        deferred: dict[str, float] = {}
        for labels, value in _samples(page, BY_REASON):
            if _DEFERRED in labels:
                deferred[_engine(labels)] = value
        ttft, tpot = _histograms(page, TTFT), _histograms(page, TPOT)
        refused = sum(value for _, value in _samples(page, REFUSED))
        lone = _lone(page) if len(running) == 1 else {}
    except (ValueError, IndexError):
        return None
    engines = {
        name: Engine(
            finished=finished.get(name, 0.0),
            prompt_tokens=prompt_tokens[name],
            output_tokens=output_tokens[name],
            running=running[name],
            waiting=waiting[name],
            deferred=deferred.get(name, 0.0),
            kv_used=_share(kv_used.get(name)),
            ttft=ttft.get(name, EMPTY),
            tpot=tpot.get(name, EMPTY),
            **lone,
        )
        for name in running
    }
    return Reading(at_s, engines, refused)


def _lone(page: str) -> dict[str, float | None]:
    """What only a pod's only engine is asked for: the first sample is all there is, and the page not read to its end.

    Reading it to its end for each of these would take a third of the time of all others together.
    """
    config = next(_samples(page, CONFIG), None)
    return {
        "steps": _first(page, (STEPS,)),
        "gaps": _first(page, tuple(f"{name}_count" for name in GAPS)),
        "gaps_s": _first(page, tuple(f"{name}_sum" for name in GAPS)),
        "cached_tokens": _first(page, CACHED),
        "kv_tokens": None if config is None else _kv_tokens(config[0]),
    }


def _first(page: str, names: tuple[str, ...]) -> float | None:
    return next((value for name in names for _, value in _samples(page, name)), None)


def _by_engine(page: str, names: tuple[str, ...]) -> dict[str, float]:
    """A figure of each engine, under the first of the names that the page has."""
    found: dict[str, float] = {}
    for name in names:
        for labels, value in _samples(page, name):
            engine = _engine(labels)
            found[engine] = found.get(engine, 0.0) + value
        if found:
            break
    return found


def _histograms(page: str, names: tuple[str, ...]) -> dict[str, Histogram]:
    rows: dict[str, list[tuple[float, float]]] = {}
    for name in names:
        for labels, value in _samples(page, f"{name}_bucket"):
            edge = _EDGE.search(labels)
            if edge is None or not (seconds := float(edge[1])) > 0:
                raise ValueError("a bucket without an edge")
            rows.setdefault(_engine(labels), []).append((seconds, value))
        if rows:
            break
    return {engine: histogram(found) for engine, found in rows.items()}


def _engine(labels: str) -> str:
    """The label that tells an engine from others of its pod; releases before 0.8 had none."""
    found = _ENGINE.search(labels)
    return found[1] if found else ""


def _samples(page: str, name: str) -> Iterator[tuple[str, float]]:
    """Labels and value of each sample of a name; ValueError for a value that no counter and no gauge of ours has."""
    start, count = f"\n{name}", 0
    at = page.find(start)
    while at >= 0:
        begin = at + len(start)
        end = page.find("\n", begin)
        line = page[begin:] if end < 0 else page[begin:end]
        if line[:1] in ("{", " ", "\t"):
            labels, _, rest = line.rpartition("}")
            value = float(rest.split()[0])
            count += 1
            if not 0.0 <= value < math.inf or count > _MOST_SAMPLES:
                raise ValueError(f"{name} is {value}")
            yield labels, value
        at = page.find(start, begin)


def _kv_tokens(labels: str) -> float | None:
    """The size of the cache; in blocks and tokens of a block where a release does not tell it in tokens."""
    found = _KV_TOKENS.search(labels)
    if found is not None:
        return float(found[1]) or None
    blocks, tokens = _KV_BLOCKS.search(labels), _BLOCK_TOKENS.search(labels)
    return None if blocks is None or tokens is None else float(blocks[1]) * float(tokens[1]) or None


def _share(value: float | None) -> float | None:
    return value if value is not None and value <= 1.0 else None
