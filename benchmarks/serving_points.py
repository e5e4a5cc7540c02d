"""Measured serving points of two public sources, read as what the capacity model predicts and calibration sees.

Both sources measured real engines with harnesses of their own, and neither file says all that a prediction needs.
What is known of the harnesses is written down here, beside the rules by which rows are left out; a rule asks what a
row is, never how well it is predicted.
"""

import csv
import gzip
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.calibration import Observation
from wharfage_autoscaler.footprint import EngineLimits
from wharfage_autoscaler.kernels import kernels
from wharfage_autoscaler.model import ModelShape
from wharfage_autoscaler.shapes import KNOWN, native_quantization, shape_of
from wharfage_autoscaler.steptime import HOST, HOST_BEFORE_0_14, StepTime, step_time
from wharfage_autoscaler.traffic import Traffic

AICONFIGURATOR = frozenset({"model_path", "system", "backend", "precision", "isl", "osl", "concurrency", "tp_size"})
SPARECORES = frozenset({"gpu_model", "model_id", "prompt_tokens", "output_tokens", "concurrency", "e2el_mean"})

_SYSTEMS = {"a100_sxm": "A100-80"}
_GPUS = {
    "NVIDIA A10G": "A10G",
    "NVIDIA A100-SXM4-40GB": "A100-40",
    "NVIDIA A100-SXM4-80GB": "A100-80",
    "NVIDIA A100 80GB PCIe": "A100-80-PCIE",
    "NVIDIA B200": "B200",
    "NVIDIA H100 80GB HBM3": "H100",
    "NVIDIA H100 NVL": "H100-NVL",
    "NVIDIA H200": "H200",
    "NVIDIA L4": "L4",
    "NVIDIA L40S": "L40S",
    "Tesla T4": "T4",
    "Tesla V100-SXM2-16GB": "V100",
}
_PRECISIONS = {"": "", "bf16": "", "fp16": "", "fp8": "fp8", "fp4": "nvfp4", "nvfp4": "nvfp4", "int4": "gptq"}

OTHER_ENGINE = "an engine other than vLLM"
NO_ACCELERATOR = "an accelerator that is not in the table, or a slice of one"
NO_SHAPE = "a model that is not in the table of shapes"
NO_KERNELS = "weights in a type that the accelerator has no kernels for"
NOT_ONE_ENGINE = "several engines, or stages of one, behind the row (pipeline or data parallel)"
MULTI_WORKER = "several workers behind the row and no concurrency of each"
NOTHING_FINISHED = "no request finished"
NOT_STEADY = "no steady state: rate x latency is over 15 % off the requests in flight"
IMPOSSIBLE = "faster than weights and cache can be read at the datasheet's bandwidth: not what one engine did"
HANDED_OUT = "over 12 thousand tokens streamed per second: the pace of the API server or the client, not of the engine"
TAUGHT = "a model that constants were read off: the host's share of a step, or what this accelerator sustains"
REPEATED = "a row that is there already"

# Their throughput implies up to .87 of the peak FLOP/s for one replica: the concurrency is of several.
_MULTI_WORKER = (
    ("Llama-3.1-8B-Instruct-FP8", "H200", "fp8"),
    ("Qwen3-32B", "H100", "fp8"),
    ("Qwen3-235B", "", ""),
)
_CACHE_IN_8_BIT = (("Llama", "H200"), ("Llama", "B200"), ("gpt-oss", "B200"))
_TAUGHT_HOST = ("Qwen2.5-0.5B-Instruct", "SmolLM2-135M-Instruct")
_TAUGHT_SUSTAINED = ("gemma-2-2b-it", "phi-4")
_SUSTAINED = ("L4", "A10G", "L40S", "A100-80", "A100-80-PCIE", "H100-NVL")
_MOST_STREAMED_PER_S = 12_000


