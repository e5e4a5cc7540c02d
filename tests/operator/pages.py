"""Pages of engines under the names of three of vLLM's releases; a test names only what it is about."""

from collections.abc import Mapping, Sequence

TTFT_EDGES = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TPOT_EDGES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)

RELEASES: Mapping[str, Mapping[str, str]] = {
    "0.32": {"tpot": "request_time_per_output_token_seconds", "kv": "kv_cache_usage_perc", "engine": "yes"},
    "0.8": {"tpot": "time_per_output_token_seconds", "kv": "gpu_cache_usage_perc", "engine": "yes"},
    "0.4": {"tpot": "time_per_output_token_seconds", "kv": "gpu_cache_usage_perc", "engine": ""},
}
"""What was renamed since; before 0.8 no series said which engine it is of."""


def page(
    *,
    release: str = "0.32",
    engines: Sequence[str] = ("0",),
    finished: float = 10.0,
    prompt_tokens: float = 1000.0,
    output_tokens: float = 500.0,
    running: float = 3.0,
    waiting: float = 1.0,
    deferred: float | None = None,
    kv_used: float = 0.25,
    refused: float | None = None,
    first_tokens: Mapping[float, float] | None = None,
    further_tokens: Mapping[float, float] | None = None,
    steps: float | None = None,
    gaps: tuple[float, float] | None = None,
    cached: float | None = None,
    config: str = "",
) -> str:
    """A page on which every engine tells the same. Latencies: how many requests took so many seconds.

    `gaps` between tokens are their count and the sum of their seconds, `config` are labels of the cache.

    By default as many had their first token, and their further ones, as finished, at once.
    """
    names = RELEASES[release]
    lines = ["# HELP python_info Python platform information", "# TYPE python_info gauge", 'python_info{major="3"} 1.0']
    for engine in engines:
        own = f'engine="{engine}",' if names["engine"] else ""
        labels = f'{own}model_name="chat"'
        lines += [
            "# TYPE vllm:num_requests_running gauge",
            f"vllm:num_requests_running{{{labels}}} {running}",
            f"vllm:num_requests_waiting{{{labels}}} {waiting}",
            f"vllm:{names['kv']}{{{labels}}} {kv_used}",
            f"vllm:prompt_tokens_total{{{labels}}} {prompt_tokens}",
            f"vllm:prompt_tokens_created{{{labels}}} 1.79e9",
            f"vllm:generation_tokens_total{{{labels}}} {output_tokens}",
        ]
        if finished:
            lines.append(f'vllm:request_success_total{{{own}finished_reason="stop",model_name="chat"}} {finished}')
        if deferred is not None:
            by_reason = {"capacity": waiting - deferred, "deferred": deferred}
            lines += [
                f'vllm:num_requests_waiting_by_reason{{{labels},reason="{reason}"}} {value}'
                for reason, value in by_reason.items()
            ]
        more = {
            "iteration_tokens_total_count": steps,
            "inter_token_latency_seconds_count": gaps and gaps[0],
            "inter_token_latency_seconds_sum": gaps and gaps[1],
            "prefix_cache_hits_total": cached,
        }
        lines += [f"vllm:{name}{{{labels}}} {value}" for name, value in more.items() if value is not None]
        if config:
            lines.append(f"vllm:cache_config_info{{{own}{config}}} 1.0")
        lines += histogram("time_to_first_token_seconds", own, TTFT_EDGES, first_tokens or {0.001: finished})
        lines += histogram(names["tpot"], own, TPOT_EDGES, further_tokens or {0.01: finished})
    if refused is not None:
        lines.append(f'vllm:admission_rejections_total{{model_name="chat",reason="max_num_queued_reqs"}} {refused}')
    return "\n".join([*lines, 'http_requests_total{handler="/v1/completions"} 77', ""])


def histogram(name: str, own: str, edges: Sequence[float], took: Mapping[float, float]) -> list[str]:
    """The lines of a histogram of so many requests that took so many seconds."""
    rows = [
        f'vllm:{name}_bucket{{{own}le="{edge}",model_name="chat"}} {sum(n for s, n in took.items() if s <= edge)}'
        for edge in edges
    ]
    total = sum(took.values())
    return [
        f"# TYPE vllm:{name} histogram",
        *rows,
        f'vllm:{name}_bucket{{{own}le="+Inf",model_name="chat"}} {total}',
        f'vllm:{name}_count{{{own}model_name="chat"}} {total}',
        f'vllm:{name}_sum{{{own}model_name="chat"}} {sum(s * n for s, n in took.items())}',
    ]
