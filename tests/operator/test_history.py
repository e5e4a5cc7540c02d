"""Four weeks of load in 16 bits a number: what comes back is what went in, and gaps are still gaps."""

import base64
import math
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_operator.history import ROWS, STEP_S, Row, Rows, read, rows_of, written

T0 = 1_790_000_100  # a multiple of five minutes

rates = st.floats(0.0, 1e7, allow_subnormal=False)
maybe = st.one_of(st.none(), st.builds(Row, rates, rates, rates))


def rows(*figures: Row | None, start_s: int = T0) -> Rows:
    kept = Rows()
    for place, row in enumerate(figures):
        if row is not None:
            kept = kept.with_row(start_s + STEP_S * place, row)
    return kept


def row(requests: float) -> Row:
    return Row(requests, 100 * requests, 50 * requests)


def close(found: Row | None, wanted: Row | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    pairs = zip((found.requests, found.prompt_tokens, found.output_tokens), wanted_of(wanted), strict=True)
    return all(one == pytest.approx(other, rel=1 / 256, abs=1e-30) for one, other in pairs)


def wanted_of(row: Row) -> tuple[float, float, float]:
    return row.requests, row.prompt_tokens, row.output_tokens


@given(st.lists(maybe, min_size=1, max_size=40))
def test_what_is_read_is_what_was_written_and_gaps_stay_gaps(figures: list[Row | None]) -> None:
    kept = rows(*figures)
    assert read(written(kept)) == kept
    begun = next((place for place, each in enumerate(figures) if each is not None), len(figures))
    ended = max((place + 1 for place, each in enumerate(figures) if each is not None), default=0)
    assert all(close(found, each) for found, each in zip(kept, figures[begun:ended], strict=True))


def test_a_time_in_which_nobody_looked_is_a_gap() -> None:
    kept = Rows().with_row(T0, row(1.0)).with_row(T0 + 3 * STEP_S, row(2.0))
    assert [each is None for each in kept] == [False, True, True, False]
    first, *gap, last = kept.rates(lambda each: each.requests)
    assert (first, last) == (1.0, 2.0)
    assert all(map(math.isnan, gap))


def test_nothing_is_kept_longer_than_four_weeks() -> None:
    kept = rows_of(T0, *([1.0] * ROWS for _ in range(3)))
    later = kept.with_row(T0 + STEP_S * (ROWS + 9), row(5.0))
    assert (len(later), later.end_s) == (ROWS, T0 + STEP_S * (ROWS + 10))
    assert later.start_s == T0 + STEP_S * 10
    assert len(kept.with_row(T0 + STEP_S * 3 * ROWS, row(5.0))) == 1


def test_a_row_again_is_the_later_one() -> None:
    assert list(rows(row(1.0), row(2.0)).with_row(T0, row(4.0))) == [row(4.0), row(2.0)]


@pytest.mark.parametrize(
    ("start_s", "figures", "said"),
    [
        pytest.param(T0 + 7, row(1.0), "multiples of 300", id="not on the clock"),
        pytest.param(T0 - STEP_S, row(1.0), "before the first", id="before all others"),
        pytest.param(T0, Row(-1.0, 0.0, 0.0), "no rate", id="negative"),
        pytest.param(T0, Row(math.nan, 0.0, 0.0), "no rate", id="not a number"),
        pytest.param(T0, Row(math.inf, 0.0, 0.0), "no rate", id="infinite"),
    ],
)
def test_a_row_that_cannot_be_is_refused(start_s: int, figures: Row, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rows(row(1.0)).with_row(start_s, figures)


def test_gaps_are_filled_with_what_others_know_and_nothing_else_is_touched() -> None:
    ours = rows(row(1.0), None, row(3.0))
    others = rows(row(7.0), row(7.0), row(7.0), row(7.0), row(7.0), start_s=T0 - STEP_S)
    filled = ours.filled(others)
    assert filled.start_s == T0 - STEP_S
    assert list(filled) == [row(7.0), row(1.0), row(7.0), row(3.0), row(7.0)]
    assert ours.filled(Rows()) == ours
    assert Rows().filled(others) == others


@given(st.lists(maybe, min_size=1, max_size=20), st.lists(maybe, min_size=1, max_size=20), st.integers(-5, 5))
def test_filling_knows_all_that_either_knows(one: list[Row | None], two: list[Row | None], shift: int) -> None:
    first, second = rows(*one), rows(*two, start_s=T0 + STEP_S * shift)
    known = {T0 + STEP_S * (shift + n) for n, each in enumerate(two) if each is not None}
    known |= {T0 + STEP_S * n for n, each in enumerate(one) if each is not None}
    both = first.filled(second)
    assert {both.start_s + STEP_S * n for n, each in enumerate(both) if each is not None} == known


def test_answers_that_are_not_finite_are_gaps() -> None:
    kept = rows_of(T0, (1.0, math.nan, 3.0), (1.0, 1.0, 3.0), (1.0, 1.0, math.inf))
    assert [each is None for each in kept] == [False, True, True]


def test_four_weeks_of_noise_fit_eight_times_over() -> None:
    figures = [[(7919 * (n + 1) * (shift + 3)) % 100_003 / 7.0 for n in range(ROWS)] for shift in range(3)]
    kept = rows_of(T0, *figures)
    assert len(kept) == ROWS
    assert len(written(kept)) <= 512 * 1024 / 7


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("?", id="no base64"),
        pytest.param(base64.b64encode(b"no zlib").decode(), id="not compressed"),
        pytest.param(base64.b64encode(zlib.compress(b"short")).decode(), id="too short"),
        pytest.param(base64.b64encode(zlib.compress(bytes(50_000_000))).decode(), id="a bomb"),
        pytest.param(written(rows(row(1.0)))[:-8], id="cut off"),
        pytest.param(base64.b64encode(zlib.compress(b"new1" + bytes(12))).decode(), id="of another form"),
        pytest.param(
            base64.b64encode(zlib.compress(b"whl1" + (7).to_bytes(8, "little") + bytes(4))).decode(), id="off the clock"
        ),
    ],
)
def test_what_is_no_history_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="history"):
        read(text)


def test_rows_that_a_clock_ahead_has_written_are_cut_off() -> None:
    kept = rows(*(row(float(place)) for place in range(6)))
    assert kept.until(kept.end_s) == kept
    assert kept.until(kept.end_s - 1) == rows(*(row(float(place)) for place in range(5)))
    assert len(kept.until(T0 - 60)) == 0
    assert len(Rows().until(T0)) == 0
