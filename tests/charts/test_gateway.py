"""The gateway's part of the chart: one per namespace, as restricted as everything, with no Secret but those named."""

from typing import Any

import pytest
from wharfage_gateway.guard import Patience
from wharfage_operator.gateways import PORT, SELECTOR
from wharfage_operator.settings import load

from tests.charts.release import NAMESPACE, HelmError, Manifest, of_kind, rendered, the

MONITORING = "--api-versions=monitoring.coreos.com/v1"
SHOP = {"gateway": {"enabled": True, "namespaces": ["shop"], "keySecrets": ["team-keys"]}}


def gateway(values: dict[str, Any] = SHOP) -> Manifest:
    (found,) = (
        each for each in of_kind(rendered(values), "Deployment") if each["metadata"]["name"].endswith("gateway")
    )
    return found


def containers(deployment: Manifest) -> dict[str, Manifest]:
    spec = deployment["spec"]["template"]["spec"]
    return {each["name"]: each for each in (*spec["initContainers"], *spec["containers"])}


def operators_environment(values: dict[str, Any]) -> dict[str, str]:
    (operator,) = (each for each in of_kind(rendered(values), "Deployment") if each["metadata"]["name"] == "wharfage")
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_by_default_there_is_none() -> None:
    assert not [each for each in rendered() if "gateway" in each["metadata"]["name"]]
    assert "WHARFAGE_GATEWAYS" not in operators_environment({})


def test_each_namespace_that_is_named_has_one_and_else_the_releases_own() -> None:
    two = rendered({"gateway": {"enabled": True, "namespaces": ["shop", "team"]}})
    own = rendered({"gateway": {"enabled": True}})
    found = [each for each in two if each["metadata"]["name"] == "wharfage-gateway"]
    kinds = {each["kind"] for each in found}
    assert kinds == {
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    }
    assert sorted((each["kind"], each["metadata"]["namespace"]) for each in found) == sorted(
        (kind, namespace) for kind in kinds for namespace in ("shop", "team")
    )
    assert {each["metadata"]["namespace"] for each in own if "gateway" in each["metadata"]["name"]} == {NAMESPACE}


def test_the_operator_knows_where_they_are_and_what_their_service_is_called() -> None:
    settings = load(operators_environment({"gateway": {"enabled": True, "namespaces": ["shop", "team"]}}))
    assert settings.gateways == ("shop", "team")
    services = [each["metadata"]["name"] for each in of_kind(rendered(SHOP), "Service")]
    assert settings.gateway_service in services


def test_the_operator_finds_its_pods_by_label_and_asks_them_on_the_port_they_tell_at() -> None:
    deployment = gateway()
    wanted = dict(pair.split("=") for pair in SELECTOR.split(","))
    assert wanted.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert wanted.items() <= deployment["spec"]["selector"]["matchLabels"].items()
    assert containers(deployment)["brain"]["ports"] == [{"name": "brain", "containerPort": PORT, "protocol": "TCP"}]


