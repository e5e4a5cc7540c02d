"""Weeks, months and quarters of the calendar in a time zone, and the ones before them."""

from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from wharfage_api import periods
from wharfage_api.llmbudget import Period
from wharfage_api.periods import Span


class Length(StrEnum):
    """How long a report's period is."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


def span(length: Length, zone: ZoneInfo, at_s: float) -> Span:
    """The period that a moment (Unix seconds) is in. Quarters begin in January, April, July and October."""
    if length is Length.WEEK:
        return periods.span(Period.WEEK, zone, at_s)
    month = periods.span(Period.MONTH, zone, at_s)
    if length is Length.MONTH:
        return month
    begins = datetime.fromtimestamp(month.begins_s, zone)
    begins = begins.replace(month=3 * ((begins.month - 1) // 3) + 1)
    ends = begins.replace(year=begins.year + begins.month // 10, month=(begins.month + 2) % 12 + 1)
    return Span(begins.timestamp(), ends.timestamp())


def before(length: Length, zone: ZoneInfo, later: Span) -> Span:
    """The period that ends where another begins."""
    return span(length, zone, later.begins_s - 1.0)
