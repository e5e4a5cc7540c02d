"""What a client reads when Envoy itself answers: the same JSON as an engine's errors, with a status it can act on.

Answers that the brain or a route wrote pass as they are; only those that Envoy made up in plain text are replaced. The
first mapper that fits wins.
"""

from typing import Any

Json = dict[str, Any]

COME_AGAIN_S = 10
"""Retry-After where nobody knows better."""


def error(status: int, code: str, message: str) -> Json:
    """An error as OpenAI's API writes it."""
    kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def local_replies() -> Json:
    """The listener's `local_reply_config`."""
    return {
        "mappers": [
            _mapper(_flags("UAEX"), None),
            _mapper(_flags("UH", "NC"), 503, "no_replica", "no replica of this model can answer now", again=True),
            _mapper(_flags("UO"), 429, "overloaded", "too many requests are under way", again=True),
            _mapper(
                _flags("UF", "UC", "URX", "UR", "LR", "UPE"),
                502,
                "replica_failed",
                "the replica broke off before it answered; the request may be sent again",
            ),
            _mapper(_flags("SI", "UT", "DT"), 504, "timeout", "nothing was sent or answered for too long"),
            _mapper(_status(401), 401, "invalid_api_key", "no API key was sent, or an unknown one"),
            _mapper(
                _status(403), 400, "invalid_request_error", "the body is no JSON that can be read: name no field twice"
            ),
            _mapper(_status(413), 413, "request_too_large", "the request's body is larger than this gateway takes"),
            _mapper(_status(431), 431, "request_too_large", "the request's headers are larger than this gateway takes"),
            _mapper(_status(400), 400, "invalid_request_error", "this is no valid HTTP request"),
            _mapper(
                _status(500), 500, "answer_too_large", "the answer is larger than this gateway takes: ask for less"
            ),
            _mapper(_status(408), 408, "timeout", "the request did not arrive in time"),
        ],
        "body_format": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "application/json",
        },
    }


def _mapper(fits: Json, status: int | None, code: str = "", message: str = "", *, again: bool = False) -> Json:
    if status is None:
        return {"filter": fits}
    found: Json = {
        "filter": fits,
        "status_code": status,
        "body_format_override": {"json_format": error(status, code, message), "content_type": "application/json"},
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
