"""From a trace to the requests that a simulated fleet serves: scaled, placed in time, given lengths.

The same trace, factor and seed give the same requests.
"""

from dataclasses import dataclass, replace

import numpy as np
from wharfage_autoscaler.traffic import Traffic

from wharfage_simulator.arrivals import Arrivals, placed
from wharfage_simulator.clients import ClientTrace, Gap
from wharfage_simulator.lengths import log_normal
from wharfage_simulator.tables import Floats, TraceError
from wharfage_simulator.traces import RateTrace, RequestTrace, Tokens

REQUEST_BUDGET = 5_000_000
"""Requests that one replay serves in seconds, at 64 bytes each."""

Load = RateTrace | RequestTrace | ClientTrace

_PEAK_WINDOW_S = 60.0
_SPREAD_S = 60.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """By what factor a trace's rates are multiplied, and what that gives; to be printed beside every result."""

    factor: float
    requests: float
    peak_req_per_s: float
    wanted_peak_req_per_s: float | None = None

    @property
    def short_of_peak(self) -> bool:
        """Whether the budget of requests does not allow the peak that was asked for; a shorter period may."""
        return self.wanted_peak_req_per_s is not None and self.peak_req_per_s < self.wanted_peak_req_per_s * 0.999


@dataclass(frozen=True, slots=True)
class LengthModel:
    """Lengths for traces that carry none, or only their means: log-normal, prompt and output independent.

    `cv` is the coefficient of variation of both; the means apply where the trace has none.
    """

    prompt_mean: float = 900.0
    output_mean: float = 200.0
    cv: float = 1.0


def scaling(trace: Load, *, request_budget: int = REQUEST_BUDGET, peak_req_per_s: float | None = None) -> Scaling:
    """The factor that brings the trace to the wanted peak, or as near as the budget of requests allows.

    Without a wanted peak the trace is only ever made smaller. The peak is that of the trace's windows; of a trace of
    requests, that of its minutes.
    """
    requests, peak = _size(trace)
    affordable = request_budget / requests
    factor = min(1.0, affordable) if peak_req_per_s is None else min(peak_req_per_s / peak, affordable)
    return Scaling(factor, requests * factor, peak * factor, peak_req_per_s)


def requests(
    trace: Load,
    *,
    seed: int,
    factor: float = 1.0,
    arrivals: Arrivals = Arrivals.RENEWAL,
    cv: float = 1.0,
    lengths: LengthModel = LengthModel(),
    prefix_share: float = 0.0,
) -> RequestTrace:
    """The requests of a trace at `factor` times its rates.

    `cv` is the coefficient of variation of the gaps of a rate trace without clients (1: exponential); clients have
    their own. `prefix_share` of every prompt is found in the prefix cache where the trace does not say per request.
    `TraceError` when nothing arrives.
    """
    if not (factor > 0 and np.isfinite(factor)):
        raise TraceError(f"{trace.name}: a factor of {factor!r}; it must be above 0")
    if not 0 <= prefix_share < 1:
        raise TraceError(f"{trace.name}: a prefix share of {prefix_share!r}; it is at least 0 and below 1")
    if not cv > 0:
        raise TraceError(f"{trace.name}: gaps with a coefficient of variation of {cv!r}; it must be above 0")
    draw = np.random.default_rng(seed)
    match trace:
        case ClientTrace():
            made = _of_clients(trace, factor, arrivals, draw)
        case RateTrace():
            made = _of_rates(trace, factor, arrivals, cv, lengths, draw)
        case RequestTrace():
            made = _of_requests(trace, factor, draw)
    times, prompt, output, cached = made
    if not len(times):
        raise TraceError(
            f"{_part(trace)}: no request at {factor:.12g} times its rates: too little load, or too small a factor"
        )
    if not cached.any() and prefix_share:
        cached = np.floor(prompt * prefix_share).astype(np.int32)
    order = np.argsort(times, kind="stable")
    return RequestTrace(
        trace.name, trace.start_s, trace.duration_s, times[order], prompt[order], output[order], cached[order]
    )


def taken(trace: RequestTrace, context_tokens: int) -> RequestTrace:
    """What an engine takes of them: it refuses prompts that fill its context at once, and ends answers at its end.

    ServeGen's longest prompt of m-large has 451,000 tokens, and holds up a small engine for minutes. `TraceError`
    where nothing is left.
    """
    fits = trace.prompt_tokens < context_tokens
    if not fits.any():
        raise TraceError(f"{trace.name}: every prompt has {context_tokens} tokens or more: allow a longer context")
    prompt = trace.prompt_tokens[fits]
    return replace(
        trace,
        t_s=trace.t_s[fits],
        prompt_tokens=prompt,
        output_tokens=np.minimum(trace.output_tokens[fits], context_tokens - prompt),
        cached_tokens=trace.cached_tokens[fits],
    )


