"""Writes the operator's settings into the chart's values schema, so that Helm knows their names, types and meaning.

`python -m tools.settings_schema` writes; `--check` only says whether it would, and exits with 1 if so.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from wharfage_operator.settings import Settings

SCHEMA = Path(__file__).resolve().parents[1] / "charts" / "wharfage" / "values.schema.json"
TYPES = {int: "integer", float: "number", bool: "boolean", str: "string", tuple: "string"}

# Given by values of their own, or fixed by the chart's manifests.
ELSEWHERE = frozenset(
    {
        "namespace", "identity", "watch_namespaces", "http_host", "http_port", "page_port", "log_level", "lease_name",
        "engine_image", "allowed_images", "platform", "pod_monitors", "node_groups",
    }
)  # fmt: skip


def settings() -> dict[str, dict[str, Any]]:
    """A JSON schema per setting; what is a list for the operator is text with commas here."""
    return {
        setting.name: {"type": TYPES[type(setting.default)], "description": setting.metadata["doc"]}
        for setting in fields(Settings)
        if setting.name not in ELSEWHERE
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schema, or compare it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    before = SCHEMA.read_text(encoding="utf-8")
    schema = json.loads(before)
    schema["properties"]["operator"]["properties"]["settings"]["properties"] = settings()
    after = json.dumps(schema, indent=2) + "\n"
    if "--check" in arguments:
        if after != before:
            print("charts/wharfage/values.schema.json is out of date: run `make crds`")
        return int(after != before)
    SCHEMA.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
