"""The unrestricted course survives the operator: what budgets have saved, hour by hour, and what requests cost before.

Without it a budget that holds dollars down would be forecast, after a restart, by what it itself has made of them, and
its stages would end by what they save. All of it lies in one ConfigMap of the operator's namespace, read before the
first look at a budget; written when other deployments are held down than before, and every ten minutes while any is.
Where nothing is held down nothing is written. What cannot be read begins anew.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wharfage_operator.apply import Writer
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.kinds import CONFIG_MAPS, Object
from wharfage_operator.packing import packed, unpacked
from wharfage_operator.wishes import Known

log = logging.getLogger(__name__)
NAME = "wharfage-unrestricted"
MANAGER = "wharfage-unrestricted"
_DATA = "course"
_EVERY_S = 60.0
_AT_MOST_EVERY_S = 600.0
_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Course:
    """What is kept, by uid: dollars a budget saved, by hours since 1970; what those held down cost before."""

    saved: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    known: Mapping[str, Known] = field(default_factory=dict)


class Unrestricted:
    """Reads it once, then writes it while it changes."""

    def __init__(
        self,
        connection: Connection,
        writer: Writer,
        clock: Clock,
        *,
        namespace: str,
        take: Callable[[Course], None],
        now: Callable[[], Course],
    ) -> None:
        """`take` is given what an earlier process knew, `now` tells what is so at present."""
        self._connection = connection
        self._writer = writer
        self._clock = clock
        self._namespace = namespace
        self._take = take
        self._now = now
        self._written = Course()
        self._written_s = -math.inf
        self.read = asyncio.Event()
        """What an earlier process knew is known, or that nobody can tell."""

    async def run(self) -> None:
        """Read, then write for ever."""
        await self.restore()
        while True:
            await asyncio.sleep(self._clock.wall_s(_EVERY_S))
            await self.turn()

    async def restore(self) -> None:
        """Take over what an earlier process wrote; waits for an API server that does not answer."""
        while not self.read.is_set():
            found = None
            try:
                found = await self._found()
                self._written = Course() if found is None else read(found)
            except ApiError as error:
                if error.transient:
                    log.info("what budgets have saved waits", extra={"error": str(error)})
                    await asyncio.sleep(_RETRY_S)
                    continue
                log.warning("what budgets have saved is learned anew", extra={"error": str(error)})
            except ValueError as error:
                log.warning("what budgets have saved is learned anew", extra={"error": str(error)})
            self._take(self._written)
            self.read.set()

    async def turn(self) -> None:
        """Write what is so now if it is due; what fails is tried again at the next turn."""
        course = self._now()
        if course == self._written or not self._due(course):
            return
        try:
            await self._writer.keep(written(self._namespace, course), await self._found(), manager=MANAGER)
        except (ApiError, NotYet) as error:
            log.info("what budgets have saved waits", extra={"error": str(error)})
        else:
            self._written, self._written_s = course, self._clock.elapsed_s

    def _due(self, course: Course) -> bool:
        if course.known.keys() != self._written.known.keys() or course.saved.keys() != self._written.saved.keys():
            return True
        return self._clock.elapsed_s - self._written_s >= _AT_MOST_EVERY_S

    async def _found(self) -> Object | None:
        return await self._connection.get(CONFIG_MAPS, (self._namespace, NAME))


def written(namespace: str, course: Course) -> Object:
    """What is kept as an object."""
    told = {
        "saved": {uid: sorted(hours.items()) for uid, hours in sorted(course.saved.items())},
        "known": {uid: [each.usd_per_rps, _or_none(each.seat_usd)] for uid, each in sorted(course.known.items())},
    }
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.name,
        "metadata": {"name": NAME, "namespace": namespace},
        "binaryData": {_DATA: packed(told)},
    }


def read(found: Object) -> Course:
    """What `written` wrote; ValueError for anything else."""
    try:
        told = unpacked(found["binaryData"][_DATA])
        saved = {str(uid): {int(hour): float(usd) for hour, usd in hours} for uid, hours in told["saved"].items()}
        known = {
            str(uid): Known(float(usd_per_rps), math.nan if seat_usd is None else float(seat_usd))
            for uid, (usd_per_rps, seat_usd) in told["known"].items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Course(saved, known)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
