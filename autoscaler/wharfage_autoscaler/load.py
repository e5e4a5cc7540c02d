"""What a deployment was asked to do over a window, and how well it did it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Rates per second over `window_s`; latencies in seconds, None where too few requests finished."""

    window_s: float
    requests_per_second: float
    prompt_tokens_per_second: float
    output_tokens_per_second: float
    running: float
    waiting: float
    ttft_p95_s: float | None = None
    tpot_p95_s: float | None = None
