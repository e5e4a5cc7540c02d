"""Every process below another one, found in /proc, so that nothing depends on a list that somebody kept."""

import contextlib
import os
import signal
from collections import defaultdict
from pathlib import Path


def of(ancestor: int) -> set[int]:
    """Ids of all living processes below `ancestor`, zombies excepted."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    zombies: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The command may hold spaces and parentheses: what is wanted follows the last one.
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            children[int(parent)].append(int(entry.name))
            if state == "Z":
                zombies.add(int(entry.name))
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        below = children[waiting.pop()]
        found.update(below)
        waiting.extend(below)
    return found - zombies


def kill(pid: int) -> None:
    """SIGKILL to one of our own descendants; quiet when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def reap(*, known: set[int]) -> None:
    """Collect orphans that were handed to us; `known` children are left to whoever waits for them."""
    for entry in _children_of(os.getpid()):
        if entry not in known:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(entry, os.WNOHANG)


def rss_kib(pid: int) -> int:
    """Resident memory of a process in KiB; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def _children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
