"""Envoy's HTTP filters in their order: who asks, what for, whether and where; and how many tokens it came to."""

from collections.abc import Iterable
from typing import Any

from wharfage_gateway import headers

Json = dict[str, Any]

API = "type.googleapis.com/envoy.extensions.filters.http"
KEYS = "wharfage.keys"
"""Name of the filter that checks keys, in the file that holds them."""
TOKENS = "wharfage.tokens"
"""Namespace of the metadata that carries an answer's tokens into the access log."""
BODY = "envoy.filters.http.json_to_metadata"
BEGINNING_BYTES = 4096
"""How much of a body the brain gets: enough to tell prompts apart by their beginning."""
PORTION_BYTES = 10 * 2**20
"""The longest event of a stream that is read; the last one of Responses repeats the whole answer."""
JSON_TYPE = {"regex": "application/json *(;.*)?"}
COUNTED = {
    ("usage", "prompt_tokens"): "prompt_tokens",
    ("usage", "completion_tokens"): "completion_tokens",
    ("usage", "input_tokens"): "input_tokens",
    ("usage", "output_tokens"): "output_tokens",
    ("usage", "cache_read_input_tokens"): "cache_read_input_tokens",
    ("usage", "cache_creation_input_tokens"): "cache_creation_input_tokens",
    ("response", "usage", "input_tokens"): "input_tokens",
    ("response", "usage", "output_tokens"): "output_tokens",
    ("message", "usage", "input_tokens"): "input_tokens",
    ("message", "usage", "cache_read_input_tokens"): "cache_read_input_tokens",
    ("message", "usage", "cache_creation_input_tokens"): "cache_creation_input_tokens",
}
"""Where an answer, or a portion of a stream, tells its tokens, and as what they are logged.

The first two are those of completions and of embeddings, `usage` with the others Responses and Messages, `response` the
last event of a stream of Responses, `message` the first of Messages: its output tokens are then 0 and not counted, so
that a stream that is left counts as one that did not tell.
"""
TOLD = {
    "model": headers.MODEL,
    "max_tokens": headers.MOST_TOKENS,
    "max_completion_tokens": headers.MOST_COMPLETION_TOKENS,
    "max_output_tokens": headers.MOST_OUTPUT_TOKENS,
    "background": headers.BACKGROUND,
}
"""Fields of a body, and as what the brain reads them."""
TYPES = {field: "STRING" if field == "model" else "NUMBER" for field in TOLD}
"""What they must be, or they are left out: text could hold the end of a line, and no header with one is ever sent."""
CHANGES = (headers.CUT, headers.STAND_IN)
"""The answers that change the body."""


def health(path: str) -> Json:
    """Whether this gateway takes requests: 200, or 503 once it is told to drain."""
    return {
        "name": "envoy.filters.http.health_check",
        "typed_config": {
            "@type": f"{API}.health_check.v3.HealthCheck",
            "pass_through_mode": False,
            "headers": [{"name": ":path", "string_match": {"exact": path}}],
        },
    }


def api_keys(file: str, folder: str) -> Json:
    """Who asks: the keys come from a file, so that one is rotated without a restart."""
    return {
        "name": KEYS,
        "config_discovery": {
            "config_source": source(file, folder),
            "type_urls": [f"{API}.api_key_auth.v3.ApiKeyAuth"],
        },
    }


def source(file: str, folder: str) -> Json:
    """Configuration out of a file that is renamed into a folder."""
    return {"path_config_source": {"path": file, "watched_directory": {"path": folder}}, "resource_api_version": "V3"}


def room(what: str, most_bytes: int) -> Json:
    """From here on so much is buffered at most: of a request first, 413 above it, and later of an answer.

    Envoy has one limit for both. It is set anew once the request is whole and has been let in, so that a large answer
    needs no room for a large request, of which thousands may wait.
    """
    return {
        "name": f"wharfage.room_for_{what}",
        "typed_config": {"@type": f"{API}.buffer.v3.Buffer", "max_request_bytes": most_bytes},
    }


def body_fields() -> Json:
    """What the body asks for, and what a body that is no stream says of its tokens."""
    return {
        "name": BODY,
        "typed_config": {
            "@type": f"{API}.json_to_metadata.v3.JsonToMetadata",
            "request_rules": {
                "allow_content_types_regex": JSON_TYPE,
                "rules": [
                    {
                        "selectors": [{"key": field}],
                        "on_present": {"metadata_namespace": BODY, "key": field, "type": kind},
                    }
                    for field, kind in TYPES.items()
                ],
            },
            "response_rules": {"allow_content_types_regex": JSON_TYPE, "rules": _counts()},
        },
    }


