"""The pod that reads a model's config.json, whole in one case and field by field in the others."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.offers import Market
from wharfage_operator.cache import owner_of, trim
from wharfage_operator.children import ChildSettings, Identity
from wharfage_operator.kinds import PODS
from wharfage_operator.manifests import manifests
from wharfage_operator.origin import Origin
from wharfage_operator.platforms import platforms
from wharfage_operator.reader import READS, attempt, is_reader, numbered, readable, reader
from wharfage_operator.shares import Shares

from tests.builders import offer, pool
from tests.operator.objects import UID, deployment
from tests.operator.test_manifests import EVERYTHING

GOLDEN = Path(__file__).parent / "golden" / "reader.yaml"
HUB = Origin("hf://org/new", "0e9e39f")
CLAIM = Origin("pvc://weights/org/new", "")


def made(origin: Origin = HUB, *, settings: ChildSettings | None = None, **spec: Any) -> dict[str, Any]:
    whose = Identity("shop", "chat", UID)
    return reader(deployment(**spec), whose, origin, settings or ChildSettings(), platforms()["plain"])


def container(of: dict[str, Any]) -> dict[str, Any]:
    (found,) = of["spec"]["containers"]
    return dict(found)


def test_the_full_form_makes_exactly_this_pod() -> None:
    """After a wanted change: `python -m tests.operator.golden.rewrite`, and read the diff."""
    assert numbered(made(**EVERYTHING), 2) == yaml.safe_load(GOLDEN.read_text())


def test_a_claim_is_mounted_to_be_read_only() -> None:
    pod = made(CLAIM)
    assert container(pod)["args"] == ["/models/org/new"]
    claim = {"claimName": "weights", "readOnly": True}
    assert {"name": "models", "persistentVolumeClaim": claim} in pod["spec"]["volumes"]
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in container(pod)["volumeMounts"]


def test_a_token_is_a_file_and_never_a_variable_or_an_argument() -> None:
    pod = made(model={"source": "hf://org/new", "credentialsSecret": {"name": "hf", "key": "token"}})
    assert {"name": "HF_TOKEN_PATH", "value": "/etc/wharfage/credentials/token"} in container(pod)["env"]
    assert not any("valueFrom" in row for row in container(pod)["env"])


def test_it_has_the_engines_environment_for_mirrors_and_proxies() -> None:
    env = [{"name": "HF_ENDPOINT", "value": "https://me:word@mirror.example"}, {"name": "HTTPS_PROXY", "value": "p"}]
    pod = made(engine={"env": env})
    assert container(pod)["env"] == env
    assert pod["metadata"]["annotations"][READS] == "hf://org/new at 0e9e39f from https://mirror.example"


def test_a_variable_of_the_users_replaces_ours() -> None:
    secret = {"name": "hf", "key": "token"}
    env = [{"name": "HF_TOKEN_PATH", "value": "/elsewhere"}]
    pod = made(model={"source": "hf://org/new", "credentialsSecret": secret}, engine={"env": env})
    assert container(pod)["env"] == env


@pytest.mark.parametrize(
    ("settings", "spec", "image"),
    [
        (ChildSettings(), {}, "vllm/vllm-openai:v0.32.0"),
        (ChildSettings(), {"engine": {"image": "mine:1"}}, "mine:1"),
        (ChildSettings(reader_image="python:3-slim"), {"engine": {"image": "mine:1"}}, "python:3-slim"),
    ],
    ids=["the engine's by default", "the deployment's own engine's", "a smaller one of the settings"],
)
def test_its_image_is(settings: ChildSettings, spec: dict[str, Any], image: str) -> None:
    assert container(made(settings=settings, **spec))["image"] == image


def test_it_is_admitted_under_the_restricted_level_and_under_a_quota_of_all_four_kinds() -> None:
    pod = made()
    engine = next(
        obj
        for obj in manifests(
            deployment(), UID, Fleet((pool(offer(), variant=""),)), ChildSettings(), platforms()["plain"]
        )
        if obj["kind"] == "Deployment"
    )["spec"]["template"]["spec"]
    assert pod["spec"]["securityContext"] == engine["securityContext"]
    assert container(pod)["securityContext"] == engine["containers"][0]["securityContext"]
    assert {(kind, what) for kind, row in container(pod)["resources"].items() for what in row} == {
        (kind, what) for kind in ("requests", "limits") for what in ("cpu", "memory")
    }


def test_it_belongs_to_the_deployment_but_neither_to_its_service_nor_to_its_budget_nor_to_a_pool() -> None:
    pod = numbered(made(), 1)
    labels = pod["metadata"]["labels"].items()
    objects = manifests(
        deployment(), UID, Fleet((pool(offer(market=Market.SPOT), variant=""),)), ChildSettings(), platforms()["plain"]
    )
    selectors = {obj["kind"]: obj.get("spec", {}) for obj in objects}
    assert owner_of(pod) == ("shop", "chat")
    assert not selectors["Service"]["selector"].items() <= labels
    assert not selectors["PodDisruptionBudget"]["selector"]["matchLabels"].items() <= labels
    assert not selectors["Deployment"]["selector"]["matchLabels"].items() <= labels
    assert "Egress" not in selectors["NetworkPolicy"]["policyTypes"]


def test_it_is_told_from_replicas_after_the_cache_has_trimmed_it() -> None:
    pod = trim(PODS, numbered(made(), 3), Shares())
    assert is_reader(pod)
    assert attempt(pod) == 3
    assert not is_reader({"metadata": {"name": "chat-0-a", "labels": {"wharfage.dev/pool": "0"}}})


def test_a_change_that_concerns_it_makes_it_another_pod() -> None:
    same = [made(), made(scaling={"minReplicas": 3})]
    other = [
        made(Origin("hf://org/new", "main")),
        made(Origin("hf://org/other", "0e9e39f")),
        made(engine={"image": "mine:1"}),
        made(model={"source": "hf://org/new", "credentialsSecret": {"name": "hf", "key": "token"}}),
    ]
    marks = [pod["metadata"]["labels"][READS] for pod in (*same, *other)]
    assert marks[0] == marks[1]
    assert len(set(marks)) == len(marks) - 1


def test_its_name_is_a_pods_name_for_the_longest_name_of_a_deployment() -> None:
    whose = Identity("shop", "x" * 52, UID)
    pod = reader(deployment(name="x" * 52), whose, HUB, ChildSettings(), platforms()["plain"])
    assert len(numbered(pod, 1000)["metadata"]["name"]) <= 253


@pytest.mark.parametrize(
    ("source", "found"),
    [("hf://org/new", True), ("pvc://weights", True), ("s3://b/m", False), ("gs://b/m", False), ("oci://r/m:1", False)],
)
def test_where_it_can_read(source: str, found: bool) -> None:
    assert readable(Origin(source, "")) is found
