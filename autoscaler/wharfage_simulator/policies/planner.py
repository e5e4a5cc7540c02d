"""Dynamo's planner for engines that prefill and decode: load decisions, throughput decisions, and how they meet.

ai-dynamo 1.1.1, `planner/core/{state_machine,load_scaling,throughput_scaling}.py` in mode `agg`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from wharfage_simulator.policies.predictors import PREDICTORS, Predictor
from wharfage_simulator.policies.regression import Step, StepModel


class Aim(StrEnum):
    """`optimization_target`."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    SLA = "sla"


_EASY = {Aim.THROUGHPUT: (1.0, 0.6), Aim.LATENCY: (0.4, 0.1)}
"""Use of the cache, with what waits, above which any engine asks for one more, below which all allow one less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings that decide, with Dynamo's defaults."""

    aim: Aim = Aim.THROUGHPUT
    ttft_ms: float = 500.0
    itl_ms: float = 50.0
    by_load: bool = False
    """`enable_load_scaling`; the two easy aims have it on, and throughput scaling off."""
    by_throughput: bool = True
    predictor: str = "ar"
    down_sensitivity: float = 80.0
    """Percent of an objective below which an engine allows one less."""
    least: int = 1
    batched_tokens: float = 8192.0
    kv_tokens: float = 0.0

    @property
    def eager(self) -> bool:
        """Whether load decides at all."""
        return self.by_load or self.aim is not Aim.SLA

    @property
    def foresees(self) -> bool:
        """Whether throughput decides at all."""
        return self.by_throughput and self.aim is Aim.SLA


@dataclass(frozen=True, slots=True)
class Came:
    """What came during an interval: requests, and their mean lengths."""

    seconds: float
    requests: float
    prompt_tokens: float
    output_tokens: float


class Planner:
    """The state machine. Every decision is a count, or None where there is none."""

    def __init__(self, plan: Plan) -> None:
        make = PREDICTORS[plan.predictor]
        self._plan = plan
        self._requests: Predictor = make()
        self._prompt: Predictor = make()
        self._output: Predictor = make()
        self._bound = 1
        self.model = StepModel()

    def load(self, steps: Sequence[Step], *, ready: int, expected: int) -> int | None:
        """From the engines' last steps, one each: one more, one less, or no decision."""
        if self._plan.aim is Aim.SLA:
            for step in steps:
                self.model.add(step)
        if not self._plan.eager or not steps or expected != ready or len(steps) != ready:
            return None
        wanted = self._within_objectives(steps) if self._plan.aim is Aim.SLA else self._easy(steps)
        if wanted is None:
            return None
        return max(wanted, self._plan.least, self._bound if self._plan.foresees else 0)

    def throughput(self, came: Came) -> int | None:
        """From the interval's traffic: the count that carries what comes next; with load decisions only their bound."""
        if self._plan.aim is not Aim.SLA:
            return None
        self._requests.add(came.requests)
        self._prompt.add(came.prompt_tokens)
        self._output.add(came.output_tokens)
        if not self._plan.foresees or came.seconds <= 0:
            return None
        rps = self.model.best_rps(
            prompt_tokens=self._prompt.next(),
            output_tokens=self._output.next(),
            batched_tokens=self._plan.batched_tokens,
            ttft_s=self._plan.ttft_ms / 1000.0,
            itl_s=self._plan.itl_ms / 1000.0,
        )
        if rps <= 0:
            return None
        count = max(math.ceil(self._requests.next() / came.seconds / rps), self._plan.least)
        if self._plan.eager:
            self._bound = count
            return None
        return count

    def _easy(self, steps: Sequence[Step]) -> int | None:
        if self._plan.kv_tokens <= 0:
            return None
        above, below = _EASY[self._plan.aim]
        used = [
            (step.decode_tokens + step.queued_decode_tokens + step.queued_prefill_tokens) / self._plan.kv_tokens
            for step in steps
        ]
        if any(each > above for each in used):
            return len(steps) + 1
        if len(steps) > 1 and all(each < below for each in used):
            return len(steps) - 1
        return None

    def _within_objectives(self, steps: Sequence[Step]) -> int | None:
        """Up where one of the two objectives says so; down where the later tokens do, and the first ones not up.

        The second half is as coded: no opinion on the first token counts as no signal, not as a veto.
        """
        if not self.model.informed:
            return None
        first = [
            self.model.ttft_s(
                queued_prefill_tokens=step.queued_prefill_tokens,
                batched_tokens=self._plan.batched_tokens,
                decode_tokens=step.decode_tokens,
            )
            for step in steps
        ]
        later = [
            self.model.itl_s(decode_tokens=step.decode_tokens, queued_decode_tokens=step.queued_decode_tokens)
            for step in steps
        ]
        by_first, by_later = self._way(first, self._plan.ttft_ms), self._way(later, self._plan.itl_ms)
        if max(by_first, by_later) > 0:
            return len(steps) + 1
        return len(steps) - 1 if by_later < 0 and len(steps) > 1 else None

    def _way(self, seconds: Sequence[float | None], objective_ms: float) -> int:
        """1 where all engines are beyond the objective, -1 where all are well within it, else 0."""
        known = [1000.0 * each for each in seconds if each is not None]
        if known and all(each > objective_ms for each in known):
            return 1
        if known and all(each < objective_ms * (self._plan.down_sensitivity / 100.0) for each in known):
            return -1
        return 0
