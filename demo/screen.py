"""What the demos print: numbered steps, commands as a user would type them, and what is being waited for.

On a terminal the waiting line is redrawn in place and coloured; elsewhere each change is a plain line.
"""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO, TypeVar

T = TypeVar("T")
BOLD, DIM, GREEN, RED, PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"
HEARTBEAT_S = 10.0


@dataclass(slots=True)
class Screen:
    """Where a demo speaks; `live` redraws the waiting line instead of adding to the log."""

    out: TextIO = sys.stdout
    live: bool = field(default_factory=lambda: sys.stdout.isatty())
    colour: bool = field(default_factory=lambda: sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    started: float = field(default_factory=time.monotonic)
    steps: int = 0

    def step(self, title: str) -> None:
        """Begin the next numbered step."""
        self.steps += 1
        self.say(f"\n{self._in(BOLD, f'{self.steps}. {title}')}  {self._in(DIM, f'[{self._elapsed():.0f} s]')}")

    def say(self, text: str = "") -> None:
        """Print lines as they are."""
        print(text, file=self.out, flush=True)

    def command(self, arguments: Sequence[str]) -> None:
        """Show a command the way the reader would type it."""
        self.say(self._in(DIM, f"$ {shlex.join(arguments)}"))

    def good(self, text: str) -> None:
        """Say that something came out as promised."""
        self.say(f"{self._in(GREEN, 'ok')} {text}")

    def bad(self, text: str) -> None:
        """Say that something failed."""
        self.say(f"{self._in(RED, 'failed')} {text}")

    def wait(self, what: str, look: Callable[[], tuple[T | None, str]], *, timeout_s: float, every_s: float = 0.5) -> T:
        """Poll `look` until it returns a result; it also returns what to show while there is none.

        Raises `TimeoutError` naming what was waited for and the last thing seen.
        """
        began = time.monotonic()
        shown, shown_at = "", began
        while True:
            found, seen = look()
            took = time.monotonic() - began
            if found is not None:
                self._erase()
                self.good(f"{what} after {took:.1f} s")
                return found
            if took > timeout_s:
                self._erase()
                raise TimeoutError(f"{what}: not within {timeout_s:.0f} s; last seen: {seen or 'nothing'}")
            if self.live:
                print(f"\r\033[K{self._in(DIM, f'{took:4.0f} s  {seen[:150]}')}", end="", file=self.out, flush=True)
            elif seen != shown or time.monotonic() - shown_at > HEARTBEAT_S:
                shown, shown_at = seen, time.monotonic()
                self.say(f"  {took:5.1f} s  {seen}")
            time.sleep(every_s)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Say how long the block took when it went well."""
        began = time.monotonic()
        yield
        self.good(f"{what} in {time.monotonic() - began:.1f} s")

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _erase(self) -> None:
        if self.live:
            print("\r\033[K", end="", file=self.out, flush=True)

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{PLAIN}" if self.colour else text
