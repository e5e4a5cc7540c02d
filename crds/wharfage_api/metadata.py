"""The part of an object's metadata that wharfage reads; the API server validates it, so nothing is refused here."""

from datetime import datetime

from pydantic import ConfigDict, Field

from wharfage_api.part import Part


class Metadata(Part):
    """Name, identity and marks of an object."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(description="Name of the object.")
    namespace: str = Field(default="", description="Namespace of the object; empty for a cluster-scoped one.")
    uid: str = Field(default="", description="Identity given by the API server.")
    generation: int = Field(default=0, description="Counts changes of the spec.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of the object.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations of the object.")
    creation_timestamp: datetime | None = Field(default=None, description="When the object was created.")
    deletion_timestamp: datetime | None = Field(default=None, description="Set while the object is being deleted.")
