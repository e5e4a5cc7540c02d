"""The official FOCUS validator in an environment of its own, made once: it wants Python 3.12, and an older numpy.

No registry here has a Python, so one that is on the machine is taken.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.devcluster.build import cache_folder
from tests.devcluster.progress import followed
from tests.kept import appearing, digest, locked, used

REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
_WANTED = (3, 12)


class NotMade(RuntimeError):  # noqa: N818 -- what happened, as the suite prints it
    """The validator could not be installed; the message ends with what pip said last."""


def python() -> Path | None:
    """A Python 3.12 of this machine; None where there is none."""
    return next((path for path in _candidates() if _is_wanted(path)), None)


def environment(interpreter: Path) -> Path:
    """The folder of the environment, made unless it is there (about a minute and 610 MB). Raises `NotMade`."""
    target = cache_folder() / f"focus-{digest(REQUIREMENTS)}"
    with locked(target):
        if not target.is_dir():
            with appearing(target) as making:
                pip = (str(making / "bin" / "python3"), "-m", "pip", "--disable-pip-version-check", "--no-cache-dir")
                for command in (
                    (str(interpreter), "-m", "venv", str(making)),
                    (*pip, "install", "--no-deps", "--requirement", str(REQUIREMENTS)),
                ):
                    if failed := followed(command, title="the FOCUS validator", environment={}):
                        raise NotMade(failed)
        used(target, others="focus-*")
    return target


def _candidates() -> Iterator[Path]:
    if sys.version_info[:2] == _WANTED:
        yield Path(sys.executable)
    found = shutil.which("python3.12")
    if found:
        yield Path(found)
    yield from sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python3"))


def _is_wanted(path: Path) -> bool:
    script = f"import sys; sys.exit(sys.version_info[:2] != {_WANTED})"
    return subprocess.run([path, "-c", script], capture_output=True, check=False).returncode == 0
