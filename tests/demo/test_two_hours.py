"""The two hours of the replay: a spike, a storm, and a file that everybody reads."""

from pathlib import Path

import numpy as np
import pytest
from wharfage_autoscaler.offers import Market
from wharfage_simulator.traces import RateTrace, read_trace

from demo import two_hours
from demo.course import bill, clock, line


def test_the_spike_doubles_the_load_within_five_minutes() -> None:
    rates = two_hours.trace().req_per_s
    assert rates[41] == pytest.approx(2 * rates[33], rel=0.15)
    assert rates.argmax() in range(40, 51)
    assert rates[two_hours.MINUTES :].max() < rates.max()


def test_the_load_is_a_trace_file_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    two_hours.written(two_hours.trace(), path)
    read = read_trace(path)
    assert isinstance(read, RateTrace)
    np.testing.assert_allclose(read.req_per_s, two_hours.trace().req_per_s, atol=1e-3)
    assert read.prompt_tokens is not None


@pytest.mark.parametrize(
    ("minute", "raging"), [(0, False), (74.9, False), (75, True), (99.9, True), (100, False)], ids=str
)
def test_the_storm_takes_the_spot_machines_of_one_zone_for_a_while(minute: float, raging: bool) -> None:
    rules = two_hours.market(60.0 * minute)
    assert rules["interrupted"] == rules["withdrawn"] == (["*/spot/us-east-1a"] if raging else [])


def test_machines_boot_in_a_fraction_of_the_times_that_were_measured() -> None:
    boots = two_hours.market(0.0)["boot_s"]
    assert isinstance(boots, list)
    assert 40.0 * min(boots) > 26.0
    assert 40.0 * max(boots) < 865.0
    assert 40.0 * float(np.median(boots)) == pytest.approx(83.0, rel=0.1)


def test_the_zone_of_the_storm_is_one_that_the_catalog_sells() -> None:
    zones = {offer.zone for offer in two_hours.offers() if offer.market is Market.SPOT}
    assert two_hours.STORM.zone in zones
    assert len(zones) > 1
    assert two_hours.deployment().metadata.name == "chat"


def test_a_line_tells_load_capacity_and_dollars() -> None:
    row = {
        "t_s": 1860.0,
        "arrived_rps": 31.4,
        "carried_rps": 44.9,
        "pods": 8,
        "machines": 9,
        "usd_per_hour": {"Spot": 3.9, "OnDemand": 5.6},
        "bad_share": 0.004,
    }
    told = line(row, "8xL40S", since_s=1800.0)
    assert told.split() == ["0:01", "31.4", "44.9", "8", "9", "9.50", "(", "3.90)", "0%", "8xL40S"]
    assert line({**row, "bad_share": None}, "", since_s=1800.0).split()[-1] == "-"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (-1790, "-0:29"), (7140, "1:59")])
def test_the_clock_counts_from_where_it_is_judged(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_the_bill_says_what_each_costs_against_the_first() -> None:
    lines = bill({"fixed": (60.0, 0, 120), "ours": (30.0, 1, 120)})
    assert lines[1].split() == ["fixed", "60.00", "0", "of", "120", "+0", "%"]
    assert lines[2].split() == ["ours", "30.00", "1", "of", "120", "-50", "%"]
