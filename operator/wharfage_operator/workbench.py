"""The worker's side of the pipe: takes one errand after the other, and hands back what came of it.

It ends when its input does, which is when the operator has ended, however it did.
"""

import contextlib
import logging
import math
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from wharfage_operator.frames import Reply, framed, received

log = logging.getLogger(__name__)
_MIB = 1024 * 1024


def serve(answer: Callable[[object], object]) -> None:
    """Answer errands from standard input on standard output until the operator goes.

    What libraries print goes to standard error, which the operator logs. The signals that end a group of processes are
    left to the operator: it drains first, and then closes the pipe.
    """
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_IGN)
    with (
        contextlib.suppress(BrokenPipeError),
        os.fdopen(os.dup(1), "wb") as writing,
        os.fdopen(os.dup(0), "rb") as reading,
    ):
        os.dup2(2, 1)
        _answered(answer, reading, writing)


def _answered(answer: Callable[[object], object], reading: BinaryIO, writing: BinaryIO) -> None:
    _send(writing, framed(Reply(True, None, _cpu_s(), rss_mib())))
    while (body := received(reading)) is not None:
        _send(writing, _reply(answer, body))


def _reply(answer: Callable[[object], object], body: bytes) -> bytes:
    began_s = _cpu_s()
    try:
        value = answer(pickle.loads(body))  # noqa: S301 - `frames` says why
        return framed(Reply(True, value, _cpu_s() - began_s, rss_mib()))
    except Exception as error:
        log.exception("an errand failed")
        return framed(Reply(False, f"{type(error).__name__}: {error}", _cpu_s() - began_s, rss_mib()))


def _send(writing: BinaryIO, frame: bytes) -> None:
    writing.write(frame)
    writing.flush()


def _cpu_s() -> float:
    """Of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def rss_mib() -> float:
    """What this process holds of the memory; NaN where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return math.nan
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