def traffic(trace: Load, *, context_tokens: int, seed: int = 0, sample: int = 20_000) -> Traffic:
    """What its requests are like on average: over about `sample` of them, drawn as `requests` draws them."""
    drawn = taken(requests(trace, seed=seed, factor=min(1.0, sample / _size(trace)[0])), context_tokens)
    prompt = float(drawn.prompt_tokens.mean())
    return Traffic(
        prompt_tokens=prompt,
        output_tokens=max(1.0, float(drawn.output_tokens.mean())),
        prefix_hit_share=float(drawn.cached_tokens.mean()) / prompt,
        prompt_cv=float(drawn.prompt_tokens.std()) / prompt,
    )


_Made = tuple[Floats, Tokens, Tokens, Tokens]


def _of_clients(trace: ClientTrace, factor: float, arrivals: Arrivals, draw: np.random.Generator) -> _Made:
    cells, places = placed(trace.rate * trace.window_s, factor, trace.family, trace.shape, arrivals, draw)
    times = (trace.window[cells] + places) * trace.window_s
    prompt = trace.prompts.drawn(trace.prompt_row[cells], draw.random(len(cells)))
    output = trace.outputs.drawn(trace.output_row[cells], draw.random(len(cells)))
    return times, prompt, output, np.zeros_like(prompt)


def _of_rates(
    trace: RateTrace, factor: float, arrivals: Arrivals, cv: float, lengths: LengthModel, draw: np.random.Generator
) -> _Made:
    windows = len(trace.req_per_s)
    family = np.full(windows, Gap.GAMMA, dtype=np.int8)
    shape = np.full(windows, 1.0 / (cv * cv))
    window, places = placed(trace.req_per_s * trace.window_s, factor, family, shape, arrivals, draw)
    tokens = []
    for means, mean in ((trace.prompt_tokens, lengths.prompt_mean), (trace.output_tokens, lengths.output_mean)):
        each = np.full(len(window), mean) if means is None else means[window]
        tokens.append(log_normal(each, lengths.cv, draw.standard_normal(len(window))))
    prompt, output = tokens
    cached = np.zeros_like(prompt)
    if trace.cached_tokens is not None and trace.prompt_tokens is not None:
        share = trace.cached_tokens / np.maximum(trace.prompt_tokens, 1e-9)
        cached = np.floor(prompt * np.clip(share, 0.0, 1.0)[window]).astype(np.int32)
    return (window + places) * trace.window_s, prompt, output, cached


def _of_requests(trace: RequestTrace, factor: float, draw: np.random.Generator) -> _Made:
    """Each request `factor` times: the whole part surely, the rest by chance; repeats come within a minute of it."""
    copies = (np.floor(factor) + (draw.random(trace.requests) < factor - np.floor(factor))).astype(np.int64)
    which = np.repeat(np.arange(trace.requests), copies)
    times = trace.t_s[which]
    repeated = np.concatenate(([False], which[1:] == which[:-1])) if len(which) else np.zeros(0, dtype=np.bool_)
    moved = times[repeated] + draw.uniform(-_SPREAD_S, _SPREAD_S, int(repeated.sum()))
    times[repeated] = np.mod(moved, trace.duration_s)
    return times, trace.prompt_tokens[which], trace.output_tokens[which], trace.cached_tokens[which]


def _part(trace: Load) -> str:
    """The trace by its name, and which part of the file it is."""
    return f"{trace.name}: from t_s {trace.start_s:.12g} to {trace.start_s + trace.duration_s:.12g}"


def _size(trace: Load) -> tuple[float, float]:
    """Requests, and the highest rate of a window; `TraceError` where nothing arrives, as in a half that was idle."""
    if isinstance(trace, RequestTrace):
        minute = np.bincount((trace.t_s / _PEAK_WINDOW_S).astype(np.int64))
        return float(trace.requests), float(minute.max()) / min(_PEAK_WINDOW_S, trace.duration_s)
    rates = trace.req_per_s
    if not rates.any():
        raise TraceError(f"{_part(trace)}: every rate is 0: choose a period in which both halves have load")
    return float(rates.sum() * trace.window_s), float(rates.max())
