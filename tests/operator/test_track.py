"""One pod's counters through restarts, gaps and lies: the same work, however often one looked."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_operator.readings import Engine, Reading
from wharfage_operator.track import Point, Track, begun, told

from tests.operator.readings import seen_at

WINDOW_S = 60.0

increments = st.lists(st.integers(0, 1000), min_size=2, max_size=30)


def after(readings: Sequence[Reading], track: Track = Track()) -> Track:  # noqa: B008 - immutable
    for each in readings:
        following = told(track, each, window_s=WINDOW_S)
        assert following is not None
        track = following
    return track


def counted(at_s: float, tokens: float) -> Reading:
    """A pod that has finished a tenth as many requests as it wrote tokens."""
    engine = Engine(finished=tokens / 10, prompt_tokens=10 * tokens, output_tokens=tokens)
    return Reading(at_s, {"0": engine})


def tokens(track: Track) -> float:
    return track.points[-1].output_tokens - track.points[0].output_tokens


@given(increments, st.data())
def test_the_work_between_two_moments_does_not_depend_on_how_often_one_looked(
    steps: list[int], data: st.DataObject
) -> None:
    totals = list(accumulate(steps))
    readings = [counted(15.0 * (place + 1), total) for place, total in enumerate(totals)]
    kept = data.draw(
        st.lists(st.sampled_from(readings[1:-1]), unique_by=lambda each: each.at_s) if readings[2:] else st.just([])
    )
    some = [readings[0], *sorted(kept, key=lambda each: each.at_s), readings[-1]]
    assert tokens(after(some)) == tokens(after(readings)) == totals[-1] - totals[0]


@given(increments, st.floats(0.0, 500.0))
def test_two_parts_of_a_time_hold_together_what_the_whole_holds(steps: list[int], middle_s: float) -> None:
    track = after([counted(15.0 * place, total) for place, total in enumerate(accumulate(steps))])
    first, last = track.points[0], track.points[-1]
    middle = track.at(middle_s)
    whole = last.output_tokens - first.output_tokens
    parts = (middle.output_tokens - first.output_tokens) + (last.output_tokens - middle.output_tokens)
    assert parts == pytest.approx(whole)
    assert first.output_tokens <= middle.output_tokens <= last.output_tokens


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=20))
def test_an_engine_that_starts_again_counts_from_zero(steps: list[tuple[int, bool]]) -> None:
    """It is noticed where any counter fell; where all have passed what they were, nobody can."""
    readings, total, sums = [counted(0.0, 5000.0)], 5000.0, 0.0
    for place, (more, again) in enumerate(steps):
        if again:
            noticed = more < total
            sums += more if noticed else more - total
            total = float(more)
        else:
            sums += more
            total += more
        readings.append(counted(15.0 * (place + 1), total))
    assert tokens(after(readings)) == pytest.approx(sums)


def test_requests_that_came_and_are_not_done_have_come() -> None:
    track = after([seen_at(0.0, waiting=0.0, running=0.0), seen_at(15.0, waiting=6.0, running=3.0)])
    assert track.points[-1].arrived == 6.0
    track = after([seen_at(30.0, waiting=2.0, first_tokens={0.001: 10.0, 0.1: 4.0})], track)
    assert track.points[-1].arrived == 6.0  # four of them have begun meanwhile


def test_what_was_refused_has_come() -> None:
    track = after([seen_at(0.0, refused=5.0), seen_at(15.0, refused=9.0), seen_at(30.0, refused=2.0)])
    assert track.points[-1].arrived == 4.0 + 2.0


def test_one_engine_of_two_starts_again_and_the_other_loses_nothing() -> None:
    def both(at_s: float, first: float, second: float) -> Reading:
        return Reading(at_s, {"0": Engine(output_tokens=first), "1": Engine(output_tokens=second)})

    assert tokens(after([both(0.0, 100.0, 5000.0), both(15.0, 130.0, 20.0)])) == 30.0 + 20.0


def test_an_engine_that_one_page_lacks_goes_on_where_it_was() -> None:
    pages = [
        Reading(0.0, {"0": Engine(output_tokens=100.0), "1": Engine(output_tokens=5000.0)}),
        Reading(15.0, {"0": Engine(output_tokens=110.0)}),
        Reading(30.0, {"0": Engine(output_tokens=120.0), "1": Engine(output_tokens=5030.0)}),
    ]
    assert tokens(after(pages)) == 20.0 + 30.0


def test_what_came_before_the_first_reading_is_not_known_unless_the_pod_is_new() -> None:
    old, new = after([counted(15.0, 900.0)]), after([counted(15.0, 900.0)], begun(0.0))
    assert (old.known, old.points) == (False, (Point(15.0),))
    assert (new.known, tokens(new)) == (True, 900.0)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(counted(15.0, 1e9), id="more tokens than any accelerator writes"),
        pytest.param(Reading(15.0, {"0": Engine(finished=1e6)}), id="more requests than a server takes"),
        pytest.param(Reading(15.0, {"0": Engine(waiting=1e7)}), id="a queue out of nowhere"),
        pytest.param(counted(0.0, 10.0), id="at the same moment"),
    ],
)
def test_what_no_pod_can_have_done_is_not_believed(lie: Reading) -> None:
    assert told(after([counted(0.0, 0.0)]), lie, window_s=WINDOW_S) is None


def test_hours_take_no_more_room_than_the_longest_window_needs() -> None:
    track = after([counted(15.0 * place, float(place)) for place in range(3 * 240)])
    last_s = track.points[-1].at_s
    assert len(track.points) <= 45
    assert track.points[0].at_s <= last_s - 30 * WINDOW_S
    assert all(
        track.at(last_s - back).output_tokens == pytest.approx((last_s - back) / 15.0) for back in (15, 60, 300, 1800)
    )


def test_an_idle_pod_holds_its_histogram_once() -> None:
    track = after([seen_at(15.0 * place) for place in range(10)])
    assert len({id(point.ttft) for point in track.points[1:]}) == 1


def test_latencies_are_those_that_came_within() -> None:
    readings = [seen_at(0.0, first_tokens={0.3: 5.0}), seen_at(60.0, first_tokens={0.3: 5.0, 3.0: 2.0})]
    came = after(readings).points[-1].ttft
    assert (came.total, came.within(1.0)) == (2.0, 0.0)
