"""Which request goes where: to the cluster that the brain named; with a dead brain to the one that the body names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wharfage_gateway import filters, headers
from wharfage_gateway.dialect import DIALECTS, Dialect, Error, openai_error
from wharfage_gateway.replies import replaced

Json = dict[str, Any]

BRAIN = "@brain"
LOG = "@log"
"""Envoy's own clusters; no served name has an @, so no client can name them."""

MODELS = "/v1/models"
RATINGS = "/v1/ratings"


def routes(tries: int) -> Json:
    """The listener's `route_config`; clusters come later, so it is not held against them at the start."""
    sent: Json = {"cluster_header": headers.POOL, "timeout": "0s", "retry_policy": _again(tries)}
    asked = _paths(path for dialect in DIALECTS for path in dialect.paths)
    found = [
        *(
            {"match": {"path": path}, "route": {"cluster": BRAIN}, "typed_per_filter_config": filters.not_asked()}
            for path in (MODELS, RATINGS)
        ),
        *(route for error, paths in _forms().items() for route in _said(error, _paths(paths))),
        *(route for dialect in DIALECTS for route in _changed(dialect, sent)),
        {"match": {**asked, "headers": [_present(headers.POOL)]}, "route": sent},
        {"match": asked, "route": {**sent, "cluster_header": headers.MODEL}},
        {
            "match": {"prefix": "/"},
            **_answer(404, openai_error(404, "not_found", "no such path; see /v1/models for what is served here")),
            "typed_per_filter_config": filters.not_asked(),
        },
    ]
    return {
        "name": "all",
        "validate_clusters": False,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": found}],
    }


def _paths(paths: Iterable[str]) -> Json:
    return {"safe_regex": {"regex": "|".join(map(re.escape, paths))}}


def _forms() -> Mapping[Error, Sequence[str]]:
    """The paths by the form of their errors."""
    found: dict[Error, list[str]] = {}
    for dialect in DIALECTS:
        found.setdefault(dialect.error, []).extend(dialect.paths)
    return found


def _said(error: Error, paths: Json) -> list[Json]:
    """What is answered on these paths before anything is sent: no such name, and what the brain refuses."""
    unnamed = error(404, "model_not_found", "no model has such a name; see /v1/models for those there are", None)
    refused = error(503, f"%REQ({headers.REFUSE})%", f"%REQ({headers.REFUSE_MESSAGE})%", None)
    return [
        {
            "match": {**paths, "headers": [_no_name(headers.MODEL)]},
            **_answer(404, unnamed),
            "typed_per_filter_config": filters.not_asked(),
        },
        {
            "match": {**paths, "headers": [_present(headers.REFUSE)]},
            **_answer(503, refused),
            "response_headers_to_add": [replaced("retry-after", f"%REQ({headers.REFUSE_AFTER})%")],
        },
    ]


def _changed(dialect: Dialect, sent: Json) -> list[Json]:
    """Where the body is changed: by whichever of the brain's answers ask for it."""
    cuts = ((headers.CUT, headers.STAND_IN), (headers.CUT,)) if dialect.limits else ()
    return [
        {
            "match": {**_paths(dialect.paths), "headers": [_present(headers.POOL), *map(_present, answers)]},
            "route": sent,
            "typed_per_filter_config": filters.changed(answers, dialect.limits),
        }
        for answers in (*cuts, (headers.STAND_IN,))
    ]


def _present(header: str) -> Json:
    return {"name": header, "present_match": True}


def _no_name(header: str) -> Json:
    """A value that no model is served under; an absent one is for the brain to speak about."""
    return {
        "name": header,
        "string_match": {"safe_regex": {"regex": "[A-Za-z0-9._:/-]*"}},
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    }


def _answer(status: int, body: Json) -> Json:
    written = {"json_format": body, "content_type": "application/json"}
    return {"direct_response": {"status": status, "body_format": written}}


def _again(tries: int) -> Json:
    """Before the first header of an answer only.

    An engine says 500 while SIGTERM drains it, and also of a request that breaks it: that one is not carried on to the
    next replica.
    """
    return {
        "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
        "retriable_status_codes": [503],
        "num_retries": tries,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        # Who fails at once has the fewest requests, so that of two replicas it is drawn again three times out of four.
        "host_selection_retry_max_attempts": 20,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }
