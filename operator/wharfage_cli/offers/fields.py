"""The fields of one row of a price table as values, or the sentence that says why the row cannot be true."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from wharfage_autoscaler.offers import Market

from wharfage_cli.offers.price import Terms
from wharfage_cli.offers.table import Record

_AHEAD = timedelta(days=1)  # clocks and time zones differ; prices of next week do not exist yet
_MARKETS = {"": Market.ON_DEMAND, "ondemand": Market.ON_DEMAND, "spot": Market.SPOT, "reserved": Market.RESERVED}
_TRUTHS = {"true": Market.SPOT, "1": Market.SPOT, "false": Market.ON_DEMAND, "0": Market.ON_DEMAND}


class Wrong(ValueError):  # noqa: N818 -- a state of the row
    """The row cannot be true."""


def number(record: Record, column: str) -> Decimal | None:
    """A number of 0 or more; None where the column is empty."""
    text = record.text(column)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Wrong(f"{column} is {text!r}, which is no number") from None
    if not value.is_finite():
        raise Wrong(f"{column} is {text!r}, which is no number")
    if value < 0:
        raise Wrong(f"{column} is {text}: it cannot be negative")
    return value


def floor(record: Record, column: str, otherwise: int | None) -> int | None:
    """A number rounded down: a machine with 15.25 GiB is counted with 15."""
    value = number(record, column)
    return otherwise if value is None else int(value)


def price(record: Record) -> Decimal:
    """The price per hour, in the currency of the table."""
    value = number(record, "price_per_hour")
    if value is None:
        raise Wrong("has no price")
    if value == 0:
        raise Wrong("the price is 0: leave the row out if the machine is not sold, or write what it costs you")
    if value < Decimal("0.0001"):
        raise Wrong(f"the price is {value}: less than 0.0001 per hour is no machine's price")
    return value


def market(record: Record) -> Market:
    """How the machine is rented: the column `market`, else `spot`, else on demand."""
    said, spot = record.text("market"), record.text("spot").lower()
    if not said and spot:
        if spot not in _TRUTHS:
            raise Wrong(f"spot is {spot!r}: write true or false")
        return _TRUTHS[spot]
    found = _MARKETS.get(re.sub(r"[^a-z]", "", said.lower()))
    if found is None:
        raise Wrong(f"market is {said!r}: write OnDemand, Spot or Reserved")
    return found


def currency(record: Record, terms: Terms) -> str:
    """The currency of the price; dollars where the row names none."""
    said = record.text("currency").upper()
    if said not in ("", "USD") and terms.usd_per_unit == 1:
        raise Wrong(f"the price is in {said}: pass --usd-per-unit, the dollars that one {said} is worth")
    if said == "USD" and terms.usd_per_unit != 1:
        raise Wrong(f"the price is in USD, but --usd-per-unit is {terms.usd_per_unit}")
    return said or "USD"


def observed_at(record: Record, terms: Terms, last_change: str) -> datetime:
    """When the price was true: the row's date, else that of all rows, else the last change of a history."""
    written = record.text("observed_at")
    observed = instant(written) if written else terms.observed_at or instant(last_change)
    days = (terms.now - observed).days
    if terms.now - observed > terms.max_age:
        raise Wrong(
            f"the price is of {observed.date()}, {days} days ago: take a newer table, "
            f"or pass --max-age-days {days + 1} if it still holds"
        )
    if observed - terms.now > _AHEAD:
        raise Wrong(f"the price is of {observed.date()}, which is still to come")
    return observed


def instant(text: str) -> datetime:
    """A date or time as ISO 8601 has it, in UTC where it names no zone; ValueError says what to write."""
    if not text:
        raise Wrong("has no date: add a column observed_at, or pass --observed-at")
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(f"{text!r} is no date: write it as 2026-07-20") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def interruptions(record: Record, market: Market) -> Decimal | None:
    """Only of spot machines; a wide table repeats the column on the on-demand half of its rows."""
    return number(record, "interruptions_per_month") if market is Market.SPOT else None


def reserved(record: Record, market: Market) -> int | None:
    """How many machines are reserved; None where the row does not say."""
    count = number(record, "count")
    if count is not None and count != int(count):
        raise Wrong(f"count is {count}: machines are counted whole")
    if count is not None and market is not Market.RESERVED:
        raise Wrong("count is the number of reserved machines: write market Reserved, or leave it out")
    return None if count is None else int(count)


def node_selector(record: Record) -> tuple[tuple[str, str], ...]:
    """Labels of the machine's nodes, `label=value;label=value`."""
    pairs = [pair.partition("=") for pair in record.text("node_selector").split(";") if pair.strip()]
    if any(not sign or not key.strip() for key, sign, _ in pairs):
        raise Wrong("node_selector is written as label=value;label=value")
    return tuple((key.strip(), value.strip()) for key, _, value in pairs)
