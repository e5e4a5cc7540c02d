"""The shape of a model by its own files: config.json, and the size of what is stored."""

import pytest
from wharfage_autoscaler.checkpoint import quantization_of_checkpoint, shape_of_checkpoint
from wharfage_autoscaler.shapes import KNOWN

DENSE = {**KNOWN["Qwen/Qwen3-8B"].config, "torch_dtype": "bfloat16"}
SPARSE = {**KNOWN["Qwen/Qwen3-30B-A3B"].config, "torch_dtype": "bfloat16"}
DERIVED = shape_of_checkpoint(DENSE, None).parameters


@pytest.mark.parametrize(
    ("config", "weight_bytes", "parameters"),
    [
        pytest.param(DENSE, 16_381_470_720, 8_190_735_360, id="of two bytes each are counted"),
        pytest.param({**DENSE, "torch_dtype": "torch.float16"}, 16_381_470_720, 8_190_735_360, id="of older files too"),
        pytest.param(
            {**DENSE, "dtype": "float32", "torch_dtype": None}, 32_762_941_440, 8_190_735_360, id="of four too"
        ),
        pytest.param(
            {"text_config": DENSE, "model_type": "mllama"}, 20_000_000_000, 10**10, id="of a tower without a key count"
        ),
        pytest.param(DENSE, None, DERIVED, id="are derived where no size is known"),
        pytest.param(DENSE, 0, DERIVED, id="are derived where the size is nothing"),
        pytest.param(DENSE, 32_762_941_440, DERIVED, id="are derived where they are stored wider than stated"),
        pytest.param({**DENSE, "torch_dtype": None}, 16_381_470_720, DERIVED, id="are derived without a dtype"),
        pytest.param({**DENSE, "torch_dtype": "int4"}, 16_381_470_720, DERIVED, id="are derived for a foreign dtype"),
        pytest.param(
            {**DENSE, "quantization_config": {"quant_method": "awq"}},
            6_000_000_000,
            DERIVED,
            id="quantised are derived",
        ),
    ],
)
def test_parameters(config: dict[str, object], weight_bytes: int | None, parameters: float) -> None:
    shape = shape_of_checkpoint(config, weight_bytes)
    assert shape.parameters == pytest.approx(parameters)
    assert shape.active_parameters == shape.parameters


def test_what_one_token_touches_of_a_mixture_does_not_follow_from_what_is_stored() -> None:
    derived, measured = shape_of_checkpoint(SPARSE, None), shape_of_checkpoint(SPARSE, 61_064_245_248)
    assert measured.parameters == pytest.approx(30_532_122_624)
    assert measured.active_parameters == derived.active_parameters


def test_one_token_never_touches_more_than_there_is() -> None:
    nearly = {**SPARSE, "num_experts": 8, "num_experts_per_tok": 7}
    derived = shape_of_checkpoint(nearly, None)
    stored = shape_of_checkpoint(nearly, round(derived.parameters * 2 * 0.76))
    assert stored.active_parameters == stored.parameters < derived.active_parameters


def test_more_key_heads_than_query_heads_are_refused() -> None:
    with pytest.raises(ValueError, match=r"more key-value heads \(64\) than attention heads \(32\)"):
        shape_of_checkpoint({**DENSE, "num_key_value_heads": 64}, None)


@pytest.mark.parametrize(
    ("stated", "quantization"),
    [
        (None, ""),
        ({"quant_method": "awq"}, "awq"),
        ({"quant_method": "fbgemm_fp8"}, "fp8"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8"),
    ],
    ids=["16 bit", "the engine's word", "Meta's 8 bit", "NVIDIA's 4 bit", "NVIDIA's 8 bit"],
)
def test_storage(stated: dict[str, str] | None, quantization: str) -> None:
    assert quantization_of_checkpoint({**DENSE, "quantization_config": stated}) == quantization
