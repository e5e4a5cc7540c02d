"""The keys that need another look: each at most once, one worker per key, later ones with backoff.

The semantics are client-go's: adding a key that waits changes nothing, adding one that is being
worked on makes it run once more afterwards, and a failing key backs off alone.
"""

import asyncio
import random
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """A queue of keys for one event loop."""

    def __init__(self, *, first_s: float = 0.2, longest_s: float = 300.0, rng: random.Random | None = None) -> None:
        """`first_s` is the delay after one failure; it doubles up to `longest_s`, both +-20 %."""
        self._first_s = first_s
        self._longest_s = longest_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, protects nothing
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._dirty: set[K] = set()
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[float, asyncio.Handle]] = {}  # when it is due, by the loop's clock
        self._held: set[K] = set()

    def __len__(self) -> int:
        """Keys that wait to be worked on now."""
        return len(self._dirty)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being worked on; timers do not count."""
        return not self._dirty and not self._active

    def add(self, key: K) -> None:
        """Ask for a look at `key` as soon as a worker is free."""
        if key in self._dirty or key in self._held:
            return
        self._dirty.add(key)
        if key not in self._active:
            self._ready.put_nowait(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Ask for a look at `key` in `delay_s` seconds; of several such wishes the earliest holds."""
        if key in self._held:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, delay_s)
        if key in self._timers:
            earlier, timer = self._timers[key]
            if earlier <= due:
                return
            timer.cancel()
        self._timers[key] = due, loop.call_at(due, self._ring, key)

    def _ring(self, key: K) -> None:
        self._timers.pop(key, None)
        self._held.discard(key)
        self.add(key)

    async def get(self) -> K:
        """Take the next key; call `done` with it afterwards, whatever happened."""
        key = await self._ready.get()
        self._dirty.discard(key)
        self._active.add(key)
        return key

    def done(self, key: K) -> None:
        """The worker has finished with `key`; changes that came meanwhile queue it again."""
        self._active.discard(key)
        if key in self._dirty:
            self._ready.put_nowait(key)

    def retry(self, key: K, *, at_least_s: float = 0.0) -> float:
        """Ask for another look after a failure; returns the delay in seconds that was chosen.

        `at_least_s` is what the server asked for: until then not even a change brings the key back.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s = min(self._longest_s, self._first_s * 2.0 ** min(failures, 32))
        delay_s = max(at_least_s, delay_s * self._rng.uniform(0.8, 1.2))
        if at_least_s > 0:
            if key in self._timers:
                self._timers.pop(key)[1].cancel()
            self._dirty.discard(key)
        self.add_after(key, delay_s)
        if at_least_s > 0:
            self._held.add(key)
        return delay_s

    def failures(self, key: K) -> int:
        """How many times in a row `key` has failed."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """`key` went well: its next failure starts with the shortest delay again."""
        self._failures.pop(key, None)

    def close(self) -> None:
        """Cancel all timers."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._held.clear()