def told() -> Json:
    """The same as headers, which is how the brain and the routes read them."""
    values = {header: f"%DYNAMIC_METADATA({BODY}:{field})%" for field, header in TOLD.items()}
    values[headers.BODY_BYTES] = "%BYTES_RECEIVED%"
    return {
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": f"{API}.header_mutation.v3.HeaderMutation",
            "mutations": {
                "request_mutations": [
                    {
                        "append": {
                            "header": {"key": header, "value": value},
                            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                        }
                    }
                    for header, value in values.items()
                ]
            },
        },
    }


def asked(cluster: str, timeout_s: float) -> Json:
    """Whether and where: the brain's answer. A dead brain lets everything through, by weights.

    The timeout is longer than the longest hold, since a request waits by not being answered.
    """
    return {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": f"{API}.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "failure_mode_allow": True,
            "clear_route_cache": True,
            "with_request_body": {"max_request_bytes": BEGINNING_BYTES, "allow_partial_message": True},
            "allowed_headers": {"patterns": [{"exact": header} for header in headers.ASKED]},
            "http_service": {
                "server_uri": {"uri": "http://brain", "cluster": cluster, "timeout": f"{timeout_s:g}s"},
                "path_prefix": "/check",
                "authorization_response": {
                    "allowed_upstream_headers": {"patterns": [{"exact": header} for header in headers.ANSWERED]},
                    "allowed_client_headers": {
                        "patterns": [{"exact": "retry-after"}, {"exact": "content-type"}, {"prefix": "x-ratelimit-"}]
                    },
                    "allowed_client_headers_on_success": {"patterns": [{"prefix": "x-wharfage-"}]},
                },
            },
        },
    }


def not_asked() -> Json:
    """What a route says that needs no decision."""
    return {"envoy.filters.http.ext_authz": {"@type": f"{API}.ext_authz.v3.ExtAuthzPerRoute", "disabled": True}}


def unchanged() -> Json:
    """Nothing, except on the route that says `changed()`."""
    return {"name": "envoy.filters.http.transform", "typed_config": {"@type": f"{API}.transform.v3.TransformConfig"}}


def changed(answers: Iterable[str], limits: Iterable[str]) -> Json:
    """What a route says on which the brain gave these `CHANGES`.

    A cut is written under all of the API's names for the limit, since engines prefer one and old clients write another;
    a served name has no character that JSON would escape.
    """
    written = {
        headers.CUT: [f'"{limit}": %REQ({headers.CUT})%' for limit in limits],
        headers.STAND_IN: [f'"model": "%REQ({headers.STAND_IN})%"'],
    }
    fields = ", ".join(field for answer in answers for field in written[answer])
    merged = {"body_format": {"text_format_source": {"inline_string": f"{{{fields}}}"}}, "action": "MERGE"}
    return {
        "envoy.filters.http.transform": {
            "@type": f"{API}.transform.v3.TransformConfig",
            "request_transformation": {
                "body_transformation": merged,
                "headers_mutations": [{"append": {"header": {"key": headers.CHANGED, "value": "1"}}}],
            },
        }
    }


def nothing_unchanged() -> Json:
    """403 where the body was to be changed and was not.

    The filter that changes it lets pass what it cannot read, such as a body that names a field twice, and with it any
    number of tokens.
    """
    meant = {"or_rules": {"rules": [_has(header) for header in CHANGES]}}
    unread = {"and_rules": {"rules": [meant, {"not_rule": _has(headers.CHANGED)}]}}
    policy = {"permissions": [unread], "principals": [{"any": True}]}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {"@type": f"{API}.rbac.v3.RBAC", "rules": {"action": "DENY", "policies": {"unread": policy}}},
    }


def _has(header: str) -> Json:
    return {"header": {"name": header, "present_match": True}}


def stream_tokens() -> Json:
    """The tokens of a stream, from the last portion that tells them.

    An engine that tells them in each one is billed to the token even when its client leaves.
    """
    content = "type.googleapis.com/envoy.extensions.content_parsers.json.v3.JsonContentParser"
    return {
        "name": "envoy.filters.http.sse_to_metadata",
        "typed_config": {
            "@type": f"{API}.sse_to_metadata.v3.SseToMetadata",
            "response_rules": {
                "max_event_size": PORTION_BYTES,
                "content_parser": {
                    "name": "envoy.content_parsers.json",
                    "typed_config": {"@type": content, "rules": [{"rule": rule} for rule in _counts()]},
                },
            },
        },
    }


def _counts() -> list[Json]:
    return [
        {
            "selectors": [{"key": key} for key in where],
            "on_present": {"metadata_namespace": TOKENS, "key": name, "type": "NUMBER"},
        }
        for where, name in COUNTED.items()
    ]


def router() -> Json:
    """The last one; it adds no headers of its own to answers."""
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{API}.router.v3.Router", "suppress_envoy_headers": True},
    }
