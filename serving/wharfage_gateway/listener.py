"""Envoy's listener: from a connection to an answer, with limits on what a client may cost."""

from typing import Any

from wharfage_gateway import filters, headers
from wharfage_gateway.anywhere import IPV6
from wharfage_gateway.replies import local_replies
from wharfage_gateway.routes import BRAIN, LOG, routes

Json = dict[str, Any]

NETWORK = "type.googleapis.com/envoy.extensions.filters.network"
EARLY = "type.googleapis.com/envoy.extensions.http.early_header_mutation"
HEALTH = "/healthz"
LOGGED = (headers.CLIENT, headers.MODEL, headers.POOL, headers.ENDPOINT, headers.SLOT)
"""Headers that the access log repeats; keys and prompts are not among them."""


def listener(
    *,
    address: str,
    port: int,
    most_body_bytes: int,
    most_answer_bytes: int,
    ask_s: float,
    idle_s: float,
    tries: int,
    keys: tuple[str, str] | None,
) -> Json:
    """The listener. `keys` is the file of API keys and the folder that it is renamed into."""
    manager = {
        "@type": f"{NETWORK}.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "wharfage",
        "codec_type": "AUTO",
        "server_name": "wharfage",
        "use_remote_address": True,
        "always_set_request_id_in_response": True,  # by it an answer is rated, and found in logs
        "normalize_path": True,
        "merge_slashes": True,
        "stream_idle_timeout": f"{idle_s:g}s",
        "request_headers_timeout": "10s",
        "request_timeout": "60s",
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            # Clients that keep their connections would stay with one gateway for ever after the other was away.
            "max_requests_per_connection": 200,
        },
        "early_header_mutation_extensions": [_forged_ones_removed()],
        "local_reply_config": local_replies(),
        "access_log": [_access_log()],
        "http_filters": [
            filters.health(HEALTH),
            *([filters.api_keys(*keys)] if keys else []),
            filters.room("request", most_body_bytes),
            filters.body_fields(),
            filters.told(),
            filters.asked(BRAIN, ask_s),
            filters.room("answer", max(most_body_bytes, most_answer_bytes)),
            filters.unchanged(),
            filters.nothing_unchanged(),
            filters.stream_tokens(),
            filters.router(),
        ],
        "route_config": routes(tries),
    }
    at: Json = {"address": address, "port_value": port}
    if address == IPV6:
        at["ipv4_compat"] = True  # clients of either family
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": "clients",
        "address": {"socket_address": at},
        "per_connection_buffer_limit_bytes": most_body_bytes,
        "filter_chains": [chain],
    }


def _forged_ones_removed() -> Json:
    """What only Envoy and the brain may say, and what would steer Envoy's router, is nothing a client can send."""
    removed: list[Json] = [{"remove": header} for header in headers.INTERNAL]
    removed.append({"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}})
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{EARLY}.header_mutation.v3.HeaderMutation",
            "mutations": removed,
        },
    }


def _access_log() -> Json:
    """One message per request, at once: a slot is free when the brain reads it."""
    return {
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": "requests",
                "transport_api_version": "V3",
                "buffer_size_bytes": 0,
                "grpc_service": {"envoy_grpc": {"cluster_name": LOG}},
            },
            "additional_request_headers_to_log": list(LOGGED),
        },
    }
