"""The views and options whose documents are kept as golden files: `python -m tests.gateway.documents` writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wharfage_gateway.envoy import Options, bootstrap
from wharfage_gateway.view import Credential, Model, Replica, View
from wharfage_gateway.xds import Files, documents

GOLDEN = Path(__file__).with_name("golden")
FOLDER = "/run/wharfage"

OPTIONS: Mapping[str, Options] = {
    "bootstrap": Options(folder=FOLDER),
    "bootstrap-with-keys": Options(folder=FOLDER, keys_required=True, most_body_bytes=16 * 2**20),
}

CHAT = Model(
    key="chat",
    served="org/chat",
    replicas=(
        Replica("chat-0", "198.18.0.1", slots=19.7),
        Replica("chat-1", "198.18.0.2", slots=50.0, draining=True),
        Replica("chat-2", "198.18.0.3", slots=10.0, ready=False),
        Replica("chat-3", "198.18.0.4", port=8001, slots=0.2),
    ),
)
SLEEPS = Model(key="sleeps", served="sleeps")
VIEW = View(
    models={each.served: each for each in (CHAT, SLEEPS)},
    credentials=(Credential("key-of-red", "red"), Credential("key-of-blue", "blue", "bulk")),
    keys_required=True,
)


def made() -> dict[str, Any]:
    """Every document by the name of its file."""
    files = Files(FOLDER)
    names = {
        files.clusters: "clusters",
        files.keys: "keys",
        files.endpoints("org/chat"): "endpoints",
        files.endpoints("sleeps"): "endpoints-at-zero",
    }
    written = {names[path]: document for path, document in documents(VIEW, files).items()}
    return {**{name: bootstrap(options) for name, options in OPTIONS.items()}, **written}


def main() -> None:
    """Write them."""
    GOLDEN.mkdir(exist_ok=True)
    for name, document in made().items():
        (GOLDEN / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
