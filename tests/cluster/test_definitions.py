"""CRDs come and go under a running operator, which gets a cluster of its own for that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from wharfage_operator.kinds import LLM_DEPLOYMENTS, NODE_POOLS, OFFER_CATALOGS, POD_MONITORS, Kind

from tests.cluster.lab import CATALOG, MACHINES, Lab
from tests.cluster.server import Server, eventually, eventually_is
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
    lab.cluster.established()
    lab.cluster.apply({"apiVersion": OFFER_CATALOGS.api_version, "kind": OFFER_CATALOGS.name, **CATALOG})


def test_an_operator_that_starts_before_its_api_waits_says_so_and_goes_on(place: Lab) -> None:
    operator = place.start(watch_namespaces="")
    eventually(lambda: any("not installed" in str(record["message"]) for record in operator.records))
    assert operator.process.poll() is None
    install(place)
    eventually(lambda: operator.ready)
    place.create()
    place.ready()


def test_a_definition_that_is_deleted_and_comes_back_is_served_again_by_the_same_process(place: Lab) -> None:
    install(place)
    operator = place.start(watch_namespaces="")
    eventually(lambda: operator.ready)
    place.create("before")
    place.ready("before")
    place.cluster.kubectl("delete", "crd", f"{LLM_DEPLOYMENTS.plural}.{LLM_DEPLOYMENTS.group}")
    place.cluster.kubectl("wait", "--for=delete", "crd", f"{LLM_DEPLOYMENTS.plural}.{LLM_DEPLOYMENTS.group}")
    install(place)
    place.create("after")
    place.ready("after", within_s=120.0)
    eventually(
        lambda: not place.children("before"), within_s=120.0, what="what went with the definition leaves nothing"
    )
    eventually_is(
        lambda: operator.metric('wharfage_cached_objects{resource="llmdeployments"}'),
        float(len(place.server.all(LLM_DEPLOYMENTS))),
        what="what it remembers of deployments",
    )
    assert operator.process.poll() is None
    assert operator.tracebacks == []


def test_a_second_api_of_the_same_name_in_another_group_changes_nothing(place: Lab) -> None:
    install(place)
    operator = place.start(watch_namespaces="")
    eventually(lambda: operator.ready)
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
    place.cluster.established()
    place.create("beside")
    place.ready("beside")
    operator.stop()
    second = place.start(watch_namespaces="")
    eventually(lambda: second.ready)
    place.create("started-beside")
    place.ready("started-beside")
    assert operator.tracebacks == []


def define(lab: Lab, kind: Kind) -> None:
    """Serve an API that takes whatever it is given."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    lab.cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{kind.plural}.{kind.group}"},
            "spec": {
                "group": kind.group,
                "scope": "Namespaced" if kind.namespaced else "Cluster",
                "names": {"plural": kind.plural, "singular": kind.name.lower(), "kind": kind.name},
                "versions": [{"name": kind.version, "served": True, "storage": True, "schema": schema}],
            },
        }
    )
    lab.cluster.established()


def test_monitors_come_with_their_api_and_one_of_somebody_else_is_left_alone(place: Lab) -> None:
    install(place)
    operator = place.start(watch_namespaces="", resync_s="2")
    eventually(lambda: operator.ready)
    place.create("watched")
    place.ready("watched")
    define(place, POD_MONITORS)
    ours = eventually(lambda: place.server.get(POD_MONITORS, place.namespace, "watched"))
    assert ours["metadata"]["ownerReferences"][0]["name"] == "watched"
    spec = {"selector": {"matchLabels": {"theirs": "1"}}}
    place.server.create(POD_MONITORS, {"metadata": {"name": "blind", "namespace": place.namespace}, "spec": spec})
    place.create("blind")
    said = place.blocked("NameConflict", "blind", about="Progressing")  # what serves is not held up by it
    assert f"PodMonitor {place.namespace}/blind" in said["message"]
    theirs = place.server.get(POD_MONITORS, place.namespace, "blind")
    assert theirs is not None
    assert theirs["spec"] == spec
    place.server.delete(POD_MONITORS, place.namespace, "blind")
    place.ready("blind")
    assert operator.process.poll() is None
    assert operator.tracebacks == []


def test_karpenter_s_api_may_appear_later(place: Lab) -> None:
    install(place)
    operator = place.start(watch_namespaces="", resync_s="2")
    eventually(lambda: operator.ready)
    define(place, NODE_POOLS)
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
    eventually(lambda: operator.metric('wharfage_cached_objects{resource="nodepools"}') == 1)
