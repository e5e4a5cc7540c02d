"""What a client reads when Envoy itself answers: JSON in the form of the API that was asked, with a status to act on.

Answers that the brain or a route wrote pass as they are; only those that Envoy made up in plain text are replaced. The
first mapper that fits wins.
"""

from typing import Any

from wharfage_gateway.dialect import MESSAGES, Error, openai_error

Json = dict[str, Any]

EXPRESSION = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
COME_AGAIN_S = 10
"""Retry-After where nobody knows better."""


def local_replies() -> Json:
    """The listener's `local_reply_config`."""
    return {
        "mappers": [{"filter": _flags("UAEX")}, *_mappers(MESSAGES.error, MESSAGES.paths[0]), *_mappers(openai_error)],
        "body_format": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "application/json",
        },
    }


def _mappers(error: Error, beginning: str = "") -> list[Json]:
    """One per kind of answer, for paths with this beginning."""

    def mapper(fits: Json, status: int, code: str, message: str, *, again: bool = False) -> Json:
        told = error(status, code, message, None)
        found: Json = {
            "filter": _below(beginning, fits) if beginning else fits,
            "status_code": status,
            "body_format_override": {"json_format": told, "content_type": "application/json"},
        }
        if again:
            found["headers_to_add"] = [replaced("retry-after", str(COME_AGAIN_S))]
        return found

    return [
        mapper(_flags("UH", "NC"), 503, "no_replica", "no replica of this model can answer now", again=True),
        mapper(_flags("UO"), 429, "overloaded", "too many requests are under way", again=True),
        *(
            # One that is refused before its filters are made has no flag.
            mapper(fits, 503, "overloaded", "this gateway has no memory left for more requests", again=True)
            for fits in (_flags("OM"), _because("overload"))
        ),
        mapper(
            _flags("UF", "UC", "URX", "UR", "LR", "UPE"),
            502,
            "replica_failed",
            "the replica broke off before it answered; the request may be sent again",
        ),
        mapper(_flags("SI", "UT", "DT"), 504, "timeout", "nothing was sent or answered for too long"),
        mapper(_status(401), 401, "invalid_api_key", "no API key was sent, or an unknown one"),
        mapper(_status(403), 400, "invalid_request_error", "the body is no JSON that can be read: name no field twice"),
        mapper(_status(413), 413, "request_too_large", "the request's body is larger than this gateway takes"),
        mapper(_status(431), 431, "request_too_large", "the request's headers are larger than this gateway takes"),
        mapper(_status(400), 400, "invalid_request_error", "this is no valid HTTP request"),
        mapper(_status(500), 500, "answer_too_large", "the answer is larger than this gateway takes: ask for less"),
        mapper(_status(408), 408, "timeout", "the request did not arrive in time"),
    ]


def replaced(header: str, value: str) -> Json:
    """A header that is set, whatever it was."""
    return {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _below(beginning: str, fits: Json) -> Json:
    path = {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": beginning}}}}
    return {"and_filter": {"filters": [path, fits]}}


def _flags(*flags: str) -> Json:
    return {"response_flag_filter": {"flags": list(flags)}}


def _because(details: str) -> Json:
    """Whose details of the response, as Envoy calls them, are these."""
    expression = {"@type": f"type.googleapis.com/{EXPRESSION}", "expression": f"response.code_details == '{details}'"}
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": expression}}


def _status(code: int) -> Json:
    value = {"default_value": code, "runtime_key": f"wharfage.reply.{code}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
