"""What one replica carries within its objectives, and what it does at any other load.

Everything follows from the step time. With B sequences decoding, each output token waits for one step and for its
share of the prompts that are computed in between:

    TPOT(B) = T(B) + added(B)                    added: what the B/output prompts that start per step add to it
    rate(B) = B / (output x TPOT(B))             Little's law
    TTFT95(B) = TPOT/2 + own + 3 rho/(1-rho) x added per prompt x (1+cv^2)/2 + API

with rho = added/TPOT the share of time spent on prompts. The capacity is the largest rate within both objectives
and what the engine admits. Latencies grow with B, so bisection finds it. Formulas: docs/design/0004-capacity.md.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import StepTime
from wharfage_autoscaler.traffic import Traffic

PLANNED_SHARE = 0.85
"""Of the capacity; the rest is for the mix of tokens varying from minute to minute."""

API_S = 8e-3
"""Tokenising, HTTP and the first detokenising, which no step contains."""

_KV_SHARE = 0.9  # of the cache, in open-loop planning: what is beyond is where preemption begins
_PREFILL_SHARE = 0.9  # of the tokens that steps have room for beside decoding
_IDLE = 1e-6  # sequences: so few that nobody waits for anybody
_TOLERANCE = 0.001
_SMALLEST_CHUNK = 64.0


class Bound(StrEnum):
    """What keeps a replica from carrying more."""

    TPOT = "Tpot"
    TTFT = "Ttft"
    SEQUENCES = "Sequences"
    KV = "Kv"
    PREFILL = "Prefill"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one replica carries. `sequences` decode at once then; `kv_tokens` is the cache they share."""

    requests_per_second: float
    sequences: float
    tpot_s: float
    ttft_p95_s: float
    kv_tokens: int
    bound: Bound

    def planned(self, sigma: float = 0.0) -> float:
        """Requests per second to plan a replica for; `sigma` is the relative uncertainty of the calibration."""
        return PLANNED_SHARE * self.requests_per_second * (1.0 - min(1.0, max(0.0, sigma)))


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why no load at all meets the objectives, and the nearest value that some load meets.

    `asked` and `nearest` are seconds for latencies, tokens for `Bound.KV`.
    """

    bound: Bound
    asked: float
    nearest: float
    message: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One point of the curves: `sequences` decoding on average, the rate that keeps them so, and the latencies."""

    sequences: float
    requests_per_second: float
    tpot_s: float
    ttft_s: float
    ttft_p95_s: float
    prefill_share: float


def capacity(step: StepTime, traffic: Traffic, objectives: Objectives) -> Capacity | Infeasible:
    """The largest request rate of one replica within the objectives, or the objective that none meets."""
    longest = step.kv_tokens_of(traffic.prompt_tokens + traffic.output_tokens)
    if longest > step.kv_tokens:
        return _does_not_hold(step, traffic)
    most, limit = _planned_sequences(step, traffic)
    point = operation(step, traffic, most)
    bound = _broken(point, objectives)
    if bound is None:
        return _capacity(step, point, limit)
    least = operation(step, traffic, _IDLE)
    if (broken := _broken(least, objectives)) is not None:
        return _out_of_reach(broken, least, objectives)
    low, high, best = _IDLE, most, least
    while high - low > _TOLERANCE * high:
        middle = math.sqrt(low * high)
        point = operation(step, traffic, middle)
        broken = _broken(point, objectives)
        if broken is None:
            low, best = middle, point
        else:
            high, bound = middle, broken
    return _capacity(step, best, bound)


def operation(step: StepTime, traffic: Traffic, sequences: float) -> Operation:
    """The steady state in which that many sequences decode on average; its latencies if arrivals are random."""
    return _operation(step, traffic, max(sequences, _IDLE))


def at_rate(step: StepTime, traffic: Traffic, requests_per_second: float) -> Operation | None:
    """The steady state under that rate of arrivals; None where the replica cannot keep up with it."""
    low, high = _IDLE, _most_sequences(step, traffic)
    point = operation(step, traffic, high)
    if not 0 <= requests_per_second <= point.requests_per_second:
        return None
    while high - low > _TOLERANCE * high:
        middle = math.sqrt(low * high)
        point = operation(step, traffic, middle)
        low, high = (middle, high) if point.requests_per_second < requests_per_second else (low, middle)
    return point


def closed_loop(step: StepTime, traffic: Traffic, clients: float) -> Operation:
    """The steady state of that many clients, each sending its next request when the last is answered.

    What does not fit into the engine's limits waits, so the mean time to the first token follows from Little's law.
    """
    most = max(_IDLE, min(clients, _most_sequences(step, traffic)))
    point = operation(step, traffic, most)
    for _ in range(60):
        decoding_s = traffic.output_tokens * point.tpot_s
        found = min(most, clients * decoding_s / (decoding_s + point.ttft_s))
        if abs(found - point.sequences) < 1e-3 * found:
            break
        point = operation(step, traffic, (point.sequences + found) / 2)
    queued_s = clients / point.requests_per_second - traffic.output_tokens * point.tpot_s
    waited_s = max(point.ttft_s, queued_s)
    return Operation(
        sequences=point.sequences,
        requests_per_second=point.requests_per_second,
        tpot_s=point.tpot_s,
        ttft_s=waited_s,
        ttft_p95_s=max(point.ttft_p95_s, waited_s),
        prefill_share=point.prefill_share,
    )


