"""The facts of accelerators: complete, plausible and sourced."""

import pytest
from wharfage_autoscaler.accelerators import ACCELERATORS, Accelerator, Interconnect, accelerator, unknown

every_row = pytest.mark.parametrize("row", ACCELERATORS.values(), ids=ACCELERATORS.keys())


@every_row
def test_every_row_names_its_source(row: Accelerator) -> None:
    assert len(row.source) > 20


@every_row
def test_the_driver_shows_a_little_less_memory_than_the_datasheet(row: Accelerator) -> None:
    assert 0.9 * row.memory_gib <= row.visible_gib <= row.memory_gib


@every_row
def test_every_accelerator_runs_weights_as_they_are(row: Accelerator) -> None:
    assert row.runs("")
    assert "float16" in row.dtypes


@every_row
def test_eight_bit_units_are_at_least_as_fast_as_sixteen_bit_ones(row: Accelerator) -> None:
    assert row.flops_8_bit == 0 or row.flops_8_bit >= row.flops_16_bit


@pytest.mark.parametrize(
    ("name", "quantization", "runs"),
    [
        pytest.param("T4", "fp8", False, id="Turing has no 8-bit floating point"),
        pytest.param("T4", "awq", True, id="Turing runs 4-bit weights"),
        pytest.param("A100-80", "fp8", False, id="Ampere has no 8-bit floating point"),
        pytest.param("L4", "fp8", True, id="Ada has 8-bit floating point"),
        pytest.param("H100", "mxfp4", True, id="Hopper runs gpt-oss"),
        pytest.param("H100", "nvfp4", False, id="Hopper does not run Blackwell's 4 bit"),
        pytest.param("B200", "nvfp4", True, id="Blackwell does"),
        pytest.param("MI300X", "gptq", False, id="AMD runs no GPTQ"),
        pytest.param("CPU", "fp8", False, id="a CPU runs no 8-bit floating point"),
    ],
)
def test_what_an_accelerator_runs(name: str, quantization: str, runs: bool) -> None:
    assert ACCELERATORS[name].runs(quantization) is runs


def test_old_cards_know_only_one_sixteen_bit_type() -> None:
    assert "bfloat16" not in ACCELERATORS["T4"].dtypes


def test_the_scheduler_resource_follows_the_vendor() -> None:
    resources = {row.name: row.resource for row in ACCELERATORS.values()}
    assert (resources["L4"], resources["MI300X"], resources["CPU"]) == ("nvidia.com/gpu", "amd.com/gpu", "cpu")


def test_only_linked_cards_are_linked() -> None:
    linked = {name for name, row in ACCELERATORS.items() if row.interconnect is Interconnect.NVLINK}
    assert {"A100-40", "A100-80", "H100", "H200", "B200", "MI300X"} <= linked
    assert not linked & {"T4", "L4", "A10G", "L40S", "RTX-PRO-6000", "A100-80-PCIE", "CPU"}


def test_an_unknown_accelerator_is_answered_with_the_nearest_name() -> None:
    assert accelerator("l40s") is None
    assert "did you mean L40S?" in unknown("l40s")
    assert unknown("???").startswith("accelerator '???' is not known; known are T4, ")
