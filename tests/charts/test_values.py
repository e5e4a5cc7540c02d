"""Helm refuses values that cannot work before it renders anything, and says which."""

from dataclasses import fields
from typing import Any

import pytest
from wharfage_operator.settings import Settings

from tests.charts.release import CHART, HelmError, helm, rendered, the
from tools.settings_schema import ELSEWHERE

REFUSED = {
    "a misspelt value": ({"operator": {"replica": 2}}, "/operator"),
    "a misspelt section": ({"metric": {}}, "'metric' not allowed"),
    "a count that is text": ({"operator": {"replicas": "two"}}, "/operator/replicas"),
    "a negative count": ({"operator": {"replicas": -1}}, "/operator/replicas"),
    "a moving tag": ({"image": {"tag": "latest"}}, "/image/tag"),
    "a tag inside the repository": ({"image": {"repository": "ghcr.io/wharfage/operator:0.1.0"}}, "/image/repository"),
    "a digest that is none": ({"image": {"digest": "0.1.0"}}, "/image/digest"),
    "a pull policy that does not exist": ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    "a log level that does not exist": ({"operator": {"logLevel": "LOUD"}}, "/operator/logLevel"),
    "a setting that the operator does not have": ({"operator": {"settings": {"resync": 1}}}, "/operator/settings"),
    "a setting that another value gives": ({"operator": {"settings": {"http_port": 1}}}, "/operator/settings"),
    "a setting of the wrong type": ({"operator": {"settings": {"workers": "many"}}}, "/operator/settings/workers"),
    "a namespace with capitals": ({"watchNamespaces": ["Shop"]}, "/watchNamespaces/0"),
    "a namespace twice": ({"watchNamespaces": ["shop", "shop"]}, "/watchNamespaces"),
    "a platform that does not exist": ({"platform": "ibm"}, "/platform"),
    "a node group without its catalog": ({"nodeGroups": ["g6e.xlarge"]}, "/nodeGroups/0"),
    "an interval without unit": ({"metrics": {"podMonitor": {"interval": "30"}}}, "/metrics/podMonitor/interval"),
    "a disruption budget that is a word": ({"podDisruptionBudget": {"maxUnavailable": "one"}}, "maxUnavailable"),
    "no port of the API server": ({"networkPolicy": {"apiServerPorts": []}}, "/networkPolicy/apiServerPorts"),
    "a gateway where the operator serves nothing": (
        {"watchNamespaces": ["shop"], "gateway": {"enabled": True, "namespaces": ["shop", "team"]}},
        "the operator does not serve team: add it to watchNamespaces",
    ),
    "somebody else's account without its name": ({"serviceAccount": {"create": False}}, "serviceAccount.name: needed"),
}


@pytest.mark.parametrize(("values", "words"), REFUSED.values(), ids=REFUSED)
def test_helm_refuses(values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmError) as refusal:
        rendered(values)
    assert words in str(refusal.value)


ACCEPTED: dict[str, dict[str, Any]] = {
    "nothing at all": {},
    "everything that is off, on": {
        "metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True, "labels": {"release": "p"}}}
    },
    "a mirror and pull secrets": {"global": {"imageRegistry": "mirror.example"}, "imagePullSecrets": [{"name": "r"}]},
    "values of a parent chart": {"global": {"storageClass": "fast"}},
    "a registry with a port": {"image": {"repository": "registry.example:5000/wharfage"}},
    "a percentage": {"podDisruptionBudget": {"maxUnavailable": "50%"}},
    "no operator": {"operator": {"replicas": 0}},
}


@pytest.mark.parametrize("values", ACCEPTED.values(), ids=ACCEPTED)
def test_helm_accepts(values: dict[str, Any]) -> None:
    assert the(rendered(values), "Deployment")


def test_every_setting_of_the_operator_can_be_given() -> None:
    defaults = {
        setting.name: ",".join(setting.default) if isinstance(setting.default, tuple) else setting.default
        for setting in fields(Settings)
        if setting.name not in ELSEWHERE
    }
    release = rendered({"operator": {"settings": defaults}})
    container = the(release, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert {f"WHARFAGE_{name.upper()}" for name in defaults} <= {each["name"] for each in container["env"]}


def test_the_notes_name_three_next_commands() -> None:
    notes = helm("install", "wharfage", CHART, "--dry-run=client", "--namespace", "shop").partition("NOTES:")[2]
    assert "helm test wharfage --namespace shop" in notes
    assert "kubectl apply --server-side -f catalog.yaml" in notes
    assert "kubectl get llm -A" in notes


def test_the_notes_say_where_gateways_are_asked() -> None:
    values = ("--set", "gateway.enabled=true", "--set", "gateway.namespaces={shop,team}")
    notes = helm("install", "wharfage", CHART, "--dry-run=client", "--namespace", "system", *values)
    for namespace in ("shop", "team"):
        assert f"http://wharfage-gateway.{namespace}.svc/v1" in notes.partition("NOTES:")[2]
