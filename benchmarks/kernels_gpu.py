"""What a GPU's kernels take, against what the capacity model assumes of them: `make bench-kernels`.

Needs an NVIDIA GPU of the table of accelerators and a Python with PyTorch and Triton (`GPU_PYTHON=`). Kernels run
back to back in CUDA graphs over more weights than the second-level cache holds, as in serving, timed with events:

- matrix products of the layers of Llama-3.1-8B and Qwen3-32B, 16 and 8 bit, 1 to 8192 tokens;
- attention of decoding sequences over a paged cache, and of prompts;
- norms, rotary embedding and activation; sampling;
- whole decode steps, in a graph and without one.

The table holds, per regime, the mean of predicted / measured and the mean error; below are the constants that fit.

    python -m benchmarks.kernels_gpu --json out.json
    TRITON_INTERPRET=1 python -m benchmarks.kernels_gpu --tiny       # on a CPU, to see that it runs
"""

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import least_squares
from wharfage_autoscaler.accelerators import ACCELERATORS, Accelerator
from wharfage_autoscaler.kernels import Gemm, kernels
from wharfage_autoscaler.shapes import KNOWN

from benchmarks import kernels_measured
from benchmarks.kernels_measured import CUDA, TINY, Point, Sizes, tiny

MODELS = {"Llama-3.1-8B": "meta-llama/Llama-3.1-8B", "Qwen3-32B": "Qwen/Qwen3-32B"}


def fitted_gemm(points: Sequence[Point], facts: Accelerator) -> Gemm:
    """Floor, shares and exponent of the products, least squares of the logarithm."""
    size = np.array([float(each.sizes["bytes"]) for each in points])
    flops = np.array([float(each.sizes["flops"]) for each in points])
    seconds = np.array([each.measured_s for each in points])

    def of(at: Any) -> Any:
        read = size / (at[1] * facts.bandwidth_bytes_per_second)
        computed = flops / (at[2] * facts.flops_16_bit)
        p = np.exp(at[3])
        return np.log(at[0] * 1e-6 + (read**p + computed**p) ** (1 / p)) - np.log(seconds)

    found = least_squares(of, (4.0, 0.85, 0.8, 0.7), bounds=((0, 0.1, 0.05, -1), (50, 1.5, 3, 3))).x
    return Gemm(found[0] * 1e-6, float(found[1]), float(found[2]), float(np.exp(found[3])))


def fitted_prompt(points: Sequence[Point], facts: Accelerator) -> tuple[float, float]:
    """Share of the peak and the tokens at half of it: seconds per flop are linear in 1 / tokens."""
    tokens = np.array([float(each.sizes["tokens"]) for each in points])
    each_s = np.array([each.measured_s / float(each.sizes["flops"]) for each in points])
    rows = np.column_stack([np.ones(len(tokens)), 1 / tokens]) / each_s[:, None]
    best, slope = np.linalg.lstsq(rows, np.ones(len(tokens)), rcond=None)[0]
    return float(1 / best / facts.flops_16_bit), float(slope / best)


