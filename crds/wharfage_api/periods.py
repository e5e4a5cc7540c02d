"""When a budget's periods begin and end: those of the calendar in a time zone, whatever their length there."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from wharfage_api.llmbudget import Period


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to, but not with, another; both in Unix seconds."""

    begins_s: float
    ends_s: float

    @property
    def lasts_s(self) -> float:
        """How long it is; a day has 23 to 25 hours."""
        return self.ends_s - self.begins_s


def span(period: Period, zone: ZoneInfo, at_s: float) -> Span:
    """The period that a moment is in. Weeks begin on Mondays (ISO 8601)."""
    local = datetime.fromtimestamp(at_s, zone)
    if period is Period.HOUR:
        # By what the clock shows, of both hours that it shows twice; in UTC, since an hour of it is always one.
        begins = local.astimezone(UTC) - timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        return Span(begins.timestamp(), (begins + timedelta(hours=1)).timestamp())
    first = _first_day(period, local)
    return Span(first.timestamp(), _first_day_after(period, first).timestamp())


def _first_day(period: Period, local: datetime) -> datetime:
    """Midnight of the period's first day. Where a zone has no such midnight, it is as if the clock had shown it."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period is Period.WEEK:
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if period is Period.MONTH else midnight


def _first_day_after(period: Period, first: datetime) -> datetime:
    """Midnight after the period's last day: by days of the calendar, whatever their length."""
    if period is Period.DAY:
        return first + timedelta(days=1)
    if period is Period.WEEK:
        return first + timedelta(weeks=1)
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
