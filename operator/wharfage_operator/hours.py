"""The rows of the ledger: hours of UTC, cut where a period of a budget begins within one, as it does in Kathmandu."""

from collections.abc import Collection
from functools import lru_cache
from zoneinfo import ZoneInfo

from wharfage_api.llmbudget import Period
from wharfage_api.periods import span
from wharfage_autoscaler.metering import HOUR_S, RowOf

Calendar = tuple[Period, str]
"""How long the periods of a budget are, and in which time zone they begin."""


def row_of(calendars: Collection[Calendar]) -> RowOf:
    """In which row a moment is, with budgets of those calendars; of which every time zone must exist."""
    known = frozenset(calendars)

    def found(at_s: float) -> tuple[float, float]:
        edges = _edges(at_s - at_s % HOUR_S, known)
        begins_s = max(edge for edge in edges if edge <= at_s)
        return begins_s, min(edge for edge in edges if edge > at_s)

    return found


@lru_cache(maxsize=4096)
def _edges(hour_s: float, calendars: frozenset[Calendar]) -> tuple[float, ...]:
    """Where the rows of an hour begin and end. No more than one period of a calendar begins within an hour."""
    begin = {span(period, ZoneInfo(zone), hour_s + HOUR_S - 1.0).begins_s for period, zone in calendars}
    return tuple(sorted({hour_s, hour_s + HOUR_S, *(each for each in begin if hour_s < each)}))
