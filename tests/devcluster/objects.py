"""The Kubernetes objects that every devcluster starts with, and those that a test makes by hand: values."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.devcluster.components import FAKE_NODE
from tests.devcluster.instance_types import has_accelerator

MACHINE = "node.kubernetes.io/instance-type"
ACCELERATOR_TAINT = {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}
"""What clouds and device plugins put on GPU nodes, so that only pods that tolerate it land there."""


def node_pools(
    instance_types: Sequence[Mapping[str, Any]], *, boot_s: float, empty_after_s: float
) -> list[dict[str, Any]]:
    """The node class and two NodePools, `gpu` (tainted) and `cpu`, over the given machines.

    Karpenter removes a node that has been empty for `empty_after_s`, and never moves pods for a better price.
    """
    node_class = {
        "apiVersion": "karpenter.kwok.sh/v1alpha1",
        "kind": "KWOKNodeClass",
        "metadata": {"name": "default"},
        "spec": {"nodeRegistrationDelay": f"{boot_s:g}s"},
    }
    pools = [node_class]
    for name, accelerated in (("gpu", True), ("cpu", False)):
        machines = [machine["name"] for machine in instance_types if has_accelerator(machine) == accelerated]
        if machines:
            taints = [ACCELERATOR_TAINT] if accelerated else []
            pools.append(_node_pool(name, machines, taints=taints, empty_after_s=empty_after_s))
    return pools


def _node_pool(
    name: str, machines: Iterable[str], *, taints: list[dict[str, str]], empty_after_s: float
) -> dict[str, Any]:
    requirements = {
        MACHINE: sorted(machines),
        "karpenter.sh/capacity-type": ["on-demand", "spot"],
        "kubernetes.io/arch": ["amd64"],
        "kubernetes.io/os": ["linux"],
    }
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "spec": {
                    "requirements": [
                        {"key": key, "operator": "In", "values": values} for key, values in requirements.items()
                    ],
                    "taints": taints,
                    "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
                    "expireAfter": "Never",
                }
            },
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": f"{empty_after_s:g}s"},
        },
    }


def fake_node(
    name: str,
    labels: Mapping[str, str] | None = None,
    capacity: Mapping[str, str] | None = None,
    taints: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """A node that kwok plays. `capacity` adds to 16 CPUs, 64 GiB and 110 pods, or replaces them."""
    resources = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "500Gi", **(capacity or {})}
    standard = {"kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**standard, **(labels or {})}, "annotations": {FAKE_NODE: "fake"}},
        "spec": {"taints": list(taints)},
        "status": {"capacity": resources, "allocatable": resources},
    }


def market_rules(
    *,
    withdrawn: Sequence[str] = (),
    refused: Sequence[str] = (),
    interrupted: Sequence[str] = (),
    boot_s: Sequence[float] = (),
    notice_s: float = 120.0,
    usd_per_hour: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The ConfigMap that steers what Karpenter can buy; `rules.go` says what each rule does.

    Places are written machine/market/zone with `*` as in a shell: `g6e.xlarge/spot/*`.
    """
    rules = {
        "withdrawn": list(withdrawn),
        "refused": list(refused),
        "interrupted": list(interrupted),
        "bootSeconds": list(boot_s),
        "noticeSeconds": notice_s,
        "usdPerHour": dict(usd_per_hour or {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "devcluster-market", "namespace": "kube-system"},
        "data": {"rules.json": json.dumps(rules)},
    }
