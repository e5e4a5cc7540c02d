"""So many at once, some more that wait, and so many a second: whoever comes beyond is told to come back."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address

_SOURCES = 1000


class Busy(Exception):  # noqa: N818 - the state is the name
    """Too many others are there already."""


class Turnstile:
    """Places of one kind, so that those who hold all of them stand in nobody's way who has another kind."""

    def __init__(self, *, at_once: int, places: int, per_s: float, clock: Callable[[], float]) -> None:
        """`at_once` of all `places` are at work, the others wait; in the long run `per_s` a second are let in.

        `clock` counts seconds and never jumps.
        """
        self.turn = asyncio.Semaphore(at_once)
        """To be held while one works."""
        self._places = places
        self._per_s = per_s
        self._clock = clock
        self._inside = 0
        self._left, self._left_s = float(places), clock()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the places, while the context lasts; Busy where none is left, or too many came lately."""
        now_s = self._clock()
        self._left = min(float(self._places), self._left + self._per_s * (now_s - self._left_s))
        self._left_s = now_s
        if self._inside >= self._places or self._left < 1.0:
            raise Busy("too many others are being asked about: try again in a moment")
        self._left -= 1.0
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


class Sources:
    """A turnstile for each source of requests, so that no source alone takes all that there is for all of them."""

    def __init__(self, *, places: int, per_s: float, clock: Callable[[], float], most: int = _SOURCES) -> None:
        """`places` and `per_s` are one source's; the last `most` that came are remembered."""
        self._places = places
        self._per_s = per_s
        self._clock = clock
        self._most = most
        self._by_source: OrderedDict[str, Turnstile] = OrderedDict()

    def of(self, address: str) -> Turnstile:
        """That of the source which an address belongs to."""
        name = source(address)
        found = self._by_source.pop(name, None)
        if found is None:
            found = Turnstile(at_once=self._places, places=self._places, per_s=self._per_s, clock=self._clock)
        self._by_source[name] = found
        if len(self._by_source) > self._most:
            self._by_source.popitem(last=False)
        return found


def source(address: str) -> str:
    """Whom an IP address is taken for: of IPv6 the first 64 bits, since one machine may have all of the others."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
