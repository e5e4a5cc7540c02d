"""What engines have served: differences of counters, however often and by whom they are read."""

import math
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.counting import Counters, Mark, Marks, begun, counted
from wharfage_autoscaler.metering import Charges
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import NOTHING, Account, Payer, Served
from wharfage_autoscaler.usage import shifted
from wharfage_autoscaler.worth import Weights

HOUR_S = 3600.0
A = Account(Payer("1", "shop", "chat"), ("cloud", "g6", Market.SPOT, ""))
WEIGHTS = Weights(prompt=0.5, cached=0.1)
deeds = st.lists(
    st.tuples(st.integers(1, 4000), st.integers(0, 9), st.integers(0, 5000), st.integers(0, 900), st.booleans()),
    min_size=1,
    max_size=20,
)


def row_of(at_s: float) -> tuple[float, float]:
    return at_s - at_s % HOUR_S, at_s - at_s % HOUR_S + HOUR_S


def look(marks: Marks, at_s: float, counters: Counters, *there: str) -> tuple[Marks, Charges]:
    seen = {"pod/0": Mark(A, at_s, counters)}
    return counted(
        begun(marks, seen, {"pod": 0.0}), seen, there=there or ("pod",), row_of=row_of, weigh=lambda _: WEIGHTS
    )


def total(*charges: Charges) -> Served:
    return sum((spend for each in charges for spend in each.values()), NOTHING).served


@given(deeds)
def test_what_was_served_is_what_was_counted_however_often_somebody_looked(deeds: list[tuple]) -> None:  # type: ignore[type-arg]
    """Of an engine that never started again; some looks are left out, as those of a process that died are."""
    at_s, sums, found = 0.0, Counters(), []
    marks: Marks = {}
    for seconds, requests, prompt, output, looked in [*deeds, (1, 0, 0, 0, True)]:
        at_s += seconds
        sums = Counters(
            sums.requests + requests,
            sums.prompt_tokens + prompt,
            sums.cached_tokens + prompt // 3,
            sums.output_tokens + output,
        )
        if looked:
            marks, charges = look(marks, at_s, sums)
            found.append(charges)
    served = total(*found)
    assert (served.requests, served.prompt_tokens, served.cached_tokens, served.output_tokens) == pytest.approx(
        astuple(sums), abs=1e-6
    )
    assert served.prompt_work == pytest.approx(0.5 * (sums.prompt_tokens - sums.cached_tokens), abs=1e-6)
    assert served.cached_work == pytest.approx(0.1 * sums.cached_tokens, abs=1e-6)


def test_what_was_done_over_hours_is_spread_over_them() -> None:
    marks, _ = look({}, 1800.0, Counters())
    _, charges = look(marks, 3 * HOUR_S, Counters(output_tokens=1000.0))
    assert {row: spend.served.output_tokens for (row, _), spend in charges.items()} == pytest.approx(
        {0.0: 200.0, HOUR_S: 400.0, 2 * HOUR_S: 400.0}
    )


def test_an_engine_that_started_again_counts_from_zero() -> None:
    marks, _ = look({}, 10.0, Counters(5.0, 100.0, 0.0, 50.0))
    _, charges = look(marks, 20.0, Counters(1.0, 20.0, 0.0, 5.0))
    assert total(charges).output_tokens == pytest.approx(5.0)
    assert total(charges).prompt_tokens == pytest.approx(20.0)


def test_what_no_pod_can_have_done_is_not_believed_and_what_it_does_next_is() -> None:
    marks, _ = look({}, 10.0, Counters())
    marks, charges = look(marks, 20.0, Counters(output_tokens=1e12))
    assert total(charges) == Served()
    _, charges = look(marks, 30.0, Counters(output_tokens=1e12 + 70.0))
    assert total(charges).output_tokens == pytest.approx(70.0)


def test_a_pod_that_cannot_be_read_keeps_its_mark_until_it_is_gone() -> None:
    marks, _ = look({}, 10.0, Counters(output_tokens=7.0))
    for there, kept in ((("pod",), marks), ((), {})):
        assert counted(marks, {}, there=there, row_of=row_of, weigh=lambda _: WEIGHTS)[0] == kept


def test_marks_move_with_a_clock_that_is_set() -> None:
    marks, _ = look({}, 10.0, Counters())
    _, charges = look(shifted(marks, 3 * HOUR_S), 20.0 + 3 * HOUR_S, Counters(output_tokens=9.0))
    assert {row for row, _ in charges} == {3 * HOUR_S}


@pytest.mark.parametrize("told", [1e300, float("inf"), float("nan")])
def test_what_no_engine_can_have_done_is_neither_charged_nor_kept(told: float) -> None:
    marks, _ = look({}, 1.0, Counters(1.0, 10.0, 0.0, 5.0))
    marks, charges = look(marks, 2.0, Counters(told, 20.0, 0.0, 9.0))
    assert total(charges).requests == 0.0
    marks, charges = look(marks, 3.0, Counters(3.0, 30.0, 0.0, 15.0))
    assert all(math.isfinite(each) for mark in marks.values() for each in mark.counters.all)
    assert math.isfinite(total(charges).requests)
