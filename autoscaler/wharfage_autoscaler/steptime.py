"""How long one step of the engine takes: the one physical quantity that rates and latencies follow from.

A step computes one token of every decoding sequence and a chunk of some prompt. Its time is the sum of

- the weights, read once or computed with, whichever is the longer (`kernels.Gemm`); of a mixture of experts only
  those that n tokens touch, 1 - (1 - active/total)^n of them;
- the cache of the decoding sequences, read; attention of the chunk over its prompt, computed;
- the exchange between the accelerators, element-wise work, the output head;
- the host: a part per step, per layer and per sequence.

Every term belongs to one of three groups, overhead, memory or compute, which is what calibration scales.
Formulas: docs/design/0004-capacity.md.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from wharfage_autoscaler.accelerators import Accelerator, Interconnect
from wharfage_autoscaler.fit import Fit
from wharfage_autoscaler.footprint import (
    GIB,
    UTILIZATION,
    WEIGHT_BYTES,
    EngineLimits,
    kv_bytes_per_token,
    overhead_bytes,
    weight_bytes,
    window_bytes_per_token,
)
from wharfage_autoscaler.kernels import kernels
from wharfage_autoscaler.model import ModelShape
from wharfage_autoscaler.weights import weights

_ELEMENTWISE_SHARE = 0.75  # of the bandwidth: norms, rotary embedding, activation, residual
_KERNELS_DENSE, _KERNELS_EXPERTS = 4, 6  # matrix products per layer
_EXPERTS_ONLY = frozenset({"mxfp4"})  # published with attention in 16 bit
_BYTES = 2


@dataclass(frozen=True, slots=True)
class Host:
    """What the engine's host side adds to a step: scheduling, launches, sampling, detokenising.

    `steps_ahead` are scheduled while one still runs: a request that arrives waits for them as well.
    """

    step_s: float
    layer_s: float
    sequence_s: float
    steps_ahead: int


HOST = Host(step_s=0.6e-3, layer_s=8e-6, sequence_s=10e-6, steps_ahead=1)
"""vLLM from 0.14 on, which schedules a step while the last one runs: from single streams of models too small to matter
otherwise (SmolLM2-135M, Qwen2.5-0.5B) on eight accelerators, SpareCores' measurements of vLLM 0.22."""

HOST_BEFORE_0_14 = Host(step_s=1.0e-3, layer_s=20e-6, sequence_s=10e-6, steps_ahead=0)
"""Earlier engines: read off one row of ML.ENERGY v3, Llama-3.1-8B on an H100."""


@dataclass(frozen=True, slots=True)
class Theta:
    """What a running engine was seen to take, relative to the model: 1 is as predicted."""

    overhead: float = 1.0
    memory: float = 1.0
    compute: float = 1.0

    def __post_init__(self) -> None:
        """Refuse factors that no engine can have."""
        for name in ("overhead", "memory", "compute"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"theta: {name} must be a positive factor, found {value!r}")


