"""Folders that are made once and kept in the cache outside the tree, such as virtual environments.

One is made by one process at a time, and appears complete or not at all.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.devcluster.build import cache_folder

_UNUSED_AFTER_S = 7 * 86_400.0


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `target` complete and readable by everybody, or not at all."""
    for abandoned in target.parent.glob(f".{target.name}-*"):
        if abandoned.is_dir():
            shutil.rmtree(abandoned, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield making
        for path in [making, *making.rglob("*")]:
            if not path.is_symlink():  # a pod's user is not this one
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """One maker at a time: a second one waits, and finds what the first has made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that makes {target.name}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def used(target: Path, *, others: str) -> None:
    """Remember that `target` was asked for, and forget those like it that nobody asked for during a week."""
    os.utime(target)
    for folder in cache_folder().glob(others):
        if time.time() - folder.stat().st_mtime > _UNUSED_AFTER_S:
            shutil.rmtree(folder, ignore_errors=True)


def digest(*files: Path) -> str:
    """What a folder made from these files is called after."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]
