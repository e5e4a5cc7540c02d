"""What live metrics teach the capacity model: three factors, learned recursively, with what is still uncertain.

A running engine says how long its steps take and what they carry. The model knows which part of such a step is
overhead, memory or compute, so a few windows correct it for loads that were never seen, other tensor-parallel
sizes included: recursive least squares in log(theta), measured against log(predicted step time).

- A window that is slower than its gate allows is an outlier and refused, until so many are that the engine must have
  changed. Steps are slow for many reasons, but fast for none: a faster window is believed, as far as the gate goes.
  Of a load far above those that taught, the model itself knows less, and the gate is wider.
- What was learned fades slowly, but only in the direction that a new window speaks of, and only while the load
  moves: a constant load says nothing about other loads, so once it has been learned from, the state stands still.

Parameters: docs/design/0004-capacity.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from wharfage_autoscaler.belief import Belief, Vector, independent
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.steady import mean_step_s
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_autoscaler.traffic import Traffic

PRIOR = independent((0.0, 0.0, 0.0), (0.3, 0.15, 0.3))
"""Logarithms of the factors of overhead, memory and compute of an engine nobody has seen."""

MODEL_SIGMA = 0.08
"""What no calibration removes: the model's own spread, part of every uncertainty that is reported."""

LEAST: Vector = (math.log(0.3), math.log(0.3), math.log(0.3))
MOST: Vector = (math.log(20.0), math.log(3.0), math.log(3.0))
"""Between which the logarithms stay, whatever engines tell. Accelerators are what their datasheet says within a factor
of three; the host's part is as slow as what a container may use of a processor."""

HOST_MOST: Vector = (math.log(20.0), math.log(20.0), math.log(20.0))
"""The same of an engine that computes on the host's processor: all its parts share what a container may use of it."""