@dataclass(frozen=True, slots=True)
class StepTime:
    """The step time of one replica, as coefficients in seconds; each carries its factor of `theta` already.

    `seconds` is exactly
    linear_s(decoding + prefill) + per_sequence_s x (decoding + prompts finished)
    + decoding x context_s(tokens of each) + prefill_attention_s(prefill, history).
    `kv_tokens` is the size of the cache in tokens kept by all layers; see `kv_tokens_of`.
    """

    limits: EngineLimits
    kv_tokens: int
    theta: Theta
    # overhead
    fixed_host_s: float
    sequence_host_s: float
    # memory
    head_read_s: float
    weights_read_s: float
    experts_read_s: float  # all of them
    token_read_s: float
    context_s_per_token: float
    window_s_per_token: float
    # compute
    token_flops_s: float
    token_exchange_s: float
    sequence_flops_s: float
    attention_s: float  # per prompt token and token it attends to, at the best rate
    window_attention_s: float
    # neither
    exponent: float
    expert_miss: float  # share of the experts that one token leaves untouched
    window_tokens: int  # 0: no layer slides
    window_kv_ratio: float  # sliding layers per full layer
    attention_half_tokens: float
    steps_ahead: int = 0
    on_host: bool = False
    """Whether it computes on the host's own processor."""

    @property
    def per_sequence_s(self) -> float:
        """What each sequence that gets a token in this step adds, its context apart."""
        return self.sequence_host_s + self.sequence_flops_s

    def linear_s(self, tokens: float) -> float:
        """All that depends on the number of tokens in the step alone, decoded and prefilled together."""
        read = self.weights_read_s
        if self.experts_read_s:
            read += self.experts_read_s * (1.0 - math.pow(self.expert_miss, tokens))
        p = self.exponent
        product = math.pow(math.pow(read, p) + math.pow(self.token_flops_s * tokens, p), 1.0 / p)
        each = self.token_read_s + self.token_exchange_s
        return self.fixed_host_s + self.head_read_s + product + each * tokens

    def context_s(self, tokens: float) -> float:
        """What one decoding sequence with that many tokens of context adds; sliding layers read their window."""
        if self.window_tokens:
            return self.context_s_per_token * tokens + self.window_s_per_token * min(tokens, self.window_tokens)
        return self.context_s_per_token * tokens

    def prefill_attention_s(self, tokens: float, history: float) -> float:
        """Attention of a chunk over itself and over the `history` tokens of its prompt before it."""
        if tokens <= 0:
            return 0.0
        length, reached = history + tokens, history + tokens / 2
        seconds = self.attention_s * reached * (1.0 + self.attention_half_tokens / length)
        if self.window_tokens:
            reached, length = min(reached, self.window_tokens), min(length, self.window_tokens)
            seconds += self.window_attention_s * reached * (1.0 + self.attention_half_tokens / length)
        return tokens * seconds

    def seconds(
        self,
        decoding: float,
        context_tokens_each: float,
        prefill_tokens: float = 0.0,
        prefill_history: float = 0.0,
        prompts_finished: float = 0.0,
    ) -> float:
        """One step: `decoding` sequences of that context, and a chunk of a prompt; 0 where there is nothing to do."""
        tokens = decoding + prefill_tokens
        if tokens <= 0:
            return 0.0
        return (
            self.linear_s(tokens)
            + self.per_sequence_s * (decoding + prompts_finished)
            + decoding * self.context_s(context_tokens_each)
            + self.prefill_attention_s(prefill_tokens, prefill_history)
        )

    def kv_tokens_of(self, length: float) -> float:
        """What a sequence of that length takes of `kv_tokens`: its own, and the windows of its sliding layers."""
        if self.window_tokens:
            return length + self.window_kv_ratio * min(length, self.window_tokens)
        return length

    def scaled(self, theta: Theta) -> "StepTime":
        """The same replica under another theta."""
        overhead = theta.overhead / self.theta.overhead
        memory = theta.memory / self.theta.memory
        compute = theta.compute / self.theta.compute
        return replace(
            self,
            theta=theta,
            fixed_host_s=self.fixed_host_s * overhead,
            sequence_host_s=self.sequence_host_s * overhead,
            head_read_s=self.head_read_s * memory,
            weights_read_s=self.weights_read_s * memory,
            experts_read_s=self.experts_read_s * memory,
            token_read_s=self.token_read_s * memory,
            context_s_per_token=self.context_s_per_token * memory,
            window_s_per_token=self.window_s_per_token * memory,
            token_flops_s=self.token_flops_s * compute,
            token_exchange_s=self.token_exchange_s * compute,
            sequence_flops_s=self.sequence_flops_s * compute,
            attention_s=self.attention_s * compute,
            window_attention_s=self.window_attention_s * compute,
        )


def step_time(
    shape: ModelShape,
    quantization: str,
    facts: Accelerator,
    tensor_parallel: int,
    limits: EngineLimits,
    theta: Theta = Theta(),
    host: Host = HOST,
) -> StepTime:
    """The step time of a replica of `tensor_parallel` accelerators (of cores, where the accelerator is the CPU).

    `quantization` is the engine's name, "" for 16 bit. The cache is the one the engine reported
    (`limits.kv_tokens`), else computed from the memory that the driver shows.
    Raises `ValueError` for a replica that cannot exist.
    """
    step = _uncalibrated(shape, quantization, facts, tensor_parallel, limits, host)
    return step if theta == step.theta else step.scaled(theta)


