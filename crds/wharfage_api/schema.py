"""From the types to what an API server accepts: structural OpenAPI v3 schemas, and the definitions around them.

Pydantic writes JSON schema with references, titles and `anyOf [X, null]`; Kubernetes wants every schema
spelled out in place, types on every level and no unions. Everything else (bounds, descriptions, defaults,
CEL rules, list types) is carried over as written beside the fields.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from wharfage_api import durations
from wharfage_api.columns import BUDGET_COLUMNS, CATALOG_COLUMNS, DEPLOYMENT_COLUMNS
from wharfage_api.llmbudget import LLMBudget
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_api.offercatalog import OfferCatalog
from wharfage_api.version import GROUP, VERSION

Schema = dict[str, Any]

_DROPPED = ("title", "$defs", "additionalProperties", "const")


class _Defaults(GenerateJsonSchema):
    """Writes defaults as a user would: durations in Go's notation, decimals as strings, `{}` for an object."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return durations.written(dft)
        if isinstance(dft, Decimal):
            return str(dft)
        if isinstance(dft, BaseModel):
            return {}  # its fields have defaults of their own, and the API server goes on into it
        if isinstance(dft, tuple):
            return [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in dft]
        return super().encode_default(dft)


def structural(kind: type[BaseModel]) -> Schema:
    """The schema of a kind as a CustomResourceDefinition takes it."""
    written = kind.model_json_schema(by_alias=True, mode="validation", schema_generator=_Defaults)
    schema = _inlined(written, written.get("$defs", {}))
    properties = schema["properties"]
    properties["apiVersion"] = {"type": "string", "description": "Group and version: wharfage.dev/v1alpha1."}
    properties["kind"] = {"type": "string", "description": f"Kind of the object: {kind.__name__}."}
    properties["metadata"] = {"type": "object"}
    properties["status"].pop("default", None)
    schema["required"] = ["spec"]
    return schema


def _inlined(node: Schema, named: dict[str, Schema]) -> Schema:
    """The schema without references, unions with null, and words that Kubernetes does not take."""
    if "$ref" in node:
        return _inlined(_joined(named[node["$ref"].rpartition("/")[2]], node), named)
    if "anyOf" in node:
        (only,) = (option for option in node["anyOf"] if option.get("type") != "null")
        return _inlined(_joined(only, node), named)
    schema = {keyword: value for keyword, value in node.items() if keyword not in _DROPPED}
    if "properties" in schema:
        schema["properties"] = {name: _inlined(child, named) for name, child in schema["properties"].items()}
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _inlined(node["additionalProperties"], named)
    if "items" in schema:
        schema["items"] = _inlined(schema["items"], named)
    if schema.get("default") in (None, [], {}, "") and not _has_fields(schema):
        schema.pop("default", None)  # absent and empty mean the same; `kubectl get -o yaml` stays short
    if _has_fields(schema) and "x-kubernetes-validations" in schema:
        schema["default"] = _filled(schema)
    for key in schema.get("x-kubernetes-list-map-keys", ()):
        if key not in schema["items"].get("required", ()):
            schema["items"]["properties"][key]["default"] = ""  # the server compares keys, so each row needs all
    return dict(sorted(schema.items(), key=_reading_order))


def _joined(inner: Schema, outer: Schema) -> Schema:
    """What a reference or union stands for, with the words beside it; rules add up, other words of `outer` win."""
    beside = {keyword: value for keyword, value in outer.items() if keyword not in ("$ref", "anyOf")}
    checks = [*inner.get("x-kubernetes-validations", []), *beside.get("x-kubernetes-validations", [])]
    return inner | beside | ({"x-kubernetes-validations": checks} if checks else {})


def _has_fields(schema: Schema) -> bool:
    """Whether an empty object as default lets the defaults of its fields appear."""
    return schema.get("default") == {} and bool(schema.get("properties"))


def _filled(schema: Schema) -> Schema:
    """The default of an object spelled out: the server judges a default by the rules before it goes on into it."""
    fields = schema["properties"].items()
    return {
        name: _filled(child) if _has_fields(child) else child["default"] for name, child in fields if "default" in child
    }


_FIRST = ("description", "type", "default", "enum", "required")
_LAST = ("x-kubernetes-validations", "properties", "items", "additionalProperties")


def _reading_order(item: tuple[str, Any]) -> tuple[int, str]:
    """What a field is comes first, then its bounds by name, then its rules and what is inside."""
    keyword = item[0]
    if keyword in _FIRST:
        return _FIRST.index(keyword), ""
    if keyword in _LAST:
        return len(_FIRST) + 1 + _LAST.index(keyword), ""
    return len(_FIRST), keyword


def definitions() -> tuple[Schema, ...]:
    """The CustomResourceDefinitions of all kinds, in the order they are documented."""
    return (
        _definition(
            LLMDeployment,
            plural="llmdeployments",
            short="llm",
            scope="Namespaced",
            columns=DEPLOYMENT_COLUMNS,
            subresources={
                "status": {},
                "scale": {
                    "specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector",
                },
            },
            selectable=(".spec.model.source", ".spec.scaling.mode"),
        ),
        _definition(
            LLMBudget,
            plural="llmbudgets",
            short="llmb",
            scope="Cluster",
            columns=BUDGET_COLUMNS,
            subresources={"status": {}},
            selectable=(".spec.mode", ".spec.period"),
        ),
        _definition(
            OfferCatalog,
            plural="offercatalogs",
            short="offers",
            scope="Cluster",
            columns=CATALOG_COLUMNS,
            subresources={"status": {}},
            selectable=(".spec.provider", ".spec.region"),
        ),
    )


def _definition(
    kind: type[BaseModel],
    *,
    plural: str,
    short: str,
    scope: str,
    columns: tuple[Schema, ...],
    subresources: Schema,
    selectable: tuple[str, ...],
) -> Schema:
    name = kind.__name__
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "selectableFields": [{"jsonPath": path} for path in selectable],
        "additionalPrinterColumns": [dict(column) for column in columns],
        "schema": {"openAPIV3Schema": structural(kind)},
    }
    names = {
        "kind": name,
        "listKind": f"{name}List",
        "plural": plural,
        "singular": name.lower(),
        "shortNames": [short],
        "categories": ["wharfage"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": [version]},
    }
