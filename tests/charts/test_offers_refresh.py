"""The CronJobs that keep prices current: off by default, one per catalog, with the least rights that suffice."""

from typing import Any

import pytest
from click.testing import CliRunner
from wharfage_cli.__main__ import cli

from tests.charts.release import HelmError, Manifest, of_kind, rendered, the

AWS = {"provider": "aws", "region": "us-east-1"}
GCP = {"provider": "gcp", "region": "us-central1", "name": "gcp", "maxOffers": 40, "extraArgs": ["--dry-run"]}


def release(*catalogs: dict[str, Any], **refresh: Any) -> tuple[Manifest, ...]:
    return rendered({"offersRefresh": {"enabled": True, "catalogs": list(catalogs), **refresh}})


def named(manifests: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    (found,) = (each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name)
    return found


def pod(manifests: tuple[Manifest, ...]) -> Manifest:
    spec: Manifest = the(manifests, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def test_by_default_nothing_refreshes_prices() -> None:
    assert of_kind(rendered(), "CronJob") == ()
    assert not [each for each in rendered() if each["metadata"]["name"].endswith("offers")]


def test_each_catalog_has_a_job_of_its_own_with_a_command_that_the_program_understands() -> None:
    first, second = of_kind(release(AWS, GCP, extraArgs=["--force-conflicts"]), "CronJob")
    assert [each["metadata"]["name"] for each in (first, second)] == ["wharfage-aws-us-east-1", "wharfage-gcp"]
    containers = [each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0] for each in (first, second)]
    build = ["--provider=aws", "--region=us-east-1", "--name=aws-us-east-1", "--apply", "--force-conflicts"]
    assert containers[0]["args"] == build
    assert containers[1]["args"][2:] == ["--name=gcp", "--max-offers=40", "--apply", "--force-conflicts", "--dry-run"]
    for container in containers:
        program, *command = container["command"]
        assert program == "wharfage"
        # An unknown option is an error; asked for help, the known ones are not carried out.
        assert CliRunner().invoke(cli, [*command, *container["args"], "--help"]).exit_code == 0


def test_a_job_ends_and_leaves_little_behind() -> None:
    job = the(release(AWS), "CronJob")["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= 3600
    assert job["jobTemplate"]["spec"]["backoffLimit"] <= 3
    assert job["timeZone"] == "Etc/UTC"


def test_its_account_may_touch_these_catalogs_and_nothing_else() -> None:
    made = release(AWS, GCP)
    role = named(made, "ClusterRole", "wharfage.wharfage-system.offers")
    assert role["rules"] == [
        {
            "apiGroups": ["wharfage.dev"],
            "resources": ["offercatalogs"],
            "resourceNames": ["aws-us-east-1", "gcp"],
            "verbs": ["create", "get", "patch"],
        }
    ]
    binding = named(made, "ClusterRoleBinding", "wharfage.wharfage-system.offers")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "wharfage-offers", "namespace": "wharfage-system"}
    ]
    bound = [
        each["roleRef"]["name"]
        for kind in ("ClusterRoleBinding", "RoleBinding")
        for each in of_kind(made, kind)
        if any(subject["name"] == "wharfage-offers" for subject in each["subjects"])
    ]
    assert bound == [role["metadata"]["name"]]
    assert named(made, "ServiceAccount", pod(release(AWS))["serviceAccountName"])


def test_without_rbac_it_has_an_account_and_no_role() -> None:
    made = rendered(
        {"rbac": {"create": False, "userRoles": False}, "offersRefresh": {"enabled": True, "catalogs": [AWS]}}
    )
    assert named(made, "ServiceAccount", "wharfage-offers")
    assert not [each for each in made if each["apiVersion"].startswith("rbac.authorization.k8s.io")]


def test_its_pod_is_as_restricted_as_the_operators() -> None:
    made = release(AWS)
    operator = the(made, "Deployment")["spec"]["template"]["spec"]
    ours = pod(made)
    for key in ("securityContext", "volumes", "automountServiceAccountToken", "enableServiceLinks", "affinity"):
        assert ours[key] == operator[key]
    (mine,), (theirs,) = ours["containers"], operator["containers"]
    for key in ("securityContext", "volumeMounts", "image"):
        assert mine[key] == theirs[key]
    assert mine["resources"].keys() >= {"requests", "limits"}


def test_the_operators_selectors_do_not_find_its_pods_and_its_own_policy_does() -> None:
    made = release(AWS)
    labels = the(made, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert not the(made, "Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert not named(made, "NetworkPolicy", "wharfage")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    policy = named(made, "NetworkPolicy", "wharfage-offers")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert "ingress" not in policy
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [
        [53, 53],
        [443, 6443, 8443, 16443],
        [443],
    ]


def test_an_environment_such_as_a_mirrors_address_reaches_the_program() -> None:
    mirror = {"name": "GPUHUNT_CATALOG_URL", "value": "https://mirror.example/v3"}
    assert pod(release(AWS, extraEnv=[mirror]))["containers"][0]["env"] == [mirror]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no catalog to keep current": ({"catalogs": []}, "offersRefresh.catalogs: name the catalogs"),
    "a provider whose prices are not published": (
        {"catalogs": [{**AWS, "provider": "onprem"}]},
        "/catalogs/0/provider",
    ),
    "a catalog without its region": ({"catalogs": [{"provider": "aws"}]}, "region"),
    "a catalog twice": ({"catalogs": [AWS, AWS]}, "/offersRefresh/catalogs"),
    "more offers than a catalog takes": ({"catalogs": [{**AWS, "maxOffers": 513}]}, "/catalogs/0/maxOffers"),
    "a schedule of three fields": ({"catalogs": [AWS], "schedule": "1 2 3"}, "/offersRefresh/schedule"),
    "a name too long for a CronJob": ({"catalogs": [{**AWS, "name": "n" * 50}]}, "has more than 52 characters"),
}


@pytest.mark.parametrize(("values", "words"), REFUSED.values(), ids=REFUSED)
def test_helm_refuses(values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmError) as refusal:
        rendered({"offersRefresh": {"enabled": True, **values}})
    assert words in str(refusal.value)