# A fleet asks about the same few hundred replicas again and again, with other traffic each time.
@lru_cache(maxsize=4096)
def _uncalibrated(
    shape: ModelShape, quantization: str, facts: Accelerator, size: int, limits: EngineLimits, host: Host
) -> StepTime:
    _check(shape, quantization, facts, size, limits)
    rows = kernels(facts)
    gemm, wide, exchange = rows.gemm(quantization), rows.bits_16, rows.exchange(size)
    parts = weights(shape)
    one_memory = facts.interconnect is Interconnect.NONE
    shards = size if one_memory else min(size, shape.kv_heads)
    bandwidth, peak = facts.bandwidth_bytes_per_second, facts.flops_16_bit
    read = 1.0 / (size * bandwidth * gemm.bandwidth_share)
    dense_bytes = 2.0 if quantization in _EXPERTS_ONLY else WEIGHT_BYTES[quantization]
    cache_read = limits.kv_bytes / _BYTES / (shards * bandwidth * rows.cache_bandwidth_share)
    products = shape.layers * (_KERNELS_EXPERTS if shape.experts_total else _KERNELS_DENSE)
    per_pair = 4.0 * shape.attention_heads * shape.head_dimension / (size * peak * rows.prompt_flops_share)
    exchanges = 2 * shape.layers if size > 1 and not one_memory else 0
    spread = size if one_memory else 1
    width = shape.ffn_size or shape.expert_ffn_size * shape.experts_active
    elementwise = shape.layers * (14 * shape.hidden_size / spread + 6 * width / size) * _BYTES
    full_layers = max(1, shape.layers - shape.window_layers)
    return StepTime(
        limits=limits,
        kv_tokens=_kv_tokens(shape, quantization, facts, size, limits)
        if limits.kv_tokens is None
        else limits.kv_tokens,
        theta=Theta(),
        fixed_host_s=host.step_s
        + host.layer_s * shape.layers
        + products * gemm.floor_s
        + wide.floor_s
        + exchanges * exchange.latency_s,
        sequence_host_s=host.sequence_s,
        head_read_s=parts.head * _BYTES / (size * bandwidth * wide.bandwidth_share),
        weights_read_s=parts.dense * dense_bytes * read,
        experts_read_s=parts.experts * WEIGHT_BYTES[quantization] * read,
        token_read_s=elementwise / (bandwidth * _ELEMENTWISE_SHARE),
        context_s_per_token=max(kv_bytes_per_token(shape) * cache_read, _latent_flops_s(shape, per_pair)),
        window_s_per_token=window_bytes_per_token(shape) * cache_read,
        token_flops_s=2.0 * parts.per_token / (size * peak * gemm.flops_share),
        token_exchange_s=exchanges * shape.hidden_size * _BYTES / exchange.bytes_per_second,
        sequence_flops_s=2.0 * parts.head / (size * peak * wide.flops_share),
        attention_s=per_pair * full_layers,
        window_attention_s=per_pair * shape.window_layers,
        exponent=gemm.exponent,
        expert_miss=1.0 - shape.experts_active / shape.experts_total if shape.experts_total else 0.0,
        window_tokens=shape.window_tokens if shape.window_layers else 0,
        window_kv_ratio=shape.window_layers / full_layers,
        attention_half_tokens=rows.prompt_half_tokens,
        steps_ahead=host.steps_ahead,
        on_host=facts.interconnect is Interconnect.NONE,
    )


def engine_limits(fit: Fit, shape: ModelShape) -> EngineLimits:
    """The limits that a fitted replica is started with, and the cache that is left for it."""
    shards = fit.accelerators if fit.seconds_per_token is not None else min(fit.accelerators, shape.kv_heads)
    kv_tokens = fit.kv_gib * GIB * shards / fit.accelerators / kv_bytes_per_token(shape)
    return EngineLimits(fit.max_num_seqs, fit.max_num_batched_tokens, int(kv_tokens))


def _kv_tokens(shape: ModelShape, quantization: str, facts: Accelerator, size: int, limits: EngineLimits) -> int:
    if limits.kv_tokens is not None:
        return limits.kv_tokens
    if facts.visible_gib <= 0:
        raise ValueError(
            f"step time: {facts.name} has no memory of its own; hand in the size of the cache as limits.kv_tokens"
        )
    room = facts.visible_gib * GIB * UTILIZATION - weight_bytes(shape, quantization) / size
    room -= overhead_bytes(shape, size, limits)
    token = kv_bytes_per_token(shape) * limits.kv_bytes / _BYTES
    return max(0, int(room * min(size, shape.kv_heads) / token))


def _latent_flops_s(shape: ModelShape, per_pair_s: float) -> float:
    """Latent attention multiplies every head with the one compressed row: arithmetic that may outlast its reading."""
    if not shape.kv_bytes_per_token or shape.kv_heads != 1:
        return 0.0
    return per_pair_s * shape.kv_bytes_per_token / (_BYTES * shape.head_dimension)


def _check(shape: ModelShape, quantization: str, facts: Accelerator, size: int, limits: EngineLimits) -> None:
    if quantization not in WEIGHT_BYTES or not facts.runs(quantization):
        known = ", ".join(sorted(name or '"" (16 bit)' for name in facts.quantizations if name in WEIGHT_BYTES))
        raise ValueError(f"step time: {facts.name} does not run {quantization!r} weights; it runs {known}")
    if size < 1 or (size > shape.attention_heads and facts.interconnect is not Interconnect.NONE):
        raise ValueError(
            f"step time: tensor parallel size {size} must be between 1 and the model's {shape.attention_heads} heads"
        )
    if limits.sequences < 1 or limits.batched_tokens < 1 or (limits.kv_tokens is not None and limits.kv_tokens < 0):
        raise ValueError(f"step time: limits must be positive, found {limits}")
    if shape.experts_total and not 0 < shape.experts_active <= shape.experts_total:
        raise ValueError(
            f"step time: {shape.experts_active} of {shape.experts_total} experts active; must be between 1 and all"
        )
    if min(shape.layers, shape.hidden_size, shape.vocabulary_size, shape.attention_heads, shape.kv_heads) < 1:
        raise ValueError(f"step time: the shape has a size below 1: {shape}")
