"""The ways in which clients ask: the paths that are open, what each calls its limit of tokens, how its errors look.

An engine reads a limit only under the names of the API that was asked, so those of another must not count: they would
reserve too little, or cut nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Error = Callable[[int, str, str, str | None], Json]
"""From status, code, message and the body's field that is at fault to an error's JSON."""


def openai_error(status: int, code: str, message: str, param: str | None = None) -> Json:
    """An error as OpenAI's API writes it."""
    kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


_MESSAGES_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    431: "request_too_large",
    503: "overloaded_error",
    504: "timeout_error",
}


def messages_error(status: int, code: str, message: str, param: str | None = None) -> Json:
    """An error as Anthropic's API writes it, with the same `code` and `param` beside its own two fields."""
    kind = _MESSAGES_KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message, "param": param, "code": code}}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API. `limits` are the fields of a body that limit the answer, the one that counts first.

    Without any nothing is generated.
    """

    paths: tuple[str, ...]
    limits: tuple[str, ...] = ()
    error: Error = openai_error


CHAT = Dialect(("/v1/chat/completions",), ("max_completion_tokens", "max_tokens"))
COMPLETIONS = Dialect(("/v1/completions",), ("max_tokens",))
RESPONSES = Dialect(("/v1/responses",), ("max_output_tokens",))
MESSAGES = Dialect(("/v1/messages",), ("max_tokens",), messages_error)
MESSAGES_COUNTED = Dialect(("/v1/messages/count_tokens",), (), messages_error)
WHOLE = Dialect(
    (
        "/v1/embeddings",
        "/v1/pooling",
        "/v1/classify",
        "/v1/score",
        "/v1/rerank",
        "/v2/rerank",
        "/pooling",
        "/classify",
        "/score",
        "/rerank",
        "/tokenize",
        "/detokenize",
    )
)
"""Calls that read a prompt and generate nothing."""
DIALECTS = (CHAT, COMPLETIONS, RESPONSES, MESSAGES, MESSAGES_COUNTED, WHOLE)
"""What of an engine is open to clients: the calls that name a model in a JSON body. Its metrics, its health and what
changes it (adapters, sleeping, profiles) are not; nor are answers that it has stored, since no other replica has them.
"""
_BY_PATH = {path: dialect for dialect in DIALECTS for path in dialect.paths}


def dialect_of(path: str) -> Dialect:
    """The API of a path without its query; `CHAT` for one that is not open, which never gets here."""
    return _BY_PATH.get(path, CHAT)
