"""How the operator compares with a bare client that applies the same objects: time, CPU, memory, writes, latencies.

Per size and round, N deployments are made twice, each time in a namespace of their own that is gone before the
next turn. In one turn the operator, started for it, brings them to their children and status; in the other a bare
client server-side-applies the same bytes (children, and the status that the operator arrived at) with as many
requests under way as the operator has workers. The order alternates between rounds; times are medians, and so is the
ratio, of each round's own two turns: a shared machine is half as fast for minutes at a time. Nodes are not
simulated: the offer is obtainable by declaration, and pods stay pending.

    python -m benchmarks.operator --sizes 300,1000 --json out.json
"""

import argparse
import asyncio
import json
import os
import platform
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from wharfage_api import LLMDeployment
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_operator.children import ChildSettings
from wharfage_operator.connection import APPLY, Connection, connect
from wharfage_operator.errors import ApiError
from wharfage_operator.gather import parsed
from wharfage_operator.kinds import (
    DEPLOYMENTS,
    LLM_DEPLOYMENTS,
    OFFER_CATALOGS,
    SERVICES,
    Kind,
    Object,
    key_of,
    kind_of,
)
from wharfage_operator.manifests import manifests
from wharfage_operator.obtainable import obtainability
from wharfage_operator.platforms import platform as dialect
from wharfage_operator.settings import Settings
from wharfage_operator.spec import offers, wanted

from tests.cluster.process import OperatorProcess
from tests.devcluster.cluster import Cluster

