"""Whoever waits for a processor is not taken for one that hangs."""

from pathlib import Path

import pytest
from wharfage_gateway.guard import Patience
from wharfage_gateway.silence import Look, Silence, look

PATIENCE = Patience(silence_s=2.0, starved_s=30.0, start_s=10.0)


def silence(*looks: Look) -> Silence:
    found = Silence.of(looks[0])
    for each in looks[1:]:
        found = found.seen(each)
    return found


HANGS = {
    "it sleeps": (Look(100.0, 5.0, 1.0), Look(102.5, 5.0, 1.0)),
    "it runs and runs": (Look(100.0, 5.0, 1.0, True), Look(101.0, 6.0, 1.0, True), Look(102.5, 7.5, 1.0, True)),
    "it runs for half of the time": (Look(100.0, 5.0, 1.0, True), Look(105.0, 7.5, 3.5, True)),
    "it waited once and sleeps": (Look(100.0, 5.0, 1.0), Look(101.0, 5.1, 1.9), Look(103.5, 5.1, 1.9)),
    "it waited before it fell silent": (Look(100.0, 5.0, 60.0), Look(102.5, 5.0, 60.0)),
}
STARVES = {
    "it ran a little": (Look(100.0, 5.0, 1.0, True), Look(110.0, 5.1, 10.9, True)),
    "it waits and has not run since": (Look(100.0, 5.0, 1.0), Look(100.5, 5.0, 1.0, True), Look(110.0, 5.0, 1.0, True)),
    "a wait that ended is not counted twice": (
        Look(100.0, 5.0, 1.0),
        Look(100.5, 5.0, 1.0, True),
        Look(104.0, 5.1, 4.9, True),
        Look(106.0, 5.1, 4.9, True),
    ),
}


@pytest.mark.parametrize("looks", HANGS.values(), ids=HANGS)
def test_one_that_sleeps_or_runs_without_an_answer_hangs(looks: tuple[Look, ...]) -> None:
    assert PATIENCE.ended(silence(*looks), answered=True)


@pytest.mark.parametrize("looks", STARVES.values(), ids=STARVES)
def test_one_that_waits_for_a_processor_starves(looks: tuple[Look, ...]) -> None:
    found = silence(*looks)
    assert found.own_s < 2.0
    assert found.own_s + found.starved_s == pytest.approx(found.lasted_s)
    assert not PATIENCE.ended(found, answered=True)


def test_one_that_starves_for_long_is_of_no_use() -> None:
    starved = silence(Look(100.0, 5.0, 1.0, True), Look(131.0, 5.1, 31.9, True))
    assert PATIENCE.ended(starved, answered=True)
    assert not PATIENCE.ended(starved, answered=False), "one that only starts would start again"


def test_one_that_never_answers_has_its_own_time_to_start() -> None:
    begun = Look(100.0)
    assert not PATIENCE.ended(silence(begun, Look(109.0, 5.0, 1.0)), answered=False)
    assert not PATIENCE.ended(silence(begun, Look(200.0, 5.0, 95.0)), answered=False)
    assert PATIENCE.ended(silence(begun, Look(112.0, 5.0, 1.0)), answered=False)


def test_a_wait_before_the_silence_is_none_of_it() -> None:
    found = silence(Look(100.0, 5.0, 1.0, True), Look(101.0, 5.1, 9.0, True))
    assert (found.starved_s, found.own_s) == (1.0, 0.0)


def test_where_the_kernel_does_not_tell_all_of_a_silence_counts(tmp_path: Path) -> None:
    assert look(1, 7.0, proc=tmp_path) == Look(7.0)
    assert PATIENCE.ended(silence(Look(7.0), Look(9.5)), answered=True)


def test_a_process_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "schedstat").write_text("2500000000 1000000000 54\n")
    (tmp_path / "7" / "stat").write_text("7 (a b) S 1) R 1 2 3")
    assert look(7, 3.0, proc=tmp_path) == Look(3.0, 2.5, 1.0, True)
