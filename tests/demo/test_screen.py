import io

import pytest

from demo.screen import Screen


def screen() -> Screen:
    return Screen(out=io.StringIO(), live=False, colour=False)


def text(of: Screen) -> str:
    assert isinstance(of.out, io.StringIO)
    return of.out.getvalue()


def test_waiting_shows_each_change_once_and_then_the_result() -> None:
    shown = screen()
    answers = iter([(None, "pulling"), (None, "pulling"), (None, "starting"), ("here", "done")])
    assert shown.wait("it is Ready", lambda: next(answers), timeout_s=5, every_s=0) == "here"
    lines = text(shown).splitlines()
    assert [line.split(" s  ")[-1] for line in lines[:-1]] == ["pulling", "starting"]
    assert lines[-1].startswith("ok it is Ready after")


def test_waiting_too_long_names_what_was_waited_for_and_the_last_thing_seen() -> None:
    with pytest.raises(TimeoutError, match=r"it is Ready: not within .* s; last seen: no node"):
        screen().wait("it is Ready", lambda: (None, "no node"), timeout_s=-1, every_s=0)


def test_a_pipe_gets_no_escape_codes() -> None:
    shown = screen()
    shown.step("First")
    shown.good("well")
    assert "\033" not in text(shown)
