"""Whether a process that does not answer hangs, or only lacks a processor. Linux tells both times of each thread.

A processor that is short is short for the next brain, too: one that was ended for its silence needed over a second of
processor time to start again, and was ended before it had that. So only the part of a silence counts in which the
process ran, slept or was stopped: whoever hangs in a loop runs, whoever hangs in a lock sleeps. Times are of the main
thread, where everything of the brain happens. Throttling by a cgroup's limit counts as waiting for a processor.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

_NS = 1e-9


@dataclass(frozen=True, slots=True)
class Look:
    """A process at `at_s`: the seconds since its start that it ran, and that it was ready to run and did not."""

    at_s: float
    ran_s: float = 0.0
    queued_s: float = 0.0
    runnable: bool = False
    """Whether it runs or is ready to."""


@dataclass(frozen=True, slots=True)
class Silence:
    """What was seen of a process since it last answered."""

    since: Look
    unmoved: Look
    """The first look at which its times were what they are in the last one."""
    last: Look

    @classmethod
    def of(cls, look: Look) -> Self:
        """One that begins."""
        return cls(look, look, look)

    def seen(self, look: Look) -> Self:
        """It goes on."""
        return replace(self, unmoved=self.unmoved if _times(look) == _times(self.last) else look, last=look)

    @property
    def lasted_s(self) -> float:
        """For how long it has lasted."""
        return self.last.at_s - self.since.at_s

    @property
    def starved_s(self) -> float:
        """How much of that it waited for a processor. The kernel adds a wait once it is over; the last is ours."""
        waits_s = self.last.at_s - self.unmoved.at_s if self.last.runnable else 0.0
        return min(self.last.queued_s - self.since.queued_s + waits_s, self.lasted_s)

    @property
    def own_s(self) -> float:
        """How much of it is left: what it ran, slept or was stopped."""
        return self.lasted_s - self.starved_s


def look(pid: int, at_s: float, *, proc: Path = Path("/proc")) -> Look:
    """The process as it is now. Where the kernel does not tell, it never waits: its whole silence counts."""
    try:
        ran, queued, _ = (proc / str(pid) / "schedstat").read_text(encoding="ascii").split()
        state = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):
        return Look(at_s)
    return Look(at_s, int(ran) * _NS, int(queued) * _NS, state == "R")


def _times(of: Look) -> tuple[float, float, bool]:
    return of.ran_s, of.queued_s, of.runnable
