"""How the inference engine is run: what a user may choose, and what the operator keeps for itself."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from wharfage_api.names import AbsolutePath, ConfigMapKey, ObjectName, SecretKey
from wharfage_api.owned_arguments import ARGUMENT_RULES, VARIABLE_RULES
from wharfage_api.part import Checked, Part, Rule, also, keyed, replaced, rules

Argument = Annotated[str, StringConstraints(min_length=1, max_length=1024)]

StorageSize = Annotated[
    str,
    StringConstraints(min_length=2, max_length=16, pattern="^[1-9][0-9]{0,5}(Mi|Gi|Ti)$"),
    Checked(Rule("self.matches('^[1-9][0-9]{0,5}(Mi|Gi|Ti)$')", "write a size such as 40Gi (Mi, Gi or Ti)")),
]
"""A size of storage: `40Gi`."""


class VariableSource(Part):
    """Where the value of a variable comes from; exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.secretKeyRef) != has(self.configMapKeyRef)",
                "write either secretKeyRef or configMapKeyRef",
            )
        )
    )

    secret_key_ref: SecretKey | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: ConfigMapKey | None = Field(default=None, description="A key of a ConfigMap.")


class Variable(Part):
    """One environment variable of the engine."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("has(self.value) != has(self.valueFrom)", "write either value or valueFrom for a variable"),
            *VARIABLE_RULES,
        )
    )

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=128, pattern="^[A-Za-z_][A-Za-z0-9_]*$"),
    ] = Field(
        description="Name of the variable.",
        json_schema_extra=rules(
            Rule(
                "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
                "write a variable's name in letters, digits and '_', such as VLLM_LOGGING_LEVEL",
            )
        ),
    )
    value: str | None = Field(
        default=None, max_length=4096, description="Literal value. Secrets belong into valueFrom."
    )
    value_from: VariableSource | None = Field(
        default=None, description="A Secret's or ConfigMap's key to take the value from."
    )


class WeightCache(Part):
    """Where weights are kept between starts: a claim that exists, or a volume made for each replica."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.claim) != has(self.size)",
                "write either claim (a PersistentVolumeClaim that exists) or size (a volume per replica)",
            ),
            Rule(
                "!has(self.storageClass) || has(self.size)",
                "write storageClass together with size; a claim has its own class",
                field=".storageClass",
            ),
        )
    )

    claim: ObjectName | None = Field(
        default=None, description="An existing PersistentVolumeClaim of this namespace, shared by the replicas."
    )
    size: StorageSize | None = Field(
        default=None, description="Size of a volume per replica, kept while the pod lives: 40Gi."
    )
    storage_class: ObjectName | None = Field(
        default=None, description="StorageClass of the volume per replica; default: the node's own disk."
    )


class Mount(Part):
    """An existing claim mounted into the engine's container."""

    claim: ObjectName = Field(description="A PersistentVolumeClaim of this namespace.")
    path: Annotated[
        AbsolutePath,
        Checked(
            Rule(
                "!self.matches('^/(dev|dev/shm|proc|sys|etc|tmp|cache|models|etc/wharfage(/.*)?)$')",
                "write a path that is free in the container, such as /opt/engine",
            )
        ),
    ] = Field(description="Where it is mounted, absolute, unique in the list.")
    read_only: bool = Field(default=True, description="Mount it read-only (the default).")


class Engine(Part):
    """The inference engine (vLLM) and what it is started with."""

    image: str = Field(
        default="",
        max_length=512,
        pattern="^[^ ]*$",
        description="Image of the engine; default: the operator's, whose settings may allow only some prefixes.",
        json_schema_extra=rules(
            Rule("self.matches('^[^ ]*$')", "write an image reference without blanks, such as vllm/vllm-openai:v0.33.0")
        ),
    )
    command: tuple[Argument, ...] = Field(
        default=(), max_length=16, description="Entry point in place of the image's own.", json_schema_extra=replaced()
    )
    args: tuple[Argument, ...] = Field(
        default=(),
        max_length=64,
        description="Arguments appended to those the operator sets. One that the operator owns is refused.",
        json_schema_extra=also(replaced(), rules(*ARGUMENT_RULES)),
    )
    env: tuple[Variable, ...] = Field(
        default=(), max_length=64, description="Environment variables of the engine.", json_schema_extra=keyed("name")
    )
    max_model_tokens: int = Field(
        default=0,
        ge=0,
        le=16777216,
        description="Longest prompt plus answer to serve, in tokens; sizes the KV cache. "
        "0: the model's own, as far as it fits.",
    )
    api_key_secret: SecretKey | None = Field(
        default=None, description="Key that clients must send as a bearer token; without it the port asks for none."
    )
    weight_cache: WeightCache | None = Field(
        default=None, description="Where weights are kept between starts; without it every replica downloads them."
    )
    mounts: tuple[Mount, ...] = Field(
        default=(),
        max_length=8,
        description="Existing claims mounted into the container.",
        json_schema_extra=keyed("path"),
    )
