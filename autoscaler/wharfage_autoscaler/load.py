"""What a deployment was asked to do over a window, and how well it did it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Rates per second over `window_s`; latencies in seconds, None where too few requests finished.

    The count law looks at the rate over 15 s and over 5 minutes as well, and at the shares of requests that missed
    the objectives over 5 and 30 minutes; None where they are not measured. A share is the larger of the two: of the
    answers that began late, and of those that went on too slowly.
    """

    window_s: float
    requests_per_second: float
    prompt_tokens_per_second: float
    output_tokens_per_second: float
    running: float
    waiting: float
    ttft_p95_s: float | None = None
    tpot_p95_s: float | None = None
    requests_per_second_15s: float | None = None
    requests_per_second_5m: float | None = None
    bad_share_5m: float | None = None
    bad_share_30m: float | None = None
    work_per_request: float = 1.0
    """What the requests of late are worth in requests of the planned kind (`work`)."""
    requests_finished_per_second: float | None = None
    """Over `window_s`; tokens are those of requests under way as well."""
    bad_share_1m: float | None = None
    kv_used: float | None = None
    """Mean share of the replicas' KV caches in use, 0 to 1: full says nothing of a replica that reads prompts."""
