"""Where the clusters of this user are, which of them live, and which ports they hold.

A cluster is a folder whose lock its supervisor holds for as long as it lives. A folder that nobody holds belongs to a
supervisor that was killed itself, and whoever comes next clears it away.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.devcluster import remains
from tests.ports import can_listen

LAYOUT = "layout.json"
_LOCK = "lock"
_PORTS = range(20000, 30000)  # below the range from which the kernel draws the ports of outgoing connections


class NameTakenError(RuntimeError):
    """A living cluster has that name."""


def clusters_folder() -> Path:
    """This user's clusters. The path is short: a socket's may have 107 bytes."""
    folder = Path(tempfile.gettempdir()) / f"wharfage-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else: remove it, or set TMPDIR")
    return folder


def folder_of(name: str) -> Path:
    """The folder of the cluster called `name`, whether it exists or not."""
    return clusters_folder() / name


def names() -> list[str]:
    """The living clusters."""
    return sorted(folder.name for folder in _folders() if _is_held(folder))


def claim(name: str) -> tuple[Path, int]:
    """Make the cluster's folder; returns it and the descriptor whose lock says that it lives.

    Raises `NameTakenError` when a living cluster has that name.
    """
    with registering():
        folder = folder_of(name)
        if folder.exists():
            raise NameTakenError(
                f"a devcluster called {name} is running: stop it with `down --name {name}`, or choose a name"
            )
        folder.mkdir(mode=0o700)
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return folder, lock


@contextmanager
def registering() -> Iterator[None]:
    """One caller at a time makes clusters or chooses ports; what dead supervisors left is cleared away first."""
    with (clusters_folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in _folders():
            if not _is_held(folder):
                remains.remove(folder.name)
                shutil.rmtree(folder, ignore_errors=True)
        yield


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on and no cluster has claimed; call within `registering`."""
    claimed = {port for folder in _folders() for port in _ports_of(folder)}
    free = (port for port in _PORTS if port not in claimed and can_listen(port))
    return [next(free) for _ in range(count)]


def _folders() -> list[Path]:
    return [folder for folder in clusters_folder().iterdir() if folder.is_dir()]


def _ports_of(folder: Path) -> list[int]:
    try:
        layout = json.loads((folder / LAYOUT).read_text(encoding="utf-8"))
    except OSError:
        return []
    return list(layout["ports"].values())


def _is_held(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
