"""What the tests of the operator have in common: machines, a deployment, and how to look at both."""

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wharfage_operator.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    LLM_DEPLOYMENTS,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Kind,
)

from tests.cluster.process import OperatorProcess
from tests.cluster.server import Object, Server, condition, eventually, eventually_is
from tests.devcluster.cluster import Cluster

_TWO_TURNS_S = 5.0
KINDS = (SERVICE_ACCOUNTS, CONFIG_MAPS, SERVICES, DISRUPTION_BUDGETS, NETWORK_POLICIES, DEPLOYMENTS)
"""Kinds of children in a cluster without Prometheus."""

MACHINES = tuple(
    (
        f"gpu-{number}",
        {"node.kubernetes.io/instance-type": machine},
        {"cpu": "32", "memory": "128Gi", "pods": "50", "nvidia.com/gpu": "8"},
    )
    for number, machine in enumerate(("lab.l4", "lab.l40s"), start=1)
)


def priced(name: str, accelerator: str, memory_gib: int, usd_per_hour: str, *, accelerators: int = 8) -> Object:
    """An offer of machines of a kind."""
    return {
        "name": name,
        "machine": name,
        "accelerator": {"name": accelerator, "count": accelerators, "memoryGiB": memory_gib},
        "vcpus": 32,
        "memoryGiB": 128,
        "prices": [{"market": "OnDemand", "usdPerHour": usd_per_hour}],
    }


CATALOG: Object = {
    "metadata": {"name": "cluster-lab"},
    "spec": {
        "provider": "other",
        "observedAt": "2026-11-01T00:00:00Z",
        "offers": [priced("lab.l4", "L4", 24, "6.40"), priced("lab.l40s", "L40S", 48, "14.88")],
    },
}


def llm(namespace: str, name: str = "chat", **spec: Any) -> Object:
    """An LLMDeployment of a model that fits one L4."""
    return {
        "apiVersion": LLM_DEPLOYMENTS.api_version,
        "kind": LLM_DEPLOYMENTS.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}, **spec},
    }


@dataclass
class Lab:
    """A namespace of a test, and the operators that the test has started in it."""

    cluster: Cluster
    server: Server
    namespace: str
    folder: Path
    system: str
    operators: list[OperatorProcess] = field(default_factory=list)

    def start(self, kubeconfig: Path | None = None, **settings: str) -> OperatorProcess:
        """Start an operator that serves this namespace alone.

        Unless `settings` name a Lease, it has one of its own, and need not wait until that of one that was killed ends.
        """
        log = self.folder / f"operator-{len(self.operators)}.log"
        lease = f"leader-{secrets.token_hex(3)}"
        chosen = {"namespace": self.system, "watch_namespaces": self.namespace, "lease_name": lease, **settings}
        started = OperatorProcess(kubeconfig or self.cluster.kubeconfig, log, chosen)
        self.operators.append(started)
        return started

    def stop_all(self) -> None:
        """End what still runs."""
        for operator in self.operators:
            if operator.process.poll() is None:
                operator.kill()

    def create(self, name: str = "chat", **spec: Any) -> Object:
        """Create a deployment."""
        return self.server.create(LLM_DEPLOYMENTS, llm(self.namespace, name, **spec))

    def llm(self, name: str = "chat") -> Object | None:
        """The deployment as it stands."""
        return self.server.get(LLM_DEPLOYMENTS, self.namespace, name)

    def is_ready(self, name: str = "chat") -> Object:
        """The deployment, if its present generation is Ready; else an empty one."""
        seen = self.llm(name)
        assert seen is None or seen["httpStatus"] == 200, seen
        said = condition(seen, "Ready")
        current = seen is not None and said.get("observedGeneration") == seen["metadata"]["generation"]
        return seen if seen is not None and current and said["status"] == "True" else {}

    def ready(self, name: str = "chat", *, within_s: float = 120.0) -> Object:
        """Wait until the deployment's present generation is Ready; returns it."""
        try:
            return eventually(lambda: self.is_ready(name), within_s=within_s, what=f"{name} is Ready")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._told(name)}") from None

    def booked(self) -> None:
        """Wait until the ledger, which follows some seconds behind, was not written for two of its turns."""

        def still() -> bool:
            before = self._ledger()
            time.sleep(_TWO_TURNS_S)
            return before != "" and self._ledger() == before

        eventually(still, within_s=120.0, what="the ledger is written")

    def _ledger(self) -> str:
        """The version of what is open; empty before there is any."""
        found = self.server.get(CONFIG_MAPS, self.system, "wharfage-ledger-open") or {}
        return str(found.get("metadata", {}).get("resourceVersion", ""))

    def _told(self, name: str) -> str:
        """What there is to know about a deployment that does not get where it should."""
        told = {
            "status": (self.llm(name) or {}).get("status"),
            "pools": [pool.get("status") for pool in self.pools(name)],
            "pods": [(pod["metadata"]["name"], pod.get("status")) for pod in self.server.all(PODS, self.namespace)],
            "nodes": [condition(node, "Ready") for node in self.server.all(NODES)],
            "operators ended with": [operator.process.poll() for operator in self.operators],
            "the last one said": self.operators[-1].records[-8:] if self.operators else [],
        }
        return "; ".join(f"{what}: {said}" for what, said in told.items())

    def move(self, name: str = "chat", *, within_s: float = 120.0) -> None:
        """Want another accelerator, which is another pool, and wait until it alone is there."""
        wanted = {"spec": {"placement": {"accelerators": ["L40S"]}}}
        self.server.merge(LLM_DEPLOYMENTS, self.namespace, name, wanted)

        def look() -> object:
            fleet = self.is_ready(name).get("status", {}).get("fleet", ())
            return [(row["accelerator"], row["ready"] == row["wanted"]) for row in fleet], len(self.pools(name))

        what = f"the fleet of {name}, and its pools"
        try:
            eventually_is(look, ([("L40S x1", True)], 1), within_s=within_s, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._told(name)}") from None

    def blocked(self, reason: str, name: str = "chat", *, about: str = "Ready", within_s: float = 120.0) -> Object:
        """Wait until a condition is not True for that reason; returns the condition."""

        def look() -> Object | None:
            said = condition(self.llm(name), about)
            return said if said.get("reason") == reason and said["status"] != "True" else None

        try:
            return eventually(look, within_s=within_s)
        except AssertionError:
            raise AssertionError(f"{name} is not blocked by {reason}: {self._told(name)}") from None

    def children(self, name: str = "chat") -> dict[tuple[str, str], Object]:
        """All children of a deployment by kind and name."""
        found = {}
        for kind in KINDS:
            for obj in self.server.all(kind, self.namespace):
                if obj["metadata"].get("labels", {}).get("wharfage.dev/llmdeployment") == name:
                    found[kind.name, obj["metadata"]["name"]] = obj
        return found

    def pools(self, name: str = "chat") -> list[Object]:
        """The Deployments of a deployment."""
        return [child for (kind, _), child in self.children(name).items() if kind == DEPLOYMENTS.name]

    def child(self, kind: Kind, name: str = "chat") -> Object:
        """The one child of a kind."""
        (found,) = [obj for (what, _), obj in self.children(name).items() if what == kind.name]
        return found
