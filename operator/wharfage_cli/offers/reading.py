"""Prices in, checked rows out: what each record of a price table says, or what is wrong with it and where.

Nothing is guessed: a price that cannot be true is a problem with its line, never a row of a catalog. What a table sells
beyond the accelerators that wharfage knows is counted and left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from wharfage_autoscaler.accelerators import Accelerator

from wharfage_cli.offers import consistency, fields
from wharfage_cli.offers.machines import Machine
from wharfage_cli.offers.names import accelerator_of
from wharfage_cli.offers.price import Price, Problem, Terms
from wharfage_cli.offers.table import Record

UNKNOWN_ACCELERATOR = "accelerators that are not known"
UNKNOWN_MACHINE = "machines that are not known (a table may say itself: accelerator, accelerators, vcpus, memory_gib)"
NO_ACCELERATOR = "machines without accelerators"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a table says about one region: prices, problems by row, and how many rows of what were left out.

    `left_out` counts by kind ("accelerators that are not known") and name. `regions` are the regions that the table
    has rows of: what to write instead where none is the one asked for.
    """

    prices: tuple[Price, ...]
    problems: tuple[Problem, ...]
    left_out: Mapping[tuple[str, str], int]
    regions: tuple[str, ...] = ()


class _LeftOut(Exception):  # noqa: N818 -- a state of the row
    """The row is of something that wharfage does not know."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.counted_as = (kind, name)


def read(records: Iterable[Record], terms: Terms, known: Mapping[str, Machine]) -> Reading:
    """Every price of the region, checked row by row and against each other; `known` fills in what a row leaves out."""
    records = tuple(records)
    last_change = max((record.text("first_seen") for record in records), default="")
    prices, problems, left_out, regions = [], [], Counter[tuple[str, str]](), set[str]()
    for record in records:
        regions.add(record.text("region") or record.text("location"))
        try:
            zone = _zone(record, terms)
            if zone is None:
                continue
            prices.append(_price(record, zone, terms, known, last_change))
        except fields.Wrong as wrong:
            problems.append(Problem(record.where, str(wrong)))
        except _LeftOut as unknown:
            left_out[unknown.counted_as] += 1
    bad = [*problems, *consistency.problems(prices)]
    wrong_rows = {problem.where for problem in bad}
    kept = tuple(price for price in prices if price.where not in wrong_rows)
    return Reading(kept, tuple(bad), dict(sorted(left_out.items())), tuple(sorted(regions - {""})))


def _zone(record: Record, terms: Terms) -> str | None:
    """The zone the row holds for, "" for the whole region; None for a row of another region."""
    location = record.text("location")
    if location:
        if terms.provider == "gcp" and re.fullmatch(re.escape(terms.region) + "-[a-z]", location):
            return location
        return "" if location == terms.region else None
    if record.text("region") not in ("", terms.region):
        return None
    return record.text("zone")


def _price(record: Record, zone: str, terms: Terms, known: Mapping[str, Machine], last_change: str) -> Price:
    machine = record.text("machine")
    if not machine:
        raise fields.Wrong("names no machine")
    facts = known.get(machine)
    found, count = _accelerators(record, machine, facts)
    vcpus = fields.floor(record, "vcpus", facts.vcpus if facts else None)
    machine_memory_gib = fields.floor(record, "memory_gib", facts.memory_gib if facts else None)
    if not vcpus or not machine_memory_gib:
        raise fields.Wrong(f"vcpus and memory_gib of {machine} are needed: it is not in the table of machines")
    market = fields.market(record)
    return Price(
        where=record.where,
        machine=machine,
        accelerator=found.name,
        accelerators=count,
        accelerator_memory_gib=int(found.memory_gib) or None,
        vcpus=vcpus,
        memory_gib=machine_memory_gib,
        market=market,
        zone=zone,
        per_hour=fields.price(record),
        observed_at=fields.observed_at(record, terms, last_change),
        currency=fields.currency(record, terms),
        interruptions_per_month=fields.interruptions(record, market),
        count=fields.reserved(record, market),
        name=record.text("name"),
        node_selector=fields.node_selector(record),
        node_group=record.text("node_group"),
    )


def _accelerators(record: Record, machine: str, facts: Machine | None) -> tuple[Accelerator, int]:
    """What the machine computes with, and how many; the table of machines fills in what the row leaves out."""
    count = fields.number(record, "accelerators")
    if count is None and facts is not None:
        count = Decimal(facts.accelerators)
    if count == 0:
        raise _LeftOut(NO_ACCELERATOR, machine)
    name = record.text("accelerator") or (facts.accelerator if facts else "")
    if not name or count is None:
        raise _LeftOut(UNKNOWN_MACHINE, machine)
    memory_gib = fields.number(record, "accelerator_memory_gib")
    found = accelerator_of(name, memory_gib, facts.accelerator if facts else "")
    if found is None or count != int(count):
        size = "" if memory_gib is None else f" ({memory_gib.normalize():f} GiB)"
        share = "" if count == int(count) else f" x{count.normalize():f}"
        raise _LeftOut(UNKNOWN_ACCELERATOR, f"{name}{size}{share}")
    return found, int(count)
