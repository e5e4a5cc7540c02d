"""What a model needs on an accelerator, and by how much it misses."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.fit import (
    Fit,
    Miss,
    fit,
    tensor_parallel_sizes,
)
from wharfage_autoscaler.footprint import GIB, kv_bytes_per_token, sequence_bytes, weight_bytes
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.shapes import KNOWN

from tests.builders import QWEN3_8B, TINY, machine, offer, variant

L4 = offer("g6.xlarge", accelerator="L4", accelerator_memory_gib=24)
FOUR_L4 = offer("g6.12xlarge", accelerator="L4", accelerators=4, accelerator_memory_gib=24, vcpus=48, memory_gib=192)
T4 = offer("g4dn.xlarge", accelerator="T4", accelerator_memory_gib=16)
L40S = offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48)
H100 = offer("p5.4xlarge", accelerator="H100", accelerator_memory_gib=80, vcpus=16, memory_gib=256)
EIGHT_H100 = offer("p5", accelerator="H100", accelerators=8, accelerator_memory_gib=80, vcpus=192, memory_gib=2048)
H200 = offer("h200", accelerator="H200", accelerator_memory_gib=141, vcpus=24, memory_gib=256)
B200 = offer("b200", accelerator="B200", accelerator_memory_gib=180, vcpus=24, memory_gib=256)


def _seat(source: str, on: Offer, *, quantization: str = "", tokens: int = 8192) -> Fit | Miss:
    served = variant(source=source, quantization=quantization, shape=KNOWN[source].shape)
    return fit(served, on, max_model_tokens=tokens)


@pytest.mark.parametrize(
    ("source", "quantization", "on", "accelerators"),
    [
        pytest.param("Qwen/Qwen3-8B", "", L4, 1, id="8 billion weights in 16 bit sit on one 24 GiB card"),
        pytest.param("Qwen/Qwen3-8B", "", T4, None, id="but not on a 16 GiB card"),
        pytest.param("Qwen/Qwen3-8B", "awq", T4, 1, id="where 4-bit weights do"),
        pytest.param("Qwen/Qwen3-8B", "fp8", L4, 1, id="8-bit weights sit on an Ada card"),
        pytest.param("Qwen/Qwen3-14B", "", L4, None, id="14 billion do not sit on one 24 GiB card"),
        pytest.param("Qwen/Qwen3-14B", "", FOUR_L4, 2, id="they sit on two of four, over PCIe"),
        pytest.param("Qwen/Qwen3-32B", "", FOUR_L4, None, id="32 billion would need four cards over PCIe: refused"),
        pytest.param("Qwen/Qwen3-32B", "", H100, 1, id="32 billion in 16 bit sit on one H100"),
        pytest.param("meta-llama/Llama-3.1-70B", "fp8", EIGHT_H100, 2, id="70 billion in 8 bit take two H100"),
        pytest.param("meta-llama/Llama-3.1-70B", "fp8", H200, 1, id="and one H200"),
        pytest.param("meta-llama/Llama-3.1-70B", "awq", H100, 1, id="in 4 bit one H100"),
        pytest.param("openai/gpt-oss-120b", "", H100, 1, id="gpt-oss-120b sits on one H100 as it is published"),
        pytest.param("openai/gpt-oss-20b", "", L4, 1, id="gpt-oss-20b sits on one L4"),
        pytest.param("deepseek-ai/DeepSeek-R1", "", EIGHT_H100, None, id="DeepSeek-R1 does not sit on eight H100"),
        pytest.param("meta-llama/Llama-3.1-405B", "fp8", EIGHT_H100, 8, id="405 billion in 8 bit take all eight"),
    ],
)
def test_the_fewest_accelerators_that_hold_the_model(
    source: str, quantization: str, on: Offer, accelerators: int | None
) -> None:
    seat = _seat(source, on, quantization=quantization)
    assert (seat.accelerators if isinstance(seat, Fit) else None) == accelerators


@pytest.mark.parametrize(
    ("tokens", "accelerators"),
    [
        pytest.param(8192, 2, id="a short context leaves room on two"),
        pytest.param(32768, 4, id="a long one needs four"),
    ],
)
def test_a_longer_context_takes_more_accelerators(tokens: int, accelerators: int) -> None:
    seat = _seat("meta-llama/Llama-3.1-70B", EIGHT_H100, tokens=tokens)
    assert isinstance(seat, Fit)
    assert seat.accelerators == accelerators


def test_weights_cache_and_overhead_fill_what_is_usable() -> None:
    seat = _seat("Qwen/Qwen3-8B", L4)
    assert isinstance(seat, Fit)
    assert seat.usable_gib == pytest.approx(22.5 * 0.9)
    assert seat.weights_gib == pytest.approx(8.19e9 * 2 / GIB, rel=0.001)
    assert seat.weights_gib + seat.kv_gib + seat.overhead_gib == pytest.approx(seat.usable_gib)
    assert seat.max_sequences == math.floor(seat.kv_gib * GIB / (8192 * 36 * 8 * 128 * 2 * 2))


@pytest.mark.parametrize(
    ("accelerator", "stated_gib", "usable_gib"),
    [
        pytest.param("L4", 24, 22.5 * 0.9, id="the datasheet's figure is cut to what the driver reports"),
        pytest.param("L4", 22, 22 * 0.9, id="the driver's own figure, rounded down, is believed"),
        pytest.param("H100", 20, 20 * 0.9, id="so is a slice"),
        pytest.param("V100", 32, 31.6 * 0.9, id="a larger model of the same card is cut by the same share"),
    ],
)
def test_memory_is_what_the_driver_will_report(accelerator: str, stated_gib: float, usable_gib: float) -> None:
    small = variant(source="Qwen/Qwen3-0.6B", shape=KNOWN["Qwen/Qwen3-0.6B"].shape)
    seat = fit(small, offer(accelerator=accelerator, accelerator_memory_gib=stated_gib), max_model_tokens=2048)
    assert isinstance(seat, Fit)
    assert seat.usable_gib == pytest.approx(usable_gib)


def test_a_miss_counts_every_gibibyte() -> None:
    miss = _seat("Qwen/Qwen3-14B", L4)
    assert isinstance(miss, Miss)
    assert miss.short_by_gib == pytest.approx(10.46, abs=0.01)
    assert miss.message == (
        "L4 x1 (24 GiB, g6.xlarge): short by 10.5 GiB: needs 27.5 GiB weights + 1.2 GiB KV for 8192 tokens + 2.0 GiB "
        "overhead = 30.7 of 20.2 usable"
    )


@pytest.mark.parametrize(
    ("on", "quantization", "says"),
    [
        pytest.param(T4, "fp8", "does not run fp8 weights", id="weights the card cannot run"),
        pytest.param(L4, "q9", "does not run q9 weights", id="a quantisation nobody knows"),
        pytest.param(replace(L4, accelerator="l4"), "", "did you mean L4?", id="an accelerator nobody knows"),
    ],
)
def test_what_no_memory_would_help_says_so(on: Offer, quantization: str, says: str) -> None:
    miss = fit(variant(quantization=quantization), on, max_model_tokens=8192)
    assert isinstance(miss, Miss)
    assert math.isinf(miss.short_by_gib)
    assert says in miss.message


def test_more_context_than_the_model_has_is_refused() -> None:
    miss = fit(variant(), H100, max_model_tokens=65536)
    assert isinstance(miss, Miss)
    assert "65536 tokens asked for, the model's own limit is 40960" in miss.message


def test_a_variant_without_a_shape_fits_nowhere() -> None:
    miss = fit(variant(shape=None), H100, max_model_tokens=8192)
    assert isinstance(miss, Miss)
    assert "is not known" in miss.message


@pytest.mark.parametrize(
    ("on", "tokens"),
    [
        pytest.param(H100, 40960, id="a large card serves the model's own context"),
        pytest.param(L4, 22528, id="a small one as much as one sequence may fill"),
    ],
)
def test_without_a_stated_context_the_most_that_fits_is_served(on: Offer, tokens: int) -> None:
    seat = fit(variant(), on)
    assert isinstance(seat, Fit)
    assert seat.max_model_tokens == tokens
    assert seat.max_sequences >= 1


def test_a_context_too_short_to_be_useful_is_a_miss() -> None:
    assert isinstance(_seat("Qwen/Qwen3-14B", offer(accelerator_memory_gib=34), tokens=0), Miss)


@pytest.mark.parametrize(
    ("on", "asked", "limits"),
    [
        pytest.param(L4, 0, (256, 2048), id="small cards take the engine's small limits"),
        pytest.param(H100, 0, (1024, 8192), id="80 GiB take the middle ones"),
        pytest.param(B200, 0, (1024, 16384), id="180 GiB take the large ones"),
        pytest.param(L4, 64, (64, 2048), id="a stated number of sequences holds"),
        pytest.param(L4, 4096, (4096, 4096), id="and a step takes at least one token of each"),
    ],
)
def test_both_batching_limits_are_explicit(on: Offer, asked: int, limits: tuple[int, int]) -> None:
    seat = fit(variant(quantization="fp8"), on, max_model_tokens=2048, max_num_seqs=asked)
    assert isinstance(seat, Fit)
    assert (seat.max_num_seqs, seat.max_num_batched_tokens) == limits


@pytest.mark.parametrize(
    ("source", "accelerator", "count", "sizes"),
    [
        pytest.param("Qwen/Qwen3-8B", "H100", 8, (1, 2, 4, 8), id="powers of two that divide the heads"),
        pytest.param("Qwen/Qwen3-8B", "L40S", 8, (1, 2), id="never more than two over PCIe"),
        pytest.param("microsoft/phi-4", "H100", 8, (1, 2), id="ten key-value heads split in two, not in four"),
        pytest.param("google/gemma-3-1b-it", "H100", 8, (1, 2, 4), id="a single key-value head is copied"),
        pytest.param("Qwen/Qwen2.5-0.5B", "H100", 8, (1, 2), id="fourteen heads split in two"),
        pytest.param("Qwen/Qwen3-8B", "H100", 3, (1, 2), id="never more than the machine has"),
    ],
)
def test_how_a_model_may_be_split(source: str, accelerator: str, count: int, sizes: tuple[int, ...]) -> None:
    assert tensor_parallel_sizes(KNOWN[source].shape, ACCELERATORS[accelerator], count) == sizes


def test_a_pod_asks_for_its_share_of_the_machine() -> None:
    seat = _seat("Qwen/Qwen3-14B", FOUR_L4)
    assert isinstance(seat, Fit)
    assert seat.cores == 16  # 70 % of half of 48
    assert seat.host_memory_gib == 67  # 70 % of half of 192


def test_a_tiny_model_takes_one_core_of_a_small_machine() -> None:
    seat = fit(variant(source="pvc://tiny", shape=TINY), machine(2, 4))
    assert isinstance(seat, Fit)
    assert (seat.accelerators, seat.cores) == (1, 1)
    assert seat.host_memory_gib < 2
    assert seat.max_model_tokens == 4096
    assert (seat.max_num_seqs, seat.max_num_batched_tokens) == (16, 2048)


@pytest.mark.parametrize(
    ("source", "on", "cores"),
    [
        pytest.param(
            "HuggingFaceTB/SmolLM2-135M-Instruct", machine(8, 32), 1, id="135 million weights are read by one"
        ),
        pytest.param("Qwen/Qwen3-1.7B", machine(16, 64), 7, id="1.7 billion want seven for ten tokens a second"),
        pytest.param("Qwen/Qwen3-8B", machine(16, 64), 16, id="8 billion take all there are"),
        pytest.param("Qwen/Qwen3-30B-A3B", machine(64, 128), 33, id="a sparse model asks for memory rather than speed"),
    ],
)
def test_cores_follow_the_weights_that_are_read_for_each_token(source: str, on: Offer, cores: int) -> None:
    seat = _seat(source, on, tokens=2048)
    assert isinstance(seat, Fit)
    assert seat.accelerators == cores


def test_a_machine_without_the_memory_is_a_miss() -> None:
    miss = _seat("Qwen/Qwen3-8B", machine(8, 16))
    assert isinstance(miss, Miss)
    assert miss.message.startswith("cpu-8 (8 cores, 16 GiB): short by 3.7 GiB")


@pytest.mark.parametrize(
    ("source", "tokens", "gib"),
    [
        pytest.param("Qwen/Qwen3-8B", 8192, 1.125, id="every layer keeps every token"),
        pytest.param("google/gemma-3-27b-it", 131072, 10.41, id="sliding layers keep their window only"),
        pytest.param("deepseek-ai/DeepSeek-V3", 8192, 0.536, id="latent attention keeps the compressed head only"),
    ],
)
def test_what_a_sequence_takes(source: str, tokens: int, gib: float) -> None:
    assert sequence_bytes(KNOWN[source].shape, tokens) / GIB == pytest.approx(gib, rel=0.01)


def test_quantised_weights_keep_embedding_and_head_in_sixteen_bit() -> None:
    kept = 2 * 151936 * 4096  # embedding and output head
    assert weight_bytes(QWEN3_8B, "fp8") == pytest.approx((8.1907e9 - kept) + 2 * kept, rel=0.001)


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(KNOWN)),
    st.sampled_from([name for name in ACCELERATORS if name != "CPU"]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(["", "fp8", "awq", "mxfp4"]),
    st.integers(0, 32768),
)
def test_whatever_fits_stays_within_the_memory_and_holds_a_whole_sequence(
    source: str, accelerator: str, count: int, quantization: str, tokens: int
) -> None:
    shape = KNOWN[source].shape
    facts = ACCELERATORS[accelerator]
    on = offer(accelerator=accelerator, accelerators=count, accelerator_memory_gib=facts.memory_gib)
    seat = fit(variant(source=source, quantization=quantization, shape=shape), on, max_model_tokens=tokens)
    if isinstance(seat, Miss):
        assert seat.short_by_gib > 0
        return
    assert seat.weights_gib + seat.kv_gib + seat.overhead_gib <= facts.visible_gib * seat.accelerators * 0.9 + 1e-6
    assert seat.accelerators in tensor_parallel_sizes(shape, facts, count)
    assert seat.max_sequences >= 1
    assert seat.max_model_tokens == tokens or tokens == 0
    assert seat.max_num_batched_tokens >= seat.max_num_seqs


@settings(max_examples=50)
@given(st.sampled_from(sorted(KNOWN)), st.integers(1, 64), st.integers(1, 256), st.integers(1, 2048))
def test_a_cpu_replica_stays_within_its_share_of_the_memory(source: str, cores: int, gib: int, tokens: int) -> None:
    on = machine(cores, gib)
    seat = _seat(source, on, tokens=tokens)
    if isinstance(seat, Miss):
        return
    assert 1 <= seat.accelerators <= cores
    assert seat.weights_gib + seat.kv_gib + seat.overhead_gib <= gib * seat.accelerators / cores


def test_shorter_sequences_never_need_more() -> None:
    sizes = [sequence_bytes(KNOWN["google/gemma-3-27b-it"].shape, tokens) for tokens in (1, 1024, 1025, 65536)]
    assert sizes == sorted(sizes)


def test_a_stated_cache_size_overrides_the_formula() -> None:
    shape = replace(QWEN3_8B, kv_bytes_per_token=1000)
    assert kv_bytes_per_token(shape) == 1000
    assert sequence_bytes(shape, 10) == 10_000
