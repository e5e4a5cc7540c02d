"""What the closed loop takes for hundreds of deployments: processor time a minute, memory, and how soon it acts.

N deployments serve on machines that kwok plays; every pod shows a whole captured page of vLLM that goes on
(`benchmarks.pages`), and the operator runs with production settings: pages every 15 s, a decision every 15 s, the
optimiser and forecasts every five minutes. After a quiet stretch the load of all of them rises at once, so that every
count has to follow. A look, writes included, is from gathering over deciding to the patched object.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from wharfage_operator.kinds import LLM_DEPLOYMENTS, Object
from wharfage_operator.settings import Settings

from benchmarks.operator import CATALOG, _cpu_s, _peak_mib, defined
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Server
from tests.devcluster.cluster import Cluster

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "tests/operator/captured/vllm-0.32.0.txt"
NAMESPACE, SYSTEM = "loop", "wharfage-system"
MOST = 4
NODES = 10
RISE = 6000.0
_SETTLED_S, _POLL_S = 60.0, 2.0
_LOOK = re.compile(r'wharfage_reconcile_seconds_bucket\{kind="llmdeployments",le="([^"]+)"\} (\S+)')


@dataclass(frozen=True, slots=True)
class Figures:
    """What is reported."""

    n: int
    replicas_before: int
    replicas_after: int
    tick_cpu_s_per_min: float
    """Of the operator's own process, in the quiet stretch."""
    worker_cpu_s_per_min: float
    rss_mib: float
    worker_rss_mib: float
    writes_per_min: float
    risen_within_s: float
    """From the rise of the load until every count had followed; decisions are made every 15 s."""
    decision_to_patch_p99_s: float
    """Of the looks while it rose, from gathering to the patched object: no more than that."""


def measured(cluster: Cluster, folder: Path, size: int, quiet_s: float) -> Figures:
    """The figures for so many deployments on a cluster that has nothing yet."""
    server = Server(cluster)
    pages = subprocess.Popen([sys.executable, "-m", "benchmarks.pages", str(PAGE)], cwd=ROOT, stdout=subprocess.PIPE)
    assert pages.stdout is not None
    try:
        proxy = f"http://127.0.0.1:{json.loads(pages.stdout.readline())['port']}"
        prepare(cluster, server, size)
        with OperatorProcess(cluster.kubeconfig, folder / "operator.log", settings(proxy)) as operator:
            _say(f"{size} deployments, until each is measured")
            _until(lambda: len(loads(server)) == size, within_s=900)
            time.sleep(_SETTLED_S)
            return figures(operator, server, proxy, size, quiet_s)
    finally:
        pages.terminate()
        pages.wait()
        pages.stdout.close()


def prepare(cluster: Cluster, server: Server, size: int) -> None:
    """Definitions, prices, machines and deployments."""
    defined(cluster, NAMESPACE, SYSTEM)
    cluster.apply(CATALOG)
    slots = str(size * MOST // NODES + 50)
    capacity = {"cpu": "100000", "memory": "1000Ti", "pods": slots, "nvidia.com/gpu": slots}
    for number in range(NODES):
        cluster.fake_node(f"bench-{number}", {"node.kubernetes.io/instance-type": "bench.l4"}, capacity)
    for number in range(size):
        server.create(
            LLM_DEPLOYMENTS,
            {
                "apiVersion": LLM_DEPLOYMENTS.api_version,
                "kind": LLM_DEPLOYMENTS.name,
                "metadata": {"name": f"llm-{number:04}", "namespace": NAMESPACE},
                "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}, "scaling": {"maxReplicas": MOST}},
            },
        )


def settings(proxy: str) -> dict[str, str]:
    """Those of production, on this cluster."""
    production = {each.name: str(each.default) for each in fields(Settings) if not isinstance(each.default, tuple)}
    own = {"identity": "", "watch_namespaces": NAMESPACE, "http_host": "127.0.0.1", "http_port": "0"}
    return {**production, **own, "node_groups": "bench/bench.l4", "scrape_proxy": proxy, "lease_name": "loop"}


def figures(operator: OperatorProcess, server: Server, proxy: str, size: int, quiet_s: float) -> Figures:
    """Measure a quiet stretch, then a rise."""
    pid, before = operator.process.pid, replicas(server)
    _say(f"{before} replicas; quiet for {quiet_s:.0f} s")
    began_s, cpu_s, worker_s, writes = time.monotonic(), _cpu_s(pid), _worker_s(operator), operator.writes()
    time.sleep(quiet_s)
    minutes = (time.monotonic() - began_s) / 60.0
    own, workers = (_cpu_s(pid) - cpu_s) / minutes, (_worker_s(operator) - worker_s) / minutes
    written = (operator.writes() - writes) / minutes
    looks, rise_s = _looks(operator), time.monotonic()
    with urllib.request.urlopen(urllib.request.Request(f"{proxy}/pace", str(RISE).encode(), method="POST")):
        _say("the load rises")
    with suppress(TimeoutError):
        _until(lambda: replicas(server) == size * MOST, within_s=300)
    return Figures(
        n=size,
        replicas_before=before,
        replicas_after=replicas(server),
        tick_cpu_s_per_min=round(own, 2),
        worker_cpu_s_per_min=round(workers, 2),
        rss_mib=round(_peak_mib(pid), 1),
        worker_rss_mib=round(operator.metric("wharfage_worker_resident_memory_bytes") / 2**20, 1),
        writes_per_min=round(written, 1),
        risen_within_s=round(time.monotonic() - rise_s, 1),
        decision_to_patch_p99_s=_p99(looks, _looks(operator)),
    )


def loads(server: Server) -> list[Object]:
    """Deployments of which the load is known."""
    return [each for each in server.all(LLM_DEPLOYMENTS, NAMESPACE) if (each.get("status") or {}).get("load")]


def replicas(server: Server) -> int:
    """That are wanted."""
    every = (each.get("status") or {} for each in server.all(LLM_DEPLOYMENTS, NAMESPACE))
    return sum(row["wanted"] for status in every for row in status.get("fleet") or ())


def _worker_s(operator: OperatorProcess) -> float:
    return operator.metric("wharfage_worker_cpu_seconds_total")


def _looks(operator: OperatorProcess) -> dict[float, float]:
    return {float(edge): float(count) for edge, count in _LOOK.findall(operator.page("metrics"))}


def _p99(before: dict[float, float], after: dict[float, float]) -> float:
    """The edge of the bucket below which 99 of 100 looks lie."""
    more = {edge: count - before.get(edge, 0.0) for edge, count in sorted(after.items())}
    total = max(more.values(), default=0.0)
    return next((edge for edge, count in more.items() if count >= 0.99 * total), float("inf"))


def _until(holds: object, *, within_s: float) -> None:
    assert callable(holds)
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(_POLL_S)


def _say(line: str) -> None:
    print(line, flush=True)


def fleet(size: int, quiet_s: float) -> dict[str, float]:
    """The figures by name, on a cluster of its own."""
    with Cluster.up() as cluster, tempfile.TemporaryDirectory() as folder:
        return asdict(measured(cluster, Path(folder), size, quiet_s))
