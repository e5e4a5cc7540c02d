"""How soon a machine that will be taken back is acted upon: from the taint to another replica ordered.

A deployment on spot machines that kwok plays. One machine after the other is tainted as GKE does; the clock runs from
the answer to that write until the pod that replaces the replica is seen, and until the Service sends it no request.
"""

import math
import statistics
import tempfile
import time
from pathlib import Path

from wharfage_operator.kinds import LLM_DEPLOYMENTS, OFFER_CATALOGS, Object
from wharfage_operator.settings import Settings

from benchmarks.loop_fleet import NAMESPACE, SYSTEM
from benchmarks.loop_fleet import settings as production
from benchmarks.operator import defined
from tests.cluster.machines import CHEAP, TAKEN_BACK, endpoints, machine, pods, taint
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Server, eventually
from tests.devcluster.cluster import Cluster

REPLICAS = 3


def notices(count: int) -> dict[str, float]:
    """Seconds from the taint to the replacement, and to the endpoint's end, of so many notices."""
    with Cluster.up() as cluster, tempfile.TemporaryDirectory() as folder:
        server = Server(cluster)
        _prepared(cluster, server)
        chosen = {**production("http://127.0.0.1:9"), "scrape_every_s": "0", "platform": "gke"}
        chosen["node_groups"] = Settings().node_groups
        with OperatorProcess(cluster.kubeconfig, Path(folder) / "operator.log", chosen):
            eventually(lambda: len(endpoints(server, NAMESPACE)) == REPLICAS, within_s=120.0, what="they serve")
            told = [_told(cluster, server, number) for number in range(count)]
    replaced, silent = zip(*told, strict=True)
    return {
        "notices": float(count),
        "spot_notice_to_replacement_p50_s": round(statistics.median(replaced), 3),
        "spot_notice_to_replacement_p99_s": round(_p99(replaced), 3),
        "spot_notice_to_endpoint_gone_p99_s": round(_p99(silent), 3),
    }


def _prepared(cluster: Cluster, server: Server) -> None:
    defined(cluster, NAMESPACE, SYSTEM)
    server.create(OFFER_CATALOGS, CHEAP)
    for number in range(REPLICAS + 1):
        machine(cluster, f"spot-{number}")
    spec: Object = {
        "model": {"source": "hf://Qwen/Qwen3-8B"},
        "placement": {"catalogs": ["spots"], "spot": {"policy": "Require"}},
        "scaling": {"minReplicas": REPLICAS, "maxReplicas": REPLICAS},
    }
    server.create(LLM_DEPLOYMENTS, {"metadata": {"name": "chat", "namespace": NAMESPACE}, "spec": spec})


def _told(cluster: Cluster, server: Server, number: int) -> tuple[float, float]:
    """Take back the machine of one replica, and give another for the next."""
    doomed, before = sorted(endpoints(server, NAMESPACE))[0], set(pods(server, NAMESPACE))
    node = pods(server, NAMESPACE)[doomed]["spec"]["nodeName"]
    taint(server, TAKEN_BACK, node)
    began_s = time.monotonic()
    replaced_s = silent_s = math.nan
    while math.isnan(replaced_s + silent_s):
        now_s = time.monotonic() - began_s
        if math.isnan(replaced_s) and set(pods(server, NAMESPACE)) - before:
            replaced_s = now_s
        if math.isnan(silent_s) and doomed not in endpoints(server, NAMESPACE):
            silent_s = now_s
        if now_s > 60.0:
            raise TimeoutError(f"nothing came of the notice of {node} within 60 s")
    eventually(lambda: doomed not in pods(server, NAMESPACE), within_s=60.0, what="the replica has gone")
    cluster.kubectl("delete", "node", node)
    machine(cluster, f"spot-{REPLICAS + 1 + number}")
    eventually(lambda: len(endpoints(server, NAMESPACE)) == REPLICAS, within_s=120.0, what="they serve")
    return replaced_s, silent_s


def _p99(seconds: tuple[float, ...]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]
