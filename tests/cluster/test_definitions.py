"""CRDs come and go under a running operator, which gets a cluster of its own for that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from wharfage_operator.kinds import LLM_DEPLOYMENTS, NODE_POOLS, OFFER_CATALOGS

from tests.cluster.lab import CATALOG, MACHINES, Lab
from tests.cluster.server import Server, eventually
from tests.conftest import DEFINITIONS
from tests.devcluster.cluster import Cluster


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A cluster without our CRDs."""
    with Cluster.up(karpenter=False, kwok=True) as running:
        for name, labels, capacity in MACHINES:
            running.fake_node(name, labels, capacity)
        yield running


@pytest.fixture
def place(own: Cluster, tmp_path: Path) -> Iterator[Lab]:
    """A namespace in it."""
    lab = Lab(own, Server(own), "shop", tmp_path, system="wharfage-system")
    own.apply(
        [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (lab.namespace, lab.system)]
    )
    yield lab
    lab.stop_all()
    lab.server.close()


def definition(path: Path) -> dict[str, object]:
    """A CRD of ours."""
    loaded: dict[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def install(lab: Lab) -> None:
    """Install our CRDs and the catalog."""
    for path in sorted(DEFINITIONS.glob("*.yaml")):
        lab.cluster.apply(path.read_text(encoding="utf-8"))
    lab.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    lab.cluster.apply({"apiVersion": OFFER_CATALOGS.api_version, "kind": OFFER_CATALOGS.name, **CATALOG})


def test_an_operator_that_starts_before_its_api_waits_says_so_and_goes_on(place: Lab) -> None:
    operator = place.start(watch_namespaces="")
    eventually(lambda: any("not installed" in str(record["message"]) for record in operator.records))
    assert operator.process.poll() is None
    install(place)
    eventually(lambda: operator.ready, within_s=30)
    place.create()
    place.ready()


def test_a_definition_that_is_deleted_and_comes_back_is_served_again_by_the_same_process(place: Lab) -> None:
    install(place)
    operator = place.start(watch_namespaces="")
    eventually(lambda: operator.ready, within_s=30)
    place.create("before")
    place.ready("before")
    place.cluster.kubectl("delete", "crd", f"{LLM_DEPLOYMENTS.plural}.{LLM_DEPLOYMENTS.group}")
    place.cluster.kubectl("wait", "--for=delete", "crd", f"{LLM_DEPLOYMENTS.plural}.{LLM_DEPLOYMENTS.group}")
    install(place)
    place.create("after")
    place.ready("after", within_s=40)
    assert operator.process.poll() is None


def test_a_second_api_of_the_same_name_in_another_group_changes_nothing(place: Lab) -> None:
    install(place)
    operator = place.start(watch_namespaces="")
    eventually(lambda: operator.ready, within_s=30)
    row = {"name": "v1", "served": True, "storage": True}
    schema = {"schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    names = {"plural": LLM_DEPLOYMENTS.plural, "kind": "LLMDeployment", "singular": "llmdeployment"}
    place.cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{LLM_DEPLOYMENTS.plural}.other.example"},
            "spec": {"group": "other.example", "scope": "Namespaced", "names": names, "versions": [{**row, **schema}]},
        }
    )
    place.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    place.create("beside")
    place.ready("beside")
    operator.stop()
    second = place.start(watch_namespaces="")
    eventually(lambda: second.ready, within_s=30)
    place.create("started-beside")
    place.ready("started-beside")
    assert operator.tracebacks == []


def test_karpenter_s_api_may_appear_later(place: Lab) -> None:
    install(place)
    operator = place.start(watch_namespaces="", resync_s="2")
    eventually(lambda: operator.ready, within_s=30)
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    place.cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{NODE_POOLS.plural}.{NODE_POOLS.group}"},
            "spec": {
                "group": NODE_POOLS.group,
                "scope": "Cluster",
                "names": {"plural": "nodepools", "singular": "nodepool", "kind": "NodePool"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }
    )
    place.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    requirements = [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["lab.l4"]}]
    template = {"spec": {"requirements": requirements}}
    place.cluster.apply(
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": "gpu"},
            "spec": {"template": template},
        }
    )
    eventually(lambda: operator.metric('wharfage_cached_objects{resource="nodepools"}') == 1, within_s=30)
