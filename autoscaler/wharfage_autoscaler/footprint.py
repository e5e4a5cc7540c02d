"""What a replica holds in memory: weights, the cache of its sequences, and the engine's own working space.

Fitting asks whether it all goes in, the capacity model how many sequences run at once and how many bytes a step
reads. Sources of the terms: docs/design/0003-fit.md.
"""

from dataclasses import dataclass

from wharfage_autoscaler.model import ModelShape

GIB = 2.0**30
UTILIZATION = 0.90
"""Share of the visible memory that the engine may take; it is started with this value."""

# Bytes per weight of the quantised linear layers; the 4-bit kinds carry a 16-bit scale per group.
WEIGHT_BYTES = {
    "": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "awq": 0.5625,
    "gptq": 0.5625,
    "bitsandbytes": 0.5625,
    "gguf": 0.6,
    "compressed-tensors": 1.0,
    "mxfp4": 0.53125,
    "nvfp4": 0.5625,
}
_KV_BYTES = 2  # the cache stays in 16 bit
_GRAPHS_BYTES = 1.2e9  # CUDA graphs and context
_NCCL_BYTES = 0.45e9


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What the engine is started with: sequences at once, tokens per step.

    `kv_tokens` is the size of the cache, None where it is to be computed; `kv_reported` says that a running engine
    reported it, which computing has been up to 40 % above. `kv_bytes` per number in the cache are 1 where the engine
    is told to keep it in 8 bit.
    """

    sequences: int
    batched_tokens: int
    kv_tokens: int | None = None
    kv_reported: bool = False
    kv_bytes: int = _KV_BYTES


def default_limits(memory_gib: float, max_num_seqs: int = 0) -> EngineLimits:
    """The engine's own defaults by memory (vLLM 0.32, `EngineArgs.get_batch_defaults`), A100 like the other 80 GiB."""
    if memory_gib >= 160:
        defaults = EngineLimits(1024, 16384)
    elif memory_gib >= 70:
        defaults = EngineLimits(1024, 8192)
    else:
        defaults = EngineLimits(256, 2048)
    sequences = max_num_seqs or defaults.sequences
    return EngineLimits(sequences, max(sequences, defaults.batched_tokens))


def kv_bytes_per_token(shape: ModelShape) -> float:
    """Bytes that each further token of a sequence adds to the KV cache, over all layers that keep all tokens."""
    if shape.kv_bytes_per_token:
        return float(shape.kv_bytes_per_token)
    full_layers = max(1, shape.layers - shape.window_layers)
    return full_layers * _layer_bytes(shape)


def window_bytes_per_token(shape: ModelShape) -> float:
    """The same over the layers whose window slides, as long as the sequence is shorter than the window."""
    return 0.0 if shape.kv_bytes_per_token else shape.window_layers * _layer_bytes(shape)


def sequence_bytes(shape: ModelShape, tokens: int) -> float:
    """KV cache of one sequence of that length; sliding-window layers keep only their window."""
    windowed = window_bytes_per_token(shape) * min(tokens, shape.window_tokens or tokens)
    return kv_bytes_per_token(shape) * tokens + windowed


def _layer_bytes(shape: ModelShape) -> float:
    return 2.0 * shape.kv_heads * shape.head_dimension * _KV_BYTES


def weight_bytes(shape: ModelShape, quantization: str) -> float:
    """Bytes of the weights: quantised linear layers, embedding and output head always in 16 bit."""
    per_weight = WEIGHT_BYTES[quantization]
    ffn = max(0, shape.ffn_size)
    experts = shape.experts_total * shape.expert_ffn_size
    heads = 2 * (shape.attention_heads + shape.kv_heads) * shape.head_dimension
    linear = shape.layers * shape.hidden_size * (heads + 3 * (experts or ffn))
    unquantised = min(shape.vocabulary_size * shape.hidden_size * 2.0, max(0.0, shape.parameters - linear))
    return (shape.parameters - unquantised) * per_weight + unquantised * 2.0


def activation_bytes(shape: ModelShape, size: int, limits: EngineLimits) -> float:
    """Working space of the largest step, and of sampling from it, per accelerator of `size` in parallel."""
    widest = max(shape.ffn_size, shape.expert_ffn_size * max(1, shape.experts_active))
    activations = 3.0 * limits.batched_tokens * (2 * shape.hidden_size + 2 * widest / size)
    sampler = 16.0 * limits.sequences * shape.vocabulary_size
    return activations + sampler


def overhead_bytes(shape: ModelShape, size: int, limits: EngineLimits) -> float:
    """All that is neither weights nor cache, per accelerator of `size` in parallel."""
    return activation_bytes(shape, size, limits) + _GRAPHS_BYTES + (_NCCL_BYTES if size > 1 else 0.0)
