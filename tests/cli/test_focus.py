"""FOCUS rows by the specification's own words; the official validator has a suite of its own (`make test-focus`)."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Used
from wharfage_cli.reporting.focus import Cluster, rows, rows_by_tenant, written
from wharfage_cli.reporting.prices import prices

from tests.ledgers import CATALOG, HOUR_S, NOW_S, batch, chat, hour, ledger

DAY = ledger().between(NOW_S - 24 * HOUR_S, NOW_S)
FOUND = rows(DAY, prices([CATALOG]), Cluster("uid", "lab"))
NULLS = {
    *("AvailabilityZone", "CapacityReservationId", "CapacityReservationStatus", "ChargeClass", "InvoiceId"),
    *("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity"),
    *("CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit", "x_CostPerMillionTokens"),
}
"""Columns that may be null."""


def test_effective_costs_add_up_to_the_ledger() -> None:
    assert float(sum(Decimal(row["EffectiveCost"]) for row in FOUND)) == pytest.approx(DAY.spend.usd, abs=1e-6)
    assert len(FOUND) == 24 * 3


def test_rows_of_tenants_are_parts_of_those_of_the_ledger_and_named_in_their_tags() -> None:
    told = (("ann", Used(1.0, 900.0, 220.0)),)
    parted = Ledger(
        {
            begins_s: {
                account: replace(spend, tenants=told if account == chat() else ()) for account, spend in row.items()
            }
            for begins_s, row in DAY.rows.items()
        }
    )
    found = rows_by_tenant(parted, prices([CATALOG]), Cluster("uid", "lab"))
    tags = {json.dumps(json.loads(row["Tags"]), sort_keys=True) for row in found}
    assert tags == {'{"team": "data"}', '{"team": "search"}', '{"team": "search", "tenant": "ann"}'}
    assert float(sum(Decimal(row["EffectiveCost"]) for row in found)) == pytest.approx(DAY.spend.usd, abs=1e-6)
    assert found[0].keys() == FOUND[0].keys()


@pytest.mark.parametrize("column", sorted(FOUND[0].keys() - NULLS))
def test_a_column_that_may_not_be_null_is_not(column: str) -> None:
    assert all(row[column] for row in FOUND)


@pytest.mark.parametrize("column", [name for name in FOUND[0] if name.endswith(("Cost", "Quantity", "UnitPrice"))])
def test_numbers_are_plain_decimals(column: str) -> None:
    assert all(re.fullmatch(r"\d+(\.\d+)?|", row[column]) for row in FOUND)


def test_charges_are_of_hours_within_their_billing_month() -> None:
    for row in FOUND:
        begins, ends, month, next_month = (
            datetime.fromisoformat(row[name])
            for name in ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")
        )
        assert (ends - begins).total_seconds() == HOUR_S
        assert month <= begins < ends <= next_month
        assert month.day == next_month.day == 1


def test_a_list_cost_is_its_unit_price_times_its_quantity() -> None:
    for row in FOUND:
        assert Decimal(row["ListCost"]) == Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"])
        assert row["PricingUnit"] == row["ConsumedUnit"] == "GPU-Hours"


@pytest.mark.parametrize(
    ("market", "category"),
    [(Market.ON_DEMAND, "Standard"), (Market.SPOT, "Dynamic"), (Market.RESERVED, "Committed")],
)
def test_markets_are_pricing_categories(market: Market, category: str) -> None:
    (row,) = rows(Ledger({NOW_S: {chat(market): hour(0.3, 1.0, 10.0)}}), prices([CATALOG]), Cluster("uid", "lab"))
    assert row["PricingCategory"] == category


def test_a_machine_that_no_catalog_has_is_counted_in_instance_hours_at_what_was_paid() -> None:
    (row,) = rows(Ledger({NOW_S: {batch(): hour(2.0, 1.0, 10.0)}}), prices([]), Cluster("uid", "lab"))
    assert (row["ConsumedUnit"], row["ListCost"], row["EffectiveCost"]) == ("Instance-Hours", "2", "2")
    assert row["ProviderName"] == "cloud"


def test_an_hour_that_a_period_cut_ends_with_its_hour() -> None:
    (row,) = rows(Ledger({NOW_S + 900.0: {batch(): hour(2.0, 0.75, 10.0)}}), prices([]), Cluster("uid", "lab"))
    assert row["ChargePeriodStart"].endswith("12:15:00Z")
    assert row["ChargePeriodEnd"].endswith("13:00:00Z")


def test_it_is_read_as_it_was_written() -> None:
    assert list(csv.DictReader(io.StringIO(written(FOUND)))) == FOUND
    assert json.loads(FOUND[0]["Tags"]) == {"team": "data"}
    assert written([]) == ""
