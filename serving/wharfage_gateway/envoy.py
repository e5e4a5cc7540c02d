"""Envoy's bootstrap document: everything that does not change while it runs; the rest is in the files of `xds`.

    python -m wharfage_gateway.envoy --folder /run/wharfage > envoy.json

Pure but for `main`: options in, a document out, which `envoy --mode validate` is held against in the tests.
"""

import argparse
import json
import sys
from dataclasses import dataclass, fields
from typing import Any

from wharfage_gateway import xds
from wharfage_gateway.anywhere import IPV4
from wharfage_gateway.filters import source
from wharfage_gateway.listener import listener
from wharfage_gateway.routes import BRAIN, LOG

Json = dict[str, Any]

MOST_AT_ONCE = 20_000
"""Requests that may be under way or waiting: each waiting one is a connection to the brain."""

MOST_BODY_BYTES = 4 * 2**20

MOST_MEMORY_BYTES = 768 * 2**20
"""256 MiB less than the container's limit in the chart: pages that Envoy has freed count there for a while."""
NO_MORE, CUT = 0.9, (0.93, 0.99)
"""From this part of its memory on Envoy takes no more requests, and between these ends those with the most in buffers:
a burst whose bodies all arrive at once was taken before anyone could know."""
LEAST_TRACKED_POWER = 20

BRAIN_IDLE_S = 3.0
"""Shorter than the brain keeps an idle connection: who asks on one that is being closed gets a reset for an answer."""
HEAP = "envoy.resource_monitors.fixed_heap"
MONITORS = "type.googleapis.com/envoy.extensions.resource_monitors"
PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What differs between gateways. Sockets of a pod's containers are files in the folder that they share.

    `most_body_bytes` bounds a request's body, `most_memory_bytes` Envoy's heap; `most_answer_bytes` an answer that is
    no stream, which is read whole for its tokens (a batch of embeddings has tens of megabytes). `longest_hold_s` is the
    longest that a model may let its clients wait. What the admin socket tells includes keys, so it has no port.
    """

    folder: str
    address: str = IPV4
    port: int = 8080
    keys_required: bool = False
    most_body_bytes: int = MOST_BODY_BYTES
    most_memory_bytes: int = MOST_MEMORY_BYTES
    most_answer_bytes: int = 64 * 2**20
    longest_hold_s: float = 900.0
    tries: int = 3
    node: str = "wharfage-gateway"

    @property
    def check_socket(self) -> str:
        """Where the brain listens for Envoy's questions."""
        return f"{self.folder}/brain.sock"

    @property
    def log_socket(self) -> str:
        """Where the brain listens for Envoy's access log."""
        return f"{self.folder}/log.sock"

    @property
    def admin_socket(self) -> str:
        """Where Envoy is told to drain."""
        return f"{self.folder}/admin.sock"


def bootstrap(options: Options) -> Json:
    """The document that Envoy starts with."""
    files = xds.Files(options.folder)
    ask_s = options.longest_hold_s + 5.0
    clients = listener(
        address=options.address,
        port=options.port,
        most_body_bytes=options.most_body_bytes,
        most_answer_bytes=options.most_answer_bytes,
        ask_s=ask_s,
        idle_s=ask_s + 3600.0,
        tries=options.tries,
        keys=(files.keys, files.keys_folder) if options.keys_required else None,
    )
    return {
        "node": {"id": options.node, "cluster": "wharfage"},
        "admin": {"address": {"pipe": {"path": options.admin_socket, "mode": 0o600}}},
        "dynamic_resources": {"cds_config": source(files.clusters, files.clusters_folder)},
        "static_resources": {
            "listeners": [clients],
            "clusters": [_brain(options.check_socket), _log(options.log_socket)],
        },
        "layered_runtime": {"layers": [{"name": "fixed", "static_layer": {"re2.max_program_size.error_level": 1000}}]},
        "overload_manager": _limits(options.most_memory_bytes),
    }


def _limits(most_bytes: int) -> Json:
    """How many connections there may be, and how much memory."""
    connections = {
        "@type": f"{MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": MOST_AT_ONCE,
    }
    heap = {"@type": f"{MONITORS}.fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": most_bytes}
    return {
        "refresh_interval": "0.05s",
        "resource_monitors": [
            {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": connections},
            {"name": HEAP, "typed_config": heap},
        ],
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": LEAST_TRACKED_POWER},
        "actions": [
            _action("shrink_heap", {"threshold": {"value": NO_MORE}}),
            _action("stop_accepting_requests", {"threshold": {"value": NO_MORE}}),
            _action(
                "reset_high_memory_stream", {"scaled": {"scaling_threshold": CUT[0], "saturation_threshold": CUT[1]}}
            ),
        ],
    }


def _action(name: str, trigger: Json) -> Json:
    return {"name": f"envoy.overload_actions.{name}", "triggers": [{"name": HEAP, **trigger}]}


def _brain(socket: str) -> Json:
    """HTTP/1.1, one connection per request that waits: at Envoy's own limit of 1,024 the next one stood still."""
    limits = {"max_connections": MOST_AT_ONCE, "max_pending_requests": MOST_AT_ONCE, "max_requests": MOST_AT_ONCE}
    return {
        **_at(BRAIN, socket),
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {
            PROTOCOLS: {
                "@type": f"type.googleapis.com/{PROTOCOLS}",
                "common_http_protocol_options": {"idle_timeout": f"{BRAIN_IDLE_S:g}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _log(socket: str) -> Json:
    return {
        **_at(LOG, socket),
        "typed_extension_protocol_options": {
            PROTOCOLS: {
                "@type": f"type.googleapis.com/{PROTOCOLS}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


def _at(name: str, socket: str) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": socket}}}}
    return {
        "name": name,
        "type": "STATIC",
        # Nobody there is refused at once. Envoy's thread may be busy with large bodies for more than a second, and a
        # connection that it then takes for too late lets all who asked on it pass unasked.
        "connect_timeout": "30s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def main(arguments: list[str] | None = None) -> None:
    """Print the document for the given options."""
    parser = argparse.ArgumentParser(prog="python -m wharfage_gateway.envoy", description="Envoy's bootstrap document.")
    for each in fields(Options):
        flag = f"--{each.name.replace('_', '-')}"
        if each.name == "folder":
            parser.add_argument(flag, required=True, help="folder that Envoy and the brain share")
        elif isinstance(each.default, bool):
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(each.default), default=each.default)
    options = Options(**vars(parser.parse_args(arguments)))
    json.dump(bootstrap(options), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
