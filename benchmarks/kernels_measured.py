"""Times of kernels on a GPU, each beside what the capacity model makes of it; `kernels_gpu` prints them.

Everything is given as calls that run back to back, in a CUDA graph where not said otherwise, over more weights or
pages than the second-level cache holds.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from wharfage_autoscaler.accelerators import Accelerator
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.kernels import Gemm, kernels
from wharfage_autoscaler.model import ModelShape
from wharfage_autoscaler.steptime import Host, step_time

from benchmarks.kernels_triton import PAGE, add_and_norm, decode_attention, gated, rotary

_NO_HOST = Host(step_s=0.0, layer_s=0.0, sequence_s=0.0, steps_ahead=0)
_COLD_BYTES = 400e6  # several times the second-level cache: what a graph goes through before it comes back to a weight
CUDA = torch.cuda.is_available()
_DEVICE = "cuda" if CUDA else "cpu"
_FLOAT = torch.bfloat16 if CUDA else torch.float16  # Triton's interpreter takes the bits of the former for numbers


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement: `kind` and `regime` it belongs to, sizes, and seconds, measured and predicted (None: not)."""

    kind: str
    regime: str
    sizes: dict[str, float | str]
    measured_s: float
    predicted_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    tokens: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
    sequences: tuple[int, ...] = (1, 4, 16, 64, 256)
    contexts: tuple[int, ...] = (512, 2048, 8192, 32768)
    prompts: tuple[int, ...] = (512, 1024, 2048, 4096, 8192, 16384, 32768)
    most_cache_bytes: float = 9e9
    layers: int = 16
    sustained_s: float = 6.0
    cold_bytes: float = _COLD_BYTES


TINY = Sizes((1, 8), (1, 2), (48,), (32,), 1e8, 1, 0.01, 1e5)


def tiny(shape: ModelShape) -> ModelShape:
    """A shape that a CPU computes in no time."""
    return replace(shape, hidden_size=64, ffn_size=128, vocabulary_size=256, attention_heads=4, kv_heads=2,
                   head_dimension=16, layers=1, parameters=1e5, active_parameters=1e5)  # fmt: skip


def timed_s(calls: Sequence[Callable[[], object]], rounds: int = 7, graph: bool = True) -> float:
    """Seconds per call, the median of rounds of all calls; without a graph the host launches each kernel."""

    def run() -> None:
        for call in calls:
            call()

    if not CUDA:
        began_s = time.perf_counter()
        run()
        return (time.perf_counter() - began_s) / len(calls)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        run()
    torch.cuda.synchronize()
    act: Callable[[], object] = run
    if graph:
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            run()
        act = captured.replay
    act()
    found: list[float] = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        begin.record()
        act()
        end.record()
        torch.cuda.synchronize()
        found.append(begin.elapsed_time(end) * 1e-3 / len(calls))
    return statistics.median(found)


def widths(facts: Accelerator) -> dict[int, torch.dtype]:
    """The types of weights that the accelerator multiplies, by bits."""
    return {16: _FLOAT} | ({8: torch.float8_e4m3fn} if facts.runs("fp8") else {})


def random(*size: int, dtype: torch.dtype = _FLOAT) -> Tensor:
    """Normal numbers; zeros would run faster than real weights do."""
    if dtype == torch.float8_e4m3fn:
        return torch.randn(size, dtype=_FLOAT, device=_DEVICE).to(dtype)
    return torch.randn(size, dtype=dtype, device=_DEVICE)


def ceilings(sizes: Sizes) -> Iterable[Point]:
    """What memory does at best: copying, and reading alone."""
    size = round(sizes.cold_bytes * 5)
    source, target = random(size), random(size)
    copied = timed_s([lambda: torch.neg(source, out=target)] * 4)
    yield Point("ceiling", "copy, read and written", {"bytes": 4 * size}, copied)
    read = timed_s([lambda: torch.linalg.vector_norm(source, ord=float("inf"))] * 4)
    yield Point("ceiling", "read", {"bytes": 2 * size}, read)


def matrices(shape: ModelShape) -> dict[str, tuple[int, int]]:
    """The products of a layer, as outputs and inputs of each."""
    heads = shape.attention_heads * shape.head_dimension
    return {
        "qkv": (heads + 2 * shape.kv_heads * shape.head_dimension, shape.hidden_size),
        "o": (shape.hidden_size, heads),
        "gate_up": (2 * shape.ffn_size, shape.hidden_size),
        "down": (shape.hidden_size, shape.ffn_size),
    }


def product(a: Tensor, b: Tensor, one: Tensor) -> Tensor:
    """A matrix product with the weights `b` (outputs, inputs), in their type."""
    if b.dtype == torch.float8_e4m3fn:
        scaled: Tensor = torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=_FLOAT, use_fast_accum=True)
        return scaled
    return a @ b.t()


