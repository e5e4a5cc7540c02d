"""Calendar periods in time zones."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_api.llmbudget import Period
from wharfage_api.periods import span

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "America/Sao_Paulo",
)


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("period", "moment", "zone", "begins", "ends"),
    [
        (Period.HOUR, "2026-11-27T10:59:59", "Europe/Berlin", "2026-11-27T10:00:00", "2026-11-27T11:00:00"),
        (Period.HOUR, "2026-11-27T10:15:00", "Asia/Kathmandu", "2026-11-27T10:00:00", "2026-11-27T11:00:00"),
        (Period.DAY, "2026-11-27T00:00:00", "Asia/Kathmandu", "2026-11-27T00:00:00", "2026-11-28T00:00:00"),
        (Period.WEEK, "2026-11-29T23:59:59", "Europe/Berlin", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        (Period.MONTH, "2026-12-31T23:00:00", "Europe/Berlin", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        (Period.MONTH, "2028-02-29T12:00:00", "UTC", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
    ],
)
def test_periods_are_those_of_the_calendar_there(
    period: Period, moment: str, zone: str, begins: str, ends: str
) -> None:
    found = span(period, ZoneInfo(zone), at(moment, zone))
    assert (found.begins_s, found.ends_s) == (at(begins, zone), at(ends, zone))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(day: str, hours: int) -> None:
    assert span(Period.DAY, BERLIN, at(f"{day}T12:00:00", "Europe/Berlin")).lasts_s == hours * 3600


def test_an_hour_that_the_clock_shows_twice_is_two() -> None:
    first = at("2026-10-25T00:30:00")  # 02:30 in Berlin, the first time
    assert span(Period.HOUR, BERLIN, first).ends_s == span(Period.HOUR, BERLIN, first + 3600).begins_s


@given(
    period=st.sampled_from(list(Period)),
    zone=st.sampled_from(ZONES),
    moment=st.floats(at("2000-01-01T00:00:00"), at("2040-01-01T00:00:00")),
)
def test_every_moment_is_in_one_period_and_the_next_begins_where_it_ends(
    period: Period, zone: str, moment: float
) -> None:
    found = span(period, ZoneInfo(zone), moment)
    assert found.begins_s <= moment < found.ends_s
    after = span(period, ZoneInfo(zone), found.ends_s)
    assert after.begins_s == found.ends_s
    assert span(period, ZoneInfo(zone), found.begins_s) == found
