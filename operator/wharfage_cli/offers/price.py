"""One price as a table states it, the terms on which a table is read, and what is said of rows that are wrong."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from wharfage_autoscaler.offers import Market


@dataclass(frozen=True, slots=True)
class Terms:
    """What a table is read for: one region of one provider, at a time, in a currency.

    `observed_at` is the date of rows that carry none. `usd_per_unit` is 1 for a table in dollars.
    """

    provider: str
    region: str
    now: datetime
    max_age: timedelta
    observed_at: datetime | None = None
    usd_per_unit: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Price:
    """One machine's price in one market and zone, in the table's currency; `where` is the row that said so."""

    where: str
    machine: str
    accelerator: str
    accelerators: int
    accelerator_memory_gib: int | None  # None for CPU, which has the machine's
    vcpus: int
    memory_gib: int
    market: Market
    zone: str
    per_hour: Decimal
    observed_at: datetime
    currency: str = "USD"
    interruptions_per_month: Decimal | None = None
    count: int | None = None
    name: str = ""  # "" is named after the machine
    node_selector: tuple[tuple[str, str], ...] = ()
    node_group: str = ""

    @property
    def shape(self) -> tuple[str, str, int]:
        """What makes two prices those of one machine: its type, its accelerator, and how many."""
        return self.name or self.machine, self.accelerator, self.accelerators


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one row, and what to do."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"
