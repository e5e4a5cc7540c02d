"""How soon a gateway sends nothing new to a machine that will be taken back: from the taint to the brain's view.

A deployment behind the gateway on spot machines that kwok plays, the operator with production settings, the brain and
a real Envoy that follow the same API server. The clock runs from the answer to the taint; the notice reaches the
gateway when the operator has labelled the replica's pod, and the end is that the brain no longer sends it anything,
which it learns after Envoy's files were written.
"""

import asyncio
import math
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from wharfage_api.labels import SERVING
from wharfage_operator.kinds import PODS

from benchmarks import loop_notices
from benchmarks.loop_fleet import NAMESPACE
from benchmarks.loop_notices import REPLICAS
from tests.cluster.machines import TAKEN_BACK, endpoints, pods, taint
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Server, eventually
from tests.devcluster.cluster import Cluster
from tests.gateway.rig import Rig

PATIENCE_S = 60.0


async def notices(count: int) -> Mapping[str, float]:
    """Seconds from the taint to DRAINING of so many notices, and the part of it that was the gateway's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = await asyncio.to_thread(Cluster.up)
        try:
            server = Server(cluster)
            await asyncio.to_thread(loop_notices.prepared, cluster, server, routing="Gateway")
            os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
            async with Rig(folder) as rig:
                rig.namespace = NAMESPACE
                await rig.start_brain()
                await rig.start_envoy()
                chosen = {**loop_notices.settings(), "gateways": f"{NAMESPACE}={rig.pages}"}
                with OperatorProcess(cluster.kubeconfig, folder / "operator.log", chosen):
                    told = await asyncio.to_thread(_all, cluster, server, rig.pages, count)
        finally:
            del os.environ["KUBECONFIG"]
            await asyncio.to_thread(cluster.down)
    drained = [drained_s for _, drained_s in told]
    own = [drained_s - written_s for written_s, drained_s in told]
    return {
        "notices": float(count),
        "notice_to_draining_p50_s": round(statistics.median(drained), 3),
        "notice_to_draining_p99_s": round(loop_notices.p99(drained), 3),
        "notice_gateway_p50_s": round(statistics.median(own), 3),
        "notice_gateway_p99_s": round(loop_notices.p99(own), 3),
    }


def _all(cluster: Cluster, server: Server, pages: str, count: int) -> list[tuple[float, float]]:
    eventually(lambda: len(endpoints(server, NAMESPACE)) == REPLICAS, within_s=120.0, what="they serve")
    return [_told(cluster, server, pages, f"spot-{REPLICAS + 1 + number}") for number in range(count)]


def _told(cluster: Cluster, server: Server, pages: str, another: str) -> tuple[float, float]:
    """Take back the machine of one replica: until its pod is labelled, and until the gateway has it drain."""
    doomed = sorted(endpoints(server, NAMESPACE))[0]
    node = pods(server, NAMESPACE)[doomed]["spec"]["nodeName"]
    eventually(lambda: _is_open(pages, doomed), within_s=PATIENCE_S, what="the gateway has the replica")
    taint(server, TAKEN_BACK, node)
    began_s = time.monotonic()
    written_s = drained_s = math.nan
    while math.isnan(drained_s):
        found = server.get(PODS, NAMESPACE, doomed) if math.isnan(written_s) else None
        now_s = time.monotonic() - began_s
        if math.isnan(written_s) and (found is None or found["metadata"]["labels"].get(SERVING) != "true"):
            written_s = now_s
        if not _is_open(pages, doomed):
            drained_s = time.monotonic() - began_s
        if now_s > PATIENCE_S:
            raise TimeoutError(f"nothing came of the notice of {node} within {PATIENCE_S:g} s")
    loop_notices.made_good(cluster, server, doomed, node, another)
    return drained_s if math.isnan(written_s) else written_s, drained_s


def _is_open(pages: str, replica: str) -> bool:
    """Whether the brain sends new requests to a replica."""
    with urllib.request.urlopen(f"{pages}/metrics", timeout=5.0) as answer:
        page: str = answer.read().decode()
    return f'wharfage_gateway_open{{model="chat",replica="{replica}"}} 1.0' in page
