"""The pods of the release: what they run, how little they may do, where they run."""

from typing import Any

import pytest
from wharfage_operator.settings import load

from tests.charts.release import Manifest, pod_specs, rendered, the

DIGEST = "sha256:" + "ab" * 32


def operator_pod(values: dict[str, Any] | None = None) -> Manifest:
    spec: Manifest = the(rendered(values), "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("name", ["operator", "doctor"])
def test_every_pod_meets_the_restricted_level_and_more(name: str) -> None:
    pod = pod_specs(rendered())[name]
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 65532
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert container["resources"].keys() >= {"requests", "limits"}
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("name", ["operator", "doctor"])
def test_every_pod_mounts_its_token_by_name_and_for_an_hour(name: str) -> None:
    pod = pod_specs(rendered())[name]
    assert pod["automountServiceAccountToken"] is False
    sources = next(each for each in pod["volumes"] if each["name"] == "api-access")["projected"]["sources"]
    assert {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}} in sources
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounts["api-access"] == "/var/run/secrets/kubernetes.io/serviceaccount"


def test_the_environment_is_one_that_the_operator_understands() -> None:
    values = {
        "watchNamespaces": ["shop", "search"],
        "nodeGroups": ["aws/g6e.xlarge"],
        "engine": {"image": "vllm/vllm-openai:v0.33.0", "allowedImages": ["vllm/", "ghcr.io/"]},
        "metrics": {"enginePodMonitors": False},
        "platform": "gcp",
        "operator": {"settings": {"resync_s": 600, "workers": 4}},
    }
    environment = {
        each["name"]: each.get("value", "from-the-pod") for each in operator_pod(values)["containers"][0]["env"]
    }
    settings = load(environment)
    assert settings.namespace == settings.identity == "from-the-pod"
    assert settings.watch_namespaces == ("shop", "search")
    assert settings.http_port == 8080
    assert settings.node_groups == "aws/g6e.xlarge"
    assert settings.engine_image == "vllm/vllm-openai:v0.33.0"
    assert settings.allowed_images == ("vllm/", "ghcr.io/")
    assert settings.pod_monitors is False
    assert settings.platform == "gcp"
    assert settings.resync_s == 600.0
    assert settings.workers == 4


def test_an_environment_by_default_leaves_the_operators_defaults() -> None:
    environment = {each["name"]: each["value"] for each in operator_pod()["containers"][0]["env"] if "value" in each}
    assert load(environment, []).engine_image == load({}, []).engine_image
    assert load(environment, []).watch_namespaces == ()


IMAGES = {
    "by version": ({}, "ghcr.io/wharfage/operator:0.1.0"),
    "by tag": ({"image": {"repository": "localhost/operator", "tag": "dev"}}, "localhost/operator:dev"),
    "by digest": ({"image": {"tag": "dev", "digest": DIGEST}}, f"ghcr.io/wharfage/operator@{DIGEST}"),
    "from a mirror": (
        {"global": {"imageRegistry": "mirror.example/m/"}},
        "mirror.example/m/ghcr.io/wharfage/operator:0.1.0",
    ),
}


@pytest.mark.parametrize(("values", "image"), IMAGES.values(), ids=IMAGES)
def test_the_image_is_named(values: dict[str, Any], image: str) -> None:
    for pod in pod_specs(rendered(values)).values():
        assert pod["containers"][0]["image"] == image


def test_three_probes_ask_different_questions() -> None:
    (container,) = operator_pod()["containers"]
    startup, liveness, readiness = (container[f"{each}Probe"] for each in ("startup", "liveness", "readiness"))
    assert [each["httpGet"]["path"] for each in (startup, liveness, readiness)] == ["/healthz", "/healthz", "/readyz"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 60
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
    assert readiness["periodSeconds"] * readiness["failureThreshold"] <= 10
    assert {each["httpGet"]["port"] for each in (startup, liveness, readiness)} == {"http"}


def test_the_operator_stays_off_the_machines_that_it_buys() -> None:
    (term,) = operator_pod()["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [{"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"}]


def test_an_upgrade_starts_the_new_operator_before_the_old_one_goes() -> None:
    deployment = the(rendered(), "Deployment")["spec"]
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] == 30


@pytest.mark.parametrize(("replicas", "spread"), [(0, False), (1, False), (2, True)])
def test_replicas_are_spread_over_nodes_when_there_are_several(replicas: int, *, spread: bool) -> None:
    deployment = the(rendered({"operator": {"replicas": replicas}}), "Deployment")
    assert deployment["spec"]["replicas"] == replicas
    assert ("topologySpreadConstraints" in deployment["spec"]["template"]["spec"]) is spread


def test_what_users_add_reaches_the_pod() -> None:
    values = {
        "imagePullSecrets": [{"name": "registry"}],
        "operator": {
            "priorityClassName": "system-cluster-critical",
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
            "tolerations": [{"operator": "Exists"}],
            "nodeSelector": {"pool": "system"},
            "settings": {"prometheus_ca_file": "/etc/prometheus/ca.crt"},
            "extraVolumes": [{"name": "authority", "configMap": {"name": "prometheus-ca"}}],
            "extraVolumeMounts": [{"name": "authority", "mountPath": "/etc/prometheus", "readOnly": True}],
        },
    }
    pod = operator_pod(values)
    assert {"name": "authority", "configMap": {"name": "prometheus-ca"}} in pod["volumes"]
    mounts = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounts["/etc/prometheus"] == "authority"
    assert {"api-access", "tmp"} < set(mounts.values())
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["priorityClassName"] == "system-cluster-critical"
    assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in pod["containers"][0]["env"]
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["nodeSelector"] == {"pool": "system"}


@pytest.mark.parametrize(
    ("values", "watched"),
    [
        pytest.param({}, [], id="every namespace"),
        pytest.param({"rbac": {"namespaced": True}}, ["wharfage-system"], id="its own namespace only"),
        pytest.param(
            {"rbac": {"namespaced": True}, "watchNamespaces": ["shop", "search"]},
            ["shop", "search"],
            id="two namespaces",
        ),
    ],
)
def test_the_doctor_asks_for_permissions_where_the_operator_needs_them(
    values: dict[str, Any], watched: list[str]
) -> None:
    (container,) = pod_specs(rendered(values))["doctor"]["containers"]
    assert container["command"] == [
        "wharfage",
        "doctor",
        "--operator-namespace=wharfage-system",
        *(f"--watched={name}" for name in watched),
    ]
