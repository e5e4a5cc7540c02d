"""Old days of the ledger are folded: the quarters of one become one ConfigMap, a row an account and day.

Budgets read 35 days by the hour, and reports 200: this quarter and the one before. What is older is kept by the day. A
day is written whole before its quarters are deleted, and whoever reads passes over the quarters of a day that is there
whole (`books.py`): a process that dies in between counts nothing twice, and the next one goes on. After 400 days a day
is deleted.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from functools import reduce

from wharfage_autoscaler.ledger import DAY_S, HOURLY_S, Ledger, by_day

from wharfage_operator.apply import Writer
from wharfage_operator.books import LABEL, Unreadable, day_name, read_part, written_part
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.kinds import CONFIG_MAPS, Object
from wharfage_operator.shelves import MANAGER

log = logging.getLogger(__name__)
_EVERY_S = 6 * 3600.0
_DAILY_S = 400 * DAY_S
_NAME = re.compile(r"(wharfage-ledger-\d{8})(-\d)?")


def foldable(names: Iterable[str], now_s: float) -> dict[str, list[str]]:
    """The quarters that nobody reads by the hour any more, by the name of their whole day."""
    last, found = day_name(now_s - HOURLY_S), dict[str, list[str]]()
    for name in sorted(names):
        parts = _NAME.fullmatch(name)
        if parts is not None and parts[2] and parts[1] < last:
            found.setdefault(parts[1], []).append(name)
    return found


def outdated(names: Iterable[str], now_s: float) -> list[str]:
    """The whole days that nobody reads any more."""
    last = day_name(now_s - _DAILY_S)
    return sorted(name for name in names if (parts := _NAME.fullmatch(name)) and not parts[2] and name < last)


class Folding:
    """Looks four times a day."""

    def __init__(self, connection: Connection, writer: Writer, clock: Clock, namespace: str) -> None:
        """`namespace` is the operator's own."""
        self._connection = connection
        self._writer = writer
        self._clock = clock
        self._namespace = namespace

    async def run(self) -> None:
        """Fold for ever."""
        await self._clock.every(_EVERY_S, self.turn)

    async def turn(self, now_s: float) -> None:
        """Fold what is due at `now_s` (Unix seconds); what fails is tried again at the next turn."""
        try:
            selector = f"{LABEL}=closed"
            listing = await self._connection.listing(CONFIG_MAPS, namespace=self._namespace, selector=selector)
            versions = {} if listing is None else {name: found for (_, name), found in listing.found.items()}
            for day, quarters in foldable(versions, now_s).items():
                await self._fold(day, quarters, whole=day in versions)
            await self._delete(outdated(versions, now_s), versions)
        except (ApiError, NotYet) as error:
            log.info("old days of the ledger wait", extra={"error": str(error)})
        except Exception:  # no reason to stop serving
            log.exception("old days of the ledger wait")

    async def _fold(self, day: str, quarters: Iterable[str], *, whole: bool) -> None:
        """Write a day whole unless it is, then delete its quarters; one that cannot be read keeps them all."""
        gotten = [await self._connection.get(CONFIG_MAPS, (self._namespace, name)) for name in quarters]
        found = [each for each in gotten if each is not None]
        if not whole:
            try:
                rows = reduce(lambda before, each: before.replaced(read_part(each).rows), found, Ledger())
            except Unreadable as unreadable:
                log.warning("a day of the ledger stays as it is", extra={"error": str(unreadable)})
                return
            await self._writer.keep(written_part(self._namespace, day, by_day(rows)), None, manager=MANAGER)
        for each in found:
            await self._writer.delete(each)

    async def _delete(self, names: Iterable[str], versions: Mapping[str, tuple[str, int]]) -> None:
        for name in names:
            uid, version = versions[name]
            await self._writer.delete(self._named(name, uid, version))

    def _named(self, name: str, uid: str, version: int) -> Object:
        metadata = {"name": name, "namespace": self._namespace, "uid": uid, "resourceVersion": str(version)}
        return {"apiVersion": CONFIG_MAPS.api_version, "kind": CONFIG_MAPS.name, "metadata": metadata}
