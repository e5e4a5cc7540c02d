"""Rows of the ledger and their sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.ledger import DAY_S, Ledger, Totals, by_day, totals
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Spend

SPOT, BOOKED = ("cloud", "g6", Market.SPOT, "a"), ("cloud", "g6", Market.ON_DEMAND, "")
ALICE, BOB = Payer("1", "shop", "alice"), Payer("2", "shop", "bob")
accounts = st.builds(
    Account,
    st.sampled_from([ALICE, BOB]),
    st.sampled_from([SPOT, BOOKED]),
    st.sampled_from([(), ("month",), ("month", "team")]),
)
spends = st.builds(Spend, *[st.integers(0, 100).map(float)] * 4)
charges = st.dictionaries(st.tuples(st.integers(0, 72).map(lambda hour: hour * 3600.0), accounts), spends, max_size=20)


def test_what_is_posted_adds_up_by_row_and_account() -> None:
    account = Account(ALICE, SPOT, ("month",))
    ledger = Ledger().posted({(0.0, account): Spend(serving=1.0)}).posted({(0.0, account): Spend(idle=2.0)})
    assert ledger.rows == {0.0: {account: Spend(serving=1.0, idle=2.0)}}


@given(charges, charges)
def test_no_dollar_is_lost_or_doubled_on_the_way_to_the_sums(first: dict, second: dict) -> None:  # type: ignore[type-arg]
    ledger = Ledger().posted(first).posted(second)
    assert ledger.spend.usd == sum(spend.usd for each in (first, second) for spend in each.values())
    sums = totals(ledger)
    paid = sum(sums.of_payer(payer.uid, 0.0, 4 * DAY_S).usd for payer in (ALICE, BOB))
    assert paid == ledger.spend.usd
    under = sum(
        spend.usd for row in ledger.rows.values() for account, spend in row.items() if "team" in account.budgets
    )
    assert sums.of_budget("team", 0.0, 4 * DAY_S).usd == under
    assert by_day(ledger).spend == ledger.spend
    assert totals(by_day(ledger)).by_payer == sums.by_payer


@given(charges, charges)
def test_sums_of_two_ledgers_are_those_of_both(first: dict, second: dict) -> None:  # type: ignore[type-arg]
    both = totals(Ledger().posted(first)) + totals(Ledger().posted(second))
    assert both == totals(Ledger().posted(first).posted(second))


def test_rows_that_are_written_twice_are_the_same() -> None:
    account = Account(ALICE, SPOT)
    late = {0.0: {account: Spend(serving=3.0)}}
    ledger = Ledger({0.0: {account: Spend(serving=2.0)}, 3600.0: {account: Spend(serving=5.0)}})
    assert ledger.replaced(late).replaced(late).spend.usd == 8.0


def test_a_budget_counts_the_rows_that_begin_in_its_period() -> None:
    account = Account(ALICE, SPOT, ("month",))
    ledger = Ledger({begins_s: {account: Spend(serving=1.0)} for begins_s in (0.0, 900.0, 3600.0)})
    assert totals(ledger).of_budget("month", 900.0, 3600.0).usd == 1.0
    assert totals(ledger).of_budget("month", 0.0, 3601.0).usd == 3.0
    assert totals(ledger).of_budget("another", 0.0, 3601.0).usd == 0.0


def test_what_is_too_old_is_forgotten() -> None:
    account = Account(ALICE, SPOT, ("month",))
    ledger = Ledger({day * DAY_S: {account: Spend(serving=1.0)} for day in range(3)})
    kept = totals(ledger).since(2 * DAY_S)
    assert kept.of_budget("month", 0.0, 9 * DAY_S).usd == 1.0
    assert totals(ledger).since(9 * DAY_S) == Totals()


def test_estimated_dollars_are_among_the_others() -> None:
    assert Spend(serving=1.0, idle=2.0, startup=3.0, estimated=4.0).usd == pytest.approx(6.0)
