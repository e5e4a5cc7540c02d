"""What a model's own files told: learned once per source and revision, and remembered in the status.

The status is where a restart does not lose it, where a user sees what sizing works with, and whence it can be copied
into the spec. What is used is always what is remembered, digit for digit: a pod's template must not change because
the operator was restarted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError
from wharfage_api.model import Experts, Shape, Window
from wharfage_autoscaler.checkpoint import quantization_of_checkpoint, shape_of_checkpoint
from wharfage_autoscaler.model import ModelShape

_LONGEST_WORD = 64
_LEAST_BILLIONS = 1e-6  # the last digit that a decimal of the API keeps

Row = dict[str, Any]


class Origin(NamedTuple):
    """Where weights come from; `revision` "" is the source's default."""

    source: str
    revision: str

    def __str__(self) -> str:
        return f"{self.source} at {self.revision}" if self.revision else self.source


@dataclass(frozen=True, slots=True)
class Learned:
    """What the files of an origin told. `quantization` is how its weights are stored, "" for 16 bit."""

    shape: Shape
    quantization: str = ""


def learned(message: str) -> Learned:
    """What a reader left as its termination message.

    Raises `ValueError` with a sentence for a message that tells no shape.
    """
    try:
        told = json.loads(message)
        config, weight_bytes = told["config"], told.get("weightBytes")
        quantization = quantization_of_checkpoint(config)
        shape = _written(shape_of_checkpoint(config, weight_bytes if isinstance(weight_bytes, int) else None))
    except ValidationError as error:  # a ValueError as well, but a page long
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"config.json tells a {where} that cannot be: {first['msg']}") from error
    except OverflowError as error:
        raise ValueError("config.json tells numbers that cannot be") from error
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("the reader's answer is not what this operator expects") from error
    return Learned(shape, quantization[:_LONGEST_WORD])


def remembered(status: Mapping[str, Any]) -> dict[Origin, Learned]:
    """What a status holds; a row that this version cannot read is as good as none."""
    found: dict[Origin, Learned] = {}
    for row in status.get("models") or ():
        try:
            origin = Origin(row["source"], row.get("revision", ""))
            found[origin] = Learned(Shape.model_validate(row["shape"]), row.get("quantization", ""))
        except (KeyError, TypeError, ValidationError):
            continue
    return found


def rows(known: Mapping[Origin, Learned]) -> list[Row]:
    """The rows of a status, every default spelled out: the API server would add them."""
    return [
        {
            "source": origin.source,
            "revision": origin.revision,
            "shape": known[origin].shape.model_dump(mode="json", by_alias=True),
            "quantization": known[origin].quantization,
        }
        for origin in sorted(known)
    ]


def _written(shape: ModelShape) -> Shape:
    """The shape as the API writes it; ValidationError for a number out of all bounds."""
    return Shape.model_validate(
        {
            "parameters_billions": _billions(shape.parameters),
            "active_parameters_billions": _billions(shape.active_parameters),
            "layers": shape.layers,
            "hidden_size": shape.hidden_size,
            "ffn_size": shape.ffn_size,
            "vocabulary_size": shape.vocabulary_size,
            "attention_heads": shape.attention_heads,
            "kv_heads": shape.kv_heads,
            "head_dimension": shape.head_dimension,
            "experts": Experts(total=shape.experts_total, active=shape.experts_active, ffn_size=shape.expert_ffn_size),
            "window": Window(tokens=shape.window_tokens, layers=shape.window_layers),
            "kv_bytes_per_token": shape.kv_bytes_per_token,
            "max_context_tokens": shape.max_context_tokens,
        }
    )


def _billions(count: float) -> str:
    return f"{max(count / 1e9, _LEAST_BILLIONS):.6f}".rstrip("0").rstrip(".")
