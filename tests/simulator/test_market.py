"""What can be rented when: availability, its notice, boot times, prices, and files of them that are wrong."""

import gzip
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from wharfage_autoscaler.offers import Market
from wharfage_simulator.boots import MEASURED, BootTimes, read_boots
from wharfage_simulator.market import Marketplace, paired
from wharfage_simulator.prices import Prices, Steps, read_prices
from wharfage_simulator.spot import Availability, Runs, converted, main, read_availability
from wharfage_simulator.tables import TraceError

from tests.builders import offer

RECORD = Availability(
    "record",
    10_000.0,
    {
        "a": Runs((0.0, 1_000.0, 1_050.0, 5_000.0), (1.0, 0.0, 2.0, 0.0)),
        "b": Runs((0.0, 4_000.0), (0.0, 3.0)),
    },
)
SPOT_A = replace(offer(), market=Market.SPOT, zone="a")
ON_DEMAND = replace(offer(), market=Market.ON_DEMAND, zone="a")


def written(folder: Path, text: str, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_record_says_what_could_be_had_and_when_that_changes() -> None:
    assert [RECORD.at("a", t) for t in (0, 999, 1_000, 1_049, 1_050, 4_999, 5_000)] == [1, 1, 0, 0, 2, 2, 0]
    assert [RECORD.changes_at("a", t) for t in (0, 1_000, 1_050, 7_000)] == [1_000, 1_050, 5_000, 10_000]
    assert RECORD.share("a") == pytest.approx(0.495)


def test_a_record_begins_again_and_may_begin_anywhere() -> None:
    assert RECORD.at("a", 20_500) == RECORD.at("a", 500) == 1
    later = replace(RECORD, offset_s=1_020.0)
    assert (later.at("a", 0), later.changes_at("a", 0), later.at("a", 30)) == (0, 30, 2)
    assert later.at("a", 8_980) == 1


@pytest.mark.parametrize(("offset_s", "begin"), [(0.0, 0), (0.1, 0), (1 / 3, 0), (1_234.567_89, 2), (9_999.999, 3)])
def test_walking_from_change_to_change_visits_every_run_in_its_order(offset_s: float, begin: int) -> None:
    record = replace(RECORD, offset_s=offset_s)
    t, seen = 0.0, []
    for _ in range(40):
        seen.append(record.at("a", t))
        t = record.changes_at("a", t)
    assert seen == ([1, 0, 2, 0] * 11)[begin : begin + 40]
    assert t == pytest.approx(10 * 10_000 - offset_s + (0, 1_000, 1_050, 5_000)[begin])


def test_spot_is_given_where_it_can_be_kept_for_as_long_as_its_notice() -> None:
    market = Marketplace(spot=RECORD, notice_s=120.0)
    assert [market.given(SPOT_A, t) for t in (0, 879, 881, 1_049, 1_050, 4_879, 4_881)] == [
        *(True, True, False, False, True, True, False)
    ]
    assert market.changes_at(SPOT_A, 0.0) == 880
    assert market.changes_at(SPOT_A, 880.0) == 930
    assert not market.given(SPOT_A, 930.0)


def test_the_next_change_is_never_missed() -> None:
    market = Marketplace(spot=RECORD, notice_s=120.0)
    t = 0.0
    while t < 12_000:
        change_s = market.changes_at(SPOT_A, t)
        probes = np.linspace(t, change_s, 20, endpoint=False)[1:]
        assert {market.machines(SPOT_A, float(probe)) for probe in probes} == {market.machines(SPOT_A, t + 1e-4)}
        t = change_s


def test_on_demand_is_always_there_unless_a_record_says_otherwise() -> None:
    assert Marketplace(spot=RECORD).given(ON_DEMAND, 1_010)
    scarce = Marketplace(on_demand=RECORD)
    assert [scarce.given(ON_DEMAND, t) for t in (990, 1_010)] == [True, False]
    assert scarce.given(replace(ON_DEMAND, market=Market.RESERVED), 1_010)
    assert Marketplace().changes_at(SPOT_A, 0.0) == math.inf


def test_an_offer_of_any_zone_is_had_where_it_is() -> None:
    anywhere = replace(SPOT_A, zone="")
    market = Marketplace(spot=RECORD, notice_s=0.0)
    assert [market.given(anywhere, t) for t in (500, 1_010, 4_500, 6_000)] == [True, False, True, True]


def test_a_count_of_instances_may_limit_machines() -> None:
    some, counted = (Marketplace(spot=RECORD, notice_s=0.0, machines_per_instance=m) for m in (math.inf, 4.0))
    assert [counted.machines(SPOT_A, t) for t in (0, 1_010, 2_000)] == [4, 0, 8]
    assert [some.machines(SPOT_A, t) for t in (0, 1_010)] == [math.inf, 0]


def test_zones_are_paired_by_name_and_else_one_after_the_other() -> None:
    offers = [replace(SPOT_A, zone=zone) for zone in ("x", "b", "y", "z", "")]
    assert paired(offers, RECORD) == {"b": "b", "x": "a", "y": "a", "z": "a"}
    assert paired([replace(SPOT_A, zone=zone) for zone in ("x", "y", "z")], RECORD) == {"x": "a", "y": "b", "z": "a"}


def test_a_zone_that_the_record_does_not_know_is_named_before_the_replay() -> None:
    foreign = replace(SPOT_A, zone="us-east-1q")
    with pytest.raises(TraceError, match=r"no zone us-east-1q for offer .*; it has a, b: pair the zones"):
        Marketplace(spot=RECORD).checked([SPOT_A, foreign])
    Marketplace(spot=RECORD, zones={"us-east-1q": "b"}).checked([SPOT_A, foreign])


def test_boots_are_drawn_from_the_measured_starts_the_same_for_the_same_seed() -> None:
    market, other = Marketplace(engine_start_s=100.0), Marketplace(seed=2, engine_start_s=100.0)
    starts = [market.start_s(SPOT_A, number) for number in range(400)]
    assert starts == [market.start_s(SPOT_A, number) for number in range(400)]
    assert starts != [other.start_s(SPOT_A, number) for number in range(400)]
    assert np.median(starts) == pytest.approx(183, abs=12)
    assert np.percentile(starts, 90) == pytest.approx(364, abs=60)
    assert min(starts) >= 126
    assert max(starts) <= 965


def test_a_reserved_machine_stands_there_already() -> None:
    assert Marketplace(engine_start_s=60.0).start_s(replace(offer(), market=Market.RESERVED), 1) == 60.0


def test_boot_times_are_read_of_accelerated_machines(tmp_path: Path) -> None:
    rows = "".join(f"aws,{seconds},1\ngcp,{seconds * 10},1\nazure,1,0\n" for seconds in range(1, 22))
    path = written(tmp_path, f"vendor,ready_s,accelerated\n{rows}aws,,1\n")
    assert read_boots(path, vendors=["aws"]).quantiles_s == pytest.approx(tuple(range(1, 22)))
    assert read_boots(path).quantiles_s[-1] == 210
    with pytest.raises(TraceError, match="0 starts of accelerated machines"):
        read_boots(path, vendors=["azure"])


def test_boot_times_of_ones_own_need_no_more_than_their_column(tmp_path: Path) -> None:
    rows = "".join(f"{seconds}\n" for seconds in range(100, 121))
    assert read_boots(written(tmp_path, f"ready_s\n{rows}")).median_s == 110


TEN = "".join(f"{seconds},1,aws\n" for seconds in range(10))
BAD_BOOTS = [
    pytest.param("ready_s,accelerated,vendor\n" + TEN + "x,1,aws\n", "line 12: ready_s is 'x'", id="text is no time"),
    pytest.param("ready_s,accelerated,vendor\n-1,1,aws\n" + TEN, "line 2: ready_s is -1;", id="before the order"),
    pytest.param("ready_s,accelerated,vendor\nnan,1,aws\n" + TEN, "line 2: ready_s is nan", id="NaN is no time"),
    pytest.param("ready_s,accelerated,vendor\n90000,1,aws\n" + TEN, "line 2: ready_s is 90000;", id="over a day"),
    pytest.param("ready_s,accelerated,vendor\n5,1\n" + TEN, "line 2: 2 fields, the header names 3", id="short row"),
    pytest.param("ready_s,accelerated,vendor\n", "a header and no rows", id="no rows"),
    pytest.param("seconds\n5\n", "no column ready_s; it has seconds", id="no such column"),
    pytest.param("", "the file is empty", id="nothing at all"),
    pytest.param("ready_s\n5\n6\n", "2 starts of accelerated machines; a distribution needs 10", id="two starts"),
]


@pytest.mark.parametrize(("text", "message"), BAD_BOOTS)
def test_a_mistake_in_boot_times_is_named_with_its_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TraceError) as refused:
        read_boots(written(tmp_path, text))
    assert message in str(refused.value)


