"""How much of a replica one request takes: demand counts in requests of the planned kind, not in heads.

The mean lengths of a real load drift by a factor of two to five within hours (ServeGen: clients come and go), and a
replica's rate with them. Within its objectives a replica spends about so much on each request, so much more on each
token of its prompt and on each of its answer; the three follow from the capacity model near the planned traffic.
"""

from dataclasses import dataclass, replace

from wharfage_autoscaler.capacity import Infeasible, capacity
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import StepTime
from wharfage_autoscaler.traffic import Traffic

_STEP = 1.25  # to either side; shorter ones show how the model rounds, longer ones leave the objectives


@dataclass(frozen=True, slots=True)
class Work:
    """Work in units of a request of the planned kind."""

    per_request: float = 1.0
    per_prompt_token: float = 0.0
    per_output_token: float = 0.0

    def of(self, requests: float, prompt_tokens: float, output_tokens: float) -> float:
        """The work of so many requests with so many tokens together, or of such rates; arrays work as well."""
        return (
            self.per_request * requests + self.per_prompt_token * prompt_tokens + self.per_output_token * output_tokens
        )


HEADS = Work()
"""Every request as good as another: where nothing is known of the engine."""


def work(step: StepTime, traffic: Traffic, objectives: Objectives) -> Work:
    """What requests of other lengths are worth where `traffic` is planned for; `HEADS` where that is out of reach."""
    planned_s = _seconds(step, traffic, objectives)
    if planned_s is None:
        return HEADS
    prompt_s = _slope(step, traffic, objectives, "prompt_tokens")
    output_s = _slope(step, traffic, objectives, "output_tokens")
    rest_s = max(0.0, planned_s - prompt_s * traffic.prompt_tokens - output_s * traffic.output_tokens)
    unit_s = rest_s + prompt_s * traffic.prompt_tokens + output_s * traffic.output_tokens
    return Work(rest_s / unit_s, prompt_s / unit_s, output_s / unit_s)


def _seconds(step: StepTime, traffic: Traffic, objectives: Objectives) -> float | None:
    """Of a replica, per request, at its best rate."""
    carried = capacity(step, traffic, objectives)
    return None if isinstance(carried, Infeasible) else 1.0 / carried.requests_per_second


def _slope(step: StepTime, traffic: Traffic, objectives: Objectives, field: str) -> float:
    """Seconds per token of that field; never negative, 0 where no other length is within reach."""
    length = getattr(traffic, field)
    found = []
    for each in (max(1.0, length / _STEP), length * _STEP):
        seconds = _seconds(step, replace(traffic, **{field: each}), objectives)
        if seconds is not None:
            found.append((each, seconds))
    if len(found) < 2:
        planned_s = _seconds(step, traffic, objectives)
        found += [(length, planned_s)] if planned_s is not None else []
    (short, fast_s), (long, slow_s) = min(found), max(found)
    return max(0.0, (slow_s - fast_s) / (long - short)) if long > short else 0.0
