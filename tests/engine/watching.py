"""What of a deployment's pods serves, looked at twice a second for as long as a block lasts: no gap goes unseen."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.devcluster.cluster import Cluster
from tests.engine.machines import BOTH

Pod = dict[str, Any]
EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, at Unix seconds: by machine, how many pods the Service sends requests to, and how many there are."""

    at_s: float
    ready: dict[str, int]
    pods: dict[str, int]

    @property
    def cores(self) -> int:
        """Declared cores that serve: what capacity is counted in here."""
        return sum(machine.cores * self.ready[machine.name] for machine in BOTH)


@dataclass(slots=True)
class Watching:
    """Looks, and what they showed."""

    look: Callable[[], Sequence[Pod]]
    heard: Callable[[Sequence[Pod]], None] = lambda pods: None
    """Is told of each look."""
    samples: list[Sample] = field(default_factory=list)

    def since(self, at_s: float) -> list[Sample]:
        """The samples from then on."""
        return [sample for sample in self.samples if sample.at_s >= at_s]

    def once(self) -> None:
        """One look more."""
        pods = self.look()
        self.samples.append(sampled(pods, at_s=time.time()))
        self.heard(pods)


def sampled(pods: Sequence[Pod], *, at_s: float) -> Sample:
    """Count them by the machine that they are pinned to."""
    ready, there = ({machine.name: 0 for machine in BOTH} for _ in range(2))
    for pod in pods:
        name = machine_of(pod)
        there[name] += 1
        ready[name] += serves(pod)
    return Sample(at_s, ready, there)


def serves(pod: Pod) -> bool:
    """Whether the Service sends requests to it."""
    conditions = pod["status"].get("conditions", ())
    ready = any(row["type"] == "Ready" and row["status"] == "True" for row in conditions)
    selected = pod["metadata"]["labels"].get("wharfage.dev/serving") == "true"
    return ready and selected and "deletionTimestamp" not in pod["metadata"]


def machine_of(pod: Pod) -> str:
    """The kind of machine that a pod is pinned to."""
    affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    keys = {row["key"] for term in affinity["nodeSelectorTerms"] for row in term["matchExpressions"]}
    return next(machine.name for machine in BOTH if machine.label in keys)


def pods_of(cluster: Cluster, namespace: str, name: str) -> Callable[[], Sequence[Pod]]:
    """A look at the engines of a deployment, without starting a program for it."""
    selector = quote(f"wharfage.dev/llmdeployment={name},wharfage.dev/pool")
    path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}"
    return lambda: list(json.loads(cluster.read(path))["items"])
