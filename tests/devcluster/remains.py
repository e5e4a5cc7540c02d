"""What a real node makes on its machine, and how every bit of it is taken away again.

Nothing is asked of the node: it may be half started, or its processes may have been killed one by one. Processes are
found by the namespace and the cgroup they are in, mounts by the folder they lie under, so a list kept by somebody who
has died is never needed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.devcluster import cgroups, kernel, network

_ROOTS = Path("/var/lib/wharfage")
_RUNS = Path("/run/wharfage")
_CONTAINER_LOGS = Path("/var/log/containers")
_CNI_RESULTS = Path("/var/lib/cni/results")
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
_END_TIMEOUT_S = 20.0


class RemainsError(RuntimeError):
    """Something could not be removed; the message names it."""


def root_of(cluster: str) -> Path:
    """The node's folder on disk."""
    return _ROOTS / cluster


def run_of(cluster: str) -> Path:
    """The node's folder in memory."""
    return _RUNS / cluster


def of(cluster: str) -> list[str]:
    """Everything of the cluster's node that is still on this machine, one line each; empty when it is gone."""
    return [
        *(f"process {pid}: {_command(pid)}" for pid in sorted(processes(cluster))),
        *(f"mount {point}" for point in _mounts(cluster)),
        *(f"cgroup {folder}" for folder in cgroups.remains(cluster)),
        *(f"file {path}" for path in (*_links(cluster), *_folders(cluster)) if path.exists() or path.is_symlink()),
    ]


def remove(cluster: str) -> None:
    """End the cluster's processes and take away its mounts, files, cgroups and namespace; quiet when there is nothing.

    Raises `RemainsError` when a process does not end within 20 seconds.
    """
    if os.geteuid() != 0:
        return
    _end_processes(cluster)
    existed = root_of(cluster).exists()
    for point in _mounts(cluster):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    kernel.restore(root_of(cluster))
    for link in _links(cluster):
        link.unlink(missing_ok=True)
    for folder in (root_of(cluster), run_of(cluster)):
        if folder.exists():
            shutil.rmtree(folder)
    if existed and not any(_ROOTS.glob("*")):
        (_DEVICE_PLUGINS / "kubelet.sock").unlink(missing_ok=True)
    shared_folders = (_CONTAINER_LOGS, _CNI_RESULTS, _CNI_RESULTS.parent, _DEVICE_PLUGINS, _DEVICE_PLUGINS.parent)
    for shared in (_ROOTS, _RUNS, *shared_folders):
        with contextlib.suppress(OSError):  # another node's, or the machine's own
            shared.rmdir()
    cgroups.delete(cluster)
    network.delete(cluster)


def processes(cluster: str) -> frozenset[int]:
    """Ids of every process inside the cluster's namespace or in one of its containers, our own excepted."""
    found = set(cgroups.processes(cluster))
    with contextlib.suppress(FileNotFoundError):
        wanted = _identity(network.namespace_path(network.namespace_of(cluster)))
        found.update(int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _namespace(entry) == wanted)
    return frozenset(found - {os.getpid()})


def _end_processes(cluster: str) -> None:
    """Kill until none is left: containerd may have been starting another one while we looked."""
    deadline_s = time.monotonic() + _END_TIMEOUT_S
    while left := processes(cluster):
        for pid in left:
            _kill(cluster, pid)
        if time.monotonic() > deadline_s:
            named = ", ".join(f"{pid} ({_command(pid)})" for pid in sorted(left))
            raise RemainsError(f"processes of cluster {cluster} do not end: {named}")
        time.sleep(0.05)


def _kill(cluster: str, pid: int) -> None:
    """SIGKILL through a handle that is taken before the last look, so that a reused id is never hit."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if pid in processes(cluster):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _namespace(process: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        return _identity(process / "ns" / "net")
    return None


def _identity(namespace: Path) -> tuple[int, int]:
    seen = namespace.stat()
    return seen.st_dev, seen.st_ino


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120].strip()
    return "gone"


def _mounts(cluster: str) -> list[str]:
    """Mount points below the node's folders, the deepest first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    roots = tuple(f"{folder}/" for folder in (root_of(cluster), run_of(cluster)))
    return sorted((point for point in points if point.startswith(roots)), key=len, reverse=True)


def foreign_kubelet() -> Path | None:
    """The sign that this machine is a node of another cluster, whose kubelet uses the same fixed places."""
    signs = (Path("/var/lib/kubelet/config.yaml"), Path("/var/lib/kubelet/pki"))
    return next((sign for sign in signs if sign.exists()), None)


def _links(cluster: str) -> list[Path]:
    """What the kubelet and the CNI plugins write at fixed places: links to container logs, and results."""
    logs = [
        link
        for link in _CONTAINER_LOGS.glob("*")
        if link.is_symlink() and link.readlink().is_relative_to(root_of(cluster))
    ]
    return [*logs, *_CNI_RESULTS.glob(f"{network.namespace_of(cluster)}-*")]


def _folders(cluster: str) -> tuple[Path, ...]:
    return (root_of(cluster), run_of(cluster), network.namespace_path(network.namespace_of(cluster)))
