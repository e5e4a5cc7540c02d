"""What clients say of answers: read, found, counted once."""

import json

import pytest
from wharfage_gateway.answer import Refuse
from wharfage_gateway.board import Board
from wharfage_gateway.rated import by_gateway
from wharfage_gateway.ratings import MOST_BYTES, Rating, Ratings, Verdict, read

INT4 = "chat", "int4"


def known(*ids: str, most: int = 100) -> Ratings:
    found = Ratings(most)
    for each in ids:
        found.answers(each, "red", INT4)
    return found


def test_an_answer_is_rated_once_by_its_own_tenant() -> None:
    ratings = known("7f")
    assert ratings.rate(Rating("7f", 1.0, "blue")) == (Verdict.UNKNOWN, None)
    assert ratings.rate(Rating("7f", 0.5, "red")) == (Verdict.COUNTED, INT4)
    assert ratings.rate(Rating("7f", 0.0, "red")) == (Verdict.BEFORE, None)
    assert ratings.rate(Rating("80", 0.5, "red")) == (Verdict.UNKNOWN, None)


def test_only_the_last_answers_can_be_rated() -> None:
    ratings = known("1", "2", "3", most=2)
    assert [ratings.rate(Rating(each, 1.0, "red"))[0] for each in "123"] == [
        Verdict.UNKNOWN,
        Verdict.COUNTED,
        Verdict.COUNTED,
    ]


@pytest.mark.parametrize("identity", ["7f-1", "chatcmpl-7f-1", "cmpl-7f-1"])
def test_an_answer_s_id_is_that_of_its_request(identity: str) -> None:
    assert read(json.dumps({"id": identity, "score": 1}).encode(), "red") == Rating("7f-1", 1.0, "red")


@pytest.mark.parametrize(
    ("body", "status", "param", "words"),
    [
        (b"", 400, None, "write a JSON object"),
        (b"[1]", 400, None, "write a JSON object"),
        (b'{"score": 1}', 400, "id", "id must be"),
        (b'{"id": 7, "score": 1}', 400, "id", "id must be"),
        (b'{"id": "' + b"a" * 129 + b'", "score": 1}', 400, "id", "id must be"),
        (b'{"id": "7f"}', 400, "score", "from 0 to 1"),
        (b'{"id": "7f", "score": 1.5}', 400, "score", "from 0 to 1"),
        (b'{"id": "7f", "score": true}', 400, "score", "from 0 to 1"),
        (b'{"id": "7f", "score": "1"}', 400, "score", "from 0 to 1"),
        (b" " * (MOST_BYTES + 1), 413, None, f"{MOST_BYTES} bytes"),
    ],
)
def test_a_rating_that_cannot_be_read_is_refused_with_what_is_wrong(
    body: bytes, status: int, param: str | None, words: str
) -> None:
    refused = read(body, "red")
    assert isinstance(refused, Refuse)
    assert (refused.status, refused.param, refused.reason) == (status, param, "invalid_rating")
    assert words in refused.message


@pytest.mark.parametrize(
    "body",
    [
        b"7f",
        b"[]",
        b'{"id": "7f", "score": 1}',
        b'{"id": "7f", "score": "x", "tenant": "red"}',
        b'{"id": ["7f"], "score": 1, "tenant": "red"}',
        b'{"id": "7f", "score": 1e308, "tenant": "red"}',
        b'{"id": "7f", "score": 1, "tenant": {}}',
    ],
)
def test_what_is_no_rating_is_not_believed_of_another_gateway_either(body: bytes) -> None:
    assert by_gateway(Board("b"), body).status == 400
