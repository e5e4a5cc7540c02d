"""What of the pods a user may set: the part that gives nobody more than `create pods` gives."""

from typing import Annotated

from pydantic import Field, StringConstraints

from wharfage_api.names import KEYS_WRITTEN, Labels, ObjectName, SecretName
from wharfage_api.part import Part, Rule, keyed, rules

_OURS = (
    "self.all(k, !k.startsWith('wharfage.dev/') && !k.startsWith('app.kubernetes.io/'))",
    "write keys other than wharfage.dev/... and app.kubernetes.io/..., which the operator sets",
)


class PodTemplate(Part):
    """The safe subset of a pod: labels, annotations, pull secrets and priority class."""

    labels: Labels = Field(
        default_factory=dict,
        max_length=32,
        description="Labels added to the pods.",
        json_schema_extra=rules(Rule(*_OURS), KEYS_WRITTEN),
    )
    annotations: dict[str, Annotated[str, StringConstraints(max_length=1024)]] = Field(
        default_factory=dict,
        max_length=32,
        description="Annotations added to the pods.",
        json_schema_extra=rules(Rule(*_OURS), KEYS_WRITTEN),
    )
    image_pull_secrets: tuple[SecretName, ...] = Field(
        default=(),
        max_length=8,
        description="Secrets of this namespace that hold registry credentials.",
        json_schema_extra=keyed("name"),
    )
    priority_class_name: ObjectName | None = Field(default=None, description="PriorityClass of the pods.")
