"""Which offers can hold a model, with how many accelerators per replica, and by how much others miss.

An engine that does not fit dies minutes after a machine was bought for it. So memory is computed before
anything is rented, with the engine's own rules:

    weights + KV cache of one full-length sequence + overhead  <=  visible memory x UTILIZATION

per accelerator, for the smallest tensor-parallel size that satisfies it. What is left over goes to the KV
cache. Sources of the terms: docs/design/0003-fit.md.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from wharfage_autoscaler.accelerators import Accelerator, Interconnect, accelerator, unknown
from wharfage_autoscaler.footprint import (
    GIB,
    UTILIZATION,
    WEIGHT_BYTES,
    EngineLimits,
    activation_bytes,
    default_limits,
    kv_bytes_per_token,
    overhead_bytes,
    sequence_bytes,
    weight_bytes,
)
from wharfage_autoscaler.model import ModelShape, Variant
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.shapes import native_quantization

DEFAULT_CONTEXT_TOKENS = 8192
"""Where the user names no context, at least this much (or the model's own, if less) must fit."""

_CPU_PROCESS_GIB = 1.5  # measured 1.06 GiB RSS with --enforce-eager and the uni executor; the rest is page cache
_CPU_S_PER_TOKEN = 0.1  # what the cores of a replica are counted for: every token reads all active weights once
_CPU_SEQUENCES = 16
_PCIE_MAX_TENSOR_PARALLEL = 2


@dataclass(frozen=True, slots=True)
class Fit:
    """How one replica sits on an offer. Memory is per replica, over all its accelerators.

    `kv_gib` is all that is left for the KV cache, `max_sequences` how many sequences of
    `max_model_tokens` it holds at once. `max_num_seqs` and `max_num_batched_tokens` are the engine's
    two batching limits. `cores` and `host_memory_gib` are what the pod should request.
    """

    accelerators: int
    weights_gib: float
    kv_gib: float
    overhead_gib: float
    usable_gib: float
    max_sequences: int
    max_model_tokens: int
    max_num_seqs: int
    max_num_batched_tokens: int
    cores: float
    host_memory_gib: float
    seconds_per_token: float | None = None  # of a single stream; only where it is the first worry: on a CPU

    def __str__(self) -> str:
        return (
            f"{self.weights_gib:.1f} GiB weights + {self.kv_gib:.1f} GiB KV + {self.overhead_gib:.1f} GiB overhead "
            f"of {self.usable_gib:.1f} usable, {self.max_sequences} x {self.max_model_tokens} tokens"
        )


@dataclass(frozen=True, slots=True)
class Miss:
    """Why an offer cannot hold the model. `short_by_gib` is infinite where no memory would help."""

    offer: Offer
    short_by_gib: float
    message: str


def fit(variant: Variant, offer: Offer, *, max_model_tokens: int = 0, max_num_seqs: int = 0) -> Fit | Miss:
    """How one replica of the variant sits on a machine of the offer, or why it does not.

    `max_model_tokens` 0 takes the model's own context, shortened to what fits; `max_num_seqs` 0 takes the
    default for the memory at hand.
    """
    return _fit(variant, offer, max_model_tokens, max_num_seqs)


# Hundreds of deployments ask about the same offers every few seconds, and the answer never changes.
@lru_cache(maxsize=4096)
def _fit(variant: Variant, offer: Offer, max_model_tokens: int, max_num_seqs: int) -> Fit | Miss:
    facts = accelerator(offer.accelerator)
    if facts is None:
        return Miss(offer, math.inf, f"{named(offer)}: {unknown(offer.accelerator)}")
    shape = variant.shape
    if shape is None:
        return Miss(offer, math.inf, f"{named(offer)}: the shape of {variant.source} is not known")
    quantization = variant.quantization or variant.stored or native_quantization(variant.source)
    if quantization not in WEIGHT_BYTES or not facts.runs(quantization):
        return Miss(offer, math.inf, f"{named(offer)}: does not run {quantization} weights")
    own = shape.max_context_tokens
    if own and max_model_tokens > own:
        return Miss(
            offer, math.inf, f"{named(offer)}: {max_model_tokens} tokens asked for, the model's own limit is {own}"
        )
    if facts.interconnect is Interconnect.NONE:
        return _fit_cores(variant, offer, facts, quantization=quantization, tokens=max_model_tokens, seqs=max_num_seqs)
    return _fit_devices(variant, offer, facts, quantization=quantization, tokens=max_model_tokens, seqs=max_num_seqs)


def tensor_parallel_sizes(shape: ModelShape, facts: Accelerator, accelerators: int) -> tuple[int, ...]:
    """Sizes worth trying on one machine, smallest first: powers of two that split the heads evenly.

    Without NVLink an all-reduce over four cards costs .84 ms per layer pair against .019 ms with it, so two is
    the limit there.
    """
    most = accelerators if facts.interconnect is Interconnect.NVLINK else min(accelerators, _PCIE_MAX_TENSOR_PARALLEL)
    sizes = (2**power for power in range(max(1, most).bit_length()))
    return tuple(size for size in sizes if size <= most and _splits(shape, size))


def _splits(shape: ModelShape, size: int) -> bool:
    kv_splits = shape.kv_heads % size == 0 or size % shape.kv_heads == 0
    return shape.attention_heads % size == 0 and kv_splits


def _fit_devices(
    variant: Variant, offer: Offer, facts: Accelerator, *, quantization: str, tokens: int, seqs: int
) -> Fit | Miss:
    shape = variant.shape
    assert shape is not None  # noqa: S101 - checked by the caller; narrows the type
    visible_gib = _visible_gib(offer, facts)
    limits = default_limits(offer.accelerator_memory_gib, seqs)
    weights_gib = weight_bytes(shape, quantization) / GIB
    wanted = tokens or min(shape.max_context_tokens or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)
    miss: Miss | None = None
    for size in tensor_parallel_sizes(shape, facts, offer.accelerators):
        shards = min(size, shape.kv_heads)
        usable_gib = visible_gib * UTILIZATION
        overhead_gib = overhead_bytes(shape, size, limits) / GIB
        kv_gib = usable_gib - weights_gib / size - overhead_gib
        needed_gib = sequence_bytes(shape, wanted) / shards / GIB
        if kv_gib < needed_gib:
            message = (
                f"{named(offer, size)}: short by {needed_gib - kv_gib:.1f} GiB: needs {weights_gib / size:.1f} GiB "
                f"weights + {needed_gib:.1f} GiB KV for {wanted} tokens + {overhead_gib:.1f} GiB overhead = "
                f"{weights_gib / size + needed_gib + overhead_gib:.1f} of {usable_gib:.1f} usable"
                f"{' on each' if size > 1 else ''}"
            )
            miss = Miss(offer, (needed_gib - kv_gib) * size, message)
            continue
        served = tokens or _longest(shape, kv_gib * shards * GIB, at_least=wanted)
        return Fit(
            accelerators=size,
            weights_gib=weights_gib,
            kv_gib=kv_gib * size,
            overhead_gib=overhead_gib * size,
            usable_gib=usable_gib * size,
            max_sequences=math.floor(kv_gib * shards * GIB / sequence_bytes(shape, served)),
            max_model_tokens=served,
            max_num_seqs=limits.sequences,
            max_num_batched_tokens=limits.batched_tokens,
            cores=max(1.0, math.floor(0.7 * offer.vcpus * size / offer.accelerators)),
            host_memory_gib=math.floor(0.7 * offer.memory_gib * size / offer.accelerators * 4) / 4,
        )
    return miss or Miss(
        offer, math.inf, f"{named(offer)}: {shape.attention_heads} attention heads cannot be split over its cards"
    )


def _fit_cores(
    variant: Variant, offer: Offer, facts: Accelerator, *, quantization: str, tokens: int, seqs: int
) -> Fit | Miss:
    """A replica takes as many cores as its weights need to be read, and as its share of the memory asks for."""
    shape = variant.shape
    assert shape is not None  # noqa: S101 - checked by the caller; narrows the type
    limits = EngineLimits(seqs or _CPU_SEQUENCES, max(seqs, 2048))
    weights_gib = weight_bytes(shape, quantization) / GIB
    overhead_gib = _CPU_PROCESS_GIB + activation_bytes(shape, 1, limits) / GIB
    wanted = tokens or min(shape.max_context_tokens or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)
    per_core_gib = offer.memory_gib * UTILIZATION / offer.accelerators
    usable_gib = per_core_gib * offer.accelerators
    needed_gib = sequence_bytes(shape, wanted) / GIB
    total_gib = weights_gib + needed_gib + overhead_gib
    if total_gib > usable_gib:
        message = (
            f"{named(offer)}: short by {total_gib - usable_gib:.1f} GiB: needs {weights_gib:.1f} GiB weights + "
            f"{needed_gib:.1f} GiB KV for {wanted} tokens + {overhead_gib:.1f} GiB overhead = {total_gib:.1f} of "
            f"{usable_gib:.1f} usable"
        )
        return Miss(offer, total_gib - usable_gib, message)
    core_seconds = weights_gib * GIB * shape.active_parameters / shape.parameters / facts.bandwidth_bytes_per_second
    for_speed, for_memory = math.ceil(core_seconds / _CPU_S_PER_TOKEN), math.ceil(total_gib / per_core_gib - 1e-9)
    cores = min(offer.accelerators, max(1, for_speed, for_memory))
    served = tokens or _longest(shape, (per_core_gib * cores - weights_gib - overhead_gib) * GIB, at_least=wanted)
    sequence_gib = sequence_bytes(shape, served) / GIB
    room_gib = per_core_gib * cores - weights_gib - overhead_gib
    kept = max(1, min(limits.sequences, math.floor(room_gib / sequence_gib)))
    return Fit(
        accelerators=cores,
        weights_gib=weights_gib,
        kv_gib=kept * sequence_gib,
        overhead_gib=overhead_gib,
        usable_gib=per_core_gib * cores,
        max_sequences=kept,
        max_model_tokens=served,
        max_num_seqs=limits.sequences,
        max_num_batched_tokens=limits.batched_tokens,
        cores=float(cores),
        host_memory_gib=math.ceil((weights_gib + kept * sequence_gib + overhead_gib) * 8) / 8,
        seconds_per_token=core_seconds / cores,
    )


def _visible_gib(offer: Offer, facts: Accelerator) -> float:
    """What the driver will report: catalogs state the datasheet's figure, the driver's, a slice or a larger model."""
    stated_gib = offer.accelerator_memory_gib
    return min(stated_gib, max(facts.visible_gib, facts.visible_gib * stated_gib / facts.memory_gib))


def _longest(shape: ModelShape, room_bytes: float, *, at_least: int) -> int:
    """The longest context, a multiple of 1024, of which one sequence fits; the model's own where that fits."""
    own = shape.max_context_tokens or DEFAULT_CONTEXT_TOKENS
    if sequence_bytes(shape, own) <= room_bytes:
        return own
    fixed = sequence_bytes(shape, own) - kv_bytes_per_token(shape) * own
    fitting = int((room_bytes - fixed) // kv_bytes_per_token(shape))
    return max(at_least, min(own, fitting) // 1024 * 1024)


def named(offer: Offer, size: int | None = None) -> str:
    """The offer as a message names it, with as many accelerators as a replica would take."""
    if offer.accelerator == "CPU":
        return f"{offer.name} ({offer.accelerators} cores, {offer.memory_gib:g} GiB)"
    return f"{offer.accelerator} x{size or offer.accelerators} ({offer.accelerator_memory_gib:g} GiB, {offer.name})"
