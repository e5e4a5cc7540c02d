"""Prices in, checked rows out; every problem names its row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from wharfage_autoscaler.offers import Market
from wharfage_cli.offers.machines import machines
from wharfage_cli.offers.price import Terms
from wharfage_cli.offers.reading import Reading, read
from wharfage_cli.offers.table import table

NOW = datetime(2026, 8, 1, tzinfo=UTC)
TERMS = Terms(
    provider="aws",
    region="us-east-1",
    now=NOW,
    max_age=timedelta(days=30),
    observed_at=datetime(2026, 7, 20, tzinfo=UTC),
)


def reading(*rows: str, header: str = "machine,price_per_hour", terms: Terms = TERMS) -> Reading:
    return read(table("\n".join((header, *rows)), "p.csv").records, terms, machines(terms.provider))


def test_what_a_machine_holds_comes_from_the_table_of_machines() -> None:
    (price,) = reading("g6e.12xlarge,10.49").prices
    assert (price.accelerator, price.accelerators, price.accelerator_memory_gib) == ("L40S", 4, 48)
    assert (price.vcpus, price.memory_gib, price.per_hour) == (48, 384, Decimal("10.49"))
    assert (price.market, price.zone, price.where) == (Market.ON_DEMAND, "", "p.csv line 2")


def test_a_row_may_say_itself_what_its_machine_holds() -> None:
    header = "machine,accelerator,accelerators,vcpus,memory_gib,price_per_hour,market,zone,interruptions_per_month"
    (price,) = reading("box-7,L4,2,24,96.5,1.1,spot,us-east-1a,0.1", header=header).prices
    assert (price.accelerator, price.accelerators, price.vcpus, price.memory_gib) == ("L4", 2, 24, 96)
    assert (price.market, price.zone, price.interruptions_per_month) == (Market.SPOT, "us-east-1a", Decimal("0.1"))


HOLDS = "machine,accelerator,accelerators,vcpus,memory_gib,price_per_hour"

WRONG = {
    "a price of 0": ("machine,price_per_hour", "g6.xlarge,0", "the price is 0"),
    "a negative price": ("machine,price_per_hour", "g6.xlarge,-1", "price_per_hour is -1: it cannot be negative"),
    "a price that is not a number": ("machine,price_per_hour", "g6.xlarge,NaN", "price_per_hour is 'NaN', which is no"),
    "an infinite price": ("machine,price_per_hour", "g6.xlarge,inf", "price_per_hour is 'inf', which is no number"),
    "a price in words": ("machine,price_per_hour", "g6.xlarge,cheap", "price_per_hour is 'cheap', which is no number"),
    "a price with a currency sign": ("machine,price_per_hour", "g6.xlarge,$1", "price_per_hour is '$1', which is no"),
    "no price": ("machine,price_per_hour", "g6.xlarge,", "has no price"),
    "a price too small to be one": ("machine,price_per_hour", "g6.xlarge,0.00001", "less than 0.0001"),
    "no machine": ("machine,price_per_hour", ",1", "names no machine"),
    "a market that does not exist": ("machine,price_per_hour,market", "g6.xlarge,1,auction", "write OnDemand, Spot or"),
    "a truth that is none": ("machine,price_per_hour,spot", "g6.xlarge,1,maybe", "write true or false"),
    "another currency": (
        "machine,price_per_hour,currency",
        "g6.xlarge,1,EUR",
        "the price is in EUR: pass --usd-per-unit",
    ),
    "a stale price": ("machine,price_per_hour,date", "g6.xlarge,1,2026-06-01", "of 2026-06-01, 61 days ago"),
    "a price of the future": ("machine,price_per_hour,date", "g6.xlarge,1,2026-09-01", "which is still to come"),
    "a date that is none": ("machine,price_per_hour,date", "g6.xlarge,1,yesterday", "'yesterday' is no date"),
    "a negative rate": (
        "machine,price_per_hour,market,interruptions_per_month",
        "g6.xlarge,1,Spot,-1",
        "interruptions_per_month is -1",
    ),
    "reserved machines on demand": ("machine,price_per_hour,count", "g6.xlarge,1,4", "write market Reserved"),
    "half a reserved machine": ("machine,price_per_hour,market,count", "g6.xlarge,1,Reserved,0.5", "counted whole"),
    "a selector without a value": (
        "machine,price_per_hour,node_selector",
        "g6.xlarge,1,gpu",
        "label=value;label=value",
    ),
    "a machine without its memory": (HOLDS, "box,L4,1,8,,1", "vcpus and memory_gib of box are needed"),
}


@pytest.mark.parametrize(("header", "row", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_true_is_a_problem_of_its_row_and_never_a_price(header: str, row: str, says: str) -> None:
    found = reading(row, header=header)
    (problem,) = found.problems
    assert problem.where == "p.csv line 2"
    assert says in problem.message
    assert found.prices == ()


def test_a_price_far_from_its_accelerators_median_is_a_mistake() -> None:
    found = reading("g6.xlarge,0.80", "g6.2xlarge,0.97", "g6.12xlarge,4.60", "g6.48xlarge,13350.4", "g6e.xlarge,1.86")
    (problem,) = found.problems
    assert str(problem).startswith("p.csv line 5: g6.48xlarge costs 1669 per L4 and hour, where the median is 0.97")
    assert len(found.prices) == 4


def test_a_price_in_thousandths_is_a_mistake_too() -> None:
    found = reading("g6.xlarge,0.80", "g6.2xlarge,0.97", "g6.4xlarge,0.0013")
    assert [problem.where for problem in found.problems] == ["p.csv line 4"]


def test_of_two_prices_one_cannot_hide_behind_itself() -> None:
    assert [each.where for each in reading("g6.xlarge,0.80", "g6.2xlarge,977").problems] == ["p.csv line 3"]


def test_a_row_that_stands_there_already_is_named_with_the_first() -> None:
    found = reading("g6.xlarge,0.80", "g6.xlarge,0.81")
    assert [str(each) for each in found.problems] == [
        "p.csv line 3: g6.xlarge OnDemand stands at p.csv line 2 already: leave one of the two"
    ]
    assert [price.per_hour for price in found.prices] == [Decimal("0.80")]


def test_one_table_has_one_currency() -> None:
    terms = replace(TERMS, usd_per_unit=Decimal("1.08"))
    found = reading("g6.xlarge,1,EUR", "g6.2xlarge,1,CHF", header="machine,price_per_hour,currency", terms=terms)
    assert "that of p.csv line 2 in EUR" in found.problems[0].message
    dollars = reading("g6.xlarge,1,USD", header="machine,price_per_hour,currency", terms=terms)
    assert "--usd-per-unit is 1.08" in dollars.problems[0].message


def test_a_table_without_dates_needs_one() -> None:
    found = reading("g6.xlarge,1", terms=replace(TERMS, observed_at=None))
    assert "pass --observed-at" in found.problems[0].message


def test_a_history_is_as_new_as_its_last_change() -> None:
    rows = ("2026-07-30,g6.xlarge,0.8", "2026-07-01,g6.2xlarge,0.9")
    found = reading(*rows, header="first_seen,machine,price_per_hour", terms=replace(TERMS, observed_at=None))
    assert {price.observed_at.date().isoformat() for price in found.prices} == {"2026-07-30"}


def test_what_is_not_known_is_counted_and_left_out() -> None:
    rows = ("g5g.xlarge,0.4,T4g,1,16", "g5g.2xlarge,0.6,T4g,1,16", "c5.large,0.1,,0,", "p9.large,3,,,")
    found = reading(*rows, header="machine,price_per_hour,accelerator,accelerators,accelerator_memory_gib")
    assert {name: count for (_, name), count in found.left_out.items()} == {
        "T4g (16 GiB)": 2,
        "c5.large": 1,
        "p9.large": 1,
    }
    assert (found.prices, found.problems) == ((), ())


def test_a_share_of_an_accelerator_is_left_out() -> None:
    header = "machine,price_per_hour,accelerator,accelerators,vcpus,memory_gib"
    found = reading("g6f.large,0.2,L4,0.125,2,8", "odd,3,L4,1.5,8,32", header=header)
    assert [name for _, name in found.left_out] == ["L4 x0.125", "L4 x1.5"]


def test_rows_of_other_regions_are_not_read() -> None:
    found = reading("g6.xlarge,0.8,us-east-1", "g6.xlarge,nonsense,eu-west-1", header="machine,price_per_hour,region")
    assert (len(found.prices), found.problems) == (1, ())
    assert found.regions == ("eu-west-1", "us-east-1")


@pytest.mark.parametrize(
    ("provider", "location", "zone"),
    [
        pytest.param("aws", "us-east-1", "", id="a region"),
        pytest.param("aws", "us-east-1-bos-1", None, id="a local zone of AWS is a place of its own"),
        pytest.param("gcp", "us-central1-a", "us-central1-a", id="a zone of Google's region"),
        pytest.param("gcp", "us-central10-a", None, id="a zone of another region"),
    ],
)
def test_gpuhunts_location_is_a_region_or_a_zone_of_it(provider: str, location: str, zone: str | None) -> None:
    terms = replace(TERMS, provider=provider, region="us-east-1" if provider == "aws" else "us-central1")
    machine = "g6.xlarge" if provider == "aws" else "g2-standard-4"
    found = reading(f"{machine},0.8,{location}", header="machine,price_per_hour,location", terms=terms)
    assert [price.zone for price in found.prices] == ([] if zone is None else [zone])
