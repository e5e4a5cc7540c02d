"""The operator as users run it: a pod of the built image, installed, upgraded and rolled back by Helm."""

import json
import time

import pytest

from tests.devcluster.cluster import Cluster
from tests.node import models
from tests.node.models import until
from tests.node.release import NAMESPACE, Release, operator_image


def test_the_operator_runs_without_rights_on_its_machine(cluster: Cluster, release: Release) -> None:
    (pod,) = release.pods()
    in_pod = ("-n", NAMESPACE, "exec", pod["metadata"]["name"], "--", "python3", "-c")

    who = cluster.kubectl(*in_pod, "import os; print(os.getuid(), os.getgid())")
    mounts = cluster.kubectl(*in_pod, "print(open('/proc/self/mounts').read())")
    status = cluster.kubectl(*in_pod, "print(open('/proc/self/status').read())")

    assert who.split() == ["65532", "65532"]
    root = next(line.split() for line in mounts.splitlines() if line.split()[1] == "/")
    assert "ro" in root[3].split(",")
    assert "CapEff:\t0000000000000000" in status
    assert pod["spec"]["serviceAccountName"] == "wharfage"


def test_the_operator_leads_and_says_that_it_is_ready(release: Release) -> None:
    (pod,) = release.pods()

    assert release.leader() == pod["metadata"]["name"]
    assert all(row["status"] == "True" for row in pod["status"]["conditions"] if row["type"] == "Ready")


def test_helm_test_runs_the_doctor_and_the_doctor_finds_nothing_wrong(release: Release) -> None:
    said = release.test()

    assert "Succeeded" in said
    assert "is granted" in said or "are granted" in said


@pytest.mark.parametrize("accelerator", ["CPU", "L4"])
def test_a_deployment_becomes_a_pod_that_answers_through_its_service(
    cluster: Cluster, release: Release, accelerator: str
) -> None:
    manifest = models.deployment("harbour", "chat", accelerator=accelerator)
    with models.served(cluster, manifest) as condition:
        models.ready(condition)
        (pod,) = models.pods(cluster, "harbour")
        body = json.dumps({"model": "chat", "prompt": "Where are the ships?"})
        ask = (
            "import sys, urllib.request as web; "
            "asked = web.Request(sys.argv[1], sys.argv[2].encode(), {'Content-Type': 'application/json'}); "
            "print(web.urlopen(asked, timeout=60).read().decode())"
        )
        address = cluster.kubectl("-n", "harbour", "get", "service", "chat", "-o=jsonpath={.spec.clusterIP}")
        pod_name = pod["metadata"]["name"]
        url = f"http://{address}:8000/v1/completions"
        said = cluster.kubectl("-n", "harbour", "exec", pod_name, "--", "python3", "-c", ask, url, body)

        requested = pod["spec"]["containers"][0]["resources"]["requests"]
        price = cluster.kubectl("-n", "harbour", "get", "llm", "chat", "-o=jsonpath={.status.cost.usdPerHour}")
        assert json.loads(said)["choices"][0]["text"] == "ships at anchor"
        assert ("nvidia.com/gpu" in requested) is (accelerator == "L4")
        assert float(price) == {"CPU": 0.05, "L4": 0.80}[accelerator]


def test_upgrade_and_rollback_of_the_operator_restart_no_serving_pod(cluster: Cluster, release: Release) -> None:
    cluster.node.ctr("images", "tag", "--force", operator_image(), operator_image("next"))
    with models.served(cluster, models.deployment("quay", "chat")) as condition:
        models.ready(condition)
        before = _identities(cluster, "quay")

        release.upgrade("image.tag=next")
        upgraded = _takes_over(release, operator_image("next"))
        release.rollback(1)
        _takes_over(release, operator_image())

        assert _identities(cluster, "quay") == before
        assert upgraded != release.leader()
        assert condition("Ready")["status"] == "True"


def _identities(cluster: Cluster, namespace: str) -> list[tuple[str, int]]:
    """Which pods serve, and how often their containers were restarted."""
    pods = models.pods(cluster, namespace)
    return sorted((pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]) for pod in pods)


def _takes_over(release: Release, image: str) -> str:
    """Wait until the pod with `image` leads and has had time to look at every object; returns its name."""

    def leads(seen: tuple[str, list[dict[str, object]]]) -> bool:
        leader, pods = seen
        return [(pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]) for pod in pods] == [(leader, image)]  # type: ignore[index]

    leader, _ = until(f"{image} leads", lambda: (release.leader(), release.pods()), leads)
    time.sleep(3.0)
    return leader
