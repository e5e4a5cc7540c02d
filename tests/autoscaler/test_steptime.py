"""The time of one engine step: what it is made of, and what changes it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.fit import Fit, fit
from wharfage_autoscaler.footprint import EngineLimits, default_limits
from wharfage_autoscaler.kernels import KERNELS, Kernels, kernels
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.steptime import HOST_BEFORE_0_14, StepTime, Theta, engine_limits, step_time
from wharfage_autoscaler.weights import weights

from tests.builders import machine, offer, variant

LIMITS = EngineLimits(256, 8192)
H100 = ACCELERATORS["H100"]
LLAMA_8B = KNOWN["meta-llama/Llama-3.1-8B-Instruct"].shape
LLAMA_70B = KNOWN["meta-llama/Llama-3.1-70B-Instruct"].shape
QWEN_MOE = KNOWN["Qwen/Qwen3-30B-A3B"].shape
GEMMA = KNOWN["google/gemma-3-27b-it"].shape
DEEPSEEK = KNOWN["deepseek-ai/DeepSeek-V3"].shape

models = st.sampled_from(sorted(KNOWN))
counts = st.integers(1, 512)
lengths = st.integers(0, 20_000)


def _on(name: str, shape: str = "meta-llama/Llama-3.1-8B-Instruct", size: int = 1, quantization: str = "") -> StepTime:
    return step_time(KNOWN[shape].shape, quantization, ACCELERATORS[name], size, LIMITS)


@given(models, counts, lengths, lengths, lengths, st.integers(0, 4))
def test_a_step_is_the_sum_of_the_parts_that_a_simulator_uses(
    model: str, decoding: int, context: int, prefill: int, history: int, finished: int
) -> None:
    step = _on("H100", model)
    parts = (
        step.linear_s(decoding + prefill)
        + step.per_sequence_s * (decoding + finished)
        + decoding * step.context_s(context)
        + step.prefill_attention_s(prefill, history)
    )
    assert step.seconds(decoding, context, prefill, history, finished) == pytest.approx(parts, rel=1e-12)


def test_a_step_without_tokens_takes_no_time() -> None:
    assert _on("H100").seconds(0, 1000) == 0.0


@given(models, counts, lengths, lengths)
def test_more_work_never_takes_less_time(model: str, decoding: int, context: int, prefill: int) -> None:
    step = _on("H100", model)
    before = step.seconds(decoding, context, prefill)
    assert 0 < before < 3600
    assert step.seconds(decoding + 1, context, prefill) > before
    assert step.seconds(decoding, context + 1, prefill) > before
    assert step.seconds(decoding, context, prefill + 1) > before
    assert step.seconds(decoding, context, prefill + 1, 1000) > step.seconds(decoding, context, prefill + 1)


@pytest.mark.parametrize("name", [name for name in ACCELERATORS if name != "CPU"])
def test_every_accelerator_decodes_a_small_model(name: str) -> None:
    assert 0.5e-3 < _on(name, "Qwen/Qwen2.5-0.5B").seconds(1, 500) < 20e-3


def test_a_single_sequence_waits_for_the_weights_to_be_read() -> None:
    weights_s = 2 * 8.0e9 / 3.35e12
    assert weights_s < _on("H100").seconds(1, 100) < 2 * weights_s


def test_a_long_prompt_is_bound_by_arithmetic() -> None:
    arithmetic_s = 2 * 7.0e9 * 8192 / 989e12
    assert arithmetic_s < _on("H100").seconds(0, 0, 8192) < 2 * arithmetic_s


def test_experts_are_read_as_far_as_tokens_touch_them() -> None:
    step = step_time(QWEN_MOE, "", H100, 1, LIMITS)
    one, many = (step.linear_s(tokens) - step.fixed_host_s for tokens in (1, 100))
    read = 2 / (H100.bandwidth_bytes_per_second * KERNELS["H100"].bits_16.bandwidth_share)
    parts = weights(QWEN_MOE)
    assert one == pytest.approx((parts.dense + parts.experts * 8 / 128 + parts.head) * read, rel=0.05)
    assert many == pytest.approx((parts.dense + parts.experts + parts.head) * read, rel=0.05)


def test_sliding_layers_read_no_more_than_their_window() -> None:
    step = step_time(GEMMA, "", H100, 2, LIMITS)
    short, window, double = (step.context_s(tokens) for tokens in (512, 1024, 2048))
    assert window == pytest.approx(2 * short)
    assert double - window == pytest.approx(window * 10 / 62, rel=0.01)


def test_a_sequence_of_sliding_layers_holds_its_windows_in_the_cache() -> None:
    step = step_time(GEMMA, "", H100, 2, LIMITS)
    assert step.kv_tokens_of(10_000) == pytest.approx(10_000 + 5.2 * 1024)
    assert _on("H100").kv_tokens_of(10_000) == 10_000


def test_ranks_beyond_the_key_value_heads_hold_copies() -> None:
    cache = [step_time(QWEN_MOE, "", H100, size, LIMITS).context_s(1000) for size in (2, 4, 8)]
    assert cache[0] == pytest.approx(2 * cache[1])
    assert cache[2] == cache[1]


def test_latent_attention_is_read_in_full_by_every_rank() -> None:
    cache = [step_time(DEEPSEEK, "fp8", ACCELERATORS["H200"], size, LIMITS).context_s(1000) for size in (8, 16)]
    assert cache[0] == pytest.approx(cache[1])


def test_eight_bit_weights_halve_the_reading() -> None:
    wide, narrow = _on("H100", size=1).weights_read_s, _on("H100", quantization="fp8").weights_read_s
    assert narrow == pytest.approx(wide / 2, rel=0.05)  # the kernels of the two reach other shares of the bandwidth


def test_attention_of_gpt_oss_stays_in_sixteen_bit() -> None:
    shape = KNOWN["openai/gpt-oss-120b"].shape
    step = step_time(shape, "mxfp4", ACCELERATORS["H200"], 1, LIMITS)
    parts = weights(shape)
    assert step.weights_read_s / step.experts_read_s == pytest.approx(parts.dense * 2 / (parts.experts * 0.53125))


def test_tensor_parallel_over_pcie_costs_more_than_it_brings_in_a_prompt() -> None:
    shape = "Qwen/Qwen2.5-14B"
    assert _on("L40S", shape, 4).seconds(0, 0, 2048) > _on("L40S", shape, 1).seconds(0, 0, 2048)
    assert _on("H100", shape, 4).seconds(0, 0, 2048) < _on("H100", shape, 1).seconds(0, 0, 2048)


def test_theta_scales_each_group_of_terms() -> None:
    plain = _on("H100")
    whole = plain.seconds(32, 1000, 512, 100, 1)
    doubled = plain.scaled(Theta(2, 2, 2))
    assert doubled.linear_s(64) == pytest.approx(2 * plain.linear_s(64))
    assert doubled.seconds(32, 1000, 512, 100, 1) == pytest.approx(2 * whole)
    for theta in (Theta(overhead=2), Theta(memory=2), Theta(compute=2)):
        assert whole < plain.scaled(theta).seconds(32, 1000, 512, 100, 1) < 2 * whole
    assert doubled.scaled(Theta()).seconds(32, 1000, 512, 100, 1) == pytest.approx(whole)


def test_a_step_time_made_with_theta_is_the_one_scaled_by_it() -> None:
    theta = Theta(1.5, 1.1, 0.9)
    assert step_time(LLAMA_8B, "", H100, 1, LIMITS, theta) == _on("H100").scaled(theta)


def test_a_cache_in_eight_bit_holds_twice_as_much_and_is_read_in_half_the_time() -> None:
    wide, narrow = (step_time(LLAMA_8B, "", H100, 1, replace(LIMITS, kv_bytes=each)) for each in (2, 1))
    assert narrow.kv_tokens == pytest.approx(2 * wide.kv_tokens, rel=1e-4)
    assert narrow.context_s(1000) == pytest.approx(wide.context_s(1000) / 2)


def test_an_engine_that_does_not_schedule_ahead_takes_longer() -> None:
    before = step_time(LLAMA_8B, "", H100, 1, LIMITS, host=HOST_BEFORE_0_14)
    assert before.seconds(1, 100) > _on("H100").seconds(1, 100) + 0.5e-3


def test_the_cache_that_the_engine_reports_is_believed() -> None:
    assert step_time(LLAMA_8B, "", H100, 1, replace(LIMITS, kv_tokens=12_345)).kv_tokens == 12_345


def test_the_cache_is_computed_as_fitting_computes_it() -> None:
    card = offer("p5", accelerator="H100", accelerators=8, accelerator_memory_gib=80, vcpus=96, memory_gib=1024)
    found = fit(variant(source="meta-llama/Llama-3.1-70B", shape=LLAMA_70B), card, max_model_tokens=131072)
    assert isinstance(found, Fit)
    told = engine_limits(found, LLAMA_70B)
    computed = step_time(LLAMA_70B, "", H100, found.accelerators, default_limits(80))
    assert told.kv_tokens == pytest.approx(computed.kv_tokens, rel=1e-3)
    assert step_time(LLAMA_70B, "", H100, found.accelerators, told).kv_tokens == told.kv_tokens


def test_a_cpu_counts_cores_and_shares_one_memory() -> None:
    found = fit(variant(source="Qwen/Qwen2.5-0.5B", shape=KNOWN["Qwen/Qwen2.5-0.5B"].shape), machine(16, 64))
    assert isinstance(found, Fit)
    limits = engine_limits(found, KNOWN["Qwen/Qwen2.5-0.5B"].shape)
    steps = [step_time(KNOWN["Qwen/Qwen2.5-0.5B"].shape, "", ACCELERATORS["CPU"], cores, limits) for cores in (8, 16)]
    assert steps[1].seconds(1, 500) < 0.7 * steps[0].seconds(1, 500)
    assert limits.kv_tokens is not None
    assert limits.kv_tokens >= found.max_model_tokens


def test_a_model_too_large_for_the_accelerator_has_no_cache() -> None:
    assert step_time(LLAMA_70B, "", H100, 1, LIMITS).kv_tokens == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param((LLAMA_8B, "fp8", ACCELERATORS["A100-80"], 1, LIMITS), "A100-80 does not run 'fp8'", id="no fp8"),
        pytest.param((LLAMA_8B, "fp7", H100, 1, LIMITS), "does not run 'fp7'", id="a quantisation nobody knows"),
        pytest.param((LLAMA_8B, "", H100, 0, LIMITS), "tensor parallel size 0", id="no accelerator at all"),
        pytest.param((LLAMA_8B, "", H100, 64, LIMITS), "tensor parallel size 64", id="more ranks than heads"),
        pytest.param((LLAMA_8B, "", H100, 1, EngineLimits(0, 8192)), "limits must be positive", id="no sequences"),
        pytest.param((LLAMA_8B, "", H100, 1, EngineLimits(8, -1)), "limits must be positive", id="negative batch"),
        pytest.param(
            (LLAMA_8B, "", H100, 1, EngineLimits(8, 64, -1)), "limits must be positive", id="a negative cache"
        ),
        pytest.param(
            (LLAMA_8B, "", ACCELERATORS["CPU"], 8, LIMITS), "limits.kv_tokens", id="a CPU without a cache size"
        ),
        pytest.param(
            (replace(QWEN_MOE, experts_active=0), "", H100, 1, LIMITS), "0 of 128 experts", id="experts nobody calls"
        ),
        pytest.param((replace(LLAMA_8B, layers=0), "", H100, 1, LIMITS), "size below 1", id="a model without layers"),
    ],
)
def test_a_replica_that_cannot_exist_is_refused(arguments: tuple[object, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        step_time(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("theta", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (float("inf"), 1, 1)])
def test_factors_that_no_engine_has_are_refused(theta: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must be a positive factor"):
        Theta(*theta)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_kernels_are_sourced_and_stay_below_the_datasheet(name: str) -> None:
    rows: Kernels = kernels(ACCELERATORS[name])
    assert rows.source.startswith(("measured", "scaled", "set by hand"))
    for gemm in (rows.bits_16, rows.bits_8):
        assert 0 < gemm.bandwidth_share <= 1
        assert 0 < gemm.flops_share <= 2
    assert rows.bits_16.flops_share <= 1
    assert rows.cache_bandwidth_share <= 1


def test_an_accelerator_without_kernels_gets_those_of_its_links() -> None:
    assert kernels(replace(H100, name="X")).all_reduce == KERNELS["H100"].all_reduce
    assert kernels(replace(ACCELERATORS["L4"], name="Y")).all_reduce == KERNELS["L40S"].all_reduce


@pytest.mark.parametrize(
    ("source", "billions"),
    [
        pytest.param("meta-llama/Llama-3.1-8B", (6.98, 0, 0.525), id="a dense model reads all but its embedding"),
        pytest.param("Qwen/Qwen2.5-0.5B", (0.358, 0, 0.136), id="tied embeddings count once"),
        pytest.param("google/gemma-3-4b-it", (3.21, 0, 0.671), id="an image tower is not read for text"),
        pytest.param("Qwen/Qwen3-30B-A3B", (0.919, 28.99, 0.311), id="experts are told from what all tokens touch"),
        pytest.param("deepseek-ai/DeepSeek-V3", (15.2, 653.9, 0.927), id="shared experts belong to all tokens"),
    ],
)
def test_weights_divide_into_dense_experts_and_head(source: str, billions: tuple[float, float, float]) -> None:
    parts = weights(KNOWN[source].shape)
    found = (parts.dense / 1e9, parts.experts / 1e9, parts.head / 1e9)
    assert found == pytest.approx(billions, rel=0.01)
