"""How soon a machine that will be taken back is acted upon: from the taint to another replica ordered.

A deployment on spot machines that kwok plays. One machine after the other is tainted as GKE does; the clock runs from
the answer to that write until the pod that replaces the replica is seen, and until the Service sends it no request.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
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
        prepared(cluster, server)
        with OperatorProcess(cluster.kubeconfig, Path(folder) / "operator.log", settings()):
            eventually(lambda: len(endpoints(server, NAMESPACE)) == REPLICAS, within_s=120.0, what="they serve")
            told = [_told(cluster, server, number) for number in range(count)]
    replaced, silent = zip(*told, strict=True)
    return {
        "notices": float(count),
        "spot_notice_to_replacement_p50_s": round(statistics.median(replaced), 3),
        "spot_notice_to_replacement_p99_s": round(p99(replaced), 3),
        "spot_notice_to_endpoint_gone_p99_s": round(p99(silent), 3),
    }


def settings() -> dict[str, str]:
    """Those of production, on a platform that tells of its notices by a taint."""
    chosen = {**production("http://127.0.0.1:9"), "scrape_every_s": "0", "platform": "gke"}
    return {**chosen, "node_groups": Settings().node_groups}


def prepared(cluster: Cluster, server: Server, **written: str) -> None:
    """A deployment on spot machines, with a machine more than it needs; `written` goes on top of its spec."""
    defined(cluster, NAMESPACE, SYSTEM)
    server.create(OFFER_CATALOGS, CHEAP)
    for number in range(REPLICAS + 1):
        machine(cluster, f"spot-{number}")
    spec: Object = {
        "model": {"source": "hf://Qwen/Qwen3-8B"},
        "placement": {"catalogs": ["spots"], "spot": {"policy": "Require"}},
        "scaling": {"minReplicas": REPLICAS, "maxReplicas": REPLICAS},
        **written,
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
    made_good(cluster, server, doomed, node, f"spot-{REPLICAS + 1 + number}")
    return replaced_s, silent_s


def made_good(cluster: Cluster, server: Server, doomed: str, node: str, another: str) -> None:
    """Wait until a replica has gone, give another machine for its own, and wait until as many serve again."""
    eventually(lambda: doomed not in pods(server, NAMESPACE), within_s=60.0, what="the replica has gone")
    cluster.kubectl("delete", "node", node)
    machine(cluster, another)
    eventually(lambda: len(endpoints(server, NAMESPACE)) == REPLICAS, within_s=120.0, what="they serve")


def p99(seconds: Sequence[float]) -> float:
    """What 99 of 100 are no longer than; the longest of fewer."""
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]
