"""`make check` says one line per check, what a failed one said, and fails when one failed."""

import pytest

from tools.check import chosen, closing, judge, line
from tools.checks import CHECKS, Check, Outcome


def check(name: str, outcome: Outcome) -> Check:
    return Check(name, "all is well", lambda: outcome)


def unobtainable() -> Outcome:
    raise OSError("no such tool")


WELL = judge(check("layers", Outcome(True, "12 files looked at")), clock=lambda: 0.0)
BAD = judge(check("types", Outcome(False, "a.py:1: wrong\nb.py:2: wrong\n")), clock=lambda: 0.0)


def test_a_check_that_holds_takes_one_line_whatever_it_said() -> None:
    assert line(WELL, colours=False).split() == ["ok", "layers", "0.0", "s", "all", "is", "well"]


def test_a_check_that_fails_shows_what_it_said() -> None:
    first, *said = line(BAD, colours=False).splitlines()
    assert first.startswith("FAILED  types")
    assert [each.strip() for each in said] == ["a.py:1: wrong", "b.py:2: wrong"]


def test_a_tool_that_cannot_be_had_is_a_failed_check() -> None:
    verdict = judge(Check("tool", "", unobtainable))
    assert not verdict.outcome.passed
    assert verdict.outcome.output == "OSError: no such tool"


def test_the_last_line_names_what_failed() -> None:
    assert closing([WELL], 3.2) == "all 1 checks passed in 3 s"
    assert closing([WELL, BAD], 3.2) == "1 of 2 checks failed in 3 s: types"


def test_checks_are_chosen_by_name() -> None:
    assert [each.name for each in chosen(["ruff", "mypy"])] == ["ruff", "mypy"]
    assert chosen([]) == CHECKS
    with pytest.raises(SystemExit, match="no such check: rough; there are: "):
        chosen(["rough"])