def predicted_gemm_s(gemm: Gemm, facts: Accelerator, size: float, flops: float) -> float:
    """The form of `kernels.py`."""
    read = size / (gemm.bandwidth_share * facts.bandwidth_bytes_per_second)
    computed = flops / (gemm.flops_share * facts.flops_16_bit)
    return gemm.floor_s + math.pow(read**gemm.exponent + computed**gemm.exponent, 1 / gemm.exponent)


def gemms(shape: ModelShape, name: str, facts: Accelerator, sizes: Sizes) -> Iterable[Point]:
    """The products of one layer, of both widths of weights."""
    one = torch.ones((), device=_DEVICE)
    for bits, dtype in widths(facts).items():
        gemm = kernels(facts).gemm("" if bits == 16 else "fp8")
        named = matrices(shape) | ({"head": (shape.vocabulary_size, shape.hidden_size)} if bits == 16 else {})
        for what, (outputs, inputs) in named.items():
            size = outputs * inputs * bits / 8
            weights = [
                random(outputs, inputs, dtype=dtype) for _ in range(max(3, -(-round(sizes.cold_bytes) // round(size))))
            ]
            for tokens in sizes.tokens if what != "head" else [each for each in sizes.tokens if each <= 256]:
                a = random(tokens, inputs, dtype=dtype)
                flops = 2.0 * tokens * outputs * inputs
                repeats = max(1, (24 if tokens <= 512 else 4) // len(weights))
                try:
                    measured_s = timed_s([partial(product, a, b, one) for b in weights] * repeats)
                except RuntimeError as error:
                    print(f"  {name} {what} {bits} bit, {tokens} tokens: {str(error).splitlines()[0]}")
                    continue
                yield Point(
                    f"gemm, {bits} bit",
                    "1 to 16 tokens" if tokens <= 16 else "32 to 256" if tokens <= 256 else "512 and more",
                    {"model": name, "matrix": what, "tokens": tokens, "bytes": size, "flops": flops},
                    measured_s,
                    predicted_gemm_s(gemm, facts, size, flops),
                )  # fmt: skip
            del weights


def sustained(shape: ModelShape, name: str, facts: Accelerator, sizes: Sizes) -> Iterable[Point]:
    """Seconds of nothing but large products: what the power that the card may draw leaves of its arithmetic."""
    one = torch.ones((), device=_DEVICE)
    outputs, inputs = matrices(shape)["gate_up"]
    tokens = sizes.tokens[-1]
    for bits, dtype in widths(facts).items():
        a, b = random(tokens, inputs, dtype=dtype), random(outputs, inputs, dtype=dtype)
        call = partial(product, a, b, one)
        try:
            once_s = timed_s([call] * 4)
        except RuntimeError:
            continue
        rounds = max(3, round(sizes.sustained_s / once_s / 20))
        later_s = timed_s([call] * 20, rounds=rounds)
        flops = 2.0 * tokens * outputs * inputs
        yield Point("sustained", f"{bits} bit, at once", {"model": name, "flops": flops}, once_s)
        yield Point("sustained", f"{bits} bit, for {sizes.sustained_s:g} s", {"model": name, "flops": flops}, later_s)


@dataclass(frozen=True, slots=True)
class Cache:
    """Pages of one layer's keys and values, and those of each sequence, shuffled as an engine's get."""

    keys: Tensor
    values: Tensor
    pages: Tensor


def cache(shape: ModelShape, sequences: int, context: int) -> Cache:
    """The cache of one layer."""
    each = -(-context // PAGE)
    table = torch.randperm(sequences * each, device=_DEVICE, dtype=torch.int32).reshape(sequences, each)
    size = (sequences * each, PAGE, shape.kv_heads, shape.head_dimension)
    return Cache(random(*size), random(*size), table)


def splits_of(sequences: int, heads: int, context: int, block: int) -> int:
    """How many programs share one sequence, so that all of the card has something to do."""
    return max(1, min(-(-context // (2 * block)), -(-4 * 132 // (sequences * heads)), 64))


def decode_calls(
    q: Tensor, caches: Sequence[Cache], context: int, block: int, stages: int
) -> list[Callable[[], object]]:
    """Attention of one token of each sequence, one call per cache."""
    splits = splits_of(len(q), caches[0].keys.shape[2], context, block)
    how = {"splits": splits, "block": block, "stages": stages}
    return [partial(decode_attention, q, each.keys, each.values, each.pages, context, **how) for each in caches]


def decoding(shape: ModelShape, name: str, facts: Accelerator, sizes: Sizes) -> Iterable[Point]:
    """Attention of decoding sequences over one layer's cache: the best of a few shapes of the kernel."""
    share = kernels(facts).cache_bandwidth_share
    for sequences in sizes.sequences:
        for context in sizes.contexts:
            size = 4.0 * sequences * context * shape.kv_heads * shape.head_dimension
            if size > sizes.most_cache_bytes:
                continue
            caches = [cache(shape, sequences, context) for _ in range(max(2, min(24, round(sizes.cold_bytes / size))))]
            q = random(sequences, shape.attention_heads, shape.head_dimension)
            tried = [(64, 2), (64, 3), (128, 2), (128, 3)] if CUDA else [(32, 2)]
            found_s = [timed_s(decode_calls(q, caches, context, *one), rounds=5) for one in tried]
            yield Point(
                "attention, decoding",
                "under 30 MB of cache" if size < 30e6 else "30 to 200 MB" if size < 200e6 else "over 200 MB",
                {"model": name, "sequences": sequences, "context": context, "bytes": size},
                min(found_s),
                size / (share * facts.bandwidth_bytes_per_second),
            )
            del caches


def decode_error(shape: ModelShape) -> float:
    """How far the kernel is off attention in single precision, relative; it must be that of 16 bit."""
    context = 77
    one = cache(shape, 3, context)
    q = random(3, shape.attention_heads, shape.head_dimension)
    block = 64 if CUDA else 32
    found = decode_attention(q, one.keys, one.values, one.pages, context, splits=2, block=block, stages=2).float()
    group = shape.attention_heads // shape.kv_heads

    def rows(pages: Tensor) -> Tensor:
        taken = pages[one.pages.long()].reshape(3, -1, shape.kv_heads, shape.head_dimension)[:, :context]
        return taken.float().transpose(1, 2).repeat_interleave(group, dim=1)

    wanted = scaled_dot_product_attention(q.float()[:, :, None], rows(one.keys), rows(one.values))[:, :, 0]
    return float((found - wanted).norm() / wanted.norm())


def prompts(shape: ModelShape, name: str, facts: Accelerator, sizes: Sizes) -> Iterable[Point]:
    """Attention of a whole prompt over itself, one layer, the best of PyTorch's kernels."""
    rows = kernels(facts)
    heads, width = shape.attention_heads, shape.head_dimension
    backends = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION] if CUDA else [SDPBackend.MATH]
    for length in sizes.prompts:
        q, k, v = (random(1, heads, length, width) for _ in range(3))
        found_s = []
        for backend in backends:
            try:
                with sdpa_kernel(backend):
                    call = partial(scaled_dot_product_attention, q, k, v, is_causal=True)
                    found_s.append(timed_s([call] * (16 if length <= 4096 else 3), rounds=5))
            except RuntimeError as error:
                print(f"  {backend}: {str(error).splitlines()[0]}")
        pairs = length * length / 2
        flops = 4.0 * heads * width * pairs
        slower = 1.0 + rows.prompt_half_tokens / length
        predicted_s = flops * slower / (facts.flops_16_bit * rows.prompt_flops_share)
        regime = "up to 2048 tokens" if length <= 2048 else "4096 and more"
        yield Point(
            "attention, prompts", regime, {"model": name, "tokens": length, "flops": flops}, min(found_s), predicted_s
        )


def elementwise(shape: ModelShape, name: str, facts: Accelerator, sizes: Sizes) -> Iterable[Point]:
    """Norms, rotary embedding and activation of one layer, which the model has read as bytes per token."""
    hidden, ffn = shape.hidden_size, shape.ffn_size
    heads, width = shape.attention_heads + shape.kv_heads, shape.head_dimension
    for tokens in sizes.tokens:
        weight, angles = random(hidden), torch.rand(tokens, width // 2, device=_DEVICE)
        x, residual = random(tokens, hidden), random(tokens, hidden)
        rows, wide = random(tokens, (heads + shape.kv_heads) * width), random(tokens, 2 * ffn)
        calls = [
            partial(add_and_norm, x, residual, weight),
            partial(rotary, rows, heads, width, angles),
            partial(add_and_norm, x, residual, weight),
            partial(gated, wide),
        ]
        measured_s = len(calls) * timed_s(calls * 8)
        predicted_s = tokens * (14 * hidden + 6 * ffn) * 2 / (0.75 * facts.bandwidth_bytes_per_second)
        regime = "1 to 256 tokens" if tokens <= 256 else "512 and more"
        yield Point("element-wise, a layer", regime, {"model": name, "tokens": tokens}, measured_s, predicted_s)


def sampling(shape: ModelShape, name: str, sizes: Sizes) -> Iterable[Point]:
    """From logits to tokens: the largest; at random; at random among the likeliest, by sorting."""

    def drawn(logits: Tensor) -> Tensor:
        shares = torch.softmax(logits.float(), dim=-1)
        return torch.argmax(shares / torch.empty_like(shares).exponential_(), dim=-1)

    def likeliest(logits: Tensor) -> Tensor:
        ordered, places = torch.sort(logits.float(), dim=-1)
        below = torch.cumsum(torch.softmax(ordered, dim=-1), dim=-1)
        ordered = ordered.masked_fill(below <= 0.1, -float("inf"))
        return drawn(torch.empty_like(ordered).scatter_(-1, places, ordered))

    for sequences in sizes.sequences:
        logits = random(sequences, shape.vocabulary_size)
        ways: dict[str, Callable[[Tensor], Tensor]] = {
            "greedy": partial(torch.argmax, dim=-1), "random": drawn, "top-p by sorting": likeliest
        }  # fmt: skip
        for what, way in ways.items():
            yield Point("sampling", what, {"model": name, "sequences": sequences}, timed_s([partial(way, logits)] * 4))


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer and its cache."""

    matrices: dict[str, Tensor]
    norm: Tensor
    cache: Cache


def steps(shape: ModelShape, name: str, facts: Accelerator, sizes: Sizes) -> Iterable[Point]:
    """Whole decode steps of `sizes.layers` layers, up to the token; predicted without the host's share."""
    shape = replace(shape, layers=sizes.layers, parameters=shape.parameters * sizes.layers / shape.layers + 1e9)
    one = torch.ones((), device=_DEVICE)
    width, heads = shape.head_dimension, shape.attention_heads
    head = random(shape.vocabulary_size, shape.hidden_size)
    for bits, dtype in widths(facts).items():
        weights = [
            {what: random(*size, dtype=dtype) for what, size in matrices(shape).items()} for _ in range(shape.layers)
        ]
        step = step_time(shape, "" if bits == 16 else "fp8", facts, 1, EngineLimits(512, 8192, 10**6), host=_NO_HOST)
        for sequences in sizes.sequences:
            for context in sizes.contexts[:3]:
                size = 4.0 * sequences * context * shape.kv_heads * width * shape.layers
                if size > 2.5 * sizes.most_cache_bytes:
                    continue
                layers = [Layer(each, random(shape.hidden_size), cache(shape, sequences, context)) for each in weights]
                x, angles = random(sequences, shape.hidden_size), torch.rand(sequences, width // 2, device=_DEVICE)
                block = 64 if CUDA else 32
                splits = splits_of(sequences, shape.kv_heads, context, block)

                def cast(rows: Tensor, wanted: torch.dtype = dtype) -> Tensor:
                    return rows.to(wanted) if wanted != rows.dtype else rows

                def run(
                    layers: Sequence[Layer] = layers, x: Tensor = x, angles: Tensor = angles, context: int = context,
                    splits: int = splits, block: int = block, sequences: int = sequences,
                    cast: Callable[[Tensor], Tensor] = cast,
                ) -> Tensor:  # fmt: skip
                    residual = x.clone()
                    out = x
                    for each in layers:
                        rows = product(cast(add_and_norm(out, residual, each.norm)), each.matrices["qkv"], one)
                        rotary(rows, heads + shape.kv_heads, width, angles)
                        rows = rows.view(sequences, -1, width)
                        kept = each.cache
                        kept.keys.view(-1, shape.kv_heads, width)[:sequences] = rows[:, heads : heads + shape.kv_heads]
                        kept.values.view(-1, shape.kv_heads, width)[:sequences] = rows[:, heads + shape.kv_heads :]
                        q = rows[:, :heads].contiguous()
                        seen = decode_attention(
                            q, kept.keys, kept.values, kept.pages, context, splits=splits, block=block, stages=2
                        )
                        out = product(cast(seen.view(sequences, -1)), each.matrices["o"], one)
                        out = product(cast(add_and_norm(out, residual, each.norm)), each.matrices["gate_up"], one)
                        out = product(cast(gated(out)), each.matrices["down"], one)
                    return torch.argmax(add_and_norm(out, residual, layers[0].norm) @ head.t(), dim=-1)

                about: dict[str, float | str] = {
                    "model": name, "bits": bits, "sequences": sequences, "context": context, "layers": shape.layers,
                }  # fmt: skip
                try:
                    yield Point("decode step", f"{bits} bit", about, timed_s([run]), step.seconds(sequences, context))
                    if context == sizes.contexts[0] and sequences in (1, 64):
                        yield Point("decode step, no graph", f"{bits} bit", about, timed_s([run], graph=False))
                except RuntimeError as error:
                    print(f"  step {about}: {str(error).splitlines()[0]}")
                del layers, run
        del weights