@pytest.mark.parametrize("times", [(), (3.0, 2.0), (-1.0, 2.0), (1.0, math.inf)])
def test_what_is_no_distribution_of_times_is_refused(times: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="finite, at least 0 and ascending"):
        BootTimes(times)
    assert MEASURED.drawn(0.5) == 83


def test_availability_is_read_over_the_time_that_all_zones_have(tmp_path: Path) -> None:
    text = "zone,start_s,end_s,available\na,100,200,1\na,200,400,0\nb,0,300,2\n"
    record = read_availability(written(tmp_path, text))
    assert (record.name, record.duration_s) == ("file", 200)
    assert [record.at("a", 50), record.at("a", 150), record.at("b", 150)] == [1, 0, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param("", "a header and no rows", id="no rows"),
        pytest.param("a,0,100,1\na,100,x,1\n", "line 3: end_s is 'x'", id="text is no time"),
        pytest.param("a,0,100,\n", "line 2: available is empty", id="an empty field is not zero"),
        pytest.param("a,0,100,nan\n", "line 2: available is nan", id="NaN is no number of instances"),
        pytest.param("a,0,100,-1\n", "line 2: available is -1", id="fewer than none"),
        pytest.param("a,100,100,1\n", "line 2: end_s 100 is not after", id="a run has a length"),
        pytest.param("a,0,100,1\n\na,90,200,1\n", "line 4: zone a goes back", id="runs do not overlap"),
        pytest.param("a,0,100,1\na,110,200,1\n", "line 3: zone a leaves a hole", id="a hole is not nothing"),
        pytest.param(",0,100,1\n", "line 2: no zone", id="a run has a zone"),
        pytest.param("a,0,100,1\nb,200,300,1\n", "no time in common", id="zones share some time"),
    ],
)
def test_a_mistake_in_a_record_is_named_with_its_row(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(TraceError) as refused:
        read_availability(written(tmp_path, "zone,start_s,end_s,available\n" + rows))
    assert message in str(refused.value)


SKYPILOT = (
    "kind,group,zone,resource,gap_s,start_tick,n_ticks,value\n"
    "availability,g,z1,v100_1,100,0,2,1\navailability,g,z1,v100_1,100,2,3,1\navailability,g,z1,v100_1,100,5,5,0\n"
    "availability,g,z2,v100_1,100,0,10,1\npreemption,g,z1,v100_1,100,0,10,4\n"
)


def test_skypilots_traces_are_converted_and_equal_runs_joined(tmp_path: Path) -> None:
    source = tmp_path / "runs.csv.gz"
    source.write_bytes(gzip.compress(SKYPILOT.encode()))
    assert converted(source, "g", "v100_1") == [("z1", 0, 500, 1), ("z1", 500, 1000, 0), ("z2", 0, 1000, 1)]
    assert converted(source, "g", "v100_1", kind="preemption") == [("z1", 0, 1000, 4)]
    assert main([str(source), "g", "v100_1", str(tmp_path / "out.csv")]) == 0
    assert read_availability(tmp_path / "out.csv").share("z1") == 0.5
    source.write_bytes(gzip.compress(SKYPILOT.replace(",100,", ",1234567,").encode()))
    main([str(source), "g", "v100_1", str(tmp_path / "out.csv")])
    assert read_availability(tmp_path / "out.csv").changes_at("z1", 0.0) == 5 * 1_234_567
    with pytest.raises(TraceError, match="no availability of g k80_1; there are g v100_1"):
        converted(source, "g", "k80_1")


def test_prices_change_at_their_dates(tmp_path: Path) -> None:
    one = replace(offer(), name="g6", market=Market.SPOT, zone="a", usd_per_hour=9.0)
    text = "offer,market,zone,t_s,usd_per_hour\ng6,Spot,a,0,1\ng6,Spot,a,3600,2\ng6,Spot,,0,5\n"
    prices = read_prices(written(tmp_path, text))
    assert [prices.usd_per_hour(one, t) for t in (-5, 0, 3_599, 3_600)] == [1, 1, 1, 2]
    assert prices.usd(one, 1_800, 7_200) == pytest.approx(0.5 * 1 + 1 * 2)
    assert prices.usd_per_hour(replace(one, zone="b"), 0) == 5
    other = replace(one, market=Market.ON_DEMAND)
    assert prices.usd_per_hour(other, 0) == 9
    assert prices.usd(other, 0, 1_800) == 4.5
    assert Marketplace(prices=prices).usd_per_hour(one, 4_000) == 2


def test_prices_on_a_clock_of_their_own_and_what_they_come_to() -> None:
    one = replace(offer(), name="g6", market=Market.SPOT, zone="a", usd_per_hour=9.0)
    prices = Prices({("g6", "Spot", "a"): Steps((0.0, 3600.0, 7200.0), (2.0, 3.0, 1.0))})
    later = prices.since(3600.0)
    assert [later.usd_per_hour(one, t_s) for t_s in (-3600.0, 0.0, 3600.0)] == [2, 3, 1]
    assert [each.usd_per_hour for each in later.at([one, offer()], 0.0)] == [3, offer().usd_per_hour]
    assert (prices.extremes(one), prices.moves(one)) == ((1, 3), True)
    assert (prices.extremes(offer()), prices.moves(offer())) == ((offer().usd_per_hour,) * 2, False)


def test_prices_and_boot_times_are_read_from_parquet_as_well(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    columns = {
        "offer": ["g6", "g6"],
        "market": ["Spot"] * 2,
        "zone": ["a", None],
        "t_s": [0, 5],
        "usd_per_hour": [1, 2],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    assert set(read_prices(path).steps) == {("g6", "Spot", "a"), ("g6", "Spot", "")}
    pyarrow.parquet.write_table(pyarrow.table({**columns, "usd_per_hour": [1, None]}), path)
    with pytest.raises(TraceError, match="row 2: usd_per_hour is empty"):
        read_prices(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param("g6,Spot,a,0,0\n", "line 2: usd_per_hour is 0", id="nothing is free"),
        pytest.param("g6,Spot,a,0,-1\n", "line 2: usd_per_hour is -1", id="nobody pays us"),
        pytest.param("g6,Spot,a,0,1e6\n", "line 2: usd_per_hour is 1000000", id="a million an hour is absurd"),
        pytest.param("g6,Spot,a,0,nan\n", "line 2: usd_per_hour is nan", id="NaN is no price"),
        pytest.param("g6,spot,a,0,1\n", "line 2: market is 'spot'; it is one of OnDemand", id="a market that is none"),
        pytest.param(
            "g6,Spot,a,5,1\ng6,Spot,a,5,2\n", "line 3: t_s 5 of g6 Spot a does not come", id="one price a time"
        ),
    ],
)
def test_a_mistake_in_prices_is_named_with_its_row(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(TraceError) as refused:
        read_prices(written(tmp_path, "offer,market,zone,t_s,usd_per_hour\n" + rows))
    assert message in str(refused.value)
