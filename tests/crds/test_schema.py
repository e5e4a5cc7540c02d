"""The generated schema by itself: structural, bounded, described, and in step with what is checked in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from wharfage_api import __main__ as command
from wharfage_api.conditions import (
    BUDGET_CONDITIONS,
    CATALOG_CONDITIONS,
    CONDITIONS,
    DEPLOYMENT_CONDITIONS,
    ConditionType,
)
from wharfage_api.schema import Schema, definitions
from wharfage_autoscaler.fixes import FIXES
from wharfage_autoscaler.reasons import Reason

ROOT = Path(__file__).resolve().parents[2]
ROOTS = {
    each["spec"]["names"]["kind"]: each["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for each in definitions()
}
STRUCTURAL = {
    *("type", "description", "default", "enum", "required", "properties", "items", "additionalProperties"),
    *("pattern", "minLength", "maxLength", "minItems", "maxItems", "maxProperties", "minimum", "maximum"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
}
TELLS_WHAT_TO_DO = re.compile(r"\b(write|leave out)\b")


def _nodes(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every schema below this one with its path, itself included."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for inner, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if inner in schema:
            yield from _nodes(schema[inner], f"{path}{mark}")


NODES = [
    (path, schema)
    for kind, root in ROOTS.items()
    for path, schema in _nodes(root, kind)
    if path.split(".")[1:2] not in (["apiVersion"], ["kind"], ["metadata"])
]


def _where(holds: Any) -> list[str]:
    return [path for path, schema in NODES if holds(schema)]


def test_every_schema_has_a_type_and_only_words_of_a_structural_schema() -> None:
    assert _where(lambda schema: "type" not in schema) == []
    assert _where(lambda schema: set(schema) - STRUCTURAL) == []


def test_every_field_is_described_in_a_sentence() -> None:
    fields = [(path, schema.get("description", "")) for path, schema in NODES if not path.endswith(("[]", "{}"))]
    assert [path for path, text in fields if not text.endswith((".", '".')) or len(text) < 10] == []


def test_every_string_list_and_map_is_bounded() -> None:
    assert _where(lambda each: each["type"] == "string" and "enum" not in each and "maxLength" not in each) == []
    assert _where(lambda each: each["type"] == "array" and "maxItems" not in each) == []
    assert _where(lambda each: "additionalProperties" in each and "maxProperties" not in each) == []
    assert _where(lambda each: each["type"] == "integer" and "minimum" not in each) == []


def test_there_are_no_floats() -> None:
    assert _where(lambda each: each["type"] == "number") == []


def test_every_pattern_a_user_can_miss_has_a_sentence_beside_it() -> None:
    silent = [
        path
        for path, schema in NODES
        if path.split(".")[1:2] == ["spec"] and "pattern" in schema and "x-kubernetes-validations" not in schema
    ]
    assert silent == []


def test_every_rule_says_what_to_write() -> None:
    messages = [rule["message"] for _, schema in NODES for rule in schema.get("x-kubernetes-validations", ())]
    assert [message for message in messages if not TELLS_WHAT_TO_DO.search(message)] == []
    assert len(messages) > 100


def test_lists_merge_by_keys_that_are_scalar_and_required_or_defaulted() -> None:
    for path, schema in NODES:
        if schema["type"] == "array" and path.split(".")[1] == "spec":
            assert schema.get("x-kubernetes-list-type"), path
        for key in schema.get("x-kubernetes-list-map-keys", ()):
            field = schema["items"]["properties"][key]
            assert field["type"] == "string", path
            assert key in schema["items"].get("required", ()) or "default" in field, path


def test_an_object_with_defaults_inside_appears_by_itself() -> None:
    for path, schema in NODES:
        required = schema.get("required", ())
        for name, child in schema.get("properties", {}).items():
            inner = child.get("properties", {}).values()
            if path.split(".")[1:2] == ["spec"] and name not in required and "default" in child and inner:
                assert child["default"] == {} or set(child["default"]) <= set(child["properties"]), f"{path}.{name}"


def test_what_is_checked_in_is_what_the_types_generate() -> None:
    assert list(command.differences(ROOT, command.generated())) == []


def test_check_fails_with_a_diff_and_writing_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "charts").mkdir()
    assert command.main([], root=tmp_path) == 0
    assert command.main(["--check"], root=tmp_path) == 0
    changed = tmp_path / "crds" / "llmbudgets.yaml"
    changed.write_text(changed.read_text().replace("maxItems: 6", "maxItems: 7"))
    assert command.main(["--check"], root=tmp_path) == 1
    assert "+                maxItems: 6" in capsys.readouterr().err


def test_outside_a_checkout_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([], root=tmp_path) == 2
    assert "is no checkout of wharfage" in capsys.readouterr().err


def test_the_chart_carries_the_same_definitions_behind_its_two_switches() -> None:
    for definition in definitions():
        plural = definition["spec"]["names"]["plural"]
        template = (ROOT / f"charts/wharfage/templates/crds/{plural}.yaml").read_text(encoding="utf-8")
        lines = [line for line in template.splitlines() if "{{-" not in line]
        rendered = yaml.safe_load("\n".join(lines))
        assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert rendered == definition
        assert "{{- if .Values.crds.enabled }}" in template
        assert "{{- if .Values.crds.keep }}" in template


def test_short_names_and_the_category_are_all_different() -> None:
    names = [each["spec"]["names"] for each in definitions()]
    words = [word for each in names for word in (each["plural"], each["singular"], *each["shortNames"])]
    assert len(set(words)) == len(words)
    assert {category for each in names for category in each["categories"]} == {"wharfage"}
    assert "wharfage" not in words


def test_every_reason_is_explained_and_every_condition_has_a_meaning() -> None:
    assert set(FIXES) == set(Reason)
    assert set(CONDITIONS) == set(ConditionType)
    assert set(ConditionType) == {*DEPLOYMENT_CONDITIONS, *BUDGET_CONDITIONS, *CATALOG_CONDITIONS}


def test_the_operator_parses_without_heavy_imports() -> None:
    loaded = {path.name for path in (ROOT / "crds" / "wharfage_api").glob("*.py")}
    imports = {
        line.split()[1].partition(".")[0]
        for name in loaded - {"definition_files.py"}
        for line in (ROOT / "crds" / "wharfage_api" / name).read_text(encoding="utf-8").splitlines()
        if re.match(r"(from|import) ", line)
    }
    assert imports <= {
        *("argparse", "collections", "dataclasses", "datetime", "decimal", "difflib", "enum", "pathlib", "re", "sys"),
        *("typing", "zoneinfo", "pydantic", "pydantic_core", "wharfage_api", "wharfage_autoscaler"),
    }