def _planned_sequences(step: StepTime, traffic: Traffic) -> tuple[float, Bound]:
    """The most that decode at once, whatever the objectives, and what says so."""
    held = _KV_SHARE * step.kv_tokens / step.kv_tokens_of(traffic.resident_tokens)
    limits = (
        (float(step.limits.sequences), Bound.SEQUENCES),
        (max(1.0, held), Bound.KV),
        (_PREFILL_SHARE * _replaceable(step, traffic), Bound.PREFILL),
    )
    return min(limits)


def _most_sequences(step: StepTime, traffic: Traffic) -> float:
    """What the engine admits: its own limit, its cache, and as many as its steps can read new prompts for."""
    held = step.kv_tokens / max(1.0, step.kv_tokens_of(traffic.resident_tokens))
    return min(float(step.limits.sequences), held, _replaceable(step, traffic))


def _replaceable(step: StepTime, traffic: Traffic) -> float:
    """Sequences whose successors' prompts fit into the steps: each step ends 1/output of them."""
    return step.limits.batched_tokens / (1.0 + traffic.computed_tokens / traffic.output_tokens)


def _operation(step: StepTime, traffic: Traffic, sequences: float) -> Operation:
    running = max(1.0, sequences)  # a step never carries less than one
    alone = step.seconds(running, traffic.resident_tokens)
    prompts = sequences / traffic.output_tokens  # that start per step
    added = _prompts_s(step, traffic, running, prompts)
    each = added / prompts
    tpot_s = alone + added
    prefill = added / tpot_s
    own = _own_prompt_s(step, traffic, running, alone)
    behind = prefill / max(1.0 - prefill, 1e-9) * each
    return Operation(
        sequences=sequences,
        requests_per_second=sequences / (traffic.output_tokens * tpot_s),
        tpot_s=tpot_s,
        ttft_s=tpot_s / 2 + own + behind / 2 + API_S,
        ttft_p95_s=tpot_s / 2 + own + 3.0 * behind * (1.0 + traffic.prompt_cv**2) / 2 + API_S,
        prefill_share=prefill,
    )


def _prompts_s(step: StepTime, traffic: Traffic, running: float, prompts: float) -> float:
    """What prompts add to a step on average, where that many start per step, at random.

    Prompts that start together share the reading of the weights; one that is longer than a step takes several.
    """
    computed = traffic.computed_tokens
    share = -math.expm1(-prompts)  # of the steps, that begin a prompt
    burst = min(_budget(step, running), computed * prompts / share)
    carrying = prompts * computed / burst
    linear = step.linear_s(running + burst) - step.linear_s(running)
    each = step.prefill_attention_s(computed, traffic.cached_tokens) + step.per_sequence_s
    return carrying * linear + prompts * each


def _own_prompt_s(step: StepTime, traffic: Traffic, running: float, alone: float) -> float:
    """The steps that carry one prompt, as long as they take with all else that they do."""
    computed = traffic.computed_tokens
    chunk = min(computed, _budget(step, running))
    linear = step.linear_s(running + chunk) - step.linear_s(running)
    attention = step.prefill_attention_s(computed, traffic.cached_tokens)
    return computed / chunk * (alone + linear) + attention + step.per_sequence_s


def _budget(step: StepTime, running: float) -> float:
    return max(_SMALLEST_CHUNK, step.limits.batched_tokens - running)


def _broken(point: Operation, objectives: Objectives) -> Bound | None:
    if point.tpot_s > objectives.tpot_p95_s:
        return Bound.TPOT
    if point.ttft_p95_s > objectives.ttft_p95_s:
        return Bound.TTFT
    return None


def _capacity(step: StepTime, point: Operation, bound: Bound) -> Capacity:
    return Capacity(
        requests_per_second=point.requests_per_second,
        sequences=point.sequences,
        tpot_s=point.tpot_s,
        ttft_p95_s=point.ttft_p95_s,
        kv_tokens=step.kv_tokens,
        bound=bound,
    )


def _out_of_reach(bound: Bound, least: Operation, objectives: Objectives) -> Infeasible:
    if bound is Bound.TPOT:
        asked, nearest = objectives.tpot_p95_s, least.tpot_s
        return Infeasible(
            bound,
            asked,
            nearest,
            f"tpotP95 {_ms(asked)} is out of reach: a single sequence takes {_ms(nearest)} per token here; "
            f"ask for {_ms(nearest, up=True)} or more, or for a faster accelerator or more of them per replica",
        )
    asked, nearest = objectives.ttft_p95_s, least.ttft_p95_s
    return Infeasible(
        bound,
        asked,
        nearest,
        f"ttftP95 {_ms(asked)} is out of reach: an idle replica takes {_ms(nearest)} for such a prompt; "
        f"ask for {_ms(nearest, up=True)} or more, or for a faster accelerator or more of them per replica",
    )


def _does_not_hold(step: StepTime, traffic: Traffic) -> Infeasible:
    asked = traffic.prompt_tokens + traffic.output_tokens
    return Infeasible(
        Bound.KV,
        asked,
        float(step.kv_tokens),
        f"a request of {asked:.0f} tokens does not fit: the cache of a replica holds {step.kv_tokens} tokens; "
        f"shorten prompts or outputs, or give the replica more memory",
    )


def _ms(seconds: float, *, up: bool = False) -> str:
    ms = seconds * 1e3
    digits = 0 if ms >= 100 else 1
    shown = math.ceil(ms * 10**digits * 1.005) / 10**digits if up else round(ms, digits)
    return f"{shown:.{digits}f} ms"