ROOT = Path(__file__).resolve().parents[1]
PROBES = 100
IDLE_S = 60.0
DECLARED = "bench/bench.l4"
CATALOG: Object = {
    "apiVersion": OFFER_CATALOGS.api_version,
    "kind": OFFER_CATALOGS.name,
    "metadata": {"name": "bench"},
    "spec": {
        "provider": "other",
        "observedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "offers": [
            {
                "name": "bench.l4",
                "machine": "bench.l4",
                "accelerator": {"name": "L4", "count": 1, "memoryGiB": 24},
                "vcpus": 8,
                "memoryGiB": 32,
                "prices": [{"market": "OnDemand", "usdPerHour": "0.80"}],
            }
        ],
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """What is reported for one N."""

    n: int
    ratio_to_bare_writer: float
    converge_s: float
    bare_s: float
    cpu_s: float
    rss_mib: float
    writes_per_deployment: float
    idle_writes: float
    edit_to_child_p50_s: float
    edit_to_child_p99_s: float
    restore_p99_s: float
    exit_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the operator showed."""

    converge_s: float
    cpu_s: float
    rss_mib: float
    writes: float


class Bench:
    """One cluster, and everything that is measured on it."""

    def __init__(self, cluster: Cluster, connection: Connection, folder: Path, *, rounds: int) -> None:
        self._cluster = cluster
        self._connection = connection
        self._folder = folder
        self._rounds = rounds
        self._workers = Settings().workers
        self._status: Object = {}

    async def size(self, n: int) -> Row:
        """All rounds for one N; the last round's operator is also probed."""
        runs: list[Run] = []
        bare_s: list[float] = []
        probes: tuple[float, float, float, float, float] | None = None
        for number in range(self._rounds):
            last = number == self._rounds - 1
            # The bare client needs a status to write, so the very first turn is the operator's.
            for turn in ("op", "bare") if number % 2 == 0 else ("bare", "op"):
                namespace = f"{turn}-{n}-{number}"
                await self._prepare(namespace, n)
                if turn == "op":
                    operator, run = await self._operator(namespace, n)
                    runs.append(run)
                    if last:
                        probes = await self._probe(operator, namespace, n)
                    else:
                        operator.stop()
                else:
                    bare_s.append(await self._bare(namespace))
                await self._remove(namespace)  # what one turn leaves behind would slow the next one down
            _say(f"  round {number + 1}: operator {runs[-1].converge_s:.1f} s, bare client {bare_s[-1]:.1f} s")
        assert probes is not None
        idle, p50_s, p99_s, restore_s, exit_s = probes
        ratios = [run.converge_s / bare for run, bare in zip(runs, bare_s, strict=True)]
        return Row(
            n=n,
            ratio_to_bare_writer=round(statistics.median(ratios), 3),
            converge_s=round(statistics.median(run.converge_s for run in runs), 2),
            bare_s=round(statistics.median(bare_s), 2),
            cpu_s=round(statistics.median(run.cpu_s for run in runs), 2),
            rss_mib=round(max(run.rss_mib for run in runs), 1),
            writes_per_deployment=round(statistics.median(run.writes for run in runs) / n, 2),
            idle_writes=idle,
            edit_to_child_p50_s=round(p50_s, 3),
            edit_to_child_p99_s=round(p99_s, 3),
            restore_p99_s=round(restore_s, 3),
            exit_s=round(exit_s, 2),
        )

    async def _prepare(self, namespace: str, n: int) -> None:
        await self._connection.call("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}})
        made = (
            {
                "apiVersion": LLM_DEPLOYMENTS.api_version,
                "kind": LLM_DEPLOYMENTS.name,
                "metadata": {"name": f"llm-{number:04}", "namespace": namespace},
                "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}},
            }
            for number in range(n)
        )
        await self._at_once(("POST", LLM_DEPLOYMENTS.path(namespace), obj, "application/json") for obj in made)

    async def _operator(self, namespace: str, n: int) -> tuple[OperatorProcess, Run]:
        """Start an operator and wait until every deployment has its children and its status."""
        production = {
            field.name: str(field.default) for field in fields(Settings) if not isinstance(field.default, tuple)
        }
        chosen = {
            **production,
            "identity": "",
            "watch_namespaces": namespace,
            "node_groups": DECLARED,
            "http_host": "127.0.0.1",
            "http_port": "0",
            "lease_name": f"bench-{namespace}",
        }
        started_s = time.monotonic()
        operator = OperatorProcess(self._cluster.kubeconfig, self._folder / f"{namespace}.log", chosen)
        while operator.port is None:  # noqa: ASYNC110 - polls another process
            await asyncio.sleep(0.05)
        loop = asyncio.get_running_loop()
        counter, written = 'wharfage_writes_total{resource="llmdeployments"', 0.0
        while written < n:
            # Each look costs the operator 12 ms, so they get closer only towards the end.
            await asyncio.sleep(1.0 if written < 0.8 * n else 0.25)
            written = await loop.run_in_executor(None, operator.metric, counter)
        while True:
            page = await self._connection.call("GET", LLM_DEPLOYMENTS.path(namespace))
            converge_s = time.monotonic() - started_s
            if all(_observed(item) for item in page["items"]):
                break
            await asyncio.sleep(0.25)
        cpu_s = _cpu_s(operator.process.pid)
        await self._settled(operator)
        self._status = (await self._connection.call("GET", LLM_DEPLOYMENTS.path(namespace, "llm-0000")))["status"]
        return operator, Run(converge_s, cpu_s, _peak_mib(operator.process.pid), operator.writes())

    async def _settled(self, operator: OperatorProcess) -> None:
        """Wait until nothing has been written for three seconds."""
        before = -1.0
        while operator.writes() != before:
            before = operator.writes()
            await asyncio.sleep(3)

    async def _bare(self, namespace: str) -> float:
        """Apply the same children and the same status, as fast as the same number of requests allows."""
        page = await self._connection.call("GET", LLM_DEPLOYMENTS.path(namespace))
        catalog = parsed({**CATALOG, "spec": CATALOG["spec"]})
        rows = offers(catalog, obtainability((), (), (DECLARED,)))
        plans = [self._requests(item, rows) for item in page["items"]]
        todo = asyncio.Queue[list[tuple[str, str, Object, str]]]()
        for plan in plans:
            todo.put_nowait(plan)
        started_s = time.monotonic()

        async def worker() -> None:
            while not todo.empty():
                for method, path, body, content_type in todo.get_nowait():
                    params = {"fieldManager": "wharfage", "force": "true"}
                    await self._connection.call(method, path, body=body, params=params, content_type=content_type)

        await asyncio.gather(*(worker() for _ in range(self._workers)))
        return time.monotonic() - started_s

    def _requests(self, raw: Object, rows: Any) -> list[tuple[str, str, Object, str]]:
        deployment = LLMDeployment.model_validate(
            {**raw, "apiVersion": LLM_DEPLOYMENTS.api_version, "kind": LLM_DEPLOYMENTS.name}
        )
        key = key_of(raw)
        seen = Snapshot(now=time.time(), key=key, wanted=wanted(deployment), offers=rows, fleet=Fleet())
        target = decide(seen, Memory())[0].target
        objects = manifests(deployment, raw["metadata"]["uid"], target, ChildSettings(), dialect("auto"))
        status = {
            "apiVersion": LLM_DEPLOYMENTS.api_version,
            "kind": LLM_DEPLOYMENTS.name,
            "metadata": {"name": key[1], "namespace": key[0]},
            "status": self._status,
        }
        return [
            *(("PATCH", kind_of(obj).path(*key_of(obj)), obj, APPLY) for obj in objects),
            ("PATCH", LLM_DEPLOYMENTS.path(*key) + "/status", status, APPLY),
        ]

    async def _probe(
        self, operator: OperatorProcess, namespace: str, n: int
    ) -> tuple[float, float, float, float, float]:
        """Idle writes, edit-to-child p50 and p99, restore p99, exit."""
        before = operator.writes()
        await asyncio.sleep(IDLE_S)
        idle = operator.writes() - before
        names = [f"llm-{number:04}" for number in range(min(n, PROBES))]
        edits = [await self._edit(namespace, name) for name in names]
        restores = [await self._restore(namespace, name) for name in names]
        exit_s = operator.stop()
        return idle, statistics.median(edits), _p99(edits), _p99(restores), exit_s

    async def _edit(self, namespace: str, name: str) -> float:
        async with AsyncExitStack() as stack:
            seen = await stack.enter_async_context(
                _Watch(self._cluster, DEPLOYMENTS, namespace, f"wharfage.dev/llmdeployment={name}")
            )
            patch = {"spec": {"scaling": {"minReplicas": 2}}}
            started_s = time.monotonic()
            path = LLM_DEPLOYMENTS.path(namespace, name)
            await self._connection.call("PATCH", path, body=patch, content_type="application/merge-patch+json")
            await seen.until(lambda event, obj: obj["spec"]["replicas"] == 2)
            return time.monotonic() - started_s

    async def _restore(self, namespace: str, name: str) -> float:
        async with AsyncExitStack() as stack:
            seen = await stack.enter_async_context(
                _Watch(self._cluster, SERVICES, namespace, f"wharfage.dev/llmdeployment={name}")
            )
            started_s = time.monotonic()
            await self._connection.call("DELETE", SERVICES.path(namespace, name))
            await seen.until(lambda event, obj: event == "ADDED")
            return time.monotonic() - started_s

    async def _remove(self, namespace: str) -> None:
        path = f"/api/v1/namespaces/{namespace}"
        await self._connection.call("DELETE", path)
        while True:
            try:
                await self._connection.call("GET", path)
            except ApiError as error:
                if error.status != 404:
                    raise
                return
            await asyncio.sleep(1)

    async def _at_once(self, requests: Iterable[tuple[str, str, Object, str]]) -> None:
        turns = asyncio.Semaphore(16)

        async def one(method: str, path: str, body: Object, content_type: str) -> None:
            async with turns:
                await self._connection.call(method, path, body=body, content_type=content_type)

        await asyncio.gather(*(one(*request) for request in requests))


class _Watch:
    """A watch from now on, opened before something is done that it shall see."""

    def __init__(self, cluster: Cluster, kind: Kind, namespace: str, selector: str) -> None:
        self._url = cluster.url + kind.path(namespace)
        self._params = {"labelSelector": selector}
        self._headers = {"Authorization": f"Bearer {cluster.admin_token}"}
        self._ca = cluster.ca

    async def __aenter__(self) -> "_Watch":
        context = ssl.create_default_context(cafile=self._ca)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), headers=self._headers)
        async with self._session.get(self._url, params=self._params) as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        params = {**self._params, "watch": "true", "resourceVersion": version}
        self._answer = await self._session.get(self._url, params=params)
        return self

    async def until(self, right: Any) -> None:
        async with asyncio.timeout(30):
            while True:
                event = json.loads(await self._answer.content.readline())
                if right(event["type"], event["object"]):
                    return

    async def __aexit__(self, *_: object) -> None:
        self._answer.close()
        await self._session.close()


