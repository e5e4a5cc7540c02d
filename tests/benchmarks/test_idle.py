"""The benchmark of going to zero: what a silence is, and what the rules cost on silences that are known."""

import pytest

from benchmarks.idle import RULES, hindsight_usd, silences, usd

HOUR = 3600.0


def test_a_silence_is_the_time_between_two_windows_of_which_one_is_told_and_none_in_which_nobody_looked() -> None:
    busy = (1.0, 1.0)
    assert silences((0.0, 1800.0), busy, (), 0) == [1200.0]
    assert silences((0.0, 1800.0), busy, (600.0,), 0) == []
    assert silences((0.0, 600.0), busy, (), 0) == []


@pytest.mark.parametrize(
    ("rule", "paid"),
    [
        ("never", 8.0 + 0.8),
        ("15 min", 2 * (0.2 + 1.0)),
        ("1 h", 0.8 + 1.0 + 0.8),
        ("break-even", 1.0 + 1.0 + 0.8),
    ],
)
def test_what_ten_hours_and_one_cost(rule: str, paid: float) -> None:
    found = (10 * HOUR, HOUR)
    assert usd(found, RULES[rule], 0.2) == pytest.approx(paid, rel=0.03)  # a look is a fiftieth of the silence
    assert hindsight_usd(found, 0.2) == pytest.approx(1.0 + 0.8)


def test_what_was_learned_of_long_silences_ends_the_next_one_sooner() -> None:
    found = (10 * HOUR,) * 40
    assert usd(found, RULES["learned"], 0.2) < 0.9 * usd(found, RULES["break-even"], 0.2)
