"""Says how far a long build is: one line that rewrites itself on a terminal, a line now and then elsewhere."""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

_REPORT_EVERY_S = 15.0
_TAIL_LINES = 25


def stream(lines: Iterable[str], *, title: str, to: TextIO) -> list[str]:
    """Read a build's output to its end, reporting as it comes; returns the last lines, for an error message.

    Nothing is printed for a build that ends within a second and a half, as one does whose parts are all cached.
    """
    live = to.isatty()
    began_s = time.monotonic()
    next_report_s = began_s + 1.5
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    reported = False
    for count, line in enumerate(lines, start=1):
        tail.append(line.rstrip())
        now_s = time.monotonic()
        if now_s < next_report_s:
            continue
        said = f"building {title}: {now_s - began_s:.0f} s, {count} packages, {tail[-1][:60]}"
        to.write(f"\r\x1b[2K{said[:118]}" if live else f"{said}\n")
        to.flush()
        reported = True
        next_report_s = now_s + (0.2 if live else _REPORT_EVERY_S)
    if reported:
        done = f"built {title} in {time.monotonic() - began_s:.0f} s"
        to.write(f"\r\x1b[2K{done}\n" if live else f"{done}\n")
        to.flush()
    return list(tail)


def followed(
    command: Sequence[str], *, title: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command that takes long, showing progress; empty when it succeeded, else what it was and said last."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        tail = stream(process.stdout, title=title, to=sys.stderr)
    if process.returncode == 0:
        return ""
    return f"`{' '.join(command)}` failed with exit status {process.returncode}:\n" + "\n".join(tail)
