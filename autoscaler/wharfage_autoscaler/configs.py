"""Reads the sizes of a transformer from a Hugging Face `config.json`.

Families spell the same numbers differently: `num_local_experts` (Mixtral, gpt-oss), `num_experts` (Qwen),
`n_routed_experts` (DeepSeek); a text model inside a multimodal one sits under `text_config`. Sizing needs one
spelling, and a parameter count that the file does not carry at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wharfage_autoscaler.model import ModelShape

_GATED = 3  # matrices of a gated feed-forward layer: gate, up, down
_KV_BYTES = 2


@dataclass(frozen=True, slots=True)
class _Experts:
    """The mixture-of-experts half of a model; all zero for a dense one."""

    total: int
    active: int
    ffn_size: int
    shared_ffn_size: int
    dense_layers: int


def shape_of_config(config: Mapping[str, object]) -> ModelShape:
    """The shape that sizing works with.

    Raises `ValueError` naming the key that is missing or not a positive whole number.
    """
    text = _text(config)
    layers, heads = _count(text, "num_hidden_layers"), _count(text, "num_attention_heads")
    experts = _experts(text)
    total, active = parameters_of(config)
    window_tokens, window_layers = _window(text, layers)
    latent = _optional(text, "kv_lora_rank")
    rope = _optional(text, "qk_rope_head_dim")
    return ModelShape(
        parameters=total,
        active_parameters=active,
        layers=layers,
        hidden_size=_count(text, "hidden_size"),
        # Mixtral and gpt-oss write the size of an expert here; their layers have no dense half.
        ffn_size=0 if experts.total and experts.ffn_size == _optional(text, "intermediate_size") else _ffn(text),
        vocabulary_size=_vocabulary(text),
        attention_heads=heads,
        # Latent attention keeps one compressed head that every tensor-parallel rank holds in full.
        kv_heads=1 if latent else _optional(text, "num_key_value_heads") or heads,
        head_dimension=_head_dimension(text),
        experts_total=experts.total,
        experts_active=experts.active,
        expert_ffn_size=experts.ffn_size,
        window_tokens=window_tokens,
        window_layers=window_layers,
        kv_bytes_per_token=layers * (latent + rope) * _KV_BYTES if latent else 0,
        max_context_tokens=_optional(text, "max_position_embeddings"),
    )


def quantization_of_config(config: Mapping[str, object]) -> str:
    """How the weights are stored: the engine's name of the quantisation, or the empty string for 16 bit."""
    found = config.get("quantization_config") or _text(config).get("quantization_config")
    if not isinstance(found, Mapping):
        return ""
    return str(found.get("quant_method") or "")


def parameters_of(config: Mapping[str, object]) -> tuple[float, float]:
    """All weights, and those that one token touches. Biases and norms (under 0.1 %) are left out."""
    text = _text(config)
    layers, hidden = _count(text, "num_hidden_layers"), _count(text, "hidden_size")
    experts = _experts(text)
    embeddings = _vocabulary(text) * hidden * (1 if _tied(text, config) else 2)
    attention = layers * _attention(text, hidden)
    dense_layers = experts.dense_layers if experts.total else layers
    dense = dense_layers * _GATED * hidden * _ffn(text) if dense_layers else 0
    sparse_layers = layers - dense_layers
    one_expert = sparse_layers * _GATED * hidden * experts.ffn_size
    shared = sparse_layers * (_GATED * hidden * experts.shared_ffn_size + hidden * experts.total)
    always = float(embeddings + attention + dense + shared + _vision(config))
    return always + one_expert * experts.total, always + one_expert * experts.active


def _attention(text: Mapping[str, object], hidden: int) -> int:
    """Weights of one attention block: Q, K, V and output, or the low-rank factors of latent attention."""
    heads = _count(text, "num_attention_heads")
    latent = _optional(text, "kv_lora_rank")
    if not latent:
        kv_heads = _optional(text, "num_key_value_heads") or heads
        return 2 * hidden * (heads + kv_heads) * _head_dimension(text)
    nope, rope = _count(text, "qk_nope_head_dim"), _count(text, "qk_rope_head_dim")
    value, query_rank = _count(text, "v_head_dim"), _optional(text, "q_lora_rank")
    query = query_rank * (hidden + heads * (nope + rope)) if query_rank else hidden * heads * (nope + rope)
    return query + hidden * (latent + rope) + latent * heads * (nope + value) + heads * value * hidden


def _experts(text: Mapping[str, object]) -> _Experts:
    total = _first(text, "num_local_experts", "num_experts", "n_routed_experts")
    if not total:
        return _Experts(0, 0, 0, 0, 0)
    ffn_size = _first(text, "moe_intermediate_size", "intermediate_size")
    shared = _optional(text, "shared_expert_intermediate_size")
    return _Experts(
        total,
        _first(text, "num_experts_per_tok", "experts_per_token", "num_experts_per_token"),
        ffn_size,
        shared or _optional(text, "n_shared_experts") * ffn_size,
        _optional(text, "first_k_dense_replace"),
    )


def _window(text: Mapping[str, object], layers: int) -> tuple[int, int]:
    """Tokens that sliding-window layers keep, and how many layers slide."""
    tokens = _optional(text, "sliding_window")
    if not tokens or text.get("use_sliding_window") is False:
        return 0, 0
    kinds = text.get("layer_types")
    if isinstance(kinds, list | tuple):
        sliding = sum(kind == "sliding_attention" for kind in kinds)
        return (tokens, sliding) if sliding else (0, 0)
    family = str(text.get("model_type", ""))
    period = _optional(text, "sliding_window_pattern") or {"gemma2": 2, "gpt_oss": 2}.get(family, 0)
    if family.startswith("gemma3"):
        period = period or 6
    if period:
        return tokens, layers - layers // period
    return tokens, layers


def _vision(config: Mapping[str, object]) -> int:
    """Weights of the image tower, which is loaded even when nobody sends images; ungated feed-forward."""
    tower = config.get("vision_config")
    if not isinstance(tower, Mapping) or not tower.get("num_hidden_layers"):
        return 0
    hidden = _count(tower, "hidden_size")
    return _count(tower, "num_hidden_layers") * (4 * hidden * hidden + 2 * hidden * _ffn(tower))


def _text(config: Mapping[str, object]) -> Mapping[str, object]:
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) else config


def _tied(text: Mapping[str, object], config: Mapping[str, object]) -> bool:
    stated = text.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    if stated is None:  # the default of the family's class in transformers
        return str(text.get("model_type", "")).startswith("gemma")
    return bool(stated)


def _head_dimension(text: Mapping[str, object]) -> int:
    return _optional(text, "head_dim") or _count(text, "hidden_size") // _count(text, "num_attention_heads")


def _ffn(text: Mapping[str, object]) -> int:
    return _count(text, "intermediate_size")


def _vocabulary(text: Mapping[str, object]) -> int:
    return _count(text, "vocab_size")


def _first(text: Mapping[str, object], *names: str) -> int:
    return next((value for name in names if (value := _optional(text, name))), 0)


def _optional(text: Mapping[str, object], name: str) -> int:
    """The number, or 0 where the key is absent or null."""
    return _count(text, name) if text.get(name) is not None and text.get(name) != 0 else 0


def _count(text: Mapping[str, object], name: str) -> int:
    value = text.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"config.json: {name} must be a positive whole number, found {value!r}; set spec.model.shape")
    return value