def _observed(item: Object) -> bool:
    return bool(item.get("status", {}).get("observedGeneration") == item["metadata"]["generation"])


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def _cpu_s(pid: int) -> float:
    """User and system time of the process and of its waited-for children."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(value) for value in values[11:15]) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _say(line: str) -> None:
    print(line, flush=True)


def defined(cluster: Cluster, *namespaces: str) -> None:
    """Our definitions, established, and some namespaces."""
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        cluster.apply(path.read_text(encoding="utf-8"))
    cluster.established()
    for namespace in namespaces:
        cluster.kubectl("create", "namespace", namespace)


async def run(sizes: list[int], rounds: int) -> list[Row]:
    """All sizes on one cluster; an odd number of rounds, since the last one is the operator's to begin."""
    _say("starting a control plane (the first time it is compiled, which takes minutes)")
    with Cluster.up(karpenter=False, kwok=False) as cluster, tempfile.TemporaryDirectory() as folder:
        defined(cluster, "wharfage-system")
        cluster.apply(CATALOG)
        os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
        async with connect(request_timeout_s=60, connect_timeout_s=5) as connection:
            bench, rows = Bench(cluster, connection, Path(folder), rounds=rounds), []
            for n in sizes:
                _say(f"N = {n}")
                rows.append(await bench.size(n))
        return rows


def main() -> None:
    """Print a table; write the rows as JSON where asked to."""
    parser = argparse.ArgumentParser(description="Benchmark of the operator against a bare client.")
    parser.add_argument(
        "--sizes", default=os.environ.get("SIZES", "300,1000"), help="numbers of deployments; 3000 takes long"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        choices=(1, 3, 5),
        default=int(os.environ.get("ROUNDS", "3")),
        help="of which the median counts",
    )
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the rows")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the bare client on the operator's loop
        rows = runner.run(run([int(size) for size in given.sizes.split(",")], given.rounds))
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    names = [field.name for field in fields(Row)]
    width = max(map(len, names))
    for name in names:
        print(f"{name:<{width}}  " + "  ".join(f"{getattr(row, name):>10}" for row in rows))
    if given.json:
        Path(given.json).write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
