"""Dollars by tenant add up to the ledger, whatever gateways and engines have counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.attribution import split
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Served, Spend, Used, merged
from wharfage_autoscaler.tenants import NO_TENANT, NOTHING_SERVED, OTHERS, by_tenant, fewer

OFFER = ("cloud", "g6", Market.SPOT, "")
CHAT, OTHER = (Account(Payer(uid, "shop", uid), OFFER) for uid in ("chat", "other"))
ON_DEMAND = Account(CHAT.payer, (*OFFER[:2], Market.ON_DEMAND, ""))
counts = st.floats(0.0, 1e9)
tenants = st.dictionaries(st.sampled_from(["", "ann", "bob", OTHERS]), st.builds(Used, counts, counts, counts))
dollars = st.floats(0.0, 1e4)
spends = st.builds(
    Spend,
    *[dollars] * 7,
    served=st.one_of(st.just(Served()), st.builds(Served, *[counts] * 6)),
    tenants=tenants.map(lambda found: tuple(sorted(found.items()))),
)
ledgers = st.builds(
    Ledger,
    st.dictionaries(
        st.integers(0, 1).map(float), st.dictionaries(st.sampled_from([CHAT, ON_DEMAND, OTHER]), spends), max_size=2
    ),
)


@given(ledgers)
def test_dollars_and_tokens_of_tenants_add_up_to_the_ledger(ledger: Ledger) -> None:
    parts = [part.spend for part in by_tenant(ledger).values()]
    whole = ledger.spend
    for name in ("usd", "idle", "startup", "estimated", "replica_hours", "machine_hours", "interruptions"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(getattr(whole, name), rel=1e-6, abs=1e-6)
    for name in ("requests", "prompt_tokens", "cached_tokens", "output_tokens", "work"):
        told = sum(getattr(part.served, name) for part in parts)
        assert told == pytest.approx(getattr(whole.served, name), rel=1e-6, abs=1e-3)
    assert all(part.usd >= 0.0 for part in parts)


def test_a_tenant_pays_for_the_time_that_its_tokens_took() -> None:
    """A thousand prompt tokens at a tenth, 300 of output: 400 of work. Ann has the answers, Bob the prompts."""
    served = Served(4.0, 1000.0, 0.0, 300.0, prompt_work=100.0)
    told = (("ann", Used(3.0, 0.0, 300.0)), ("bob", Used(1.0, 1000.0, 0.0)))
    found = by_tenant(Ledger({0.0: {CHAT: Spend(serving=7.0, idle=1.0, served=served, tenants=told)}}))
    assert {name: part.spend.usd for name, part in found.items()} == pytest.approx({"shop/ann": 6.0, "shop/bob": 2.0})
    assert found["shop/ann"].spend.idle == pytest.approx(0.75)
    assert split(found["shop/bob"].spend).prompt == pytest.approx(2.0)
    assert found["shop/ann"].spend.served.requests == pytest.approx(3.0)


def test_what_no_gateway_saw_belongs_to_no_tenant_and_an_hour_without_work_to_nobody() -> None:
    served = Served(4.0, 1000.0, 0.0, 300.0, prompt_work=100.0)
    half = (("", Used(1.0, 0.0, 75.0)), ("ann", Used(2.0, 500.0, 150.0)))
    rows = {
        0.0: {CHAT: Spend(serving=8.0, served=served, tenants=half), OTHER: Spend(serving=1.0, served=served)},
        3600.0: {CHAT: Spend(serving=2.0)},
    }
    found = {name: part.spend.usd for name, part in by_tenant(Ledger(rows)).items()}
    assert found == pytest.approx({"shop/ann": 4.0, NO_TENANT: 5.0, NOTHING_SERVED: 2.0})


def test_a_machine_that_starts_in_a_used_hour_is_paid_by_those_who_use_it() -> None:
    served = Served(1.0, 0.0, 0.0, 100.0)
    told = (("ann", Used(1.0, 0.0, 100.0)),)
    row = {CHAT: Spend(serving=3.0, served=served, tenants=told), ON_DEMAND: Spend(startup=1.0)}
    found = by_tenant(Ledger({0.0: row}))
    assert found.keys() == {"shop/ann"}
    assert found["shop/ann"].spend.startup == pytest.approx(1.0)


def test_tokens_of_gateways_alone_share_out_the_dollars_where_no_engine_was_read() -> None:
    told = (("ann", Used(1.0, 1000.0, 40.0)), ("bob", Used(1.0, 0.0, 100.0)))
    found = by_tenant(Ledger({0.0: {CHAT: Spend(serving=2.0, tenants=told)}}))
    assert {name: part.spend.usd for name, part in found.items()} == pytest.approx({"shop/ann": 1.0, "shop/bob": 1.0})


@given(tenants, st.integers(2, 5))
def test_fewer_tenants_have_all_that_they_had(found: dict[str, Used], most: int) -> None:
    told = tuple(sorted(found.items()))
    kept = fewer(told, most)
    assert len(kept) <= max(most, 1)
    assert sum(used.tokens for _, used in kept) == pytest.approx(sum(used.tokens for used in found.values()))
    assert merged((), kept) == kept


def test_whoever_had_no_key_is_none_of_the_others() -> None:
    told = (("", Used(1.0, 0.0, 1.0)), *((f"t{n}", Used(1.0, float(n + 2), 0.0)) for n in range(4)))
    assert fewer(told, 3) == (("", Used(1.0, 0.0, 1.0)), (OTHERS, Used(3.0, 9.0, 0.0)), ("t3", Used(1.0, 5.0)))


def test_those_with_the_most_tokens_are_named() -> None:
    told = tuple((f"t{n}", Used(1.0, float(n), 0.0)) for n in range(5))
    assert fewer(told, 3) == ((OTHERS, Used(3.0, 3.0, 0.0)), ("t3", Used(1.0, 3.0)), ("t4", Used(1.0, 4.0)))
