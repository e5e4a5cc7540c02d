"""How soon a machine that will be taken back is acted upon: from the taint to another replica ordered.

A deployment on spot machines that kwok plays. One machine after the other is tainted as GKE does; the clock runs from
the answer to that write until the pod that replaces the replica is seen, and until the Service sends it no request.
"""

import math
import statistics
import tempfile
import time
from pathlib import Path

from wharfage_operator.kinds import LLM_DEPLOYMENTS, NODES, OFFER_CATALOGS, PODS, Kind, Object
from wharfage_operator.settings import Settings

from benchmarks.loop_fleet import ROOT
from benchmarks.loop_fleet import settings as production
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Server, eventually
from tests.devcluster.cluster import Cluster

NAMESPACE, SYSTEM = "loop", "wharfage-system"
TAINT = "cloud.google.com/impending-node-termination"
SLICES = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
REPLICAS = 3
CATALOG: Object = {
    "metadata": {"name": "spots"},
    "spec": {
        "provider": "other",
        "observedAt": "2026-11-01T00:00:00Z",
        "offers": [
            {
                "name": "one.l4",
                "machine": "one.l4",
                "accelerator": {"name": "L4", "count": 1, "memoryGiB": 24},
                "vcpus": 8,
                "memoryGiB": 32,
                "prices": [{"market": "Spot", "usdPerHour": "0.25"}, {"market": "OnDemand", "usdPerHour": "0.80"}],
            }
        ],
    },
}


def notices(count: int) -> dict[str, float]:
    """Seconds from the taint to the replacement, and to the endpoint's end, of so many notices."""
    with Cluster.up() as cluster, tempfile.TemporaryDirectory() as folder:
        server = Server(cluster)
        _prepared(cluster, server)
        chosen = {**production("http://127.0.0.1:9"), "scrape_every_s": "0", "platform": "gke"}
        chosen["node_groups"] = Settings().node_groups
        with OperatorProcess(cluster.kubeconfig, Path(folder) / "operator.log", chosen):
            eventually(lambda: len(_endpoints(server)) == REPLICAS, within_s=120.0, what="replicas that serve")
            told = [_told(cluster, server, number) for number in range(count)]
    replaced, silent = zip(*told, strict=True)
    return {
        "notices": float(count),
        "spot_notice_to_replacement_p50_s": round(statistics.median(replaced), 3),
        "spot_notice_to_replacement_p99_s": round(_p99(replaced), 3),
        "spot_notice_to_endpoint_gone_p99_s": round(_p99(silent), 3),
    }


def _prepared(cluster: Cluster, server: Server) -> None:
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        cluster.apply(path.read_text(encoding="utf-8"))
    cluster.established()
    for namespace in (NAMESPACE, SYSTEM):
        cluster.kubectl("create", "namespace", namespace)
    server.create(OFFER_CATALOGS, CATALOG)
    for number in range(REPLICAS + 1):
        _machine(cluster, f"spot-{number}")
    spec: Object = {
        "model": {"source": "hf://Qwen/Qwen3-8B"},
        "placement": {"catalogs": ["spots"], "spot": {"policy": "Require"}},
        "scaling": {"minReplicas": REPLICAS, "maxReplicas": REPLICAS},
    }
    server.create(LLM_DEPLOYMENTS, {"metadata": {"name": "chat", "namespace": NAMESPACE}, "spec": spec})


def _told(cluster: Cluster, server: Server, number: int) -> tuple[float, float]:
    """Take back the machine of one replica, and give another for the next."""
    doomed, before = sorted(_endpoints(server))[0], set(_pods(server))
    node = _pods(server)[doomed]["spec"]["nodeName"]
    server.merge(NODES, "", node, {"spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}})
    began_s = time.monotonic()
    replaced_s = silent_s = math.nan
    while math.isnan(replaced_s + silent_s):
        now_s = time.monotonic() - began_s
        if math.isnan(replaced_s) and set(_pods(server)) - before:
            replaced_s = now_s
        if math.isnan(silent_s) and doomed not in _endpoints(server):
            silent_s = now_s
        if now_s > 60.0:
            raise TimeoutError(f"nothing came of the notice of {node} within 60 s")
    eventually(lambda: doomed not in _pods(server), within_s=60.0, what="the replica has gone")
    cluster.kubectl("delete", "node", node)
    _machine(cluster, f"spot-{REPLICAS + 1 + number}")
    eventually(lambda: len(_endpoints(server)) == REPLICAS, within_s=120.0, what="replicas that serve")
    return replaced_s, silent_s


def _machine(cluster: Cluster, name: str) -> None:
    labels = {"node.kubernetes.io/instance-type": "one.l4", "cloud.google.com/gke-spot": "true"}
    cluster.fake_node(name, labels, {"cpu": "32", "memory": "128Gi", "pods": "50", "nvidia.com/gpu": "1"})


def _pods(server: Server) -> dict[str, Object]:
    found = server.all(PODS, NAMESPACE)
    return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}


def _endpoints(server: Server) -> set[str]:
    return {
        endpoint["targetRef"]["name"]
        for found in server.all(SLICES, NAMESPACE)
        for endpoint in found.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
    }


def _p99(seconds: tuple[float, ...]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]
