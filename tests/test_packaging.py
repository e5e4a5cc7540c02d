"""What leaves the tree: the wheel, the chart's version, the changelog; and what must never be in it."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "wharfage"
LONGEST_MODULE = 500
FRAGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|deprecated|removed|fixed|security)\.md")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", str(ROOT)]
    subprocess.run(build, check=True, stdin=subprocess.DEVNULL)
    (made,) = folder.glob("wharfage-*.whl")
    with zipfile.ZipFile(made) as archive:
        return archive.namelist()


def test_the_wheel_holds_every_file_of_every_package(wheel: list[str]) -> None:
    packages = [ROOT / each for each in project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    files = {
        path.relative_to(package.parent).as_posix()
        for package in packages
        for path in tracked(str(package.relative_to(ROOT)))
    }
    assert files
    assert not files - set(wheel)


def test_the_wheel_holds_nothing_but_the_packages(wheel: list[str]) -> None:
    packages = {Path(each).name for each in project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == packages | {f"wharfage-{project()['project']['version']}.dist-info"}


def test_every_package_in_the_tree_is_in_the_wheels_list() -> None:
    listed = set(project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    found = {
        path.parent.relative_to(ROOT).as_posix()
        for path in tracked("*/wharfage_*/__init__.py")
        if len(path.relative_to(ROOT).parts) == 3
    }
    assert found == listed


@pytest.mark.parametrize("module", ["operator", "signal", "queue", "types"])
def test_no_folder_shadows_the_standard_library(module: str) -> None:
    code = f"import {module}; print({module}.__file__)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not Path(said.stdout.strip()).is_relative_to(ROOT)


def test_the_operators_folder_and_the_tests_are_no_packages() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not tracked("tests/**/__init__.py", "tests/__init__.py")


def test_the_chart_has_the_projects_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project()["project"]["version"]
    images = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    assert {each["image"].rpartition(":")[2] for each in images} == {chart["appVersion"]}


def test_changelog_fragments_are_named_and_written_as_their_readme_says() -> None:
    fragments = [path for path in tracked("changelog.d") if path.name != "README.md"]
    assert fragments
    for path in fragments:
        assert FRAGMENT.fullmatch(path.name), f"{path.name}: name it <what>.<kind>.md"
        text = path.read_text().strip()
        assert text.endswith("."), f"{path.name}: sentences end with a full stop"
        assert not text.startswith(("#", "-", "*")), f"{path.name}: no heading, no list"


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    lengths = {
        path: sum(bool(line.strip()) for line in path.read_text().splitlines()) for path in tracked("*.py", "*.go")
    }
    too_long = {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > LONGEST_MODULE}
    assert not too_long


def test_no_folder_has_a_name_that_says_nothing() -> None:
    parts = {part for path in tracked("*.py") for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not parts & {"utils", "util", "common", "helpers", "core", "lib", "misc"}
