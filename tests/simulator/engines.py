"""Kinds of replicas for tests, and a simulator of one replica that goes token by token."""

import math
from dataclasses import dataclass, field

import numpy as np
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_simulator.profile import EngineProfile
from wharfage_simulator.tables import Floats
from wharfage_simulator.traces import RequestTrace


def step_times(
    *,
    sequences: int = 8,
    batched_tokens: int = 64,
    kv_tokens: int = 4_000,
    window_tokens: int = 0,
    window_kv_ratio: float = 0.0,
) -> StepTime:
    """Step times in the proportions of a small model; a step takes about 10 ms."""
    return StepTime(
        limits=EngineLimits(sequences, batched_tokens, kv_tokens),
        kv_tokens=kv_tokens,
        theta=Theta(),
        fixed_host_s=1e-3,
        sequence_host_s=1e-5,
        head_read_s=3e-4,
        weights_read_s=5e-3,
        experts_read_s=0.0,
        token_read_s=1e-6,
        context_s_per_token=5e-7,
        window_s_per_token=4e-7 if window_tokens else 0.0,
        token_flops_s=2e-5,
        token_exchange_s=0.0,
        sequence_flops_s=1e-6,
        attention_s=2e-8,
        window_attention_s=1e-8 if window_tokens else 0.0,
        exponent=2.0,
        expert_miss=0.0,
        window_tokens=window_tokens,
        window_kv_ratio=window_kv_ratio,
        attention_half_tokens=100.0,
    )


def profile(**limits: float) -> EngineProfile:
    """A kind of replica with these limits; see `step_times`."""
    return EngineProfile("test", step_times(**limits))  # type: ignore[arg-type]


def trace(times: list[float], prompts: list[int], outputs: list[int], cached: list[int] | None = None) -> RequestTrace:
    """A trace of these requests."""
    prompt, output, hits = (
        np.array(column, dtype=np.int32) for column in (prompts, outputs, cached or [0] * len(times))
    )
    return RequestTrace("test", 0.0, times[-1] + 1.0, np.array(times), prompt, output, hits)


def random_trace(
    seed: int, count: int, *, req_per_s: float, prompt: int, output: int, cached: float = 0.0
) -> RequestTrace:
    """Poisson arrivals with log-normal lengths around these medians, at most eight times them."""
    draw = np.random.default_rng(seed)
    times = np.cumsum(draw.exponential(1 / req_per_s, count))
    prompts, outputs = (
        np.clip(draw.lognormal(math.log(median), 0.8, count), 1, 8 * median).astype(np.int32)
        for median in (prompt, output)
    )
    hits = (prompts * draw.random(count) * cached).astype(np.int32)
    return RequestTrace("random", 0.0, float(times[-1]), times, prompts, outputs, hits)


@dataclass(slots=True)
class Sequence:
    """One request inside the engine."""

    i: int
    generated: int
    prefilled: int
    decoding: bool = False


@dataclass(slots=True)
class TokenByToken:
    """What one replica does, step by step and sequence by sequence, with nothing jumped."""

    step: StepTime
    response_s: float
    load: RequestTrace
    patience_s: float = math.inf
    first_s: Floats = field(init=False)
    finish_s: Floats = field(init=False)
    preempted: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        """Nothing has been answered yet."""
        self.first_s = np.full(self.load.requests, np.nan)
        self.finish_s = np.full(self.load.requests, np.nan)

    def total(self, i: int) -> int:
        return int(self.load.prompt_tokens[i] + self.load.output_tokens[i])

    def window_kept(self, i: int) -> int:
        return int(self.step.window_kv_ratio * min(self.total(i), self.step.window_tokens))

    def held(self, sequence: Sequence) -> int:
        """Cache of one sequence; a prompt in progress holds all that it will need."""
        more = 0 if sequence.decoding else 1
        prompt = int(self.load.prompt_tokens[sequence.i])
        return prompt + sequence.generated + more + self.window_kept(sequence.i)

    def serve(self) -> None:
        """Serve all there is, alone."""
        now, arriving = 0.0, 0
        waiting: list[tuple[int, int]] = []  # request, tokens generated before
        running: list[Sequence] = []  # in the order of admission; at most the last is not decoding yet
        while arriving < self.load.requests or waiting or running:
            if not waiting and not running:
                now = max(now, float(self.load.t_s[arriving]))
            while arriving < self.load.requests and self.load.t_s[arriving] <= now:
                if self.total(arriving) + self.window_kept(arriving) <= self.step.kv_tokens:
                    waiting.append((arriving, 0))
                arriving += 1
            if waiting or running:
                now = self.one_step(now, waiting, running)

    def one_step(self, now: float, waiting: list[tuple[int, int]], running: list[Sequence]) -> float:
        """One step of the engine; the instant at which it ends."""
        cap = self.step.kv_tokens
        preempting = False
        while sum(map(self.held, running)) + sum(one.decoding for one in running) > cap:
            victim = running.pop()
            waiting.insert(0, (victim.i, victim.generated))
            self.preempted += 1
            preempting = True
        decoding = [one for one in running if one.decoding]
        budget = self.step.limits.batched_tokens - len(decoding)
        attention_s, computed, complete = 0.0, 0, []
        for one in [one for one in running if not one.decoding]:
            chunk = min(self.tokens(one) - one.prefilled, budget)
            attention_s += self.step.prefill_attention_s(chunk, one.prefilled)
            one.prefilled += chunk
            budget -= chunk
            computed += chunk
            if one.prefilled == self.tokens(one):
                complete.append(one)
        while waiting and budget > 0 and len(running) < self.step.limits.sequences and not preempting:
            i, generated = waiting[0]
            if now - self.load.t_s[i] > self.patience_s and generated == 0:
                waiting.pop(0)
                continue
            one = Sequence(i, generated, 0)
            if sum(map(self.held, running)) + len(decoding) + self.held(one) > cap:
                break
            waiting.pop(0)
            running.append(one)
            one.prefilled = min(int(self.load.cached_tokens[i]), self.tokens(one) - 1)
            chunk = min(self.tokens(one) - one.prefilled, budget)
            attention_s += self.step.prefill_attention_s(chunk, one.prefilled)
            one.prefilled += chunk
            budget -= chunk
            computed += chunk
            if one.prefilled == self.tokens(one):
                complete.append(one)
        if not decoding and not computed:
            return now
        context = sum(int(self.load.prompt_tokens[one.i]) + one.generated for one in decoding)
        windows = sum(self.window_read(one.i) for one in decoding)
        end = now + (
            self.step.linear_s(len(decoding) + computed)
            + self.step.per_sequence_s * (len(decoding) + len(complete))
            + self.step.context_s_per_token * context
            + self.step.window_s_per_token * windows
            + attention_s
        )
        self.steps += 1
        for one in [*decoding, *complete]:
            one.generated += 1
            one.decoding = True
            if one.generated == 1:
                self.first_s[one.i] = end + self.response_s
            if one.generated == self.load.output_tokens[one.i]:
                self.finish_s[one.i] = end + self.response_s
                running.remove(one)
        return end

    def tokens(self, one: Sequence) -> int:
        """What must be computed before the next token: the prompt, and what was generated before a preemption."""
        return int(self.load.prompt_tokens[one.i]) + one.generated

    def window_read(self, i: int) -> int:
        return int(min(self.load.prompt_tokens[i] + self.load.output_tokens[i] // 2, self.step.window_tokens))
