"""The table of known models, and the reader of config.json that it rests on."""

import pytest
from wharfage_autoscaler.configs import quantization_of_config
from wharfage_autoscaler.shapes import KNOWN, native_quantization, parameters_of, shape_of, shape_of_config

_LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize("source", KNOWN)
def test_the_derived_parameter_count_is_within_half_a_percent_of_the_stated_one(source: str) -> None:
    known = KNOWN[source]
    assert parameters_of(known.config)[0] == pytest.approx(known.parameters_billions * 1e9, rel=0.005)


@pytest.mark.parametrize(
    ("source", "active_billions"),
    [
        pytest.param("Qwen/Qwen3-30B-A3B", 3.3, id="Qwen3-30B-A3B touches 3.3 billion weights per token"),
        pytest.param("Qwen/Qwen3-235B-A22B", 22, id="Qwen3-235B-A22B touches 22 billion"),
        pytest.param("mistralai/Mixtral-8x7B-Instruct-v0.1", 12.9, id="Mixtral 8x7B touches 12.9 billion"),
        pytest.param("mistralai/Mixtral-8x22B-Instruct-v0.1", 39, id="Mixtral 8x22B touches 39 billion"),
        pytest.param("deepseek-ai/DeepSeek-V3", 37, id="DeepSeek-V3 touches 37 billion"),
        pytest.param("moonshotai/Kimi-K2-Instruct", 32, id="Kimi-K2 touches 32 billion"),
        pytest.param("Qwen/Qwen3-8B", 8.19, id="a dense model touches all of its weights"),
    ],
)
def test_a_mixture_of_experts_touches_only_some_weights(source: str, active_billions: float) -> None:
    assert KNOWN[source].shape.active_parameters == pytest.approx(active_billions * 1e9, rel=0.03)


@pytest.mark.parametrize(
    ("source", "repository", "quantization"),
    [
        pytest.param("hf://Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "", id="a known model is stored in 16 bit"),
        pytest.param("Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "", id="the scheme may be left out"),
        pytest.param(
            "hf://Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B", "fp8", id="a copy in 8 bit has the shape of its origin"
        ),
        pytest.param("hf://Qwen/Qwen3-32B-AWQ", "Qwen/Qwen3-32B", "awq", id="and so has one in 4 bit"),
        pytest.param("hf://openai/gpt-oss-120b", "openai/gpt-oss-120b", "mxfp4", id="gpt-oss is published in 4 bit"),
        pytest.param("hf://deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1", "fp8", id="DeepSeek in 8 bit"),
    ],
)
def test_a_source_names_its_shape_and_how_its_weights_are_stored(
    source: str, repository: str, quantization: str
) -> None:
    assert shape_of(source) == KNOWN[repository].shape
    assert native_quantization(source) == quantization


@pytest.mark.parametrize("source", ["hf://nobody/nothing", "pvc://weights/qwen", "s3://bucket/Qwen/Qwen3-8B", ""])
def test_a_model_that_is_not_in_the_table_has_no_shape(source: str) -> None:
    assert shape_of(source) is None
    assert native_quantization(source) == ""


def test_a_config_of_the_llama_family_is_read() -> None:
    shape = shape_of_config(_LLAMA)
    assert (shape.layers, shape.kv_heads, shape.head_dimension) == (32, 8, 128)
    assert shape.parameters == pytest.approx(8.03e9, rel=0.001)
    assert shape.max_context_tokens == 131072


def test_a_text_model_inside_a_multimodal_one_is_found() -> None:
    assert shape_of_config({"model_type": "mllama", "text_config": _LLAMA}) == shape_of_config(_LLAMA)


def test_heads_without_a_key_value_count_all_keep_their_own() -> None:
    assert shape_of_config({**_LLAMA, "num_key_value_heads": None}).kv_heads == 32


def test_latent_attention_is_one_compressed_head() -> None:
    shape = KNOWN["deepseek-ai/DeepSeek-V3"].shape
    assert shape.kv_heads == 1
    assert shape.kv_bytes_per_token == 61 * (512 + 64) * 2


@pytest.mark.parametrize(
    ("more", "window"),
    [
        pytest.param({}, (0, 0), id="no window without a size"),
        pytest.param({"sliding_window": 4096}, (4096, 32), id="a plain window slides in every layer"),
        pytest.param({"sliding_window": 4096, "use_sliding_window": False}, (0, 0), id="a window switched off is none"),
        pytest.param(
            {"sliding_window": 512, "layer_types": ["sliding_attention", "full_attention"] * 16},
            (512, 16),
            id="listed layers are counted",
        ),
        pytest.param(
            {"sliding_window": 1024, "model_type": "gemma3_text"}, (1024, 27), id="Gemma 3 keeps every sixth layer full"
        ),
        pytest.param({"sliding_window": 4096, "model_type": "gemma2"}, (4096, 16), id="Gemma 2 keeps every second"),
        pytest.param(
            {"sliding_window": 128, "layer_types": ["full_attention"] * 32}, (0, 0), id="a window no layer uses is none"
        ),
    ],
)
def test_sliding_windows_are_counted(more: dict[str, object], window: tuple[int, int]) -> None:
    shape = shape_of_config({**_LLAMA, **more})
    assert (shape.window_tokens, shape.window_layers) == window


@pytest.mark.parametrize(
    ("broken", "key"),
    [
        pytest.param({"hidden_size": None}, "hidden_size", id="a missing number is named"),
        pytest.param({"num_hidden_layers": "32"}, "num_hidden_layers", id="a number written as text is named"),
        pytest.param({"num_attention_heads": 0}, "num_attention_heads", id="zero heads are refused"),
        pytest.param({"vocab_size": -1}, "vocab_size", id="a negative vocabulary is refused"),
        pytest.param({"intermediate_size": True}, "intermediate_size", id="a truth value is no number"),
        pytest.param({"head_dim": 1.5}, "head_dim", id="half a dimension is refused"),
    ],
)
def test_a_config_that_cannot_be_read_says_which_key(broken: dict[str, object], key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} must be a positive whole number"):
        shape_of_config({**_LLAMA, **broken})


@pytest.mark.parametrize(
    ("config", "quantization"),
    [
        pytest.param({}, "", id="16 bit says nothing"),
        pytest.param({"quantization_config": {"quant_method": "awq"}}, "awq", id="the method is stated"),
        pytest.param(
            {"text_config": {"quantization_config": {"quant_method": "fp8"}}}, "fp8", id="also further inside"
        ),
        pytest.param({"quantization_config": "fp8"}, "", id="nonsense is not guessed at"),
    ],
)
def test_the_config_says_how_weights_are_stored(config: dict[str, object], quantization: str) -> None:
    assert quantization_of_config(config) == quantization
