"""The load of a deployment as a Prometheus server recorded it: what to ask for, and what the answers mean.

Counters begin again when an engine does; `rate()` sees to that. A time in which nothing was scraped stays a gap: it is
never read as a time without load.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from wharfage_operator.prometheus import PrometheusError, Server
from wharfage_operator.readings import OUTPUT_TOKENS, PROMPT_TOKENS, REFUSED, REQUESTS

ARRIVALS = ("vllm:time_to_first_token_seconds_count", *REQUESTS)
"""A client that leaves before the end counts as a first token, and never as a finished request."""
CACHED_TOKENS = (
    "vllm:prompt_tokens_cached_total",
    "vllm:prefix_cache_hits_total",
    "vllm:gpu_prefix_cache_hits_total",  # until 0.10
)
MODEL = "model_name"

_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*(,|$)')


@dataclass(frozen=True, slots=True)
class Recorded:
    """Means over windows of `step_s` from `start_s` (Unix seconds), per second; NaN where nothing was recorded.

    Tokens are empty where the engines do not count them; prompt tokens include the cached ones. `jobs` are those that
    scraped: two of them may have scraped the same engines.
    """

    models: tuple[str, ...]
    jobs: tuple[str, ...]
    start_s: int
    step_s: int
    requests: tuple[float, ...]
    prompt_tokens: tuple[float, ...]
    output_tokens: tuple[float, ...]
    cached_tokens: tuple[float, ...]


def matchers(text: str) -> str:
    """The inside of a series selector, as a user writes it: `namespace="shop",model_name=~"chat.*"`, braces or not.

    ValueError says what cannot be read.
    """
    body = text.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1].strip()
    found, place = [], 0
    while place < len(body):
        match = _MATCHER.match(body, place)
        if match is None:
            raise ValueError(
                f"{text}: matchers of labels are needed, such as "
                f'namespace="shop",model_name="chat"; {body[place:].strip()} is none'
            )
        found.append(f"{match[1]}{match[2]}{match[3]}")
        place = match.end()
    return ",".join(found)


def recorded(server: Server, match: str, *, first_s: int, last_s: int, step_s: int) -> Recorded:
    """The load of the engines that `match` (see `matchers`) selects, in the windows from `first_s` to `last_s`.

    `PrometheusError` where no series is selected, where several models are without having been named, and where
    no two samples lie in any window.
    """
    selectors = [f"{name}{{{match}}}" for name in ARRIVALS]
    models = server.values(MODEL, selectors, first_s=first_s, last_s=last_s)
    if not models:
        raise _nothing(server, match, first_s, last_s)
    if len(models) > 1 and not re.search(rf"(^|,){MODEL}[=!]", match):
        raise PrometheusError(
            f"{server.url}: {{{match}}} selects several models, whose loads cannot be added up: {_listed(models)}; "
            f'choose one, as {{{",".join(filter(None, [match, MODEL]))}="{models[0]}"}} does'
        )

    def rates(query: str) -> tuple[float, ...]:
        return server.rates(query, first_s=first_s + step_s, last_s=last_s, step_s=step_s)

    refused = f"(sum({_rate(REFUSED, match, step_s)}) or vector(0))"
    requests = rates(f"({_sum(ARRIVALS, match, step_s)}) + {refused}")
    if all(map(isnan, requests)):
        raise PrometheusError(
            f"{server.url}: {{{match}}} has series of {_listed(models)}, and no window of {step_s} s has two samples "
            "of them: choose windows of at least twice the scrape interval, or a longer time"
        )
    tokens = [rates(_sum(names, match, step_s)) for names in (PROMPT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS)]
    return Recorded(
        models,
        server.values("job", selectors, first_s=first_s, last_s=last_s),
        first_s,
        step_s,
        requests,
        *(() if all(map(isnan, each)) else each for each in tokens),
    )


def _rate(name: str, match: str, step_s: int) -> str:
    return f"rate({name}{{{match}}}[{step_s}s])"


def _sum(names: Sequence[str], match: str, step_s: int) -> str:
    """All engines together; the first of the names that there are samples of."""
    return " or ".join(f"sum({_rate(name, match, step_s)})" for name in names)


def _nothing(server: Server, match: str, first_s: int, last_s: int) -> PrometheusError:
    known = server.values(MODEL, [f"{name}{{}}" for name in ARRIVALS], first_s=first_s, last_s=last_s) if match else ()
    if known:
        return PrometheusError(f"{server.url}: no series of vLLM match {{{match}}}; it has those of {_listed(known)}")
    return PrometheusError(
        f"{server.url}: it has no series of vLLM in that time; it must scrape the engines' /metrics, and they must not "
        "run with --disable-log-stats"
    )


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
