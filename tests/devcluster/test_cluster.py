"""What tests rely on: a control plane that refuses what it should, machines that are bought, and faults on demand."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.devcluster.access import AccessError, is_ready
from tests.devcluster.cluster import Cluster
from tests.devcluster.components import NODE_GRACE_S

LIMIT_RSS_MIB = 1.2 * 1024


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    began_s = time.monotonic()
    with Cluster.up(karpenter=True, boot_s=1.0) as cluster:
        print(f"up after {time.monotonic() - began_s:.1f} s")
        cluster.kubectl("create", "namespace", "shop")
        yield cluster


@pytest.fixture(autouse=True)
def calm(cluster: Cluster) -> Iterator[None]:
    yield
    cluster.kubectl("delete", "deployments,pods", "--all", "-n=shop", "--grace-period=0", "--force", "--wait=false")
    cluster.market()


def deployment(name: str, *, machine: str, market: str = "", replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    selector = {"node.kubernetes.io/instance-type": machine}
    if market:
        selector["karpenter.sh/capacity-type"] = market
    container = {"name": "c", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    spec = {
        "nodeSelector": selector,
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def ready(cluster: Cluster, name: str) -> int:
    path = "-o=jsonpath={.status.readyReplicas}"
    return int(cluster.kubectl("get", "deployment", name, "-n=shop", path) or 0)


def node_of(cluster: Cluster, app: str) -> dict[str, Any]:
    name = cluster.kubectl("get", "pods", "-n=shop", f"-l=app={app}", "-o=jsonpath={.items[0].spec.nodeName}")
    node: dict[str, Any] = json.loads(cluster.kubectl("get", "node", name, "-o=json"))
    return node


def wait_until(happened: Callable[[], bool], *, timeout_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s"
        time.sleep(0.2)


def test_all_processes_together_stay_small(cluster: Cluster) -> None:
    rss_mib = {name: process["rss_kib"] / 1024 for name, process in cluster.processes().items()}
    assert len(rss_mib) == 6
    assert sum(rss_mib.values()) < LIMIT_RSS_MIB, rss_mib


def has_account(cluster: Cluster, namespace: str) -> bool:
    """Whether a namespace has the account that the controller manager makes in each."""
    found = cluster.kubectl("get", "serviceaccount", "default", f"-n={namespace}", "--ignore-not-found", "-o=name")
    return bool(found.strip())


def test_rbac_refuses_whom_nobody_gave_rights(cluster: Cluster) -> None:
    wait_until(lambda: has_account(cluster, "shop"))
    token = cluster.kubectl("create", "token", "default", "-n=shop").strip()
    with pytest.raises(AccessError, match="cannot list resource"):
        cluster.kubectl("get", "pods", "-n=shop", f"--token={token}", "--kubeconfig=/dev/null", *server(cluster))


def server(cluster: Cluster) -> tuple[str, str]:
    return f"--server={cluster.url}", f"--certificate-authority={cluster.ca}"


def test_pod_security_refuses_a_privileged_pod_where_the_namespace_says_so(cluster: Cluster) -> None:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": label}})
    wait_until(lambda: has_account(cluster, "strict"))
    with pytest.raises(AccessError, match='violates PodSecurity "restricted'):
        cluster.kubectl("run", "p", "--image=none", "-n=strict")


def test_no_fake_node_is_given_up_before_it_had_time_to_show_that_it_lives(cluster: Cluster) -> None:
    stages = json.loads(cluster.kubectl("get", "stages", "-o=json"))["items"]
    (delay,) = [stage["spec"]["delay"] for stage in stages if "heartbeat" in stage["metadata"]["name"]]
    longest_s = max(delay["durationMilliseconds"], delay["jitterDurationMilliseconds"]) / 1000
    assert longest_s * 2 < NODE_GRACE_S


def test_a_pending_pod_gets_a_machine_with_its_price_and_its_gpus(cluster: Cluster) -> None:
    cluster.apply(deployment("bought", machine="g5.xlarge", market="spot"))
    wait_until(lambda: ready(cluster, "bought") == 1)
    node = node_of(cluster, "bought")
    assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "g5.xlarge"
    assert node["metadata"]["labels"]["karpenter.sh/capacity-type"] == "spot"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"].startswith("us-east-1")
    assert node["status"]["capacity"]["nvidia.com/gpu"] == "1"
    assert node["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]


def test_a_withdrawn_place_is_not_bought_and_a_price_decides_among_the_rest(cluster: Cluster) -> None:
    cluster.market(withdrawn=["g5.2xlarge/spot/*"], usd_per_hour={"g5.2xlarge/on-demand/us-east-1b": 0.01})
    cluster.apply(deployment("dear", machine="g5.2xlarge"))
    wait_until(lambda: ready(cluster, "dear") == 1)
    labels = node_of(cluster, "dear")["metadata"]["labels"]
    assert labels["karpenter.sh/capacity-type"] == "on-demand"
    assert labels["topology.kubernetes.io/zone"] == "us-east-1b"


def test_refused_capacity_is_said_by_karpenter_and_bought_once_it_is_back(cluster: Cluster) -> None:
    cluster.market(refused=["g4dn.xlarge/*/*"])
    cluster.apply(deployment("refused", machine="g4dn.xlarge"))

    def said() -> bool:
        return "InsufficientCapacityError" in cluster.kubectl("get", "events", "-A", "-o=jsonpath={.items[*].reason}")

    wait_until(said)
    assert ready(cluster, "refused") == 0
    cluster.market()
    wait_until(lambda: ready(cluster, "refused") == 1)


def test_machines_take_the_boot_time_that_is_drawn(cluster: Cluster) -> None:
    cluster.market(boot_s=[5.0])
    began_s = time.monotonic()
    cluster.apply(deployment("slow", machine="g6.xlarge"))
    wait_until(lambda: ready(cluster, "slow") == 1)
    assert time.monotonic() - began_s > 5.0


def test_an_interrupted_spot_machine_is_drained_and_gone_after_its_notice(cluster: Cluster) -> None:
    cluster.apply(deployment("spot", machine="g5.xlarge", market="spot"))
    wait_until(lambda: ready(cluster, "spot") == 1)
    node = node_of(cluster, "spot")["metadata"]["name"]
    cluster.market(interrupted=[node], notice_s=2)
    wait_until(lambda: not cluster.kubectl("get", "node", node, "--ignore-not-found"))

    def serves_elsewhere() -> bool:
        placed = "-o=jsonpath={.items[*].spec.nodeName}"
        machines = cluster.kubectl("get", "pods", "-n=shop", "-l=app=spot", placed).split()
        return len(machines) == 1 and machines != [node] and ready(cluster, "spot") == 1

    wait_until(serves_elsewhere)


def test_a_node_made_by_hand_carries_what_was_asked(cluster: Cluster) -> None:
    cluster.fake_node("by-hand", {"node.kubernetes.io/instance-type": "dgx"}, {"nvidia.com/gpu": "8"})
    cluster.apply(deployment("hand", machine="dgx", replicas=8))
    wait_until(lambda: ready(cluster, "hand") == 8)


def test_the_api_server_can_be_killed_and_comes_back_with_its_data(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "kept", "-n=shop")
    before = cluster.processes()["kube-apiserver"]["pid"]
    cluster.restart("kube-apiserver")
    assert cluster.processes()["kube-apiserver"]["pid"] != before
    assert "kept" in cluster.kubectl("get", "configmap", "kept", "-n=shop", "-o=name")


def test_a_stopped_api_server_hangs_until_it_is_continued(cluster: Cluster) -> None:
    cluster.signal("kube-apiserver", signal.SIGSTOP)
    assert not is_ready(cluster.url, ca=cluster.ca, token=cluster.admin_token)
    cluster.signal("kube-apiserver", signal.SIGCONT)
    cluster.wait_ready()
