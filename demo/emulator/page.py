"""The text of one engine's /metrics, as vLLM 0.32 writes it: names, labels, buckets, in its order.

Families about things that no replay knows (adapters, sleep, caches between engines) are left out; a test holds what is
here against a page of the real engine.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from demo.emulator.tally import E2E, GENERATION, ITL, PROMPT, TPOT, TTFT, Told

_HISTOGRAMS = (
    (PROMPT, "Number of prefill tokens processed."),
    (GENERATION, "Number of generation tokens processed."),
    (TTFT, "Histogram of time to first token in seconds."),
    (ITL, "Histogram of inter-token latency in seconds."),
    (TPOT, "Histogram of time_per_output_token_seconds per request."),
    (E2E, "Histogram of e2e request latency in seconds."),
)
_REASONS = ("stop", "length", "abort", "error", "repetition")


def page(model: str, told: Told, edges: dict[str, tuple[float, ...]]) -> str:
    """What a scrape gets; `edges` are those of the histograms."""
    own = f'engine="0",model_name="{model}"'
    rows: list[str] = []

    def family(name: str, kind: str, doc: str, *samples: tuple[str, float]) -> None:
        rows.append(f"# HELP vllm:{name} {doc}\n# TYPE vllm:{name} {kind}")
        rows.extend(f"vllm:{name}{{{labels}}} {float(value)}" for labels, value in samples)

    family("num_requests_running", "gauge", "Number of requests in model execution batches.", (own, told.running))
    family("num_requests_waiting", "gauge", "Number of requests waiting to be processed.", (own, told.waiting))
    family(
        "num_requests_waiting_by_reason",
        "gauge",
        "Number of waiting requests by reason.",
        (f'{own},reason="capacity"', told.waiting),
        (f'{own},reason="deferred"', 0),
    )
    family("kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", (own, told.kv_used))
    queried = told.prompt_tokens
    family("prefix_cache_queries_total", "counter", "Prefix cache queries, in tokens.", (own, queried))
    family("prefix_cache_hits_total", "counter", "Prefix cache hits, in tokens.", (own, told.cached_tokens))
    family(
        "num_preemptions_total", "counter", "Cumulative number of preemption from the engine.", (own, told.preempted)
    )
    family("prompt_tokens_total", "counter", "Number of prefill tokens processed.", (own, told.prompt_tokens))
    family("generation_tokens_total", "counter", "Number of generation tokens processed.", (own, told.output_tokens))
    family(
        "request_success_total",
        "counter",
        "Count of successfully processed requests.",
        *(
            (f'engine="0",finished_reason="{reason}",model_name="{model}"', told.finished if reason == "stop" else 0)
            for reason in _REASONS
        ),
    )
    for name, doc in _HISTOGRAMS:
        counts, total = told.histograms[name]
        heads = _heads(name, model, edges[name])
        rows.append(f"# HELP vllm:{name} {doc}\n# TYPE vllm:{name} histogram")
        rows.extend(map("{} {}".format, heads, chain(counts, (counts[-1], total))))
    family(
        "cache_config_info",
        "gauge",
        "Information of the LLMEngine CacheConfig",
        (f'engine="0",kv_cache_size_tokens="{told.kv_tokens}"', 1),
    )
    return "\n".join([*rows, ""])


@lru_cache(maxsize=256)
def _heads(name: str, model: str, edges: Sequence[float]) -> tuple[str, ...]:
    """The lines of a histogram without their values: buckets, count, sum."""
    own = f'model_name="{model}"'
    buckets = [f'vllm:{name}_bucket{{engine="0",le="{edge}",{own}}}' for edge in (*edges, "+Inf")]
    return (*buckets, *(f'vllm:{name}_{what}{{engine="0",{own}}}' for what in ("count", "sum")))
