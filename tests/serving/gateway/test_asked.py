"""A request as Envoy's headers and the first bytes of its body tell it."""

import json
from typing import Any

import pytest
from wharfage_gateway import headers
from wharfage_gateway.asked import PREFIX_BYTES, Asked, asked, prefix
from wharfage_gateway.dialect import dialect_of


def told(**by_name: str) -> list[tuple[bytes, bytes]]:
    return [(f"x-{name.replace('_', '-')}".encode(), value.encode()) for name, value in by_name.items()]


def chat(*messages: tuple[str, str], **fields: Any) -> bytes:
    said = [{"role": role, "content": content} for role, content in messages]
    return json.dumps({"model": "chat", **fields, "messages": said}).encode()


def test_everything_that_envoy_tells_is_read() -> None:
    sent = told(
        model="chat",
        client=headers.client("red", "interactive"),
        **{"class": "bulk"},
        most_tokens="50",
        background="1",
        body_bytes="2048",
        request_id="7f",
    )
    assert asked(sent) == Asked("chat", "red", "interactive", "bulk", 50, True, 2048, "7f")
    assert asked(sent).prompt_tokens == 512


def test_what_is_not_told_is_missing_and_not_zero() -> None:
    assert asked([(b"host", b"x"), *told(model="-", most_tokens="-", body_bytes="-")]) == Asked()


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        pytest.param({"most_tokens": "50", "most_completion_tokens": "60"}, 60, id="the newer name wins"),
        pytest.param({"most_tokens": "50", "most_completion_tokens": "-"}, 50, id="the older one where it is alone"),
        pytest.param({"most_tokens": "16.0"}, 16, id="a whole number as JSON may write it"),
        pytest.param({"most_tokens": "-1"}, None, id="a negative one is none"),
        pytest.param({"most_tokens": "nan"}, None, id="nor is one that is no number"),
        pytest.param({"most_tokens": "1e400"}, None, id="nor one without end"),
        pytest.param({"most_tokens": "many"}, None, id="nor a word"),
    ],
)
def test_a_limit_of_the_answer_is_a_number_of_tokens(limits: dict[str, str], most: int | None) -> None:
    assert asked(told(**limits)).most_output_tokens == most


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/v1/chat/completions", 2),
        ("/v1/completions", 1),
        ("/v1/responses", 3),
        ("/v1/messages", 1),
        ("/v1/messages/count_tokens", None),
        ("/v1/embeddings", None),
    ],
)
def test_a_limit_counts_only_under_the_names_that_the_engine_reads_there(path: str, most: int | None) -> None:
    sent = told(most_tokens="1", most_completion_tokens="2", most_output_tokens="3")
    assert asked(sent, dialect=dialect_of(path)).most_output_tokens == most


def test_a_conversation_keeps_its_prefix_as_it_grows() -> None:
    first = chat(("system", "be brief"), ("user", "what is a wharf?"))
    later = chat(("system", "be brief"), ("user", "what is a wharf?"), ("assistant", "a quay"), ("user", "and a pier?"))
    assert prefix(first) == prefix(later) is not None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(
            chat(("user", "a")),
            chat(("user", "a"), stream=True, max_tokens=7),
            True,
            id="fields before it do not count",
        ),
        pytest.param(chat(("user", "a")), chat(("user", "b")), False, id="other questions are other prefixes"),
        pytest.param(
            chat(("system", "s" * PREFIX_BYTES), ("user", "a")),
            chat(("system", "s" * PREFIX_BYTES), ("user", "b")),
            True,
            id="a long instruction is one prefix for all its questions",
        ),
        pytest.param(
            json.dumps({"prompt": "p" * 2000 + "x"}).encode(),
            json.dumps({"prompt": "p" * 2000 + "y"}).encode(),
            True,
            id="so is the long beginning of a plain prompt",
        ),
    ],
)
def test_what_begins_alike_has_one_prefix(one: bytes, other: bytes, same: bool) -> None:
    assert (prefix(one) == prefix(other)) is same


def test_a_body_without_a_prompt_has_no_prefix() -> None:
    assert prefix(b'{"model": "chat"}') is None
    assert prefix(b"\xff\xfe not JSON at all") is None
