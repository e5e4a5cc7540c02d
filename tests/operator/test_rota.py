"""Daily work: once a day for each deployment, and not for all at once."""

import math

from hypothesis import given
from hypothesis import strategies as st
from wharfage_operator.rota import due, last_turn_s

DAY_S = 86_400.0
KEYS = [("shop", f"chat-{number}") for number in range(300)]
keys = st.tuples(st.text(max_size=8), st.text(max_size=8))
times = st.floats(0, 4e9)


@given(keys, times)
def test_the_last_turn_is_within_a_day_and_on_a_minute(key: tuple[str, str], now_s: float) -> None:
    turn_s = last_turn_s(key, now_s)
    assert now_s - DAY_S < turn_s <= now_s
    assert math.isclose(turn_s % 60.0 % 60.0, 0.0, abs_tol=1e-5) or math.isclose(turn_s % 60.0, 60.0, abs_tol=1e-5)


def test_every_deployment_has_one_turn_a_day() -> None:
    for key in KEYS:
        turns = {last_turn_s(key, 1_795_000_000.0 + minute * 60.0) for minute in range(3 * 1440)}
        assert len(turns) in (3, 4)


def test_three_hundred_turns_are_spread_over_the_day() -> None:
    by_hour = [0] * 24
    for key in KEYS:
        by_hour[int(last_turn_s(key, 1_795_000_000.0) % DAY_S // 3600)] += 1
    assert max(by_hour) < 300 / 24 * 2.5


def test_what_was_never_done_is_due_at_once_and_what_was_done_at_its_next_turn() -> None:
    key, now_s = KEYS[0], 1_795_000_000.0
    turn_s = last_turn_s(key, now_s)
    assert due(key, -math.inf, now_s)
    assert due(key, turn_s - 1.0, now_s)
    assert not due(key, now_s, now_s)
    assert not due(key, now_s, turn_s + DAY_S - 1.0)
    assert due(key, now_s, turn_s + DAY_S)
