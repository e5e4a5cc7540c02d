"""What Envoy reads while it runs: a cluster per model, its replicas, the API keys; as files, made from a view.

A file appears whole or not at all (it is renamed into a folder that Envoy watches), and is written only when it says
something new. Envoy keeps what it has when a file is torn, empty or gone.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wharfage_gateway import headers
from wharfage_gateway.filters import API, KEYS, source
from wharfage_gateway.view import Credential, Model, Replica, View

Json = dict[str, Any]

TYPES = "type.googleapis.com"
CLUSTER = f"{TYPES}/envoy.config.cluster.v3.Cluster"
ASSIGNMENT = f"{TYPES}/envoy.config.endpoint.v3.ClusterLoadAssignment"
EXTENSION = f"{TYPES}/envoy.config.core.v3.TypedExtensionConfig"
POLICIES = "envoy.load_balancing_policies"
POLICY_TYPES = f"{TYPES}/envoy.extensions.load_balancing_policies"
MOST_AT_ONCE = 65536
LEAST_AGAIN = 100
"""Requests that may be tried again at once, however few there are: with ten, 20 of 60 that came together were refused
while one of two replicas was gone."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where each document lies in the folder that Envoy and the brain share."""

    folder: str

    @property
    def clusters_folder(self) -> str:
        """Folder of `clusters`."""
        return f"{self.folder}/clusters"

    @property
    def clusters(self) -> str:
        """One cluster per model."""
        return f"{self.clusters_folder}/clusters.json"

    @property
    def endpoints_folder(self) -> str:
        """Folder of one file per cluster."""
        return f"{self.folder}/endpoints"

    @property
    def keys_folder(self) -> str:
        """Folder of `keys`."""
        return f"{self.folder}/keys"

    @property
    def keys(self) -> str:
        """The API keys."""
        return f"{self.keys_folder}/keys.json"

    def endpoints(self, served: str) -> str:
        """A model's replicas. A served name may have slashes, so the file is named after its hash."""
        return f"{self.endpoints_folder}/{hashlib.sha256(served.encode()).hexdigest()[:16]}.json"


def documents(view: View, files: Files) -> dict[str, Json]:
    """Every document by its path, in the order in which they must appear: replicas before the cluster they are of."""
    found = {files.endpoints(served): _document(ASSIGNMENT, [replicas(model)]) for served, model in view.models.items()}
    found[files.keys] = _document(EXTENSION, [_keys(view.credentials)])
    clusters = [_cluster(served, files) for served in sorted(view.models)]
    found[files.clusters] = _document(CLUSTER, clusters)
    return found


def _document(kind: str, resources: list[Json]) -> Json:
    typed = [{"@type": kind, **resource} for resource in resources]
    version = hashlib.sha256(json.dumps(typed).encode()).hexdigest()[:16]
    return {"version_info": version, "type_url": kind, "resources": typed}


def _cluster(served: str, files: Files) -> Json:
    """The brain's choice, and with a dead brain the least busy one by its slots.

    A pool that has no healthy replica refuses, instead of trying what is drained. A replica that cannot be reached is
    left out for a while, but never more than half of them; what an engine answers says nothing of the next request.
    """
    limits = {"max_connections": MOST_AT_ONCE, "max_pending_requests": MOST_AT_ONCE, "max_requests": MOST_AT_ONCE}
    again = {"budget_percent": {"value": 20}, "min_retry_concurrency": LEAST_AGAIN}
    return {
        "name": served,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {
            "service_name": served,
            "eds_config": source(files.endpoints(served), files.endpoints_folder),
        },
        "load_balancing_policy": {"policies": [_policy("override_host", "OverrideHost", _chosen())]},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [{**limits, "retry_budget": again}]},
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_local_origin_success_rate": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "5s",
            "max_ejection_time": "30s",
            "max_ejection_percent": 50,
        },
    }


def _chosen() -> Json:
    least = _policy("least_request", "LeastRequest", {"choice_count": 2})
    return {
        "override_host_sources": [{"header": headers.ENDPOINT}],
        "fallback_policy": {"policies": [least]},
    }


def _policy(name: str, message: str, said: Json) -> Json:
    typed = {"@type": f"{POLICY_TYPES}.{name}.v3.{message}", **said}
    return {"typed_extension_config": {"name": f"{POLICIES}.{name}", "typed_config": typed}}


def replicas(model: Model) -> Json:
    """A model's replicas: those that are drained finish what they have, those not ready get nothing."""
    return {"cluster_name": model.served, "endpoints": [{"lb_endpoints": [_replica(each) for each in model.replicas]}]}


def _replica(replica: Replica) -> Json:
    address = {"socket_address": {"address": replica.address, "port_value": replica.port}}
    return {
        "endpoint": {"address": address},
        "health_status": "DRAINING" if replica.draining else "HEALTHY" if replica.ready else "UNHEALTHY",
        "load_balancing_weight": max(1, round(replica.slots)),
    }


def _keys(credentials: tuple[Credential, ...]) -> Json:
    """The keys. One that two tenants have is nobody's: Envoy would take neither file nor key."""
    owners: dict[str, set[str]] = {}
    for each in credentials:
        owners.setdefault(each.key, set()).add(headers.client(each.tenant, each.cls))
    listed = [{"key": key, "client": min(names)} for key, names in sorted(owners.items()) if len(names) == 1]
    return {
        "name": KEYS,
        "typed_config": {
            "@type": f"{API}.api_key_auth.v3.ApiKeyAuth",
            "credentials": listed,
            "key_sources": [{"header": "authorization"}, {"header": "x-api-key"}],
            "forwarding": {"header": headers.CLIENT, "hide_credentials": True},
        },
    }


def write(view: View, folder: Path) -> list[Path]:
    """Write what is new, in order; the files that were written.

    A model that is gone leaves its file behind until the next time, when Envoy no longer has its cluster.
    """
    files = Files(str(folder))
    wanted = documents(view, files)
    stale = _stale(Path(files.endpoints_folder), wanted, Path(files.clusters))
    written = [Path(path) for path, document in wanted.items() if _renamed(Path(path), document)]
    for path in stale:
        path.unlink(missing_ok=True)
    return written


def _stale(folder: Path, wanted: Mapping[str, Json], clusters: Path) -> list[Path]:
    """Files of models that neither the view nor the clusters as they lie there know."""
    known = clusters.read_text(encoding="utf-8") if clusters.exists() else ""
    return [path for path in sorted(folder.glob("*.json")) if str(path) not in wanted and path.name not in known]


def _renamed(path: Path, document: Json) -> bool:
    text = json.dumps(document, indent=1) + "\n"
    with suppress(FileNotFoundError):
        if path.read_text(encoding="utf-8") == text:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".tmp")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)
    return True
