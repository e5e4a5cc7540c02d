"""Where the ledger lies: ConfigMaps of the operator's own namespace, with a field manager of their own, not cached."""

from dataclasses import dataclass

from wharfage_autoscaler.ledger import Ledger, Totals, totals

from wharfage_operator.apply import Writer
from wharfage_operator.books import (
    LABEL,
    OPEN,
    Open,
    Wanted,
    parts,
    read_open,
    read_part,
    written_open,
    written_part,
)
from wharfage_operator.connection import Connection
from wharfage_operator.kinds import CONFIG_MAPS, Object

MANAGER = "wharfage-ledger"


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier process wrote: what was open, if that is there, sums of what is closed, and where that ends."""

    open: Open | None
    closed: Totals
    last_s: float
    """When the last closed row began; 0 where there is none."""


class Shelves:
    """Reads it all once; then writes what is open, and what is closed. What cannot be read is left alone."""

    def __init__(self, connection: Connection, writer: Writer, namespace: str) -> None:
        self._connection = connection
        self._writer = writer
        self._namespace = namespace
        self._open: Object | None = None

    async def read(self, *, from_s: float) -> Kept:
        """All that there is, of rows that begin at `from_s` or later.

        Raises:
            Unreadable: where any of it cannot be read.
            ApiError: where the API server does not answer.

        """
        self._open = await self._connection.get(CONFIG_MAPS, (self._namespace, OPEN))
        books = None if self._open is None else read_open(self._open)
        rows_open = frozenset() if books is None else books.ledger.rows.keys()
        sums, last_s, wanted = Totals(), 0.0, Wanted(from_s)
        async for found in self._connection.all(CONFIG_MAPS, namespace=self._namespace, selector=f"{LABEL}=closed"):
            if not wanted(found):
                continue
            rows = read_part(found).rows
            closed = {
                begins_s: row for begins_s, row in rows.items() if begins_s >= from_s and begins_s not in rows_open
            }
            sums += totals(Ledger(closed))
            last_s = max(last_s, *closed, 0.0)
        return Kept(books, sums, last_s)

    async def write_open(self, books: Open) -> None:
        """What is open; ApiError 409 where somebody else has written it since it was read."""
        wanted = written_open(self._namespace, books)
        self._open = await self._writer.keep(wanted, self._open, manager=MANAGER, as_it_was=True)

    async def close(self, ledger: Ledger) -> None:
        """Write rows among the closed ones; the same once more changes nothing.

        Raises:
            Unreadable: where those beside them cannot be read: they would be lost.
            ApiError: where the API server refuses.

        """
        for name, rows in parts(ledger).items():
            found = await self._connection.get(CONFIG_MAPS, (self._namespace, name))
            before = Ledger() if found is None else read_part(found)
            wanted = written_part(self._namespace, name, before.replaced(rows.rows))
            await self._writer.keep(wanted, found, manager=MANAGER)
