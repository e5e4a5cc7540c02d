"""What a client reads when Envoy itself answers: the same JSON as an engine's errors, with a status it can act on.

Answers that the brain or a route wrote pass as they are; only those that Envoy made up in plain text are replaced. The
first mapper that fits wins.
"""

from typing import Any

Json = dict[str, Any]

COME_AGAIN_S = 10
"""Retry-After where nobody knows better."""


def error(message: str, kind: str) -> Json:
    """An error as OpenAI's API writes it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def local_replies() -> Json:
    """The listener's `local_reply_config`."""
    return {
        "mappers": [
            _mapper(_flags("UAEX"), None),
            _mapper(_flags("UH", "NC"), 503, "no replica of this model can answer now", "no_replica", again=True),
            _mapper(_flags("UO"), 429, "too many requests are under way", "overloaded", again=True),
            _mapper(
                _flags("UF", "UC", "URX", "UR", "LR", "UPE"),
                502,
                "the replica broke off before it answered; the request may be sent again",
                "replica_failed",
            ),
            _mapper(_flags("SI", "UT", "DT"), 504, "nothing was sent or answered for too long", "timeout"),
            _mapper(_status(401), 401, "no API key was sent, or an unknown one", "invalid_api_key"),
            _mapper(_status(413), 413, "the request's body is larger than this gateway takes", "request_too_large"),
            _mapper(_status(431), 431, "the request's headers are larger than this gateway takes", "request_too_large"),
            _mapper(_status(400), 400, "this is no valid HTTP request", "invalid_request_error"),
            _mapper(_status(408), 408, "the request did not arrive in time", "timeout"),
        ],
        "body_format": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "application/json",
        },
    }


def _mapper(fits: Json, status: int | None, message: str = "", kind: str = "", *, again: bool = False) -> Json:
    if status is None:
        return {"filter": fits}
    found: Json = {
        "filter": fits,
        "status_code": status,
        "body_format_override": {"json_format": error(message, kind), "content_type": "application/json"},
    }
    if again:
        found["headers_to_add"] = [replaced("retry-after", str(COME_AGAIN_S))]
    return found


def replaced(header: str, value: str) -> Json:
    """A header that is set, whatever it was."""
    return {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _flags(*flags: str) -> Json:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(code: int) -> Json:
    value = {"default_value": code, "runtime_key": f"wharfage.reply.{code}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
