"""The day that the two hours are a part of, and its market."""

import pytest

from demo import two_hours, whole_day
from demo.replay import figures


def test_the_first_day_has_no_spike_and_the_second_has_that_of_the_two_hours() -> None:
    rates = whole_day.trace().req_per_s
    first, second = rates[: whole_day.DAY], rates[whole_day.DAY :]
    assert first.max() == pytest.approx(42.0, abs=0.1)
    assert first.min() == pytest.approx(6.0, abs=0.1)
    differ = [minute - whole_day.BEGIN for minute in range(whole_day.DAY) if second[minute] != first[minute]]
    assert (differ[0], differ[-1]) == (35, 54)
    assert second.max() == pytest.approx(84.0, rel=0.02)


@pytest.mark.parametrize(("minute", "there"), [(74, True), (75, False), (99, False), (100, True)], ids=str)
def test_the_storm_is_that_of_the_two_hours(minute: int, there: bool) -> None:
    market, at_s = whole_day.market(), 60.0 * (whole_day.DAY + whole_day.BEGIN + minute)
    assert (market.at(two_hours.STORM.zone, at_s) > 0) == there
    assert market.at("us-east-1b", at_s) > 0


def test_a_bill_is_written_by_who_it_is_of() -> None:
    rows = {
        "fixed (17)": (63.271, 0, 120),
        "best hpa": (55.0, 1, 120),
        "wharfage, on the control plane": (46.0, 10, 120),
    }
    assert figures(rows)["static"] == {"usd": 63.27, "bad_minutes": 0, "minutes": 120}
    assert figures(rows)["wharfage"]["bad_minutes"] == 10
