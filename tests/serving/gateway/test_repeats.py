"""Who asks the same again, and whose answer that was about."""

from dataclasses import replace

import pytest
from wharfage_gateway.asked import Asked, asked
from wharfage_gateway.repeats import AGAIN_S, Repeats

ONE = Asked(model="chat", tenant="red", body=7)
INT4 = "chat", "int4"


def test_the_same_body_of_the_same_tenant_within_a_minute_of_an_answer_repeats_it_once() -> None:
    repeats = Repeats()
    assert repeats.repeated(ONE, 0.0) is None
    repeats.over(ONE, INT4, 10.0)
    assert repeats.repeated(ONE, 10.0 + AGAIN_S) == INT4
    assert repeats.repeated(ONE, 10.0 + AGAIN_S) is None, "it was repeated already"


@pytest.mark.parametrize(
    "other", [replace(ONE, tenant="blue"), replace(ONE, model="code"), replace(ONE, body=8), replace(ONE, body=None)]
)
def test_another_tenant_model_or_body_repeats_nothing(other: Asked) -> None:
    repeats = Repeats()
    repeats.over(ONE, INT4, 0.0)
    assert repeats.repeated(other, 1.0) is None


def test_after_a_minute_it_is_another_question() -> None:
    repeats = Repeats()
    repeats.over(ONE, INT4, 0.0)
    assert repeats.repeated(ONE, AGAIN_S + 0.1) is None


def test_the_oldest_are_forgotten_first() -> None:
    repeats = Repeats(most=2)
    for body in range(3):
        repeats.over(replace(ONE, body=body), INT4, 0.0)
    assert [repeats.repeated(replace(ONE, body=body), 1.0) for body in range(3)] == [None, INT4, INT4]


def test_a_body_is_told_by_its_beginning_and_its_length() -> None:
    def body(sent: bytes, length: int) -> int | None:
        return asked([(b"x-body-bytes", str(length).encode())], sent).body

    assert body(b'{"prompt": "a"}', 15) == body(b'{"prompt": "a"}', 15) is not None
    assert body(b'{"prompt": "b"}', 15) != body(b'{"prompt": "a"}', 15)
    assert body(b"a" * 4096, 5000) != body(b"a" * 4096, 5001), "what comes later is not seen, how much it is"
    assert asked([]).body is None
