"""Reads the ledger's ConfigMaps, some at a time, and brings what is open up to now."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from wharfage_autoscaler.ledger import Ledger, Row
from wharfage_autoscaler.metering import charged
from wharfage_operator.books import LABEL, OPEN, WRITTEN_EVERY_S, Open, Unreadable, Wanted, read_open, read_part
from wharfage_operator.hours import row_of

from wharfage_cli.connection import Connection, Refused

_AT_ONCE = 20  # of some hundred KiB each


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the ledger holds of a time.

    `until_s` (Unix seconds) is until when it is charged. `trouble` are sentences about what cannot be read.
    """

    ledger: Ledger
    open: Open
    until_s: float
    trouble: tuple[str, ...] = ()

    @property
    def since_s(self) -> float:
        """When the ledger was begun."""
        return self.open.since_s


def read(connection: Connection, namespace: str, *, from_s: float, now_s: float) -> Shelf:
    """All rows that begin at `from_s` or later, up to now.

    Raises:
        Refused: where there is no ledger, or it may not be read; the message says what to do.

    """
    open_books = _open(connection, namespace)
    rows: dict[float, Row] = {}
    trouble = []
    for found in filter(Wanted(from_s), _closed(connection, namespace)):
        try:
            rows.update(read_part(found).rows)
        except Unreadable as unreadable:
            trouble.append(str(unreadable))
    books, until_s = brought_up(open_books, now_s)
    every = {begins_s: row for begins_s, row in {**rows, **books.ledger.rows}.items() if begins_s >= from_s}
    return Shelf(Ledger(every), books, until_s, tuple(trouble))


def brought_up(books: Open, now_s: float) -> tuple[Open, float]:
    """With what has run since it was written; every start and end is written, so that nothing else has run.

    Where it was written too long ago nobody keeps it: then it stays as it is.
    """
    meter = books.meter
    if not meter.mark_s < now_s <= meter.mark_s + WRITTEN_EVERY_S:
        return books, meter.mark_s
    after, charges = charged(meter, meter.machines, now_s, proven_s=now_s, row_of=row_of(()))
    return replace(books, meter=after, ledger=books.ledger.posted(charges)), now_s


def _open(connection: Connection, namespace: str) -> Open:
    try:
        return read_open(connection.get(f"{_path(namespace)}/{OPEN}"))
    except Unreadable as unreadable:
        raise Refused(502, str(unreadable)) from None
    except Refused as refused:
        if refused.status == 404:
            raise Refused(
                404,
                f"no ledger in namespace {namespace}: pass --operator-namespace if the operator runs elsewhere; "
                "`wharfage doctor` tells whether one runs at all",
            ) from None
        if refused.status == 403:
            raise Refused(
                403, f"you may not read ConfigMaps in namespace {namespace} ({refused}): ask for get and list of them"
            ) from None
        raise


def _closed(connection: Connection, namespace: str) -> Iterator[dict[str, Any]]:
    query = {"labelSelector": f"{LABEL}=closed", "limit": str(_AT_ONCE)}
    while True:
        page = connection.get(_path(namespace), **query)
        yield from page["items"]
        more = page["metadata"].get("continue")
        if not more:
            return
        query["continue"] = more


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"
