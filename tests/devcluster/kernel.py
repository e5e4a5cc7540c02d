"""Kernel settings that the kubelet changes for the whole machine, put back when the last real node stops.

The kubelet wants the machine to panic and reboot on an oops and memory to be overcommitted, and writes so into /proc.
That is right for a server and wrong for a workstation that ran a test.
"""

import json
from pathlib import Path

_SYSCTL = Path("/proc/sys")
_SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops")
_FILE = "kernel-settings.json"


def remember(root: Path) -> None:
    """Write down the settings as they were before any node ran; `root` is the folder of a node about to start.

    Other nodes' folders are its neighbours: where one of them runs, the settings are already changed and its record is
    the true one.
    """
    root.mkdir(parents=True, exist_ok=True)
    neighbours = _records(root)
    before = (
        neighbours[0].read_text(encoding="utf-8")
        if neighbours
        else json.dumps({name: (_SYSCTL / name).read_text(encoding="ascii").strip() for name in _SETTINGS})
    )
    (root / _FILE).write_text(before, encoding="utf-8")


def restore(root: Path) -> None:
    """Put the settings back if no other node runs."""
    record = root / _FILE
    if not record.exists() or _records(root):
        return
    for name, value in json.loads(record.read_text(encoding="utf-8")).items():
        setting = _SYSCTL / name
        if setting.read_text(encoding="ascii").strip() != value:
            setting.write_text(value, encoding="ascii")


def _records(root: Path) -> list[Path]:
    return [record for record in sorted(root.parent.glob(f"*/{_FILE}")) if record.parent != root]
