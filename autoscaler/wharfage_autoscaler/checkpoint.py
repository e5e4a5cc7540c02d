"""The shape of a model as its own files tell it: config.json, and what the stored weights take.

A parameter count derived from config.json knows no biases, no norms and no towers that it has no key for; what is
stored knows them all. So the stored size counts, as long as both agree on what kind of model it is.
"""

from collections.abc import Mapping
from dataclasses import replace

from wharfage_autoscaler.configs import quantization_of_config, shape_of_config
from wharfage_autoscaler.model import ModelShape

# Storage of one parameter; the files call it torch_dtype, or dtype since transformers 5.
_DTYPE_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}
_PLAUSIBLE = (0.75, 1.4)  # stored over derived: beyond it the two speak of different things, most often of dtypes
# What writers of checkpoints call the kinds that the engine and its table of accelerators know by another name.
_ALIASES = {"fbgemm_fp8": "fp8", "modelopt_fp4": "nvfp4", "modelopt": "fp8"}


def shape_of_checkpoint(config: Mapping[str, object], weight_bytes: int | None) -> ModelShape:
    """The shape that sizing works with; `weight_bytes` are those of all stored weights, None where not known.

    Raises `ValueError` naming the key of config.json that is missing or makes no sense.
    """
    derived = shape_of_config(config)
    _at_most("key-value heads", derived.kv_heads, "attention heads", derived.attention_heads)
    _at_most("experts per token", derived.experts_active, "experts", derived.experts_total)
    bytes_each = _DTYPE_BYTES.get(_dtype(config), 0)
    if not weight_bytes or not bytes_each or quantization_of_config(config):
        return derived
    stored = weight_bytes / bytes_each
    least, most = _PLAUSIBLE
    if not least <= stored / derived.parameters <= most:
        return derived
    dense = derived.active_parameters == derived.parameters
    active = stored if dense else min(stored, derived.active_parameters)
    return replace(derived, parameters=stored, active_parameters=active)


def quantization_of_checkpoint(config: Mapping[str, object]) -> str:
    """How the weights are stored, by the engine's name of it; the empty string for 16 bit."""
    method = quantization_of_config(config)
    details = config.get("quantization_config")
    if method == "modelopt" and isinstance(details, Mapping) and "FP4" in str(details.get("quant_algo")):
        return "nvfp4"
    return _ALIASES.get(method, method)


def _at_most(few: str, count: int, many: str, bound: int) -> None:
    if count > bound:
        raise ValueError(f"config.json: more {few} ({count}) than {many} ({bound}); set spec.model.shape")


def _dtype(config: Mapping[str, object]) -> str:
    inner = config.get("text_config")
    rows = (config, inner) if isinstance(inner, Mapping) else (config,)
    found = (row.get(name) for row in rows for name in ("dtype", "torch_dtype"))
    return next((str(dtype).removeprefix("torch.") for dtype in found if dtype), "")
