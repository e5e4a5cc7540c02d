"""The benchmark of the capacity model: what it reads, what it leaves out and why, what it reports."""

import csv
import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from wharfage_autoscaler.steady import closed_loop
from wharfage_autoscaler.steptime import Theta

from benchmarks import capacity
from benchmarks.capacity import Row, error, error_after, groups, row, targets
from benchmarks.serving_points import (
    HANDED_OUT,
    IMPOSSIBLE,
    MULTI_WORKER,
    NO_ACCELERATOR,
    NO_KERNELS,
    NO_SHAPE,
    NOT_ONE_ENGINE,
    NOT_STEADY,
    NOTHING_FINISHED,
    OTHER_ENGINE,
    REPEATED,
    TAUGHT,
    Point,
    read,
)

INFERENCE_X = {
    "model_path": "meta-llama/Llama-3.1-70B",
    "system": "h200_sxm",
    "backend": "vllm",
    "backend_version": "",
    "precision": "fp8",
    "isl": "1024",
    "osl": "1024",
    "batch_size": "16.0",
    "concurrency": "16.0",
    "tp_size": "2.0",
    "pp_size": "1.0",
    "attention_dp_size": "1.0",
    "measured": "2025-10-29",
    "ttft_ms": "120",
    "tpot_ms": "14.5",
}
GUIDELLM = {
    "gpu_model": "NVIDIA L4",
    "model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "prompt_tokens": "256",
    "output_tokens": "128",
    "tensor_parallel": "1",
    "pipeline_parallel": "-1.0",
    "data_parallel": "-1.0",
    "max_num_seqs": "18",
    "max_num_batched_tokens": "2048",
    "concurrency": "8.0",
    "e2el_mean": "9000",
    "request_throughput": "0.89",
    "tpot_mean": "69",
    "ttft_mean": "240",
}


def _table(path: Path, *rows: Mapping[str, str]) -> Path:
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _point(folder: Path, *rows: Mapping[str, str]) -> Point:
    points, left_out = read(_table(folder / "points.csv.gz", *rows))
    assert not left_out
    return points[0]


def _measured(folder: Path, theta: Theta) -> list[Point]:
    """Points of an engine that is exactly the model under these factors."""
    rows = []
    for clients in (2, 4, 8, 16, 32, 64):
        for isl, osl in (("1024", "1024"), ("1024", "8192"), ("8192", "1024")):
            wanted = {**INFERENCE_X, "concurrency": str(clients), "isl": isl, "osl": osl, "tp_size": "4"}
            point = _point(folder, wanted)
            found = closed_loop(point.step.scaled(theta), point.traffic, point.clients)
            rows.append({**wanted, "ttft_ms": str(found.ttft_s * 1e3), "tpot_ms": str(found.tpot_s * 1e3)})
    return read(_table(folder / "points.csv.gz", *rows))[0]


def test_a_row_of_inferencex_is_read_with_what_its_harness_does(tmp_path: Path) -> None:
    point = _point(tmp_path, INFERENCE_X)
    assert (point.source, point.model, point.accelerator) == ("aiconfigurator", "Llama-3.1-70B fp8", "H200")
    assert point.traffic.prompt_tokens == point.traffic.output_tokens == pytest.approx(921.6)
    assert (point.step.limits.sequences, point.step.limits.batched_tokens, point.step.limits.kv_bytes) == (16, 8192, 1)
    assert point.latency_s == pytest.approx(0.120 + 920.6 * 0.0145)


def test_an_observation_is_what_the_engine_would_have_counted(tmp_path: Path) -> None:
    seen = _point(tmp_path, INFERENCE_X).observation
    assert seen.seconds_per_step == pytest.approx(0.0145)
    assert seen.decoding == pytest.approx(16 * 0.99, rel=0.01)  # of 16 clients, one in a hundred waits for a prompt
    assert seen.prefill_tokens == pytest.approx(seen.decoding)  # as many tokens come in as go out
    assert seen.resident_tokens == pytest.approx(seen.decoding * 1.5 * 921.6)


def test_the_published_limit_of_sequences_that_is_not_in_force_is_not_used(tmp_path: Path) -> None:
    point = _point(tmp_path, GUIDELLM)
    assert (point.source, point.accelerator, point.clients) == ("sparecores", "L4", 8)
    assert point.step.limits.sequences == 256


