"""Writes what is generated from the types: the definitions, the chart's copies of them, and the reference pages.

`python -m wharfage_api` writes, `python -m wharfage_api --check` only compares and fails with a diff.
"""

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from wharfage_api import definition_files, reference

ROOT = Path(__file__).resolve().parents[2]


def generated() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    return definition_files.written() | {
        "docs/reference/api.md": reference.api(),
        "docs/reference/conditions.md": reference.conditions(),
    }


def differences(root: Path, files: dict[str, str]) -> Iterator[str]:
    """Unified diffs of the files that are not as generated."""
    for name, wanted in files.items():
        path = root / name
        found = path.read_text() if path.exists() else ""
        yield from difflib.unified_diff(
            found.splitlines(keepends=True), wanted.splitlines(keepends=True), name, f"{name} (generated)", n=1
        )


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Write or check; 0 when everything is in step."""
    parser = argparse.ArgumentParser(prog="python -m wharfage_api", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; print what differs and fail")
    check = parser.parse_args(arguments).check
    if not (root / "charts").is_dir():
        sys.stderr.write(f"{root} is no checkout of wharfage: install it with `pip install -e .`\n")
        return 2
    files = generated()
    if check:
        lines = list(differences(root, files))
        sys.stderr.writelines(lines)
        if lines:
            sys.stderr.write("\ngenerated files are out of step with crds/wharfage_api: run `python -m wharfage_api`\n")
        return 1 if lines else 0
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
