"""The load of a deployment out of its pods' tracks: windows, objectives, pods that come, go, hang and start again."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives
from wharfage_operator.measured import load
from wharfage_operator.readings import Reading
from wharfage_operator.track import Track, begun, told

from tests.operator.readings import seen_at

WINDOW_S, EVERY_S = 60.0, 15.0
OBJECTIVES = Objectives(ttft_p95_s=2.5, tpot_p95_s=0.1)


def track(readings: Sequence[Reading], start: Track = Track()) -> Track:  # noqa: B008 - immutable
    for each in readings:
        following = told(start, each, window_s=WINDOW_S)
        assert following is not None
        start = following
    return start


def steady(rate: float, *, first_s: float = 0.0, last_s: float = 600.0, new: bool = False) -> Track:
    """A pod that finishes so many requests a second, each of 100 prompt and 50 output tokens."""
    start = begun(first_s) if new else Track()
    moments = [first_s + EVERY_S * n for n in range(int(new), int((last_s - first_s) / EVERY_S) + 1)]
    return track([served(at_s, rate * (at_s - first_s)) for at_s in moments], start)


def served(at_s: float, requests: float, *, late: float = 0.0, slow: float = 0.0) -> Reading:
    """A pod that has finished so many requests, some of which began late or went on slowly."""
    return seen_at(
        at_s,
        waiting=0.0,
        finished=requests,
        prompt_tokens=100 * requests,
        output_tokens=50 * requests,
        first_tokens={0.3: requests - late, 4.0: late},
        further_tokens={0.04: requests - slow, 0.3: slow},
    )


def load_of(tracks: Mapping[str, Track], *, ready: Sequence[str] | None = None, now_s: float = 605.0) -> Load | None:
    return load(
        tracks,
        list(tracks) if ready is None else ready,
        OBJECTIVES,
        now_s=now_s,
        window_s=WINDOW_S,
        stale_s=3 * EVERY_S,
    )


def known(tracks: Mapping[str, Track], *, ready: Sequence[str] | None = None, now_s: float = 605.0) -> Load:
    found = load_of(tracks, ready=ready, now_s=now_s)
    assert found is not None
    return found


def rates(seen: Load) -> tuple[float | None, float, float | None]:
    return seen.requests_per_second_15s, seen.requests_per_second, seen.requests_per_second_5m


def test_rates_and_gauges_add_up_over_pods() -> None:
    seen = known({"a": steady(2.0), "b": steady(1.0)})
    assert rates(seen) == pytest.approx((3.0, 3.0, 3.0))
    assert seen.requests_finished_per_second == pytest.approx(3.0)
    assert (seen.prompt_tokens_per_second, seen.output_tokens_per_second) == pytest.approx((300.0, 150.0))
    assert (seen.running, seen.waiting, seen.kv_used, seen.window_s) == (6.0, 0.0, 0.25, 60.0)


def test_a_step_shows_in_the_short_window_first() -> None:
    before = [served(EVERY_S * n, EVERY_S * n) for n in range(40)]
    after = [served(600.0 + 15.0, 585.0 + 15.0 + 150.0)]
    seen = known({"a": track([*before, served(600.0, 600.0), *after])}, now_s=615.0)
    assert rates(seen) == pytest.approx((10.0, (45 + 150) / 60, (285 + 150) / 300))


def test_requests_that_only_wait_are_demand() -> None:
    idle = [seen_at(EVERY_S * n, waiting=0.0) for n in range(40)]
    seen = known({"a": track([*idle, seen_at(600.0, waiting=30.0)])})
    assert seen.requests_per_second_15s == pytest.approx(2.0)
    assert seen.requests_finished_per_second == 0.0
    assert seen.waiting == 30.0


def test_a_queue_that_shrinks_is_no_negative_demand() -> None:
    seen = known({"a": track([seen_at(0.0, waiting=50.0), seen_at(60.0, waiting=0.0)])}, now_s=60.0)
    assert rates(seen) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("new", [True, False], ids=["a pod that is new", "a pod of before the operator's start"])
def test_a_time_that_was_not_seen_is_left_out(new: bool) -> None:
    seen = known({"a": steady(2.0, first_s=570.0, new=new)})
    assert rates(seen) == pytest.approx((2.0, 2.0, 2.0))
    assert seen.window_s == 30.0


def test_replacing_a_pod_moves_no_rate() -> None:
    """One goes at 450 s, its successor serves from then on: neither a dip nor a spike in any window."""
    steady_ones = {"a": steady(2.0), "b": steady(2.0)}
    replaced = {"a": steady(2.0), "b": steady(2.0, last_s=450.0), "c": steady(2.0, first_s=450.0, new=True)}
    assert rates(known(replaced, ready=["a", "c"])) == pytest.approx(rates(known(steady_ones)))
    assert known(replaced, ready=["a", "c"]).running == known(steady_ones).running


def test_a_pod_that_goes_fades_out_of_the_long_window() -> None:
    seen = known({"a": steady(2.0), "b": steady(2.0, last_s=450.0)}, ready=["a"])
    assert rates(seen) == pytest.approx((2.0, 2.0, 2.0 + 2.0 * 150 / 300))


def test_a_restart_makes_no_spike() -> None:
    readings = [served(EVERY_S * n, 10_000.0 + EVERY_S * n) for n in range(38)]
    readings += [served(570.0 + EVERY_S * n, EVERY_S * n) for n in range(3)]
    assert rates(known({"a": track(readings)})) == pytest.approx((1.0, 0.75, 0.95), abs=0.05)


def test_a_pod_that_hangs_does_what_the_others_do() -> None:
    tracks = {"a": steady(2.0), "b": steady(2.0), "hung": steady(2.0, last_s=300.0)}
    seen = known(tracks)
    assert rates(seen)[:2] == pytest.approx((6.0, 6.0))
    assert seen.running == 9.0


@pytest.mark.parametrize(
    ("tracks", "ready"),
    [
        pytest.param({}, [], id="no pod"),
        pytest.param({"a": steady(2.0)}, [], id="no pod that is ready"),
        pytest.param({"a": steady(2.0, first_s=600.0)}, ["a"], id="one reading"),
        pytest.param({"a": begun(595.0)}, ["a"], id="a new pod that was not read yet"),
        pytest.param({"a": steady(2.0), "b": Track()}, ["a", "b"], id="half of the pods were never read"),
        pytest.param({"a": steady(2.0)}, ["a", "b", "c"], id="most of the pods are not even known"),
        pytest.param({"a": steady(2.0, last_s=500.0)}, ["a"], id="readings of long ago"),
    ],
)
def test_missing_data_is_no_load(tracks: Mapping[str, Track], ready: Sequence[str]) -> None:
    assert load_of(tracks, ready=ready) is None


def test_idle_is_zero_and_has_no_latency() -> None:
    seen = known({"a": steady(0.0)})
    assert rates(seen) == (0.0, 0.0, 0.0)
    assert (seen.ttft_p95_s, seen.tpot_p95_s, seen.bad_share_1m, seen.bad_share_30m) == (None, None, None, None)


@pytest.mark.parametrize(
    ("late", "slow", "expected"),
    [
        pytest.param(0.0, 0.0, 0.0, id="all were in time"),
        pytest.param(6.0, 0.0, 0.1, id="some began late"),
        pytest.param(0.0, 12.0, 0.2, id="some went on slowly"),
        pytest.param(6.0, 12.0, 0.2, id="both: the larger share"),
    ],
)
def test_the_share_that_missed_an_objective(late: float, slow: float, expected: float) -> None:
    seen = known({"a": track([served(0.0, 0.0), served(60.0, 60.0, late=late, slow=slow)])}, now_s=60.0)
    assert seen.bad_share_1m == pytest.approx(expected)
    assert seen.bad_share_5m == pytest.approx(expected)


def test_each_window_has_its_own_share() -> None:
    bad_first = [served(60.0 * n, 60.0 * n, late=min(60.0 * n, 120.0)) for n in range(31)]
    seen = known({"a": track(bad_first)}, now_s=1800.0)
    assert (seen.bad_share_1m, seen.bad_share_5m) == (0.0, 0.0)
    assert seen.bad_share_30m == pytest.approx(120 / 1800, rel=0.05)


def test_four_requests_say_nothing_about_latency() -> None:
    seen = known({"a": track([served(0.0, 0.0), served(60.0, 4.0, late=4.0)])}, now_s=60.0)
    assert (seen.ttft_p95_s, seen.bad_share_1m) == (None, None)


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=4).flatmap(
        lambda some: st.tuples(st.just(some), st.permutations(range(len(some))))
    )
)
def test_the_order_of_pods_does_not_matter(drawn: tuple[list[int], list[int]]) -> None:
    levels, order = drawn
    pods = {str(n): steady(level / 10, last_s=120.0) for n, level in enumerate(levels)}
    names = [str(n) for n in order]
    forward, backward = known(pods, now_s=121.0), known({name: pods[name] for name in names}, now_s=121.0)
    assert [value for value in astuple(forward) if value is not None] == pytest.approx(
        [value for value in astuple(backward) if value is not None]
    )
