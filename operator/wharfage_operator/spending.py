"""What was spent in the last days, read from the ledger's ConfigMaps as any replica can, the one that leads or not.

Only the leader keeps the ledger, and writes what is open when something begins or ends; what has run since then is
added here. ConfigMaps that have not changed are not read again.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Meter
from wharfage_autoscaler.metering import HOUR_S, charged
from wharfage_autoscaler.spend import NOTHING, Account, Spend

from wharfage_operator.books import LABEL, OPEN, WRITTEN_EVERY_S, part_name, read_open, read_part
from wharfage_operator.connection import Connection
from wharfage_operator.hours import row_of
from wharfage_operator.kinds import CONFIG_MAPS, Object

HOURS = 7 * 24
QUARTER_S = 6 * HOUR_S
_FRESH_S = 10.0
_AT_ONCE = 4

Whose = tuple[str, str]
"""A deployment's namespace and uid: one that is deleted and made again is another, as in the ledger."""
Rows = Mapping[float, Mapping[Whose, Spend]]
"""Dollars by when a row of the ledger begins (Unix seconds), and whose they are."""


@dataclass(frozen=True, slots=True)
class Course:
    """Dollars of the last seven days: `HOURS` hours from `from_s` on (Unix seconds), the one that runs included."""

    from_s: float
    by_namespace: Mapping[str, tuple[Spend, ...]] = field(default_factory=dict)
    by_uid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Of deployments, and of quarters of a day, the last of which ends with the hour that runs."""
    kept_s: float | None = None
    """Until when the ledger was kept; None where there is none yet."""
    late: bool = False
    """Whether nobody has kept it for hours, so that what runs is missing."""


class Spending:
    """The course of dollars, read anew when it is asked for and older than some seconds."""

    def __init__(self, connection: Connection, namespace: str, now: Callable[[], float]) -> None:
        """`namespace` is the operator's own; `now` tells Unix seconds by the ledger's clock."""
        self._connection = connection
        self._namespace = namespace
        self._now = now
        self._reading = asyncio.Lock()
        self._rows: dict[str, tuple[int, Rows]] = {}
        self._course: tuple[float, Course] | None = None

    async def course(self) -> Course:
        """The last seven days.

        Raises:
            Unreadable: where a ConfigMap of the ledger cannot be read.
            ApiError: where the API server does not answer.

        """
        async with self._reading:
            if self._course is None or time.monotonic() - self._course[0] >= _FRESH_S:
                self._course = time.monotonic(), await self._read()
            return self._course[1]

    @property
    def namespaces(self) -> Collection[str]:
        """Those that dollars were spent in, by what was read last; of deployments that are gone, too."""
        return () if self._course is None else self._course[1].by_namespace.keys()

    async def _read(self) -> Course:
        now_s = self._now()
        from_s = first_hour(now_s)
        opened = await self._connection.get(CONFIG_MAPS, (self._namespace, OPEN))
        await self._closed(from_s)
        closed = [rows for _, rows in self._rows.values()]
        return await asyncio.to_thread(_course, opened, closed, from_s, now_s)

    async def _closed(self, from_s: float) -> None:
        """Read those closed ConfigMaps that are new or have changed, and forget those that are too old or gone."""
        listed = await self._connection.listing(CONFIG_MAPS, namespace=self._namespace, selector=f"{LABEL}=closed")
        versions = {
            name: version
            for (_, name), (_, version) in ({} if listed is None else listed.found).items()
            if name >= part_name(from_s)
        }
        self._rows = {name: known for name, known in self._rows.items() if name in versions}
        turns = asyncio.Semaphore(_AT_ONCE)

        async def read(name: str, version: int) -> None:
            async with turns:
                found = await self._connection.get(CONFIG_MAPS, (self._namespace, name))
                if found is not None:
                    self._rows[name] = version, await asyncio.to_thread(_part, found)

        changed = [each for each in versions.items() if self._rows.get(each[0], (-1,))[0] != each[1]]
        await asyncio.gather(*(read(name, version) for name, version in changed))


def first_hour(now_s: float) -> float:
    """When the first of the hours begins that are shown now."""
    return now_s - now_s % HOUR_S - (HOURS - 1) * HOUR_S


def by_deployment(ledger: Ledger) -> Rows:
    """The rows of a ledger by deployment, whatever the offer and the budgets."""
    found: dict[float, dict[Whose, Spend]] = {begins_s: {} for begins_s in ledger.rows}
    for begins_s, row in ledger.rows.items():
        for account, spend in row.items():
            _count(found[begins_s], account, spend)
    return found


def unwritten(meter: Meter, until_s: float) -> Rows:
    """What has run from the meter's mark until then, as it ran at the mark: what the ledger will charge for it."""
    _, charges = charged(meter, meter.machines, until_s, proven_s=until_s, row_of=row_of(()))
    return by_deployment(Ledger().posted(charges))


def course(parts: Iterable[Rows], from_s: float, *, kept_s: float | None, late: bool) -> Course:
    """The sums of rows that begin at `from_s` or later."""
    by_namespace: dict[str, list[Spend]] = {}
    by_uid: dict[str, list[float]] = {}
    quarters, hours_each = int(HOURS * HOUR_S // QUARTER_S), int(QUARTER_S // HOUR_S)
    for begins_s, row in (each for part in parts for each in part.items()):
        at = int((begins_s - from_s) // HOUR_S)
        if not 0 <= at < HOURS:
            continue
        for (namespace, uid), spend in row.items():
            hours = by_namespace.setdefault(namespace, [NOTHING] * HOURS)
            hours[at] += spend
            by_uid.setdefault(uid, [0.0] * quarters)[at // hours_each] += spend.usd
    return Course(
        from_s,
        {namespace: tuple(hours) for namespace, hours in by_namespace.items()},
        {uid: tuple(each) for uid, each in by_uid.items()},
        kept_s,
        late,
    )


def _part(found: Object) -> Rows:
    return by_deployment(read_part(found))


def _course(opened: Object | None, closed: list[Rows], from_s: float, now_s: float) -> Course:
    """The course by ConfigMaps; where a row is open and closed, the open one is right."""
    if opened is None:
        return course(closed, from_s, kept_s=None, late=False)
    books = read_open(opened)
    still = by_deployment(books.ledger)
    late = now_s - books.meter.mark_s > WRITTEN_EVERY_S
    since = {} if late else unwritten(books.meter, now_s)
    over = ({begins_s: row for begins_s, row in part.items() if begins_s not in still} for part in closed)
    return course([*over, still, since], from_s, kept_s=books.meter.mark_s, late=late)


def _count(row: dict[Whose, Spend], account: Account, spend: Spend) -> None:
    """Add the dollars; what was had for them is not shown."""
    whose = account.payer.namespace, account.payer.uid
    paid = Spend(spend.serving, spend.idle, spend.startup, spend.estimated)
    row[whose] = row[whose] + paid if whose in row else paid
