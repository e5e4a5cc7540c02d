"""A peer's own package in an environment of its own, spoken to in lines of JSON.

Each peer's requirements are pinned in `requirements/<name>.txt`, whose digest names the folder in the cache. A driver
of `drivers/` runs inside, and answers one line for each that it is sent.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.devcluster.build import cache_folder
from tests.devcluster.progress import followed
from tests.kept import appearing, digest, locked, used

HERE = Path(__file__).resolve().parent
LINES = HERE / "lines.py"
_QUIET = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": ""}


class PeerFailed(RuntimeError):  # noqa: N818 -- what happened, as the suite prints it
    """The peer could not be installed, or its driver ended; the message ends with what was said last."""


def environment(name: str) -> Path:
    """The interpreter that sees the peer; installed unless it is there (Ray, the largest: 500 MB)."""
    requirements = HERE / "requirements" / f"{name}.txt"
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    target = cache_folder() / f"peer-{name}-{digest(requirements)}-{version}"
    with locked(target):
        if not target.is_dir():
            with appearing(target) as making:
                _install(making, requirements, name)
        used(target, others="peer-*")
    return target / "bin" / "python3"


def _install(folder: Path, requirements: Path, name: str) -> None:
    pip = (str(folder / "bin" / "python3"), "-m", "pip", "--disable-pip-version-check", "--no-cache-dir")
    for command in (
        (sys.executable, "-m", "venv", str(folder)),
        (*pip, "install", "--no-deps", "--requirement", str(requirements)),
    ):
        if failed := followed(command, title=f"environment of {name}", environment=_QUIET):
            raise PeerFailed(failed)


class Peer:
    """A conversation with a driver."""

    def __init__(self, process: "subprocess.Popen[str]", said: Path) -> None:
        self._process = process
        self._said = said

    def ask(self, **question: Any) -> Any:
        """Its answer. PeerFailed where it has none left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            status, last = self._process.wait(), self._said.read_text(errors="replace")[-4000:]
            raise PeerFailed(f"the driver ended with status {status} at {question}:\n{last}")
        return json.loads(line)


@contextmanager
def peer(name: str, driver: str, settings: Mapping[str, Any]) -> Iterator[Peer]:
    """The peer `name`, spoken to through `drivers/<driver>.py`, begun with these settings; its home is a scratch."""
    command = [str(environment(name)), str(LINES), str(HERE / "drivers"), driver]
    with (
        TemporaryDirectory() as home,
        (Path(home) / "said").open("w") as said,
        subprocess.Popen(
            command,
            env={**os.environ, **_QUIET, "HOME": home},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        talking = Peer(process, Path(said.name))
        try:
            talking.ask(**settings)
            yield talking
        finally:
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()  # ends it
