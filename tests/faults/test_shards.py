"""All shares together are the whole, and a commit always runs the same one."""

import pytest

from tests.faults.shards import share

POINTS = range(10)


def test_the_shares_make_up_the_whole_and_none_overlaps() -> None:
    shares = [share(POINTS, 4, asked="", commit=f"{number:x}") for number in range(4)]
    assert sorted(point for each in shares for point in each) == list(POINTS)


def test_a_commit_runs_the_same_share_every_time() -> None:
    commit = "f3087b7c0ffee"
    assert share(POINTS, 4, asked="", commit=commit) == share(POINTS, 4, asked="", commit=commit) == [2, 6]


def test_one_share_or_all_of_them_can_be_asked_for() -> None:
    assert share(POINTS, 4, asked="all", commit="1") == list(POINTS)
    assert share(POINTS, 4, asked="3", commit="1") == [3, 7]


def test_a_share_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="write a number from 0 to 3, or all"):
        share(POINTS, 4, asked="4", commit="1")


def test_a_tree_without_history_runs_the_first_share() -> None:
    assert share(POINTS, 4, asked="", commit="") == [0, 4, 8]
