"""Every file of examples/: parsed by our own types, and taken by a real API server."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from wharfage_api import LLMBudget, LLMDeployment, OfferCatalog
from wharfage_api.schema import definitions

from tests.crds.server import try_to_create
from tests.devcluster.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
KINDS = {kind.__name__: kind for kind in (LLMDeployment, LLMBudget, OfferCatalog)}
EXAMPLES = [
    pytest.param(document, id=f"{path.relative_to(ROOT / 'examples')}: {document['kind']}")
    for path in sorted((ROOT / "examples").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    if document["kind"] in KINDS
]
NOT_SHOWN = (
    "gateway",  # this version refuses it
    "engine.weightCache.size",  # a cache has either a claim or a size
    "engine.weightCache.storageClass",
    "variants.shape.",  # as model.shape, which is shown
    "namespaceSelector.matchExpressions",  # as those of selector, which are shown
)
"""Fields that the full examples leave out, by the beginning of their path."""


@pytest.mark.parametrize("example", EXAMPLES)
def test_our_types_parse_it(example: dict[str, Any]) -> None:
    assert KINDS[example["kind"]].model_validate(example).metadata.name == example["metadata"]["name"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_api_server_takes_it(cluster: Cluster, example: dict[str, Any]) -> None:
    item = {**example, "metadata": {**example["metadata"], "namespace": "default"}}
    assert try_to_create(cluster, item).message == ""


@pytest.mark.parametrize(("name", "kind"), [("full.yaml", "LLMDeployment"), ("budget.yaml", "LLMBudget")])
def test_the_full_example_shows_every_field(name: str, kind: str) -> None:
    example = yaml.safe_load((ROOT / "examples" / name).read_text(encoding="utf-8"))
    schema = next(each for each in definitions() if each["spec"]["names"]["kind"] == kind)
    fields = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    missing = set(_paths(fields)) - set(_written(example["spec"]))
    assert {path for path in missing if not path.startswith(NOT_SHOWN)} == set()


def _paths(schema: dict[str, Any], prefix: str = "") -> list[str]:
    """All fields of a schema by dotted path; an item of a list goes by the list's name."""
    inner = schema.get("items", schema)
    return [
        path
        for name, child in inner.get("properties", {}).items()
        for path in (f"{prefix}{name}", *_paths(child, f"{prefix}{name}."))
    ]


def _written(value: Any, prefix: str = "") -> list[str]:
    """All fields that an object shows, by the same paths."""
    if isinstance(value, list):
        return [path for item in value for path in _written(item, prefix)]
    if not isinstance(value, dict):
        return []
    return [path for name, child in value.items() for path in (f"{prefix}{name}", *_written(child, f"{prefix}{name}."))]
