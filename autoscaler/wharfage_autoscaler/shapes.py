"""The shapes of common open models, so that sizing them needs no download.

A row is an excerpt of the model's own `config.json` on the Hugging Face hub with the parameter count of its
model card (`.safetensors` index) in billions; both are read by the code that reads anybody's `config.json`, and a
test holds the count derived from the excerpt against the stated one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from wharfage_autoscaler.configs import parameters_of, shape_of_config
from wharfage_autoscaler.model import ModelShape

__all__ = ["KNOWN", "Known", "native_quantization", "parameters_of", "shape_of", "shape_of_config"]


@dataclass(frozen=True, slots=True)
class Known:
    """A model of the table: the excerpt of its config.json, its stated size, and how its weights are stored."""

    config: MappingProxyType[str, object]
    parameters_billions: float
    quantization: str = ""

    @property
    def shape(self) -> ModelShape:
        """The shape, with the stated size in place of the derived one."""
        return replace(shape_of_config(self.config), parameters=self.parameters_billions * 1e9)


def _row(
    sizes: tuple[int, int, int, int],
    attention: tuple[int, int, int],
    context: int,
    billions: float,
    more: Mapping[str, object] = MappingProxyType({}),
    *,
    quantization: str = "",
) -> Known:
    """`sizes` is layers, hidden, feed-forward, vocabulary; `attention` is heads, key-value heads, head dimension."""
    layers, hidden, ffn, vocabulary = sizes
    heads, kv_heads, head = attention
    config: dict[str, object] = {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "vocab_size": vocabulary,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head,
        "max_position_embeddings": context,
        **more,
    }
    return Known(MappingProxyType(config), billions, quantization)


_TIED = {"tie_word_embeddings": True}
_QWEN_MOE = {"num_experts": 128, "num_experts_per_tok": 8}
_MIXTRAL = {"num_local_experts": 8, "num_experts_per_tok": 2}
_GPT_OSS = {"model_type": "gpt_oss", "experts_per_token": 4, "sliding_window": 128}
_GEMMA2 = {"model_type": "gemma2", "sliding_window": 4096}
_GEMMA3 = {
    "model_type": "gemma3",
    "sliding_window": 1024,
    "vision_config": {"num_hidden_layers": 27, "hidden_size": 1152, "intermediate_size": 4304},
}
_LATENT = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
_DEEPSEEK = {**_LATENT, "q_lora_rank": 1536, "moe_intermediate_size": 2048, "num_experts_per_tok": 8}
_FP8 = "fp8"


def _longer(row: Known, context: int) -> Known:
    return replace(row, config=MappingProxyType({**row.config, "max_position_embeddings": context}))


def _qwen25(name: str, row: Known, *, base_context: int = 131072) -> dict[str, Known]:
    return {f"Qwen/Qwen2.5-{name}-Instruct": row, f"Qwen/Qwen2.5-{name}": _longer(row, base_context)}


def _llama(name: str, row: Known) -> dict[str, Known]:
    return {f"meta-llama/{name}-Instruct": row, f"meta-llama/{name}": row}


_QWEN25_1B5 = _row((28, 1536, 8960, 151936), (12, 2, 128), 32768, 1.5437, _TIED)
_QWEN25_7B = _row((28, 3584, 18944, 152064), (28, 4, 128), 32768, 7.6156)
_QWEN25_14B = _row((48, 5120, 13824, 152064), (40, 8, 128), 32768, 14.770)
_QWEN25_32B = _row((64, 5120, 27648, 152064), (40, 8, 128), 32768, 32.764)
_LLAMA_8B = _row((32, 4096, 14336, 128256), (32, 8, 128), 131072, 8.0303)
_LLAMA_70B = _row((80, 8192, 28672, 128256), (64, 8, 128), 131072, 70.554)
_QWEN3_30B = _row((48, 2048, 6144, 151936), (32, 4, 128), 40960, 30.532, {"moe_intermediate_size": 768, **_QWEN_MOE})
_QWEN3_235B = _row((94, 4096, 12288, 151936), (64, 4, 128), 40960, 235.09, {"moe_intermediate_size": 1536, **_QWEN_MOE})
_DEEPSEEK_V3 = _row(
    (61, 7168, 18432, 129280),
    (128, 128, 128),
    163840,
    671.03,
    {"n_routed_experts": 256, "n_shared_experts": 1, "first_k_dense_replace": 3, **_DEEPSEEK},
    quantization=_FP8,
)

_MINIMAX_M2 = _row(
    (62, 3072, 1536, 200064),
    (48, 8, 128),
    196608,
    228.69,
    {"num_local_experts": 256, "num_experts_per_tok": 8},
    quantization=_FP8,
)
_KIMI_K2 = _row(
    (61, 7168, 18432, 163840),
    (64, 64, 128),
    131072,
    1026.5,
    {"n_routed_experts": 384, "n_shared_experts": 1, "first_k_dense_replace": 1, **_DEEPSEEK},
    quantization=_FP8,
)
_INT4 = "gptq"  # weights of 4 bit in groups of 32, as compressed-tensors: the same size and the same kernels

KNOWN = MappingProxyType(
    {
        **_qwen25("0.5B", _row((24, 896, 4864, 151936), (14, 2, 64), 32768, 0.49403, _TIED), base_context=32768),
        **_qwen25("1.5B", _QWEN25_1B5, base_context=32768),
        **_qwen25("3B", _row((36, 2048, 11008, 151936), (16, 2, 128), 32768, 3.0859, _TIED), base_context=32768),
        **_qwen25("7B", _QWEN25_7B),
        **_qwen25("14B", _QWEN25_14B),
        **_qwen25("32B", _QWEN25_32B),
        **_qwen25("72B", _row((80, 8192, 29568, 152064), (64, 8, 128), 32768, 72.706)),
        "Qwen/Qwen2.5-Coder-7B-Instruct": _QWEN25_7B,
        "Qwen/Qwen2.5-Coder-32B-Instruct": _QWEN25_32B,
        "Qwen/Qwen3-0.6B": _row((28, 1024, 3072, 151936), (16, 8, 128), 40960, 0.59605, _TIED),
        "Qwen/Qwen3-1.7B": _row((28, 2048, 6144, 151936), (16, 8, 128), 40960, 1.7206, _TIED),
        "Qwen/Qwen3-4B": _row((36, 2560, 9728, 151936), (32, 8, 128), 40960, 4.0225, _TIED),
        "Qwen/Qwen3-8B": _row((36, 4096, 12288, 151936), (32, 8, 128), 40960, 8.1907),
        "Qwen/Qwen3-14B": _row((40, 5120, 17408, 151936), (40, 8, 128), 40960, 14.768),
        "Qwen/Qwen3-32B": _row((64, 5120, 25600, 151936), (64, 8, 128), 40960, 32.762),
        "Qwen/Qwen3-30B-A3B": _QWEN3_30B,
        "Qwen/Qwen3-30B-A3B-Instruct-2507": _longer(_QWEN3_30B, 262144),
        "Qwen/Qwen3-Coder-30B-A3B-Instruct": _longer(_QWEN3_30B, 262144),
        "Qwen/Qwen3-235B-A22B": _QWEN3_235B,
        **_llama("Llama-3.1-8B", _LLAMA_8B),
        **_llama("Llama-3.1-70B", _LLAMA_70B),
        **_llama("Llama-3.1-405B", _row((126, 16384, 53248, 128256), (128, 8, 128), 131072, 405.85)),
        **_llama("Llama-3.2-1B", _row((16, 2048, 8192, 128256), (32, 8, 64), 131072, 1.2358, _TIED)),
        **_llama("Llama-3.2-3B", _row((28, 3072, 8192, 128256), (24, 8, 128), 131072, 3.2127, _TIED)),
        "meta-llama/Llama-3.3-70B-Instruct": _LLAMA_70B,
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0": _row((22, 2048, 5632, 32000), (32, 4, 64), 2048, 1.1000),
        "HuggingFaceTB/SmolLM2-135M-Instruct": _row((30, 576, 1536, 49152), (9, 3, 64), 8192, 0.13452, _TIED),
        "HuggingFaceTB/SmolLM2-360M-Instruct": _row((32, 960, 2560, 49152), (15, 5, 64), 8192, 0.36182, _TIED),
        "HuggingFaceTB/SmolLM2-1.7B-Instruct": _row((24, 2048, 8192, 49152), (32, 32, 64), 8192, 1.7114, _TIED),
        "mistralai/Mistral-7B-Instruct-v0.3": _row((32, 4096, 14336, 32768), (32, 8, 128), 32768, 7.2480),
        "mistralai/Mistral-Nemo-Instruct-2407": _row((40, 5120, 14336, 131072), (32, 8, 128), 131072, 12.248),
        "mistralai/Mistral-Small-24B-Instruct-2501": _row((40, 5120, 32768, 131072), (32, 8, 128), 32768, 23.572),
        "mistralai/Mixtral-8x7B-Instruct-v0.1": _row((32, 4096, 14336, 32000), (32, 8, 128), 32768, 46.703, _MIXTRAL),
        "mistralai/Mixtral-8x22B-Instruct-v0.1": _row((56, 6144, 16384, 32768), (48, 8, 128), 65536, 140.63, _MIXTRAL),
        "google/gemma-2-2b-it": _row((26, 2304, 9216, 256000), (8, 4, 256), 8192, 2.6143, _GEMMA2),
        "google/gemma-2-9b-it": _row((42, 3584, 14336, 256000), (16, 8, 256), 8192, 9.2417, _GEMMA2),
        "google/gemma-2-27b-it": _row((46, 4608, 36864, 256000), (32, 16, 128), 8192, 27.227, _GEMMA2),
        "google/gemma-3-1b-it": _row(
            (26, 1152, 6912, 262144), (4, 1, 256), 32768, 0.99989, {"model_type": "gemma3_text", "sliding_window": 512}
        ),
        "google/gemma-3-4b-it": _row((34, 2560, 10240, 262208), (8, 4, 256), 131072, 4.3001, _GEMMA3),
        "google/gemma-3-12b-it": _row((48, 3840, 15360, 262208), (16, 8, 256), 131072, 12.187, _GEMMA3),
        "google/gemma-3-27b-it": _row((62, 5376, 21504, 262208), (32, 16, 128), 131072, 27.432, _GEMMA3),
        "microsoft/Phi-3.5-mini-instruct": _row((32, 3072, 8192, 32064), (32, 32, 96), 131072, 3.8211),
        "microsoft/Phi-4-mini-instruct": _row((32, 3072, 8192, 200064), (24, 8, 128), 131072, 3.8360, _TIED),
        "microsoft/phi-4": _row((40, 5120, 17920, 100352), (40, 10, 128), 16384, 14.660),
        "openai/gpt-oss-20b": _row(
            (24, 2880, 2880, 201088),
            (64, 8, 64),
            131072,
            20.915,
            {"num_local_experts": 32, **_GPT_OSS},
            quantization="mxfp4",
        ),
        "openai/gpt-oss-120b": _row(
            (36, 2880, 2880, 201088),
            (64, 8, 64),
            131072,
            116.83,
            {"num_local_experts": 128, **_GPT_OSS},
            quantization="mxfp4",
        ),
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _row((28, 1536, 8960, 151936), (12, 2, 128), 131072, 1.7771),
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": _longer(_QWEN25_7B, 131072),
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": _longer(_QWEN25_14B, 131072),
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": _longer(_QWEN25_32B, 131072),
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": _LLAMA_8B,
        "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": _LLAMA_70B,
        "deepseek-ai/DeepSeek-V3": _DEEPSEEK_V3,
        "deepseek-ai/DeepSeek-R1": _DEEPSEEK_V3,
        "deepseek-ai/DeepSeek-V2-Lite-Chat": _row(
            (27, 2048, 10944, 102400),
            (16, 16, 128),
            163840,
            15.706,
            {
                "n_routed_experts": 64,
                "n_shared_experts": 2,
                "num_experts_per_tok": 6,
                "moe_intermediate_size": 1408,
                "first_k_dense_replace": 1,
                **_LATENT,
            },
        ),
        "moonshotai/Kimi-K2-Instruct": _KIMI_K2,
        "moonshotai/Kimi-K2-Instruct-0905": _longer(_KIMI_K2, 262144),
        "moonshotai/Kimi-K2-Thinking": replace(_longer(_KIMI_K2, 262144), quantization=_INT4),
        "moonshotai/Kimi-K2.5": replace(_longer(_KIMI_K2, 262144), quantization=_INT4),
        "MiniMaxAI/MiniMax-M2": _MINIMAX_M2,
        "MiniMaxAI/MiniMax-M2.1": _MINIMAX_M2,
        "MiniMaxAI/MiniMax-M2.5": _MINIMAX_M2,
        "ibm-granite/granite-3.3-2b-instruct": _row((40, 2048, 8192, 49159), (32, 8, 64), 131072, 2.5335, _TIED),
        "ibm-granite/granite-3.3-8b-instruct": _row((40, 4096, 12800, 49159), (32, 8, 128), 131072, 8.1708, _TIED),
    }
)

# How publishers mark quantised copies of a model in its name.
_SUFFIXES = (
    ("-GPTQ-Int4", "gptq"),
    ("-GPTQ-Int8", "int8"),
    ("-AWQ", "awq"),
    ("-FP8", "fp8"),
    ("-NVFP4", "nvfp4"),
)


# Asked several times in each look at each deployment; the table never changes.
@lru_cache(maxsize=4096)
def shape_of(source: str) -> ModelShape | None:
    """The shape of `hf://org/name` (or `org/name`), quantised copies included; None where the table has no row."""
    known = KNOWN.get(_split(source)[0])
    return known.shape if known else None


def native_quantization(source: str) -> str:
    """How the source's weights are stored: by the suffix of its name, else by the table, else the empty string."""
    name, marked = _split(source)
    known = KNOWN.get(name)
    return marked or (known.quantization if known else "")


def _split(source: str) -> tuple[str, str]:
    name = source.removeprefix("hf://").rstrip("/")
    if name in KNOWN:
        return name, ""
    return next(((name.removesuffix(end), kind) for end, kind in _SUFFIXES if name.endswith(end)), (name, ""))
