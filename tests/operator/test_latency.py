"""Histograms: exact at an edge, a line between two, and what came between two pages."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_operator.latency import EMPTY, Histogram, between, histogram, late, less, together

INF = math.inf
counts = st.lists(st.integers(0, 1000), min_size=3, max_size=3)


def of(*rows: tuple[float, float]) -> Histogram:
    return histogram(rows)


def packed(increments: list[int]) -> Histogram:
    first, second, third = increments
    return of((1.0, first), (2.5, first + second), (INF, first + second + third))


@pytest.mark.parametrize(
    ("limit_s", "expected"),
    [
        pytest.param(1.0, 2.0, id="at an edge it is counted"),
        pytest.param(2.5, 1.0, id="at the last edge, too"),
        pytest.param(1.75, 1.5, id="inside a bucket it is a line"),
        pytest.param(0.5, 6.0, id="below the first edge the line begins at nothing"),
        pytest.param(100.0, 1.0, id="beyond the last edge all of the rest are late"),
    ],
)
def test_how_many_are_late(limit_s: float, expected: float) -> None:
    assert late(of((1.0, 8.0), (2.5, 9.0), (INF, 10.0)), limit_s) == pytest.approx(expected)


def test_what_is_empty_has_no_late_ones_and_no_percentile() -> None:
    assert late(EMPTY, 1.0) == 0.0
    assert EMPTY.quantile(0.95) is None
    assert of((1.0, 0.0), (INF, 0.0)).quantile(0.95) is None


def test_a_percentile_is_that_of_prometheus_and_beyond_the_last_edge_that_edge() -> None:
    assert of((0.5, 8.0), (1.0, 10.0), (INF, 10.0)).quantile(0.95) == pytest.approx(0.875)
    assert of((0.5, 1.0), (1.0, 2.0), (INF, 100.0)).quantile(0.95) == 1.0


def test_a_histogram_that_falls_is_none() -> None:
    with pytest.raises(ValueError, match="counts fall"):
        of((1.0, 5.0), (INF, 4.0))


def test_buckets_without_an_infinite_one_are_no_histogram() -> None:
    assert of((1.0, 5.0)) == EMPTY


def test_two_releases_with_other_edges_are_added_up_on_all_of_them() -> None:
    both = together([of((1.0, 4.0), (INF, 4.0)), of((0.5, 2.0), (2.0, 4.0), (INF, 6.0)), EMPTY])
    assert both.edges == (0.5, 1.0, 2.0, INF)
    assert both.counts == pytest.approx(array("d", (4.0, 2.0 + 2 / 3 + 4.0, 8.0, 10.0)))


@given(counts, counts, counts)
def test_adding_up_does_not_look_at_the_order(one: list[int], two: list[int], three: list[int]) -> None:
    told = [packed(each) for each in (one, two, three)]
    assert together(told) == together(told[::-1])


@given(counts, counts)
def test_what_came_since_is_what_has_to_be_added(before: list[int], since: list[int]) -> None:
    first, more = packed(before), packed(since)
    assert less(together([first, more]), first) == more


@given(counts, counts, st.floats(0.0, 1.0))
def test_a_moment_between_two_lies_between_them(before: list[int], since: list[int], share: float) -> None:
    first = packed(before)
    last = together([first, packed(since)])
    middle = between(first, last, share)
    assert all(a - 1e-9 <= m <= b + 1e-9 for a, m, b in zip(first.counts, middle.counts, last.counts, strict=True))
