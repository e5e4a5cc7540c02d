"""What is served: where the weights are, their shape, and the variants of the same service."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from wharfage_api.decimals import PositiveNumber, Share
from wharfage_api.names import SecretKey, ShortName
from wharfage_api.part import Checked, Part, Rule, rules

Revision = Annotated[
    str,
    StringConstraints(max_length=128, pattern="^[A-Za-z0-9._/-]*$"),
    Checked(Rule("self.matches('^[A-Za-z0-9._/-]*$')", "write a branch, tag or commit without blanks, such as main")),
]
"""What pins weights at their source."""

Quantization = Annotated[
    str,
    StringConstraints(max_length=32, pattern="^[a-z0-9_-]*$"),
    Checked(Rule("self.matches('^[a-z0-9_-]*$')", "write the engine's word for it in lower case, such as fp8 or awq")),
]
"""How weights are quantised, in the engine's words."""

ServedName = Annotated[
    str,
    StringConstraints(max_length=128, pattern="^[A-Za-z0-9._:/-]*$"),
    Checked(
        Rule(
            "self.matches('^[A-Za-z0-9._:/-]*$')",
            "write a served name of letters, digits, '.', '_', ':', '/' and '-', such as chat",
        )
    ),
]
"""What clients call the model."""

_SCHEMES = "^(hf|s3|gs|pvc|oci)://[^ ]+$"

Source = Annotated[
    str,
    StringConstraints(min_length=6, max_length=512, pattern=_SCHEMES),
    Checked(
        Rule(
            f"self.matches('{_SCHEMES}')",
            "write where the weights are as hf://org/name, s3://bucket/path, gs://bucket/path, pvc://claim/path "
            "or oci://registry/image:tag",
        ),
        Rule(
            "!self.startsWith('hf://') || self.matches('^hf://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)?$')",
            "write a Hugging Face model as hf://org/name; its revision goes into spec.model.revision",
        ),
        Rule(
            "!self.startsWith('pvc://') || self.matches('^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/.*)?$')",
            "write a volume as pvc://claim/path, claim being a PersistentVolumeClaim of this namespace "
            "(lower-case letters, digits and '-')",
        ),
        Rule("!self.contains('/../') && !self.endsWith('/..')", "write the path to the weights without '..'"),
    ),
]
"""Where weights are: `hf://`, `s3://`, `gs://`, `pvc://` or `oci://`."""


class VariantPolicy(StrEnum):
    """How many variants may serve at once."""

    ONE = "One"
    MIXED = "Mixed"


class Experts(Part):
    """The experts of a mixture-of-experts model; all 0 for a dense one."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("self.active <= self.total", "write active experts (per token) no greater than total", field=".active")
        )
    )

    total: int = Field(default=0, ge=0, le=4096, description="Routed experts per layer; 0 for a dense model.")
    active: int = Field(default=0, ge=0, le=4096, description="Experts that one token passes through.")
    ffn_size: int = Field(default=0, ge=0, le=1048576, description="Inner width of one expert's feed-forward network.")


class Window(Part):
    """Layers that look back over a bounded number of tokens only."""

    tokens: int = Field(
        default=0, ge=0, le=16777216, description="Tokens a sliding-window layer looks back; 0: none does."
    )
    layers: int = Field(default=0, ge=0, le=1024, description="How many of the layers use the sliding window.")


class Shape(Part):
    """The numbers of a transformer that decide its memory and speed, as in its config.json."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.activeParametersBillions)"
                " || double(self.activeParametersBillions) <= double(self.parametersBillions)",
                "write activeParametersBillions no greater than parametersBillions",
                field=".activeParametersBillions",
            ),
            Rule(
                "self.kvHeads <= self.attentionHeads", "write kvHeads no greater than attentionHeads", field=".kvHeads"
            ),
            Rule(
                "self.ffnSize > 0 || self.experts.total > 0",
                "write ffnSize greater than 0; only a model whose every layer has experts has none",
                field=".ffnSize",
            ),
        )
    )

    parameters_billions: PositiveNumber = Field(
        description='Parameters in billions, all experts counted, as a decimal string: "8.19".'
    )
    active_parameters_billions: PositiveNumber | None = Field(
        default=None,
        description="Parameters one token passes through, in billions; default: parametersBillions. "
        "Differs for a mixture of experts.",
    )
    layers: int = Field(ge=1, le=1024, description="Transformer layers (num_hidden_layers).")
    hidden_size: int = Field(ge=1, le=1048576, description="Width of the residual stream (hidden_size).")
    ffn_size: int = Field(
        ge=0,
        le=4194304,
        description="Inner width of the feed-forward network (intermediate_size); 0 where every layer has experts.",
    )
    vocabulary_size: int = Field(ge=1, le=16777216, description="Tokens of the vocabulary (vocab_size).")
    attention_heads: int = Field(
        ge=1, le=4096, description="Query heads (num_attention_heads); tensor parallelism must divide it."
    )
    kv_heads: int = Field(ge=1, le=4096, description="Key and value heads (num_key_value_heads).")
    head_dimension: int = Field(ge=1, le=4096, description="Width of one head (head_dim).")
    experts: Experts = Field(default=Experts(), description="Experts of a mixture-of-experts model.")
    window: Window = Field(default=Window(), description="Sliding-window attention.")
    kv_bytes_per_token: int = Field(
        default=0,
        ge=0,
        le=1073741824,
        description="Bytes of KV cache per token, in place of the formula (for latent attention). 0: the formula.",
    )
    max_context_tokens: int = Field(
        default=0, ge=0, le=268435456, description="Longest context the model was trained for; 0: unknown."
    )


class ServedModel(Part):
    """The weights, the name they are served under, and the shape that sizing needs."""

    source: Source = Field(
        description="Where the weights are: hf://org/name, s3://bucket/path, gs://bucket/path, pvc://claim/path "
        "or oci://registry/image:tag."
    )
    revision: Revision = Field(
        default="",
        description="Branch, tag or commit that pins the weights; a change is a rollout. Empty: the source's default.",
    )
    served_name: ServedName = Field(
        default="",
        description="What clients write in the `model` field of a request; default: metadata.name.",
    )
    credentials_secret: SecretKey | None = Field(
        default=None,
        description="Token for downloading the weights; mounted as a file, never a variable or an argument.",
    )
    shape: Shape | None = Field(
        default=None,
        description="What sizing needs to know of the model. Default: the built-in table of common models, else the "
        "model's own config.json, which is read once from hf:// or pvc://.",
    )


class Variant(Part):
    """The same service from other weights."""

    name: ShortName = Field(description="Name of the variant, unique in the list.")
    quality: Share = Field(
        description='Quality relative to the best variant, from 0 to 1, as a decimal string: "0.97".'
    )
    quantization: Quantization = Field(
        default="",
        description="How the weights are quantised, in the engine's words: fp8, awq, gptq. Empty: as stored.",
    )
    source: Source | None = Field(
        default=None, description="Where this variant's weights are; default: spec.model.source."
    )
    revision: Revision = Field(
        default="",
        description="Revision of this variant's own source. Without a source of its own it has spec.model.revision.",
    )
    shape: Shape | None = Field(
        default=None, description="Shape of this variant, if its weights are another model; default: spec.model.shape."
    )
