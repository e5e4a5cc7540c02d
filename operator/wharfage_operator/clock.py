"""How fast time passes for what is measured and decided: as it does, or faster, for a demo.

Engines that an emulator runs forty times as fast serve forty times the requests per second of the wall. Counted in
seconds of their own nothing about them is unusual, and neither law, windows nor lead times need to know. So whatever
measures or decides asks this clock; what talks to the API server (timeouts, back-off, the Lease) keeps the wall's.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Clock:
    """`scale` seconds pass in one second of the wall."""

    scale: float = 1.0
    _started_s: float = field(default_factory=time.time)

    @property
    def unix_s(self) -> float:
        """Seconds on a clock that showed the wall's Unix time when it was made, and counts faster since."""
        return self._started_s + (time.time() - self._started_s) * self.scale

    @property
    def elapsed_s(self) -> float:
        """Seconds on a clock that is never set."""
        return time.monotonic() * self.scale

    def wall_s(self, seconds: float) -> float:
        """How long that takes on the wall's clock."""
        return seconds / self.scale

    async def every(self, seconds: float, turn: Callable[[float], Awaitable[None]]) -> None:
        """Take a turn at `unix_s`, and again after each pause of so many seconds, for ever."""
        while True:
            await turn(self.unix_s)
            await asyncio.sleep(self.wall_s(seconds))

    def own_s(self, wall_s: float) -> float:
        """The same moment of the wall (Unix seconds) on `unix_s`."""
        return self._started_s + (wall_s - self._started_s) * self.scale
