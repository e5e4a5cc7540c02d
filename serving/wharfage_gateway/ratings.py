"""What clients think of answers: `POST /v1/ratings` with {"id": ..., "score": 0 to 1}.

The id is that of the answer, or the `x-request-id` that came with it. vLLM makes the one out of the other for chat
completions, completions and Messages, so that no answer has to be read for its id. Responses have ids of their own:
there only the header will do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

import orjson

from wharfage_gateway.answer import Refuse
from wharfage_gateway.repeats import Answered

MOST = 10_000
"""How many answers can be rated: the last so many of this gateway."""
MOST_BYTES = 4096
"""Of a rating."""
_PREFIXES = ("chatcmpl-", "cmpl-")
_LONGEST_ID = 128


@dataclass(frozen=True, slots=True)
class Rating:
    """One client's word on one answer; `score` is from 0 to 1."""

    id: str
    score: float
    tenant: str = ""


class Verdict(Enum):
    """What became of a rating."""

    COUNTED = auto()
    BEFORE = auto()
    """The answer was rated already: the first word counts."""
    UNKNOWN = auto()
    """No answer of that id, or of another tenant's, or too long ago."""


@dataclass(slots=True)
class _Answer:
    tenant: str
    answered: Answered
    rated: bool = False


@dataclass(slots=True)
class Ratings:
    """The answers that can be rated, by the id of their request."""

    most: int = MOST
    _answers: dict[str, _Answer] = field(default_factory=dict)

    def answers(self, request_id: str, tenant: str, answered: Answered) -> None:
        """A request was let in: whoever reads its answer may rate it at once."""
        self._answers[request_id] = _Answer(tenant, answered)
        if len(self._answers) > self.most:
            del self._answers[next(iter(self._answers))]

    def rate(self, rating: Rating) -> tuple[Verdict, Answered | None]:
        """Take a rating; with whose answer it was, where it counts."""
        found = self._answers.get(rating.id)
        if found is None or found.tenant != rating.tenant:
            return Verdict.UNKNOWN, None
        if found.rated:
            return Verdict.BEFORE, None
        found.rated = True
        return Verdict.COUNTED, found.answered


def read(body: bytes, tenant: str | None) -> Rating | Refuse:
    """The rating in a body, or what is wrong with it; where `tenant` is None the body says whose it is."""
    if len(body) > MOST_BYTES:
        return _wrong(f"a rating has at most {MOST_BYTES} bytes", None, status=413)
    try:
        written = orjson.loads(body)
    except orjson.JSONDecodeError:
        written = None
    if not isinstance(written, Mapping):
        return _wrong('write a JSON object: {"id": "...", "score": 0.8}', None)
    identity, score = written.get("id"), written.get("score")
    whose = written.get("tenant") if tenant is None else tenant
    if not isinstance(whose, str):
        return _wrong("tenant must be the name of one", "tenant")
    if not isinstance(identity, str) or not 0 < len(identity) <= _LONGEST_ID:
        return _wrong("id must be the answer's id, or the x-request-id that came with it", "id")
    if isinstance(score, bool) or not isinstance(score, int | float) or not _within(score):
        return _wrong("score must be a number from 0 to 1", "score")
    return Rating(request_id(identity), float(score), whose)


def request_id(identity: str) -> str:
    """The id of the request that an answer of that id came to."""
    for prefix in _PREFIXES:
        identity = identity.removeprefix(prefix)
    return identity


def unknown(identity: str) -> Refuse:
    """There is no such answer."""
    message = (
        f"no answer {identity!r} to a request of your key is known: write its id, or the x-request-id that came with "
        f"it, within the next {MOST} answers"
    )
    return Refuse(404, "answer_not_found", message, param="id")


def _wrong(message: str, param: str | None, *, status: int = 400) -> Refuse:
    return Refuse(status, "invalid_rating", message, param=param)


def _within(score: float) -> bool:
    return math.isfinite(score) and 0.0 <= score <= 1.0
