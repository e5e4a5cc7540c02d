"""Which offers this cluster can give, and through what."""

from typing import Any

import pytest
from wharfage_autoscaler.offers import Market, Offer
from wharfage_operator.obtainable import obtainability, provider

from tests.builders import offer
from tests.operator.objects import node, node_pool

TYPE = "node.kubernetes.io/instance-type"
CAPACITY = "karpenter.sh/capacity-type"
ZONE = "topology.kubernetes.io/zone"
L4 = offer("g6.xlarge", node_selector=((TYPE, "g6.xlarge"),))
SPOT = offer("g6.xlarge", market=Market.SPOT, zone="a", node_selector=((TYPE, "g6.xlarge"),))
OWN = offer("rack", market=Market.RESERVED, node_selector=(("rack", "7"),))
CPU = offer("c", accelerator="CPU", node_selector=((TYPE, "c"),))
NO_GPUS: dict[str, Any] = {
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"nvidia.com/gpu": "0"}}
}


@pytest.mark.parametrize(
    ("of", "found", "answer"),
    [
        (L4, node(labels={TYPE: "g6.xlarge"}), "node gpu-1"),
        (L4, node(labels={TYPE: "g5.xlarge"}), ""),
        (L4, node(labels={TYPE: "g6.xlarge"}, ready="False"), ""),
        (L4, node(labels={TYPE: "g6.xlarge"}, spec={"unschedulable": True}), ""),
        (L4, node(labels={TYPE: "g6.xlarge"}, **NO_GPUS), ""),
        (CPU, node(labels={TYPE: "c"}, **NO_GPUS), "node gpu-1"),
        (L4, node(labels={TYPE: "g6.xlarge", CAPACITY: "spot"}), ""),
        (SPOT, node(labels={TYPE: "g6.xlarge", CAPACITY: "spot", ZONE: "a"}), "node gpu-1"),
        (SPOT, node(labels={TYPE: "g6.xlarge", CAPACITY: "spot", ZONE: "b"}), ""),
        (SPOT, node(labels={TYPE: "g6.xlarge", ZONE: "a"}), ""),
        (OWN, node(labels={"rack": "7"}), "node gpu-1"),
    ],
    ids=[
        "a ready node of the machine",
        "a node of another machine",
        "a node that is not ready",
        "a cordoned node",
        "a node whose GPUs no driver offers",
        "cores need no driver",
        "a spot node is not on-demand",
        "a spot node in its zone",
        "a spot node in another zone",
        "a node that does not say so is nobody's spot",
        "a machine of one's own",
    ],
)
def test_a_node_gives(of: Offer, found: dict[str, Any], answer: str) -> None:
    assert provider(of, obtainability([found], [])) == answer


@pytest.mark.parametrize(
    ("of", "found", "answer"),
    [
        (L4, node_pool(), "NodePool gpu"),
        (L4, node_pool("gpu", (TYPE, "In", ["g6.xlarge", "g5.xlarge"])), "NodePool gpu"),
        (L4, node_pool("gpu", (TYPE, "In", ["g5.xlarge"])), ""),
        (L4, node_pool("gpu", (TYPE, "NotIn", ["g6.xlarge"])), ""),
        (L4, node_pool("gpu", (CAPACITY, "In", ["spot"])), ""),
        (SPOT, node_pool("gpu", (CAPACITY, "In", ["spot"])), "NodePool gpu"),
        (SPOT, node_pool("gpu", (ZONE, "In", ["b"])), ""),
        (L4, node_pool("gpu", ("karpenter.k8s.aws/instance-family", "In", ["g5"])), ""),
        (L4, node_pool("gpu", ("karpenter.k8s.aws/instance-category", "In", ["g", "p"])), "NodePool gpu"),
        (L4, node_pool("gpu", ("karpenter.k8s.aws/instance-generation", "Gt", ["4"])), "NodePool gpu"),
        (L4, node_pool(limits={"nvidia.com/gpu": "0"}), ""),
        (L4, node_pool(limits={"nvidia.com/gpu": "8", "cpu": "100"}), "NodePool gpu"),
        (OWN, node_pool(), ""),
    ],
    ids=[
        "without requirements anything",
        "the machine is listed",
        "the machine is not listed",
        "the machine is excluded",
        "another market",
        "its market",
        "another zone",
        "another family",
        "its category",
        "what cannot be judged admits",
        "a limit that no machine stays under",
        "a limit with room",
        "a label that only a person sets",
    ],
)
def test_a_node_pool_gives(of: Offer, found: dict[str, Any], answer: str) -> None:
    assert provider(of, obtainability([], [found])) == answer


def test_a_node_pool_that_is_not_ready_buys_nothing() -> None:
    broken = node_pool() | {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    assert provider(L4, obtainability([], [broken])) == ""


@pytest.mark.parametrize("declared", ["g6.xlarge", "cloud/g6.xlarge"], ids=["by name", "by catalog and name"])
def test_a_declared_node_group_gives(declared: str) -> None:
    assert provider(L4, obtainability([], [], ["", declared])) == "declared node group g6.xlarge"
