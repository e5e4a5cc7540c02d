"""Machines with one accelerator that may be taken back, who runs on them, and who serves: for tests and benchmarks."""

from wharfage_operator.kinds import NODES, PODS, Kind

from tests.cluster.lab import priced
from tests.cluster.server import Object, Server
from tests.devcluster.cluster import Cluster

ENDPOINT_SLICES = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
OF_SPOT = {  # of each platform: a machine is known for what it is whichever the operator takes the cluster for
    "cloud.google.com/gke-spot": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
}
TAKEN_BACK = "cloud.google.com/impending-node-termination"
CHEAP: Object = {
    "metadata": {"name": "spots"},
    "spec": {
        "provider": "other",
        "observedAt": "2026-11-01T00:00:00Z",
        "offers": [
            {
                **priced("one.l4", "L4", 24, "0.80", accelerators=1),
                "prices": [{"market": "Spot", "usdPerHour": "0.25"}, {"market": "OnDemand", "usdPerHour": "0.80"}],
            }
        ],
    },
}


def machine(cluster: Cluster, name: str, *, spot: bool = True) -> None:
    """One more machine of the kind."""
    labels = {"node.kubernetes.io/instance-type": "one.l4", **(OF_SPOT if spot else {})}
    cluster.fake_node(name, labels, {"cpu": "32", "memory": "128Gi", "pods": "50", "nvidia.com/gpu": "1"})


def endpoints(server: Server, namespace: str) -> set[str]:
    """The pods that Services of a namespace send clients to."""
    return {
        endpoint["targetRef"]["name"]
        for found in server.all(ENDPOINT_SLICES, namespace)
        for endpoint in found.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
    }


def pods(server: Server, namespace: str) -> dict[str, Object]:
    """The pods that nobody has deleted, by name."""
    found = server.all(PODS, namespace)
    return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}


def taint(server: Server, key: str, node: str) -> None:
    """Put a taint on a node, as those do who know what becomes of machines."""
    server.merge(NODES, "", node, {"spec": {"taints": [{"key": key, "effect": "NoSchedule"}]}})