_NOISE = 0.05**2  # variance of the logarithm of one window's mean step time
_GATE, _GATE_YOUNG = 3.84, 9.0  # chi-squared, one degree of freedom: 95 %; 99.7 % while little is known
_PATIENCE, _PATIENCE_YOUNG = 10, 3  # refused in a row until the engine counts as changed
_YOUNG = 4  # windows
_DOUBT = 10.0  # by which the variance grows when a window was faster than the gate allows: it knows better
_FORGETTING = 0.995  # per window, of what it measures again
_MOVING = 0.2  # relative spread of the load, below which it says nothing new
_RECENT = 1 / 60  # weight of one window in that spread: about the last hour of 30 s windows
_LEARNED = _NOISE / 4
_BEYOND = 0.1  # standard deviation of the logarithm of a step, at e times the load that was learned from
_TYPICAL_PROMPT_TOKENS = 512.0
_INHERITED_SIGMA: Vector = (0.15, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class Observation:
    """Means over the steps of one window, in which the engine may have rested between steps.

    `decoding` sequences got a token per step, `prefill_tokens` of prompts were computed per step (cache hits do not
    count), `resident_tokens` lay in the KV cache. `prompt_tokens` are the computed tokens of one prompt, None where
    that is not known. Raises `ValueError` naming the field that no engine reports.
    """

    seconds_per_step: float
    decoding: float
    prefill_tokens: float
    resident_tokens: float
    prompt_tokens: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would poison the state."""
        for name in ("seconds_per_step", "decoding"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"observation: {name} must be positive, found {value!r}")
        for name in ("prefill_tokens", "resident_tokens"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"observation: {name} must not be negative, found {value!r}")
        if self.prompt_tokens is not None and not (math.isfinite(self.prompt_tokens) and self.prompt_tokens > 0):
            raise ValueError(f"observation: prompt_tokens must be positive or None, found {self.prompt_tokens!r}")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of one model on one kind of accelerator, in one data type and engine version.

    `belief` is about the logarithms of overhead, memory and compute. `accepted` counts windows since the engine last
    seemed to change, `refused` those in a row. `load_mean` and `load_variance` are of log(decoding), recent windows
    counting most.
    """

    belief: Belief = PRIOR
    accepted: int = 0
    refused: int = 0
    load_mean: float | None = None
    load_variance: float = 0.0

    @property
    def theta(self) -> Theta:
        """The factors to build a `StepTime` with."""
        return _theta(self.belief.mean)

    @property
    def moving(self) -> bool:
        """Whether the load of the last hour varied enough to tell the three factors apart."""
        return math.sqrt(self.load_variance) >= _MOVING

    def after(self, seen: Observation, step: StepTime) -> "Calibration":
        """What is known after one more window of a replica whose step time, under any theta, is `step`."""
        now = self._loaded(math.log(seen.decoding))
        expected, slope = _expected(step, self.belief.mean, seen)
        belief = self.belief.faded(slope, 1.0 / _FORGETTING) if now.moving else self.belief
        variance = belief.variance(slope)
        surprise = math.log(seen.seconds_per_step) - expected
        accepted = self.accepted + 1
        gate, patience = (_GATE_YOUNG, _PATIENCE_YOUNG) if self.accepted < _YOUNG else (_GATE, _PATIENCE)
        most = math.sqrt(gate * (variance + _NOISE + self._unseen(math.log(seen.decoding))))
        if surprise > most:
            if self.refused + 1 < patience:
                return replace(now, refused=self.refused + 1)
            belief, accepted = Belief(belief.mean, PRIOR.covariance), 1
        elif not now.moving and max(variance, surprise**2) < _LEARNED:
            return replace(now, refused=0)
        if surprise < -most:
            doubt = min(_DOUBT, max(1.0, PRIOR.variance(slope) / variance))
            belief, surprise = belief.faded(slope, doubt), -most
        learned = belief.updated_within(slope, surprise, _NOISE, LEAST, HOST_MOST if step.on_host else MOST)
        return replace(now, belief=learned, accepted=accepted, refused=0)

    def sigma(self, step: StepTime, traffic: Traffic, objectives: Objectives) -> float:
        """The relative standard deviation of the capacity that follows from this calibration.

        Where the objectives are out of reach there is no rate, and it is that of the step time of a single sequence.
        Where they are hardly within reach the rate may be anything: 1 at the most.
        """
        feasible = isinstance(capacity(step.scaled(self.theta), traffic, objectives), Capacity)

        def logarithm(mean: Vector) -> float:
            scaled = step.scaled(_theta(mean))
            found = capacity(scaled, traffic, objectives) if feasible else None
            if isinstance(found, Capacity):
                return math.log(found.requests_per_second)
            return math.log(scaled.seconds(1.0, traffic.resident_tokens))

        # A faster engine meets what a slower one met, so the nudge goes there; bisection is too coarse for a small one.
        slope = _slope(logarithm, self.belief.mean, -0.05)
        return min(1.0, math.sqrt(self.belief.variance(slope) + MODEL_SIGMA**2))

    def inherited(self) -> "Calibration":
        """The start for another tensor-parallel size of the same accelerator: the same factors, less sure of them."""
        return Calibration(self.belief.plus(_INHERITED_SIGMA), min(self.accepted, _YOUNG - 1))

    def _unseen(self, load: float) -> float:
        """The variance of what the model thinks of a load that lies above those that were learned from."""
        if self.load_mean is None:
            return 0.0
        seen = -math.expm1(max(1, self.accepted) * math.log1p(-_RECENT))  # of the weight that the variance is a sum of
        beyond = load - self.load_mean - math.sqrt(self.load_variance / seen)
        return (_BEYOND * max(0.0, beyond)) ** 2

    def _loaded(self, load: float) -> "Calibration":
        if self.load_mean is None:
            return replace(self, load_mean=load)
        apart = load - self.load_mean
        variance = (1.0 - _RECENT) * (self.load_variance + _RECENT * apart**2)
        return replace(self, load_mean=self.load_mean + _RECENT * apart, load_variance=variance)


def _theta(mean: Vector) -> Theta:
    return Theta(*(math.exp(value) for value in mean))


def _expected(step: StepTime, mean: Vector, seen: Observation) -> tuple[float, Vector]:
    """The logarithm of the step time that belongs to the window, and how it changes with the three factors."""
    prompt = seen.prompt_tokens or max(seen.prefill_tokens, _TYPICAL_PROMPT_TOKENS)

    def expected(mean: Vector) -> float:
        context = seen.resident_tokens / seen.decoding
        scaled = step.scaled(_theta(mean))
        return math.log(sum(mean_step_s(scaled, seen.decoding, context, seen.prefill_tokens / prompt, prompt)))

    return expected(mean), _slope(expected, mean)


def _slope(function: Callable[[Vector], float], at: Vector, nudge: float = 1e-3) -> Vector:
    here = function(at)
    x, y, z = at
    nudged = ((x + nudge, y, z), (x, y + nudge, z), (x, y, z + nudge))
    a, b, c = ((function(there) - here) / nudge for there in nudged)
    return a, b, c