@dataclass(frozen=True, slots=True)
class Point:
    """One measured operating point: `clients` requests in flight, and the mean latencies of each in seconds."""

    source: str
    model: str
    accelerator: str
    step: StepTime
    traffic: Traffic
    clients: float
    ttft_s: float
    tpot_s: float

    @property
    def latency_s(self) -> float:
        """From request to last token."""
        return self.ttft_s + (self.traffic.output_tokens - 1) * self.tpot_s

    @property
    def observation(self) -> Observation:
        """What the engine's own counters would have said: a decoding sequence gets one token per step."""
        traffic = self.traffic
        decoding_s = traffic.output_tokens * self.tpot_s
        decoding = self.clients * decoding_s / (decoding_s + self.ttft_s)
        return Observation(
            seconds_per_step=self.tpot_s,
            decoding=decoding,
            prefill_tokens=decoding / traffic.output_tokens * traffic.computed_tokens,
            resident_tokens=decoding * traffic.resident_tokens,
            prompt_tokens=traffic.computed_tokens,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that are not scored, and the rule that says so."""

    source: str
    model: str
    accelerator: str
    rule: str


def read(data: Path) -> tuple[list[Point], Counter[LeftOut]]:
    """All points of the tables under a folder (or of one file), told apart by their columns.

    Raises `ValueError` naming file and line of a value that cannot be.
    """
    points: list[Point] = []
    left_out: Counter[LeftOut] = Counter()
    for path in tables(data):
        judge = _aiconfigurator if _columns(path) >= AICONFIGURATOR else _sparecores
        seen: set[tuple[object, ...]] = set()
        for line, row in enumerate(_rows(path), start=2):
            try:
                judged = judge(row)
            except ValueError as error:
                raise ValueError(f"{path}, line {line}: {error}") from error
            if isinstance(judged, Point):
                judged = _if_engine(judged, seen)
            if isinstance(judged, Point):
                points.append(judged)
            else:
                left_out[judged] += 1
    return points, left_out


def tables(data: Path) -> list[Path]:
    """The files that have the columns of one of the sources, in a stable order."""
    files = [data] if data.is_file() else sorted([*data.rglob("*.csv"), *data.rglob("*.csv.gz")])
    return [path for path in files if any(_columns(path) >= wanted for wanted in (AICONFIGURATOR, SPARECORES))]


def _aiconfigurator(row: Mapping[str, str]) -> Point | LeftOut:
    """InferenceX's runs, and a few others with nominal lengths and the defaults of their version.

    Of InferenceX's harness its published launch scripts say: lengths are uniform in .8 to 1 of the nominal; steps are
    scheduled ahead (`async-scheduling`) whatever the version; 8192 tokens per step; as many sequences as clients; the
    cache is in 8 bit for Llama on H200 and B200 and for gpt-oss on B200. For Llama on H100 the script, of another
    date, says so too, but the rows queue as those of a cache in 16 bit do.
    """
    path, system = row["model_path"], row["system"]
    name = _SYSTEMS.get(system, system.split("_")[0].upper())
    inference_x = bool(row.get("measured")) and {row["isl"], row["osl"]} <= {"1024", "8192"}
    native = native_quantization(path)
    quantization = native if native == "mxfp4" else _PRECISIONS.get(row["precision"].lower(), row["precision"])
    model = " ".join(filter(None, (path.split("/")[-1], quantization)))

    def refused(rule: str) -> LeftOut:
        return LeftOut("aiconfigurator", model, name, rule)

    if row["backend"] != "vllm":
        return refused(f"{OTHER_ENGINE}: {row['backend']}")
    if name not in ACCELERATORS:
        return refused(NO_ACCELERATOR)
    if any(part in path and on in ("", name) and kind in ("", quantization) for part, on, kind in _MULTI_WORKER):
        return refused(MULTI_WORKER)
    if _number(row, "pp_size", 1) > 1 or _number(row, "attention_dp_size", 1) > 1:
        return refused(NOT_ONE_ENGINE)
    shape = _shape(path)
    if shape is None:
        return refused(NO_SHAPE)
    clients = _number(row, "concurrency") or _number(row, "batch_size")
    ttft_s, tpot_s = _number(row, "ttft_ms") / 1e3, _number(row, "tpot_ms") / 1e3
    if min(clients, ttft_s, tpot_s) <= 0:
        return refused(NOTHING_FINISHED)
    facts = ACCELERATORS[name]
    if not facts.runs(quantization):
        return refused(NO_KERNELS)
    nominal = 0.9 if inference_x else 1.0
    limits = EngineLimits(
        sequences=int(clients) if inference_x else 1024,
        batched_tokens=8192,
        kv_bytes=1 if inference_x and any(kind in path and name == on for kind, on in _CACHE_IN_8_BIT) else 2,
    )
    ahead = inference_x or _at_least(row["backend_version"], (0, 14))
    return Point(
        source="aiconfigurator",
        model=model,
        accelerator=name,
        step=step_time(
            shape,
            quantization,
            facts,
            int(_number(row, "tp_size", 1)),
            limits,
            host=HOST if ahead else HOST_BEFORE_0_14,
        ),
        traffic=Traffic(nominal * _number(row, "isl"), nominal * _number(row, "osl"), prompt_cv=0.0),
        clients=clients,
        ttft_s=ttft_s,
        tpot_s=tpot_s,
    )


def _sparecores(row: Mapping[str, str]) -> Point | LeftOut:
    """GuideLLM sweeps, mostly open loop; by Little's law a run is the closed loop of as many as were in flight.

    The column `max_num_seqs` is not in force: with up to ten times as many in flight, the time to the first token
    stays that of one prompt. So the engine's default of 256 is assumed. Models of under 1 billion weights are not
    scored: their single streams are what `steptime.HOST` comes from, and their rates what the client can do.
    """
    model, name = row["model_id"].split("/")[-1], _GPUS.get(row["gpu_model"], row["gpu_model"])

    def refused(rule: str) -> LeftOut:
        return LeftOut("sparecores", model, name, rule)

    if name not in ACCELERATORS:
        return refused(NO_ACCELERATOR)
    if model in _TAUGHT_HOST or (model in _TAUGHT_SUSTAINED and name in _SUSTAINED):
        return refused(TAUGHT)
    shape = _shape(row["model_id"])
    if shape is None:
        return refused(NO_SHAPE)
    if max(_number(row, "pipeline_parallel", 1), _number(row, "data_parallel", 1)) > 1:
        return refused(NOT_ONE_ENGINE)
    clients, per_second = _number(row, "concurrency"), _number(row, "request_throughput")
    ttft_s, tpot_s = _number(row, "ttft_mean") / 1e3, _number(row, "tpot_mean") / 1e3
    if min(clients, per_second, ttft_s, tpot_s) <= 0:
        return refused(NOTHING_FINISHED)
    if abs(per_second * _number(row, "e2el_mean") / 1e3 / clients - 1) > 0.15:
        return refused(NOT_STEADY)
    limits = EngineLimits(sequences=256, batched_tokens=int(_number(row, "max_num_batched_tokens", 2048)))
    step = step_time(shape, "", ACCELERATORS[name], int(_number(row, "tensor_parallel", 1)), limits)
    traffic = Traffic(_number(row, "prompt_tokens"), _number(row, "output_tokens"), prompt_cv=0.0)
    return Point("sparecores", model, name, step, traffic, clients, ttft_s, tpot_s)


def _if_engine(point: Point, seen: set[tuple[object, ...]]) -> Point | LeftOut:
    """The point, if it is new and can be the doing of one engine."""
    rule = ""
    key = (point.model, point.accelerator, point.step, point.traffic, point.clients, point.ttft_s, point.tpot_s)
    if key in seen:
        rule = REPEATED
    elif point.tpot_s < _least_s(point):
        rule = IMPOSSIBLE
    elif point.clients / point.latency_s * point.traffic.output_tokens > _MOST_STREAMED_PER_S:
        rule = HANDED_OUT
    seen.add(key)
    return LeftOut(point.source, point.model, point.accelerator, rule) if rule else point


def _least_s(point: Point) -> float:
    """A step in which weights and cache are read at the datasheet's bandwidth, and nothing else takes time."""
    step, decoding = point.step, point.observation.decoding
    touched = step.experts_read_s * (1.0 - math.pow(step.expert_miss, decoding))
    rows = kernels(ACCELERATORS[point.accelerator])
    reached = min(gemm.bandwidth_share for gemm in (rows.bits_16, rows.bits_8, rows.bits_4))
    return reached * (step.weights_read_s + touched + decoding * step.context_s(point.traffic.resident_tokens))


def _shape(path: str) -> ModelShape | None:
    """By the name of the repository, or of the same model under its first publisher."""
    name = path.split("/")[-1]
    publishers = sorted({known.split("/")[0] for known in KNOWN})
    return next(filter(None, (shape_of(path), *(shape_of(f"{each}/{name}") for each in publishers))), None)


def _at_least(version: str, wanted: tuple[int, int]) -> bool:
    """Whether a version is that or newer; names of nightly builds are."""
    numbers = version.split(".")[:2]
    return not all(part.isdigit() for part in numbers) or tuple(int(part) for part in numbers) >= wanted


def _number(row: Mapping[str, str], column: str, default: float = 0.0) -> float:
    """The number, or the default where the column is missing, empty or negative (the sources' way to say unset)."""
    text = row.get(column) or ""
    try:
        value = float(text or default)
    except ValueError:
        raise ValueError(f"{column} must be a number, found {text!r}") from None
    return value if value >= 0 else default


def _columns(path: Path) -> frozenset[str]:
    with _text(path) as file:
        return frozenset(next(csv.reader(file), ()))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with _text(path) as file:
        yield from csv.DictReader(file)


def _text(path: Path) -> TextIO:
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")
