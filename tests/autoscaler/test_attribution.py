"""Parts of the ledger add up to it, to the cent."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wharfage_autoscaler.attribution import Share, attributed, in_cents, shared_out, split
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Served, Spend

SPOT, BOOKED = ("cloud", "g6", Market.SPOT, "a"), ("cloud", "g6", Market.ON_DEMAND, "")
accounts = st.builds(
    Account,
    st.builds(
        Payer,
        st.sampled_from("123"),
        st.just("shop"),
        st.just("chat"),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from("xy"),
    ),
    st.sampled_from([SPOT, BOOKED]),
)
dollars, tokens = st.floats(0.0, 1e5), st.floats(0.0, 1e9)
spends = st.builds(
    Spend,
    dollars,
    dollars,
    dollars,
    served=st.one_of(st.just(Served()), st.builds(Served, *[tokens] * 6)),
)
ledgers = st.builds(
    Ledger, st.dictionaries(st.integers(0, 9).map(float), st.dictionaries(accounts, spends, max_size=4), max_size=6)
)


@given(ledgers)
def test_teams_models_and_tokens_add_up_to_the_ledger(ledger: Ledger) -> None:
    for name_of in (lambda account: account.payer.team, lambda account: account.payer.model, lambda account: ""):
        shares = attributed(ledger, name_of)
        total = sum(shares.values(), Share())
        assert total.spend.usd == pytest.approx(ledger.spend.usd, abs=1e-6)
        assert total.split.usd == pytest.approx(ledger.spend.usd, abs=1e-6)
        assert sum(in_cents(share.spend.usd for share in shares.values())) == round(100 * ledger.spend.usd)


@given(st.lists(dollars, max_size=9))
def test_cents_add_up_to_the_rounded_sum_and_none_is_off_by_a_cent(usd: list[float]) -> None:
    cents = in_cents(usd)
    assert sum(cents) == round(sum(100 * amount for amount in usd))
    assert all(abs(cent - 100 * amount) < 1 for cent, amount in zip(cents, usd, strict=True))


@given(dollars, st.dictionaries(st.text(max_size=3), tokens, max_size=6))
@example(usd=1.5, work={"": 5e-324})
def test_what_tenants_pay_adds_up_to_what_is_shared(usd: float, work: dict[str, float]) -> None:
    found = shared_out(usd, work)
    assert sum(found.values()) == pytest.approx(usd if sum(work.values()) > 0.0 else 0.0)


def test_dollars_follow_the_time_that_tokens_took() -> None:
    """Ten dollars of an hour: 1,000 computed tokens at a tenth of one of output, 900 cached, 300 of output."""
    served = Served(3.0, 1900.0, 900.0, 300.0, prompt_work=100.0, cached_work=0.0)
    found = split(Spend(serving=7.0, idle=2.0, startup=1.0, served=served))
    assert (found.prompt, found.cached, found.output, found.unused) == pytest.approx((2.5, 0.0, 7.5, 0.0))
    share = Share(Spend(serving=10.0, served=served), found)
    assert share.usd_per_million_output == pytest.approx(25_000.0)
    assert share.usd_per_million_prompt == pytest.approx(2_500.0)
    assert share.usd_per_million == pytest.approx(10.0 / 2200 * 1e6)


def test_an_hour_in_which_nothing_was_served_is_unused_and_costs_no_token() -> None:
    share = Share(Spend(serving=5.0), split(Spend(serving=5.0)))
    assert share.split.unused == 5.0
    assert math.isnan(share.usd_per_million)


def test_work_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="work of a"):
        shared_out(1.0, {"a": -1.0})
