"""Price tables as text: CSV in our own columns or in those that others publish, read into records of one form.

A record keeps its columns as text and knows its line, so that whatever is wrong with it can be said with its place.
What the columns mean is `reading.py`'s business. The format is documented in docs/reference/offers-csv.md.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

COLUMNS = MappingProxyType(
    {
        "machine": ("instance_type", "machine_type", "vm_size", "instance_name"),
        "price_per_hour": ("usd_per_hour", "usd_per_hour_on_demand", "price"),
        "spot_price_per_hour": ("usd_per_hour_spot",),
        "currency": (),
        "market": (),
        "spot": (),
        "region": (),
        "zone": (),
        "location": (),
        "accelerator": ("gpu_name",),
        "accelerators": ("gpu_count",),
        "accelerator_memory_gib": ("gpu_memory",),
        "vcpus": ("cpu",),
        "memory_gib": ("memory",),
        "interruptions_per_month": (),
        "count": (),
        "observed_at": ("date",),
        "first_seen": (),
        "name": (),
        "node_selector": (),
        "node_group": (),
    }
)
"""Our columns, and the names under which published tables have them (gpuhunt's, Karpenter's prices, Google's)."""

_NOT_READ = frozenset({"disk_size", "gpu_vendor", "flags", "cpu_arch", "provider_data"})
"""Columns of gpuhunt's files that say nothing about a price; any other unknown column may be a misspelt one."""

_CANONICAL = {alias: column for column, aliases in COLUMNS.items() for alias in (column, *aliases)}
_REQUIRED = ("machine", "price_per_hour")


class UnreadableTable(ValueError):  # noqa: N818 -- a state of the file, named as the user sees it
    """The text is no price table; the message says what is missing and what there is."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a price table: where it stands (`prices.csv line 7`), and its columns by our names."""

    where: str
    values: Mapping[str, str]

    def text(self, column: str) -> str:
        """The column's text without blanks around it; "" where it is empty or absent."""
        return self.values.get(column, "").strip()


@dataclass(frozen=True, slots=True)
class Table:
    """A price table: its rows, one per price, and the columns that mean nothing to us."""

    records: tuple[Record, ...]
    unknown_columns: tuple[str, ...] = ()


def table(text: str, file: str) -> Table:
    """A CSV's rows, one per price: a row with an on-demand and a spot price becomes two.

    Raises `UnreadableTable` for a file without the columns that every table needs, and for one without rows.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = [name.strip() for name in reader.fieldnames or ()]
    ours = [_CANONICAL.get(name.lower(), "") for name in header]
    for column in _REQUIRED:
        if column not in ours:
            known = " or ".join((column, *COLUMNS[column]))
            raise UnreadableTable(f"{file}: no column {known}; its first line has: {', '.join(header) or 'nothing'}")
    twice = sorted({column for column in ours if column and ours.count(column) > 1})
    if twice:
        raise UnreadableTable(f"{file}: several columns mean {twice[0]}: leave one of them")
    found = []
    for row in reader:
        named = zip(reader.fieldnames or (), ours, strict=True)
        values = {column: row.get(name) or "" for name, column in named if column}
        found.append(Record(f"{file} line {reader.line_num}", MappingProxyType(values)))
    if not found:
        raise UnreadableTable(f"{file}: has a header and no rows")
    unknown = [name for name, column in zip(header, ours, strict=True) if not column and name.lower() not in _NOT_READ]
    return Table(tuple(one for record in latest(found) for one in _markets(record)), tuple(unknown))


def latest(rows: Iterable[Record]) -> tuple[Record, ...]:
    """Of a history of changes (column `first_seen`) the last row of every machine and place; other rows as they are."""
    last: dict[tuple[str, ...], Record] = {}
    kept = []
    for row in rows:
        if not row.text("first_seen"):
            kept.append(row)
            continue
        key = tuple(row.text(column) for column in ("machine", "region", "zone", "location", "market", "accelerators"))
        before = last.get(key)
        if before is None or row.text("first_seen") >= before.text("first_seen"):
            last[key] = row
    return (*kept, *last.values())


def _markets(record: Record) -> Iterable[Record]:
    spot = record.text("spot_price_per_hour")
    if record.text("price_per_hour") or not spot:
        yield record
    if spot:
        yield replace(record, values=MappingProxyType({**record.values, "price_per_hour": spot, "market": "Spot"}))
