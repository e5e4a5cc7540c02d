"""A worker whose errands say themselves what is to come of them: the real loop, without what takes a second to import.

Run as a program it is that worker.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from wharfage_operator.workbench import serve

COMMAND = (sys.executable, "-m", "tests.operator.stubs")


class _Stub(Protocol):
    def done(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Echo:
    """Answers with what it was given, after a while."""

    text: str = ""
    after_s: float = 0.0
    kind: ClassVar[str] = "echo"
    rank: ClassVar[int] = 0

    def done(self) -> object:
        time.sleep(self.after_s)
        return self.text

    def read(self, answer: object) -> str:
        if not isinstance(answer, str):
            raise ValueError("no text")
        return answer


class Later(Echo):
    """The same, after all of those."""

    rank = 1


class Last(Echo):
    """The same, after all others."""

    rank = 2


@dataclass(frozen=True, slots=True)
class Sleeps:
    """Makes a file when it begins, and does not end."""

    begun: Path
    kind: ClassVar[str] = "sleeps"
    rank: ClassVar[int] = 0

    def done(self) -> object:
        self.begun.touch()
        time.sleep(600.0)
        return ""

    def read(self, answer: object) -> object:
        return answer


@dataclass(frozen=True, slots=True)
class Does:
    """Answers with what a function of this module returns."""

    function: Callable[[], object]
    kind: ClassVar[str] = "does"
    rank: ClassVar[int] = 0

    def done(self) -> object:
        return self.function()

    def read(self, answer: object) -> object:
        if answer == "nonsense":
            raise ValueError("that is nonsense")
        return answer


def raises() -> object:
    raise ZeroDivisionError("of all things")


def dies() -> object:
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def large() -> object:
    return bytes(30_000_000)


def cannot_be_sent() -> object:
    return lambda: None


def nonsense() -> object:
    return "nonsense"


def garbles() -> object:
    """Writes what is no frame where the answer belongs."""
    for descriptor in range(3, 10):
        try:
            os.write(descriptor, b"\xff" * 4096)
        except OSError:
            continue
    return None


def pid() -> object:
    return os.getpid()


def prints() -> object:
    print("printed by a library", flush=True)
    print("x" * 5000, file=sys.stderr, flush=True)
    return "quiet"


def ignores_the_end() -> object:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    return "here"


def _answer(errand: object) -> object:
    stub: _Stub = errand  # type: ignore[assignment]
    return stub.done()


if __name__ == "__main__":
    serve(_answer)
