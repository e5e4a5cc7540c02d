"""The checks: what each of them asserts about the tree, and the tool that asserts it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.devcluster import build

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
CHART = ROOT / "charts" / "wharfage"
GO_MODULE = ROOT / "tests" / "devcluster"
CHECKOV = "checkov==3.3.30"  # its hundred dependencies would fight with ours: it has an environment of its own

DIGEST = "sha256:" + "0" * 64  # a release is installed by digest, which checkov asks for


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a check holds, and what its tool said."""

    passed: bool
    output: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold of the tree."""

    name: str
    about: str
    run: Callable[[], Outcome]


def command(
    arguments: Sequence[str | Path], *, folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run one command without standard input; what it says on both outputs, in order."""
    done = subprocess.run(
        [str(each) for each in arguments],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return Outcome(done.returncode == 0, done.stdout)


def tool(name: str, *arguments: str | Path) -> Callable[[], Outcome]:
    """A command of the virtual environment that this process runs in."""
    return lambda: command([BIN / name, *arguments])


def pyright() -> Outcome:
    """Pyright on the Node.js of its own extra; it is not asked whether there is a newer one."""
    return command(
        [BIN / "pyright", "--pythonpath", sys.executable], environment={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    )


def go_vet() -> Outcome:
    """`go vet` of the devcluster, which is built first: vet needs what it needs, and the tests need it too."""
    build.binary()
    environment = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    return command([build.go(), "vet", "-trimpath", "./..."], folder=GO_MODULE, environment=environment)


def gofmt() -> Outcome:
    """`gofmt -l` names what it would change, and exits with 0 all the same."""
    said = command([build.go().with_name("gofmt"), "-l", "."], folder=GO_MODULE)
    return Outcome(said.passed and not said.output.strip(), said.output)


def helm_lint() -> Outcome:
    """Helm's own lint; a warning counts."""
    return command([build.helm(), "lint", "--strict", CHART])


def checkov() -> Outcome:
    """Checkov on the chart as it renders; what it must not ask for, and why, is in .checkov.yaml."""
    release = ["wharfage", str(CHART), "--namespace=wharfage-system", f"--set=image.digest={DIGEST}", "--skip-tests"]
    refresh = json.dumps({"enabled": True, "catalogs": [{"provider": "aws", "region": "us-east-1"}]})
    rendered = command([build.helm(), "template", *release, f"--set-json=offersRefresh={refresh}"])
    if not rendered.passed:
        return rendered
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "chart.yaml").write_text(rendered.output)
        return command(
            [checkov_program(), "--config-file", ROOT / ".checkov.yaml", "--directory", folder],
            environment={"LOG_LEVEL": "ERROR"},
        )


def checkov_program() -> Path:
    """Checkov in its own environment in the cache; installed on first use. BuildError where that fails."""
    folder = build.cache_folder() / f"{CHECKOV.replace('==', '-')}-py{sys.version_info.major}{sys.version_info.minor}"
    complete = folder / ".complete"
    if not complete.exists():
        print(f"installing {CHECKOV} (once, about a minute)", file=sys.stderr, flush=True)
        steps: tuple[tuple[str | Path, ...], ...] = (
            (sys.executable, "-m", "venv", "--clear", folder),
            (folder / "bin" / "pip", "install", "--quiet", CHECKOV),
        )
        for step in steps:
            done = command(step)
            if not done.passed:
                raise build.BuildError(f"{CHECKOV} could not be installed into {folder}:\n{done.output}")
        complete.touch()
    return folder / "bin" / "checkov"


CHECKS = (
    Check("go-vet", "the devcluster's Go module compiles and vet has nothing to say", go_vet),
    Check("mypy", "types, strictly, tests included", tool("mypy")),
    Check("checkov", "the rendered chart asks for no more than it needs", checkov),
    Check("pyright", "a second opinion on the types", pyright),
    Check("helm-lint", "the chart is well-formed", helm_lint),
    Check(
        "generated",
        "definitions and reference are what the API types say",
        tool("python", "-m", "wharfage_api", "--check"),
    ),
    Check(
        "settings",
        "the chart's schema knows every setting of the operator",
        tool("python", "-m", "tools.settings_schema", "--check"),
    ),
    Check(
        "dashboards",
        "the chart's dashboards are what their builders make",
        tool("python", "-m", "tools.dashboards", "--check"),
    ),
    Check("import-linter", "who may import whom", tool("lint-imports", "--no-cache")),
    Check(
        "zizmor",
        "the workflows leak and trust nothing",
        tool("zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github"),
    ),
    Check("ruff", "style and likely bugs", tool("ruff", "check", "--quiet")),
    Check("ruff-format", "layout", tool("ruff", "format", "--check")),
    Check("gofmt", "layout of the Go module", gofmt),
    Check("hadolint", "the Dockerfile", tool("hadolint", "--config", ROOT / ".hadolint.yaml", "Dockerfile")),
    Check("shellcheck", "the shell scripts", tool("shellcheck", ".ci/run")),
)
