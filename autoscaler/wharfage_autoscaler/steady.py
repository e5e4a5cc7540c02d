"""What a replica does at a given load: the steady state that follows from the time of one step.

With B sequences decoding, each output token waits for one step and for its share of the prompts that are computed
in between:

    TPOT(B) = T(B) + added(B)                    added: what the B/output prompts that start per step add to it
    rate(B) = B / (output x TPOT(B))             Little's law
    TTFT95(B) = waited + own + 3 rho/(1-rho) x added per prompt x (1+cv^2)/2 + API

with rho = added/TPOT the share of time spent on prompts, and waited the rest of the step that runs on arrival and the
steps that are scheduled behind it already. Formulas: docs/design/0004-capacity.md.
"""

import math
from dataclasses import dataclass

from wharfage_autoscaler.steptime import StepTime
from wharfage_autoscaler.traffic import Traffic

API_S = 8e-3
"""Tokenising, HTTP and the first detokenising, which no step contains."""

IDLE = 1e-6
"""Sequences decoding on average: so few that nobody waits for anybody."""

TOLERANCE = 0.001
_SMALLEST_CHUNK = 64.0


@dataclass(frozen=True, slots=True)
class Operation:
    """One point of the curves: `sequences` decoding on average, the rate that keeps them so, and the latencies."""

    sequences: float
    requests_per_second: float
    tpot_s: float
    ttft_s: float
    ttft_p95_s: float
    prefill_share: float


def operation(step: StepTime, traffic: Traffic, sequences: float) -> Operation:
    """The steady state in which that many sequences decode on average; its latencies if arrivals are random."""
    sequences = max(sequences, IDLE)
    running = max(1.0, sequences)  # a step never carries less than one
    prompts = sequences / traffic.output_tokens
    alone, added = mean_step_s(
        step, running, traffic.resident_tokens, prompts, traffic.computed_tokens, traffic.cached_tokens
    )
    tpot_s = alone + added
    own = _own_prompt_s(step, traffic, running, alone)
    behind = added / alone * added / prompts  # rho / (1 - rho) is added / alone
    step_s = min(1.0, sequences) * tpot_s  # an idle engine makes nobody wait
    return Operation(
        sequences=sequences,
        requests_per_second=prompts / tpot_s,
        tpot_s=tpot_s,
        ttft_s=(0.5 + step.steps_ahead) * step_s + own + behind / 2 + API_S,
        ttft_p95_s=(0.95 + step.steps_ahead) * step_s + own + 3.0 * behind * (1.0 + traffic.prompt_cv**2) / 2 + API_S,
        prefill_share=added / tpot_s,
    )


def closed_loop(step: StepTime, traffic: Traffic, clients: float) -> Operation:
    """The steady state of that many clients, each sending its next request when the last is answered.

    What does not fit into the engine's limits waits, so the mean time to the first token follows from Little's law.
    """
    most = max(IDLE, min(clients, _most_sequences(step, traffic)))
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


def _most_sequences(step: StepTime, traffic: Traffic) -> float:
    """What the engine admits: its own limit, its cache, and as many as its steps can read new prompts for."""
    held = step.kv_tokens / max(1.0, step.kv_tokens_of(traffic.resident_tokens))
    return min(float(step.limits.sequences), held, replaceable(step, traffic))


def replaceable(step: StepTime, traffic: Traffic) -> float:
    """Sequences whose successors' prompts fit into the steps: each step ends 1/output of them."""
    return step.limits.batched_tokens / (1.0 + traffic.computed_tokens / traffic.output_tokens)


def mean_step_s(
    step: StepTime, decoding: float, context_tokens_each: float, prompts: float, computed: float, cached: float = 0.0
) -> tuple[float, float]:
    """A step without prompts, and what they add to it on average where `prompts` of them start per step, at random.

    `computed` and `cached` are tokens of one prompt. Prompts that start together share the reading of the weights;
    one that is longer than a step takes several.
    """
    alone = step.seconds(decoding, context_tokens_each)
    if prompts <= 0 or computed <= 0:
        return alone, 0.0
    share = -math.expm1(-prompts)  # of the steps, that begin a prompt
    burst = min(_budget(step, decoding), computed * prompts / share)
    carrying = prompts * computed / burst
    linear = step.linear_s(decoding + burst) - step.linear_s(decoding)
    each = step.prefill_attention_s(computed, cached) + step.per_sequence_s
    return alone, carrying * linear + prompts * each


def _own_prompt_s(step: StepTime, traffic: Traffic, running: float, alone: float) -> float:
    """The steps that carry one prompt, as long as they take with all else that they do."""
    computed = traffic.computed_tokens
    chunk = min(computed, _budget(step, running))
    linear = step.linear_s(running + chunk) - step.linear_s(running)
    attention = step.prefill_attention_s(computed, traffic.cached_tokens)
    return computed / chunk * (alone + linear) + attention + step.per_sequence_s


def _budget(step: StepTime, running: float) -> float:
    return max(_SMALLEST_CHUNK, step.limits.batched_tokens - running)
