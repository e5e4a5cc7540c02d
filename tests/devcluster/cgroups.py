"""A cgroup of its own for each real node: a kubelet ends every pod below its root that it does not know.

It is also how the node's containers are found again when nothing else is left to ask. Version 1 (one tree per
controller) and version 2 (one tree) are both handled.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_PARENT = "wharfage"


def path_of(group: str) -> str:
    """The cgroup's path as the kubelet's `cgroupRoot` wants it; `group` is a cluster, or a part of one below it."""
    return f"/{_PARENT}/{group}"


def create(group: str) -> None:
    """Make the cgroup of a cluster, or of a part of it, in every hierarchy; needs root."""
    for tree in _trees():
        folder = tree / _PARENT / group
        folder.mkdir(parents=True, exist_ok=True)
        way = [tree, *reversed([above for above in folder.parents if tree in above.parents]), folder]
        if (tree / "cgroup.controllers").exists():
            _delegate(*way)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            _inherit(setting, *way)


def processes(cluster: str) -> frozenset[int]:
    """Ids of every process in the cluster's containers."""
    found: set[int] = set()
    for folder in _folders(cluster):
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (folder / "cgroup.procs").read_text(encoding="ascii").split())
    return frozenset(found)


def delete(cluster: str) -> None:
    """Remove the cluster's cgroups once their processes are gone, and the common parent with the last of them."""
    for folder in _folders(cluster):
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
    for tree in _trees():
        with contextlib.suppress(OSError):
            (tree / _PARENT).rmdir()


def remains(cluster: str) -> list[str]:
    """The cluster's cgroups that exist."""
    return [str(folder) for folder in _folders(cluster)]


def _trees() -> tuple[Path, ...]:
    if (_MOUNT / "cgroup.controllers").exists():
        return (_MOUNT,)
    return tuple(sorted(tree for tree in _MOUNT.iterdir() if tree.is_dir() and not tree.is_symlink()))


def _folders(cluster: str) -> Iterator[Path]:
    """Every folder of the cluster, the deepest first."""
    for tree in _trees():
        for folder, _, _ in os.walk(tree / _PARENT / cluster, topdown=False):
            yield Path(folder)


def _delegate(*folders: Path) -> None:
    """Version 2 gives a controller to a child only where its parent says so."""
    for parent in folders[:-1]:
        for controller in (parent / "cgroup.controllers").read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")


def _inherit(setting: str, *folders: Path) -> None:
    """A new cpuset of version 1 is empty, and no process may enter it until it names processors and memory."""
    for parent, child in itertools.pairwise(folders):
        target = child / setting
        if target.exists() and not target.read_text(encoding="ascii").strip():
            target.write_text((parent / setting).read_text(encoding="ascii"), encoding="ascii")
