"""How much of a replica one request takes: demand counts in requests of the planned kind, not in heads.

The mean lengths of a real load drift by a factor of two to five within hours (ServeGen: clients come and go), and a
replica's rate with them, faster than in proportion: an answer twice as long keeps its place in the batch for twice as
long, and each of its steps reads twice the cache. So what requests of a kind are worth is a power of either length,

    worth = (prompt / planned prompt) ^ a  x  (answer / planned answer) ^ b

with the exponents that the capacity model has near the planned traffic. Lengths are means over some minutes: one
request has no worth of its own, since what it costs depends on those it runs with.
"""

import math
from dataclasses import dataclass, replace

from wharfage_autoscaler.capacity import Infeasible, capacity
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import StepTime
from wharfage_autoscaler.traffic import Traffic

_STEP = 1.25  # to either side; shorter ones show how the model rounds, longer ones leave the objectives
_SHORTEST = 1.0  # tokens
_ERROR, _ERROR_GROWTH = 0.1, 0.3  # measured by sweeps over half-hour windows, docs/design/0008-count.md


@dataclass(frozen=True, slots=True)
class Work:
    """Work in units of a request of the planned kind."""

    prompt_tokens: float = 1.0
    output_tokens: float = 1.0
    """The means that are planned for."""
    prompt_power: float = 0.0
    output_power: float = 0.0

    def each(self, prompt_tokens: float, output_tokens: float) -> float:
        """What each of some requests with these mean lengths is worth."""
        return math.exp(sum(self._logarithms(prompt_tokens, output_tokens)))

    def shares(self) -> tuple[float, float, float]:
        """Of a planned request's work: what it costs as such, by its prompt and by its answer; together 1.

        The line that touches the powers at the planned lengths, through the origin where it would begin below.
        """
        powers = self.prompt_power + self.output_power
        whole = max(1.0, powers)
        return max(0.0, 1.0 - powers), self.prompt_power / whole, self.output_power / whole

    def error(self, prompt_tokens: float, output_tokens: float) -> float:
        """The relative error of that: the farther the lengths are from the planned ones, the larger."""
        by_prompt, by_output = self._logarithms(prompt_tokens, output_tokens)
        return _ERROR + _ERROR_GROWTH * (abs(by_prompt) + abs(by_output))

    def _logarithms(self, prompt_tokens: float, output_tokens: float) -> tuple[float, float]:
        return (
            self.prompt_power * math.log(max(prompt_tokens, _SHORTEST) / self.prompt_tokens),
            self.output_power * math.log(max(output_tokens, _SHORTEST) / self.output_tokens),
        )


HEADS = Work()
"""Every request as good as another: where nothing is known of the engine."""


def work(step: StepTime, traffic: Traffic, objectives: Objectives) -> Work:
    """What requests of other lengths are worth where `traffic` is planned for; `HEADS` where that is out of reach."""
    if _seconds(step, traffic, objectives) is None:
        return HEADS
    return Work(
        traffic.prompt_tokens,
        traffic.output_tokens,
        _power(step, traffic, objectives, "prompt_tokens"),
        _power(step, traffic, objectives, "output_tokens"),
    )


def _seconds(step: StepTime, traffic: Traffic, objectives: Objectives) -> float | None:
    """Of a replica, per request, at its best rate."""
    carried = capacity(step, traffic, objectives)
    return None if isinstance(carried, Infeasible) else 1.0 / carried.requests_per_second


def _power(step: StepTime, traffic: Traffic, objectives: Objectives, field: str) -> float:
    """By how many per cent a replica's seconds grow with one per cent of that length; never negative.

    0 where no other length is within reach.
    """
    length = getattr(traffic, field)
    found = []
    for each in (max(_SHORTEST, length / _STEP), length, length * _STEP):
        seconds = _seconds(step, replace(traffic, **{field: each}), objectives)
        if seconds is not None:
            found.append((each, seconds))
    (short, fast_s), (long, slow_s) = min(found), max(found)
    return max(0.0, math.log(slow_s / fast_s) / math.log(long / short)) if long > short else 0.0
