"""What one replica carries within its objectives: the largest rate, what binds there, or the objective none meets.

Latencies grow with the number of sequences that decode at once (`steady`), so bisection between an idle replica and
what the engine admits finds the most that the objectives allow.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steady import IDLE, TOLERANCE, Operation, operation, replaceable
from wharfage_autoscaler.steptime import StepTime
from wharfage_autoscaler.traffic import Traffic

PLANNED_SHARE = 0.85
"""Of the capacity; the rest is for the mix of tokens varying from minute to minute."""

STREAMED_TOKENS_PER_SECOND = 14e3
"""What one API server process of the engine hands out: 25 measured runs of three small models on 8 accelerators level
off between 13 and 18 thousand, whatever they could decode."""

_KV_SHARE = 0.9  # of the cache: what is beyond is where preemption begins
_KV_SHARE_COMPUTED = 0.7  # of a cache that no engine has reported yet
_USUAL_DEVIATIONS, _BURST_DEVIATIONS = 1.0, 3.0
_PREFILL_SHARE = 0.9  # of the tokens that steps have room for beside decoding


class Bound(StrEnum):
    """What keeps a replica from carrying more."""

    TPOT = "Tpot"
    TTFT = "Ttft"
    SEQUENCES = "Sequences"
    KV = "Kv"
    PREFILL = "Prefill"
    HOST = "Host"


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
class AtOnce:
    """Requests that one replica has at a time: `slots` is its due beside others, `burst` the most it is sent."""

    slots: int
    burst: int


def at_once(sequences: float, requests_per_second: float, ttft_p95_s: float, most: int) -> AtOnce:
    """What a gateway may send one replica at a time: at least 1 request, and no more than its engine takes up.

    On average there are those that decode and those whose prompt waits or is read. Where arrivals are Poisson, the
    square root of it is its standard deviation: one above the average for the slots, three for bursts. So a load that
    the replica carries is kept waiting once in a thousand, and a burst is served slower rather than late.
    """
    begun = sequences + requests_per_second * ttft_p95_s

    def above(deviations: float) -> int:
        return max(1, min(most, math.ceil(begun + deviations * math.sqrt(begun))))

    return AtOnce(slots=above(_USUAL_DEVIATIONS), burst=above(_BURST_DEVIATIONS))


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why no load at all meets the objectives, and the nearest value that some load meets.

    `asked` and `nearest` are seconds for latencies, tokens for `Bound.KV`.
    """

    bound: Bound
    asked: float
    nearest: float
    message: str


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
    least = operation(step, traffic, IDLE)
    if _broken(least, objectives) is not None:
        return _out_of_reach(least, objectives)
    low, high, best = IDLE, most, least
    while high - low > TOLERANCE * high:
        middle = math.sqrt(low * high)
        point = operation(step, traffic, middle)
        broken = _broken(point, objectives)
        if broken is None:
            low, best = middle, point
        else:
            high, bound = middle, broken
    return _capacity(step, best, bound)


def _planned_sequences(step: StepTime, traffic: Traffic) -> tuple[float, Bound]:
    """The most that decode at once, whatever the objectives, and what says so."""
    share = _KV_SHARE if step.limits.kv_reported else _KV_SHARE_COMPUTED
    held = share * step.kv_tokens / step.kv_tokens_of(traffic.resident_tokens)
    limits = (
        (float(step.limits.sequences), Bound.SEQUENCES),
        (max(1.0, held), Bound.KV),
        (_PREFILL_SHARE * replaceable(step, traffic), Bound.PREFILL),
    )
    return min(limits)


def _broken(point: Operation, objectives: Objectives) -> Bound | None:
    if point.tpot_s > objectives.tpot_p95_s:
        return Bound.TPOT
    if point.ttft_p95_s > objectives.ttft_p95_s:
        return Bound.TTFT
    if point.sequences > STREAMED_TOKENS_PER_SECOND * point.tpot_s:
        return Bound.HOST
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


def _out_of_reach(least: Operation, objectives: Objectives) -> Infeasible:
    """The objective that an idle replica misses by most: nobody gains by loosening the other one first."""
    tpot_missed_by = least.tpot_s / objectives.tpot_p95_s
    bound = Bound.TPOT if tpot_missed_by >= least.ttft_p95_s / objectives.ttft_p95_s else Bound.TTFT
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
