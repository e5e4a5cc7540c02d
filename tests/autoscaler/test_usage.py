"""What tenants used, from counters that gateways tell now and then, of which some begin anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Used
from wharfage_autoscaler.usage import KEPT_S, Usage, Usages, shifted, used

HOUR_S = 3600.0
CHAT = Account(Payer("1", "shop", "chat"), ("cloud", "g6", Market.SPOT, ""))
ACCOUNTS = {("shop", "chat"): CHAT}


def row_of(at_s: float) -> tuple[float, float]:
    begins_s = at_s - at_s % HOUR_S
    return begins_s, begins_s + HOUR_S


def told(at_s: float, tokens: float, *, began_s: float = 0.0, tenant: str = "ann", name: str = "chat") -> Usage:
    return Usage("shop", began_s, at_s, {(name, tenant): Used(tokens / 10, tokens, 2 * tokens)})


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 1000)), max_size=12))
def test_what_was_used_is_what_was_counted_however_often_somebody_looked(looks: list[tuple[int, int]]) -> None:
    marks: Usages = {}
    at_s, count, found = 0.0, 0.0, Used()
    for seconds, tokens in looks:
        at_s, count = at_s + seconds, count + tokens
        marks, charges = used(marks, {"a@0": told(at_s, count)}, ACCOUNTS, since_s=0.0, row_of=row_of)
        found = sum((each for spend in charges.values() for _, each in spend.tenants), found)
    assert found.prompt_tokens == pytest.approx(count)
    assert found.output_tokens == pytest.approx(2 * count)


def test_what_was_used_over_hours_is_spread_over_them() -> None:
    marks = {"a@0": told(HOUR_S / 2, 0.0)}
    _, charges = used(marks, {"a@0": told(2 * HOUR_S, 300.0)}, ACCOUNTS, since_s=0.0, row_of=row_of)
    assert {begins_s: spend.tenants[0][1].prompt_tokens for (begins_s, _), spend in charges.items()} == {
        0.0: pytest.approx(100.0),
        HOUR_S: pytest.approx(200.0),
    }


def test_a_gateway_that_began_anew_counts_from_its_beginning_and_the_old_one_is_not_counted_again() -> None:
    marks: Usages = {"a@0": told(100.0, 50.0)}
    seen = {"a@150": told(200.0, 20.0, began_s=150.0)}
    marks, charges = used(marks, seen, ACCOUNTS, since_s=0.0, row_of=row_of)
    assert [spend.tenants for spend in charges.values()] == [(("ann", Used(2.0, 20.0, 40.0)),)]
    assert marks.keys() == {"a@0", "a@150"}
    _, charges = used(marks, {"a@0": told(300.0, 50.0)}, ACCOUNTS, since_s=0.0, row_of=row_of)
    assert charges == {}


def test_what_was_counted_before_there_was_a_ledger_is_none_of_it() -> None:
    marks, charges = used({}, {"a@0": told(100.0, 50.0)}, ACCOUNTS, since_s=60.0, row_of=row_of)
    assert charges == {}
    _, charges = used(marks, {"a@0": told(110.0, 60.0)}, ACCOUNTS, since_s=60.0, row_of=row_of)
    assert [spend.tenants for spend in charges.values()] == [(("ann", Used(1.0, 10.0, 20.0)),)]


def test_a_gateway_that_was_forgotten_is_not_counted_twice() -> None:
    marks: Usages = {"a@0": told(0.0, 50.0), "b@0": told(0.0, 0.0)}
    marks, _ = used(marks, {"b@0": told(KEPT_S + 1.0, 0.0)}, ACCOUNTS, since_s=0.0, row_of=row_of)
    assert marks.keys() == {"b@0"}
    _, charges = used(marks, {"a@0": told(KEPT_S + 2.0, 60.0)}, ACCOUNTS, since_s=0.0, row_of=row_of)
    assert charges == {}


def test_a_deployment_that_is_not_booked_is_none_and_what_no_gateway_can_have_counted_neither() -> None:
    marks = {"a@0": told(0.0, 0.0)}
    unknown = {"a@0": told(1.0, 5.0, name="gone")}
    assert used(marks, unknown, ACCOUNTS, since_s=0.0, row_of=row_of)[1] == {}
    assert used(marks, {"a@0": told(1.0, 1e9)}, ACCOUNTS, since_s=0.0, row_of=row_of)[1] == {}


def test_marks_move_with_a_clock_that_is_set() -> None:
    assert shifted({"a@0": told(5.0, 1.0)}, -2.0) == {"a@0": told(3.0, 1.0)}
