"""What a token is worth: the engine's time that one of the prompt, one of the cache and one of the answer take.

All three at the load that a replica is planned for, from its own step time as calibrated: a token of the answer takes
its part of a step in which all others decode as well, one of the prompt what it adds to such a step, and one that the
cache had what the others take to attend to it.
"""

from dataclasses import dataclass

from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steptime import StepTime
from wharfage_autoscaler.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Weights:
    """What a computed token of a prompt takes, and a cached one, in tokens of output; both 0 or more."""

    prompt: float
    cached: float

    def __post_init__(self) -> None:
        """Refuse what would make a sum of dollars anything but one."""
        for name, value in (("prompt", self.prompt), ("cached", self.cached)):
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"weights: a token of a {name} takes a finite time, not {value}")


USUAL = Weights(prompt=0.06, cached=0.003)
"""Of engines that nothing is known of: those of Qwen3-8B on an L4, with prompts of 900 tokens and answers of 220."""


def weights(step: StepTime, traffic: Traffic, objectives: Objectives) -> Weights:
    """The weights on one replica that takes `step`, under the traffic that it is planned for."""
    found = capacity(step, traffic, objectives)
    sequences = max(1.0, found.sequences) if isinstance(found, Capacity) else 1.0
    decoding_s = step.seconds(sequences, traffic.resident_tokens)
    computed = traffic.computed_tokens
    prompt_s = step.seconds(sequences, traffic.resident_tokens, computed) - decoding_s
    attended_s = step.prefill_attention_s(computed, computed) - step.prefill_attention_s(computed, 0.0)
    each_s = decoding_s / sequences
    return Weights(max(0.0, prompt_s / computed / each_s), max(0.0, attended_s / computed / each_s))