def test_prometheus_reads_those_that_there_are_where_it_is_asked_to() -> None:
    asked = {"metrics": {"gatewayMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}}
    assert not of_kind(rendered({**SHOP, **asked}), "PodMonitor")
    assert not of_kind(rendered(asked, MONITORING), "PodMonitor")
    assert not of_kind(rendered(SHOP, MONITORING), "PodMonitor")
    monitor = the(rendered({**SHOP, **asked}, MONITORING), "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["shop"]}
    chosen = monitor["spec"]["selector"]["matchLabels"]
    assert chosen.items() <= gateway()["spec"]["template"]["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    ports = [port["name"] for each in containers(gateway()).values() for port in each.get("ports", ())]
    assert endpoint["port"] in ports


def test_the_brain_is_there_before_envoy_and_after_it() -> None:
    spec = gateway()["spec"]["template"]["spec"]
    (brain,) = spec["initContainers"]
    assert brain["restartPolicy"] == "Always"
    assert brain["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert brain["livenessProbe"]["terminationGracePeriodSeconds"] == 1


def test_the_kubelet_gives_the_brain_more_time_than_its_guard_does() -> None:
    (brain,) = gateway()["spec"]["template"]["spec"]["initContainers"]
    waits = {
        kind: brain[kind]["periodSeconds"] * brain[kind]["failureThreshold"]
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    guards = Patience()
    assert waits["readinessProbe"] >= guards.starved_s
    assert waits["startupProbe"] >= waits["livenessProbe"] >= 2 * (guards.starved_s + guards.start_s)


@pytest.mark.parametrize("name", ["brain", "envoy"])
def test_every_container_meets_the_restricted_level(name: str) -> None:
    deployment = gateway()
    security = containers(deployment)[name]["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert containers(deployment)[name]["resources"]["limits"].keys() == {"cpu", "memory"}
    spec = deployment["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False


def test_envoy_has_no_token_of_the_api_server() -> None:
    mounts = {name: {mount["name"] for mount in each["volumeMounts"]} for name, each in containers(gateway()).items()}
    assert "api-access" in mounts["brain"]
    assert "api-access" not in mounts["envoy"]


def test_its_account_reads_deployments_pods_and_the_secrets_that_are_named() -> None:
    (role,) = (each for each in of_kind(rendered(SHOP), "Role") if each["metadata"]["name"] == "wharfage-gateway")
    assert role["rules"] == [
        {"apiGroups": ["wharfage.dev"], "resources": ["llmdeployments"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["team-keys"], "verbs": ["list", "watch"]},
    ]
    without = rendered({"gateway": {"enabled": True, "namespaces": ["shop"]}})
    (role,) = (each for each in of_kind(without, "Role") if each["metadata"]["name"] == "wharfage-gateway")
    assert all("secrets" not in rule["resources"] for rule in role["rules"])


def test_a_gateway_that_goes_drains_for_as_long_as_its_pod_has() -> None:
    deployment = gateway({"gateway": {**SHOP["gateway"], "drainSeconds": 77}})
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 77
    hook = containers(deployment)["envoy"]["lifecycle"]["preStop"]["exec"]["command"]
    assert hook == ["python3", "-m", "wharfage_gateway.drain", "--folder=/run/wharfage", "--within-s=77"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_clients_may_be_limited_and_what_it_tells_of_itself_is_for_operator_and_other_gateways_alone() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"team": "search"}}}]
    release = rendered({"gateway": {**SHOP["gateway"], "clients": peers}})
    (policy,) = (each for each in of_kind(release, "NetworkPolicy") if each["metadata"]["namespace"] == "shop")
    clients, telling = policy["spec"]["ingress"]
    assert telling["ports"] == [{"port": PORT, "protocol": "TCP"}]
    assert clients["from"] == peers
    others, operator = telling["from"]
    assert others == {"podSelector": policy["spec"]["podSelector"]}
    asks = next(rule for rule in policy["spec"]["egress"] if rule["ports"] == telling["ports"])
    assert asks["to"] == [others]
    assert operator["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": NAMESPACE}
    assert operator["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "operator"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"namespaces": ["Shop"]}, "gateway", id="no namespace"),
        pytest.param({"replicas": 0}, "gateway", id="none of it"),
        pytest.param({"keySecrets": ["a", "a"]}, "gateway", id="a Secret twice"),
        pytest.param({"mostBodyBytes": 1}, "gateway", id="no room for a body"),
        pytest.param({"mostMemoryBytes": 1}, "gateway", id="no memory"),
        pytest.param({"mostMemoryBytes": 2**30}, "keep it 256 MiB below", id="as much heap as the limit"),
        pytest.param({"envoyResources": {"limits": {"memory": "512Mi"}}}, "512Mi", id="a limit below the heap"),
        pytest.param({"envoyResources": {"limits": {"memory": "0.5G"}}}, "0.5G", id="a limit in other units"),
        pytest.param({"keys": "x"}, "gateway", id="a value that there is not"),
    ],
)
def test_helm_refuses(values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmError, match=words):
        rendered({"gateway": {"enabled": True, **values}})


@pytest.mark.parametrize("memory", ["2Gi", "1Ti", "2000000000", 2000000000, None])
def test_helm_takes_a_limit_above_the_heap(memory: str | int | None) -> None:
    assert rendered({"gateway": {"enabled": True, "envoyResources": {"limits": {"memory": memory}}}})
