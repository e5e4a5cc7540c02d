"""What the replay knows of a kind of replica: the step times of the capacity model, tabulated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from wharfage_autoscaler.steptime import StepTime

from wharfage_simulator.records import PROFILE
from wharfage_simulator.tables import Floats

RESPONSE_S = 8e-3
"""Tokenising, HTTP and the first detokenising, in front of every token that a client sees."""


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """A kind of replica: its step times and limits, and a name for reports."""

    name: str
    step: StepTime
    response_s: float = RESPONSE_S


def tables(profiles: Sequence[EngineProfile]) -> tuple[npt.NDArray[np.void], Floats]:
    """The coefficients, one row a profile, and the time of the linear layers by profile and tokens in the step.

    `ValueError` where a profile allows more sequences than tokens in a step, or has no cache.
    """
    coefficients = np.zeros(len(profiles), dtype=PROFILE)
    widest = max(profile.step.limits.batched_tokens for profile in profiles)
    linear = np.full((len(profiles), widest + 1), np.nan)
    for row, profile in enumerate(profiles):
        step, limits = profile.step, profile.step.limits
        if limits.sequences > limits.batched_tokens or limits.sequences < 1:
            raise ValueError(f"{profile.name}: {limits.sequences} sequences in steps of {limits.batched_tokens} tokens")
        if step.kv_tokens < 1:
            raise ValueError(f"{profile.name}: no room for a KV cache beside the weights")
        coefficients[row] = (
            step.per_sequence_s,
            step.context_s_per_token,
            step.window_s_per_token,
            step.attention_s,
            step.window_attention_s,
            step.attention_half_tokens,
            step.window_kv_ratio,
            profile.response_s,
            step.window_tokens,
            step.kv_tokens,
            limits.sequences,
            limits.batched_tokens,
        )
        for tokens in range(1, limits.batched_tokens + 1):
            linear[row, tokens] = step.linear_s(tokens)
    return coefficients, linear
