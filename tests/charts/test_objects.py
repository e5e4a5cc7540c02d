"""The release as a whole: which objects it has, what they are called, what they depend on."""

import pytest
import yaml

from tests.charts.release import CHART, Manifest, of_kind, rendered, the

ROOT = CHART.parents[1]
MONITORING = "--api-versions=monitoring.coreos.com/v1"
KINDS = {"llmdeployments.wharfage.dev", "llmbudgets.wharfage.dev", "offercatalogs.wharfage.dev"}


def key(manifest: Manifest) -> tuple[str, str | None, str]:
    return manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"]


def definitions(**crds: bool) -> tuple[Manifest, ...]:
    return of_kind(rendered({"crds": crds}), "CustomResourceDefinition")


def test_the_definitions_come_with_the_release_and_stay_when_it_goes() -> None:
    found = definitions()
    assert {each["metadata"]["name"] for each in found} == KINDS
    assert all(each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for each in found)


def test_the_definitions_are_those_that_the_api_generates() -> None:
    written = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")}
    rendered_specs = {each["spec"]["names"]["plural"]: each["spec"] for each in definitions()}
    assert rendered_specs == {plural: each["spec"] for plural, each in written.items()}


def test_the_definitions_can_be_left_to_somebody_else() -> None:
    assert definitions(enabled=False) == ()


def test_the_definitions_can_go_with_the_release() -> None:
    assert not any(
        "helm.sh/resource-policy" in each["metadata"].get("annotations", {}) for each in definitions(keep=False)
    )


def test_artifact_hub_lists_the_definitions_that_there_are() -> None:
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    listed = {(each["name"], each["version"]) for each in yaml.safe_load(annotations["artifacthub.io/crds"])}
    assert listed == {
        (each["metadata"]["name"], version["name"]) for each in definitions() for version in each["spec"]["versions"]
    }


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor", "PrometheusRule"])
def test_monitors_appear_only_where_they_are_asked_for_and_known(kind: str) -> None:
    name = kind[0].lower() + kind[1:]
    asked = {"metrics": {name: {"enabled": True, "labels": {"release": "prometheus"}}}}
    assert not of_kind(rendered(asked), kind)
    assert not of_kind(rendered({}, MONITORING), kind)
    assert the(rendered(asked, MONITORING), kind)["metadata"]["labels"]["release"] == "prometheus"


def test_two_releases_of_one_name_in_two_namespaces_share_no_object() -> None:
    values = {"crds": {"enabled": False}, "rbac": {"namespaced": True}}
    first, second = (rendered(values, namespace=each) for each in ("shop", "search"))
    assert not {key(each) for each in first} & {key(each) for each in second}


def test_two_releases_for_one_namespace_share_no_object() -> None:
    values = {"crds": {"enabled": False}, "rbac": {"namespaced": True}, "watchNamespaces": ["shop"]}
    first, second = (rendered(values, name=each, namespace=each) for each in ("blue", "green"))
    assert not {key(each) for each in first} & {key(each) for each in second}


def test_every_object_in_a_namespace_names_it() -> None:
    cluster_wide = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
    for each in rendered({}, MONITORING):
        assert ("namespace" in each["metadata"]) is (each["kind"] not in cluster_wide), key(each)


def test_common_labels_are_on_everything_but_the_definitions() -> None:
    release = rendered({"commonLabels": {"team": "platform"}})
    assert all(
        each["metadata"]["labels"]["team"] == "platform"
        for each in release
        if each["kind"] != "CustomResourceDefinition"
    )


def test_the_selectors_find_the_operators_pods_and_not_the_doctors() -> None:
    release = rendered()
    labels = the(release, "Deployment")["spec"]["template"]["metadata"]["labels"]
    doctor = the(release, "Pod")["metadata"]["labels"]
    selectors = [
        the(release, "Deployment")["spec"]["selector"]["matchLabels"],
        the(release, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        the(release, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        the(release, "Service")["spec"]["selector"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= doctor.items()


def test_the_network_policy_lets_out_what_the_operator_calls_and_nothing_else() -> None:
    egress = the(rendered({"networkPolicy": {"apiServerPorts": [443]}}), "NetworkPolicy")["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in egress] == [[53, 53], [443], ["http"]]
    assert egress[2]["to"][0]["podSelector"]["matchExpressions"][0]["key"] == "wharfage.dev/llmdeployment"


def test_a_broken_operator_does_not_keep_a_node_from_being_drained() -> None:
    assert the(rendered(), "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_machines_ahead_bring_a_class_below_every_replica_that_the_operator_knows_by_name() -> None:
    assert of_kind(rendered(), "PriorityClass") == ()
    release = rendered({"preProvisioning": {"mode": "Auto"}})
    (found,) = of_kind(release, "PriorityClass")
    assert (found["value"], found["preemptionPolicy"]) == (-1, "Never")
    (container,) = the(release, "Deployment")["spec"]["template"]["spec"]["containers"]
    told = {row["name"]: row.get("value") for row in container["env"]}
    assert told["WHARFAGE_PRE_PROVISIONING"] == "Auto"
    assert told["WHARFAGE_PLACEHOLDER_PRIORITY_CLASS"] == found["metadata"]["name"]


def test_extra_objects_are_templates() -> None:
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-extra"}}
    assert the(rendered({"extraObjects": [extra]}), "ConfigMap")["metadata"]["name"] == "wharfage-extra"


def test_without_an_operator_permissions_and_definitions_remain() -> None:
    release = rendered({"operator": {"replicas": 0}})
    assert the(release, "Deployment")["spec"]["replicas"] == 0
    assert the(release, "ServiceAccount")["metadata"]["name"] == "wharfage"
    assert of_kind(release, "CustomResourceDefinition")
