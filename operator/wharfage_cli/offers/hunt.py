"""Prices from the gpuhunt library: its catalog of the day, over the network, as records that `reading.py` reads.

The library fetches what dstack publishes every day (MPL-2.0). `GPUHUNT_CATALOG_URL` names a mirror of it, and
`GPUHUNT_CATALOG_DIR` a folder with one CSV per provider, which then carries no date.
"""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from wharfage_cli.offers.table import Record

PROVIDERS = ("aws", "gcp", "azure")
_TIMEOUT_S = 60.0
_NOT_FOR_SALE = ("preview", "calendar")  # flags of rows that repeat another, or are sold by reservation only
_DATED = re.compile(r"(\d{4})(\d{2})(\d{2})\b.*")
_COLUMNS = MappingProxyType(
    {
        "machine": "instance_name",
        "location": "location",
        "price_per_hour": "price",
        "vcpus": "cpu",
        "memory_gib": "memory",
        "accelerators": "gpu_count",
        "accelerator": "gpu_name",
        "accelerator_memory_gib": "gpu_memory",
        "spot": "spot",
    }
)
"""Our columns, and the attributes of gpuhunt's items that fill them."""


class NoPrices(Exception):  # noqa: N818 -- a state of the world, named as the user sees it
    """The library is not there, or its catalog could not be fetched; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Hunted:
    """What a source knows: its rows, its name, its date where it has one, and what it could not read itself."""

    records: tuple[Record, ...]
    source: str
    observed_at: datetime | None = None
    unreadable: tuple[str, ...] = ()


def hunt(provider: str) -> Hunted:
    """All machines with accelerators of a provider, as gpuhunt's newest catalog has them. Raises `NoPrices`."""
    try:
        library = import_module("gpuhunt")
    except ImportError:
        raise NoPrices("gpuhunt is not installed: pip install 'wharfage[offers]', or pass --from FILE") from None
    # From a folder the library reads at once; it would still fetch what it does not use.
    catalog = library.Catalog(auto_reload="GPUHUNT_CATALOG_DIR" not in os.environ)
    with _listening() as said, _impatient():
        try:
            items = catalog.query(provider=provider, min_gpu_count=1)
        except Exception as error:  # urllib's, zipfile's and the library's own share no base
            reason = f"gpuhunt's catalog could not be loaded: {error.__cause__ or error}"
            raise NoPrices(f"{reason}; pass --from FILE for a table of your own") from error
    loaded = catalog.catalog.get(provider)
    name = f"catalog {loaded.version}" if loaded else "a folder's catalog"
    source = f"gpuhunt {version('gpuhunt')}, {name} of {provider}"
    about_us = tuple(line for line in said if re.search(rf"\b{provider}\b", line))
    if not items:
        raise NoPrices("; ".join((f"{source} has no machine with accelerators", *about_us)))
    return Hunted(_records(items, source), source, _date(loaded.version) if loaded else None, about_us)


def _records(items: list[Any], source: str) -> tuple[Record, ...]:
    """One record per item that is for sale; rows that repeat another to the last figure are taken once."""
    found: dict[tuple[str, ...], Record] = {}
    for item in items:
        if any(word in flag for flag in item.flags for word in _NOT_FOR_SALE):
            continue
        values = {ours: _text(getattr(item, theirs)) for ours, theirs in _COLUMNS.items()}
        spot = " spot" if item.spot else ""
        where = f"{source}: {item.instance_name} in {item.location}{spot}"
        found.setdefault(tuple(values.values()), Record(where, MappingProxyType(values)))
    return tuple(found.values())


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _date(published: str) -> datetime | None:
    """The day in the name of a catalog's version: 20260801, or 20260801-3."""
    match = _DATED.fullmatch(published)
    try:
        return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC) if match else None
    except ValueError:
        return None


@contextmanager
def _impatient() -> Iterator[None]:
    """The library sets no time limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


class _Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message; the traceback that the library adds tells a user nothing."""
        self.said.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What the library logs: it loads every provider's catalog, and tells of each that is not there."""
    listener, logger = _Listener(), logging.getLogger("gpuhunt")
    logger.addHandler(listener)
    propagated, logger.propagate = logger.propagate, False
    try:
        yield listener.said
    finally:
        logger.propagate = propagated
        logger.removeHandler(listener)
