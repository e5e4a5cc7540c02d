"""Long builds say what they do, and what went wrong."""

import sys

import pytest

from tests.devcluster.progress import followed


def test_a_build_that_succeeds_has_nothing_to_say(capfd: pytest.CaptureFixture[str]) -> None:
    assert followed([sys.executable, "-c", "print('one')"], title="one") == ""
    assert capfd.readouterr().err == ""


def test_a_build_that_fails_is_quoted_with_both_outputs() -> None:
    said = followed(
        [sys.executable, "-c", "import os, sys; print(os.environ['WHO']); sys.exit('no such module')"],
        title="one",
        environment={"WHO": "me"},
    )
    assert "exit status 1" in said
    assert said.splitlines()[-2:] in (["me", "no such module"], ["no such module", "me"])