@pytest.mark.parametrize(
    ("base", "change", "rule"),
    [
        pytest.param(INFERENCE_X, {"backend": "sglang"}, f"{OTHER_ENGINE}: sglang", id="another engine"),
        pytest.param(INFERENCE_X, {"system": "gaudi3"}, NO_ACCELERATOR, id="an accelerator without facts"),
        pytest.param(INFERENCE_X, {"model_path": "nobody/x"}, NO_SHAPE, id="a model without shape"),
        pytest.param(INFERENCE_X, {"system": "a100_sxm"}, NO_KERNELS, id="8-bit weights on Ampere"),
        pytest.param(INFERENCE_X, {"pp_size": "2"}, NOT_ONE_ENGINE, id="stages"),
        pytest.param(INFERENCE_X, {"attention_dp_size": "8"}, NOT_ONE_ENGINE, id="engines side by side"),
        pytest.param(
            INFERENCE_X,
            {"model_path": "nvidia/Llama-3.1-8B-Instruct-FP8"},
            MULTI_WORKER,
            id="Llama-3.1-8B-FP8 on H200, of several workers",
        ),
        pytest.param(
            INFERENCE_X, {"model_path": "Qwen/Qwen3-235B-A22B-FP8"}, MULTI_WORKER, id="Qwen3-235B, of several workers"
        ),
        pytest.param(
            INFERENCE_X,
            {"model_path": "Qwen/Qwen3-32B", "system": "h100_sxm"},
            MULTI_WORKER,
            id="Qwen3-32B-FP8 on H100, of several workers",
        ),
        pytest.param(INFERENCE_X, {"tpot_ms": ""}, NOTHING_FINISHED, id="no time per token"),
        pytest.param(INFERENCE_X, {"tpot_ms": "3"}, IMPOSSIBLE, id="faster than the weights can be read"),
        pytest.param(
            INFERENCE_X, {"concurrency": "512", "tp_size": "8"}, HANDED_OUT, id="more tokens than one server streams"
        ),
        pytest.param(GUIDELLM, {"gpu_model": "NVIDIA A40-16Q"}, NO_ACCELERATOR, id="a slice of a card"),
        pytest.param(GUIDELLM, {"request_throughput": "0"}, NOTHING_FINISHED, id="no request finished"),
        pytest.param(GUIDELLM, {"request_throughput": "0.5"}, NOT_STEADY, id="a run that did not settle"),
        pytest.param(GUIDELLM, {"data_parallel": "2"}, NOT_ONE_ENGINE, id="two engines behind one address"),
        pytest.param(GUIDELLM, {"model_id": "Qwen/Qwen2.5-0.5B-Instruct"}, TAUGHT, id="a model constants come from"),
        pytest.param(GUIDELLM, {"model_id": "microsoft/phi-4"}, TAUGHT, id="a model this card's constants come from"),
    ],
)
def test_a_row_that_says_nothing_of_one_engine_is_left_out_by_a_rule(
    tmp_path: Path, base: dict[str, str], change: dict[str, str], rule: str
) -> None:
    points, left_out = read(_table(tmp_path / "points.csv.gz", {**base, **change}))
    assert not points
    assert [one.rule for one in left_out] == [rule]


def test_a_row_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    points, left_out = read(_table(tmp_path / "points.csv.gz", INFERENCE_X, INFERENCE_X))
    assert len(points) == 1
    assert [one.rule for one in left_out] == [REPEATED]


def test_tables_are_found_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    _table(tmp_path / "deep" / "any-name.csv.gz", INFERENCE_X)
    (tmp_path / "prices.csv").write_text("gpu,usd\nH100,3\n")
    (tmp_path / "empty.csv").write_text("")
    assert [point.accelerator for point in read(tmp_path)[0]] == ["H200"]


def test_a_value_that_is_no_number_is_named_with_its_line(tmp_path: Path) -> None:
    table = _table(tmp_path / "points.csv.gz", INFERENCE_X, {**INFERENCE_X, "ttft_ms": "fast"})
    with pytest.raises(ValueError, match=r"points\.csv\.gz, line 3: ttft_ms must be a number, found 'fast'"):
        read(table)


def test_an_engine_that_is_the_model_has_no_error(tmp_path: Path) -> None:
    points = _measured(tmp_path, Theta())
    assert error(points, Theta()) < 1e-3
    assert row(points).points == 18


def test_points_teach_the_calibration_about_the_others(tmp_path: Path) -> None:
    points = _measured(tmp_path, Theta(overhead=1.5, memory=1.2, compute=1.3))
    known = row(points)
    assert known.error_after_4 is not None
    assert known.error_after_8 is not None
    assert known.error_after_8 < known.error_after_4 < known.error_a_priori / 2


def test_too_few_points_teach_nothing_that_could_be_checked(tmp_path: Path) -> None:
    points = _measured(tmp_path, Theta())[:6]
    assert error_after(points, 4) is None


def test_points_are_grouped_by_source_model_and_accelerator(tmp_path: Path) -> None:
    other = {**INFERENCE_X, "system": "b200_sxm"}
    points = read(_table(tmp_path / "points.csv.gz", INFERENCE_X, other, {**INFERENCE_X, "concurrency": "8"}))[0]
    assert [(group[0].accelerator, len(group)) for group in groups(points)] == [("B200", 1), ("H200", 2)]


def test_the_figures_are_means_over_points_and_the_worst_of_groups() -> None:
    rows = [
        Row("aiconfigurator", "dense", "H100", 30, 0.1, 0.05, 0.04),
        Row("aiconfigurator", "dense", "H200", 10, 0.2, 0.09, 0.08),
        Row("aiconfigurator", "experts", "H100", 99, 0.9, 0.9, 0.9),
        Row("sparecores", "dense", "L4", 9, 0.3, 0.2, 0.15),
        Row("sparecores", "dense", "A10G", 5, 0.3, None, None),
        Row("sparecores", "dense", "H100", 9, 0.3, 0.9, 0.9),
    ]
    assert [value for _, value in targets(rows, {"dense"})] == pytest.approx([0.125, 0.07, 0.15])


def test_the_rows_are_written_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _table(tmp_path / "points.csv.gz", INFERENCE_X, {**INFERENCE_X, "backend": "trtllm"})
    monkeypatch.setattr(sys, "argv", ["capacity", "--data", str(tmp_path), "--json", str(tmp_path / "out.json")])
    capacity.main()
    (written,) = json.loads((tmp_path / "out.json").read_text())
    assert list(written) == [
        "source", "model", "accelerator", "points", "error_a_priori", "error_after_4", "error_after_8",
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "1 rows: an engine other than vLLM: trtllm" in said
    assert "Llama-3.1-70B fp8 on H200" in said


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        pytest.param(True, "does not exist", id="no such folder"),
        pytest.param(False, "no serving points under", id="a folder without tables"),
    ],
)
def test_data_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, missing: bool, complaint: str
) -> None:
    folder = tmp_path / "nowhere" if missing else tmp_path
    monkeypatch.setattr(sys, "argv", ["capacity", "--data", str(folder)])
    with pytest.raises(SystemExit, match=complaint):
        capacity.main()
