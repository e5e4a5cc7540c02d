"""What every object of the API has in common: closed, immutable, camelCase outside and snake_case inside.

A misspelt field must never be dropped in silence, so a part refuses what it does not know; the
API server prunes before we read, hence this only bites where a file is parsed directly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Extra = dict[str, Any]


def _alias(name: str) -> str:
    """CamelCase of a field's name, with the unit GiB written as the SI prefix demands."""
    return to_camel(name).replace("Gib", "GiB")


class Part(BaseModel):
    """One object of a spec: unknown fields are errors, and nothing changes after parsing."""

    model_config = ConfigDict(alias_generator=_alias, populate_by_name=True, frozen=True, extra="forbid")


class StatusPart(Part):
    """One object of a status. What another version of the operator wrote there is skipped, not refused."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule the API server evaluates, and the sentence a user reads when it does not hold.

    The sentence says what to write instead. `field` points the error at one field below the object.
    """

    cel: str
    says: str
    field: str = ""

    def schema(self) -> dict[str, str]:
        """The rule as an item of `x-kubernetes-validations`."""
        item = {"rule": self.cel, "message": self.says}
        return item | {"fieldPath": self.field} if self.field else item


def rules(*rules: Rule) -> Extra:
    """Schema keywords of CEL rules, for `json_schema_extra`."""
    return {"x-kubernetes-validations": [rule.schema() for rule in rules]}


class Checked:
    """Annotates a type with CEL rules; rules of an annotation within it are kept."""

    def __init__(self, *rules: Rule) -> None:
        self._rules = [rule.schema() for rule in rules]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the rules to the schema of the annotated type."""
        schema = handler(core)
        inner = schema.get("x-kubernetes-validations", [])
        return schema | {"x-kubernetes-validations": [*inner, *self._rules]}


def keyed(*keys: str) -> Extra:
    """Schema keywords of a list whose items are merged by these keys, and unique in them."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def unique() -> Extra:
    """Schema keywords of a list of scalars without duplicates."""
    return {"x-kubernetes-list-type": "set"}


def replaced() -> Extra:
    """Schema keywords of an object or list that a writer replaces as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


def also(*extras: Mapping[str, Any]) -> Extra:
    """Several sets of schema keywords as one; lists under the same keyword are joined."""
    merged: Extra = {}
    for extra in extras:
        for keyword, value in extra.items():
            merged[keyword] = [*merged[keyword], *value] if keyword in merged else value
    return merged