def table(points: Sequence[Point], facts: Accelerator) -> str:
    """Per kind and regime, then the fits beside what is assumed."""
    grouped: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        if point.predicted_s is not None:
            grouped[point.kind, point.regime].append(point)
    lines = [f"{'':<24}{'':<24}{'points':>7}{'predicted / measured':>22}{'mean error':>12}"]
    for (kind, regime), ones in grouped.items():
        ratios = [one.predicted_s / one.measured_s for one in ones if one.predicted_s is not None]
        error = statistics.fmean(abs(ratio - 1) for ratio in ratios)
        lines.append(f"{kind:<24}{regime:<24}{len(ones):>7}{statistics.fmean(ratios):>22.2f}{100 * error:>10.1f} %")
    for point in points:
        size = point.sizes.get("bytes") or point.sizes.get("flops")
        if point.kind in ("ceiling", "sustained") and isinstance(size, int | float):
            lines.append(f"{point.kind}: {point.regime}: {size / point.measured_s / 1e12:.2f} T/s")
    rows = kernels(facts)
    for kind, row in (("gemm, 16 bit", rows.bits_16), ("gemm, 8 bit", rows.bits_8)):
        if chosen := [each for each in points if each.kind == kind]:
            for what, gemm in (("assumed", row), ("fitted", fitted_gemm(chosen, facts))):
                lines.append(
                    f"{kind} {what}: floor {gemm.floor_s * 1e6:.1f} us, bandwidth {gemm.bandwidth_share:.2f}, "
                    f"{gemm.flops_share * facts.flops_16_bit / 1e12:.0f} TF, exponent {gemm.exponent:.1f}"
                )
    if chosen := [each for each in points if each.kind == "attention, prompts"]:
        share, half = fitted_prompt(chosen, facts)
        lines.append(
            f"attention, prompts assumed: {rows.prompt_flops_share:.2f}, half at {rows.prompt_half_tokens:.0f}"
        )
        lines.append(f"attention, prompts fitted: {share:.2f}, half at {half:.0f}")
    if chosen := [each for each in points if each.kind == "decode step" and each.predicted_s is not None]:
        beyond = [(one.measured_s - (one.predicted_s or 0)) / float(one.sizes["layers"]) for one in chosen]
        lines.append(f"decode step beyond prediction, per layer: median {statistics.median(beyond) * 1e6:.1f} us")
    return "\n".join(lines)


def named(card: str) -> str | None:
    """The row of the table of accelerators whose name is in the card's, the longest; None where none is."""
    words = f"-{card.replace(' ', '-')}-"
    return max((name for name in ACCELERATORS if f"-{name}-" in words), key=len, default=None)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Benchmark of a GPU's kernels against the capacity model.")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the points")
    parser.add_argument("--accelerator", default="", help="row of the table of accelerators; found by the card's name")
    parser.add_argument("--tiny", action="store_true", help="a few points of small shapes, on a CPU too")
    given = parser.parse_args()
    if not (CUDA or given.tiny):
        parser.error("PyTorch sees no GPU here; --tiny runs small shapes on a CPU")
    card = torch.cuda.get_device_name() if CUDA else "CPU"
    name = given.accelerator or ("H100" if given.tiny else named(card)) or ""
    if name not in ACCELERATORS:
        parser.error(f"{card} is scored as which row? --accelerator is one of {', '.join(ACCELERATORS)}")
    facts = ACCELERATORS[name]
    print(f"{card}, PyTorch {torch.__version__}, scored as {facts.name}", flush=True)
    sizes = TINY if given.tiny else Sizes()
    torch.manual_seed(0)
    points: list[Point] = []
    began_s = time.monotonic()

    def take(made: Iterable[Point], what: str) -> None:
        points.extend(made)
        if given.json:
            Path(given.json).write_text(
                json.dumps([asdict(each) for each in points], indent=1) + "\n", encoding="utf-8"
            )
        print(f"  {what}: {time.monotonic() - began_s:.0f} s", flush=True)

    for name, key in MODELS.items():
        shape = tiny(KNOWN[key].shape) if given.tiny else KNOWN[key].shape
        print(f"  {name}: decode attention is off by {kernels_measured.decode_error(shape):.1e}")
        take(kernels_measured.steps(shape, name, facts, sizes), f"{name}, steps")
        take(kernels_measured.decoding(shape, name, facts, sizes), f"{name}, decoding")
        take(kernels_measured.gemms(shape, name, facts, sizes), f"{name}, products")
        take(kernels_measured.prompts(shape, name, facts, sizes), f"{name}, prompts")
        take(kernels_measured.elementwise(shape, name, facts, sizes), f"{name}, element-wise")
        take(kernels_measured.sampling(shape, name, sizes), f"{name}, sampling")
    take(kernels_measured.ceilings(sizes), "ceilings")
    first = next(iter(MODELS))
    large = tiny(KNOWN[MODELS[first]].shape) if given.tiny else KNOWN[MODELS[first]].shape
    take(kernels_measured.sustained(large, first, facts, sizes), "sustained")
    print(table(points, facts))


if __name__ == "__main__":
    main()
