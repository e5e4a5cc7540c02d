"""The gateway as users run it: pods of the built image, real Envoy included, in front of a model that sleeps."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.devcluster import images
from tests.devcluster.cluster import Cluster
from tests.node import models
from tests.node.models import until
from tests.node.release import NAMESPACE, Release, gateway_image

PIER = "pier"
_KEY = "sk-red"

ASK = """
import json, sys, urllib.error, urllib.request as web
url, key, model, timeout = sys.argv[1:5]
body = json.dumps({"model": model, "prompt": "Where are the ships?"}).encode()
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
try:
    with web.urlopen(web.Request(url, body, headers), timeout=float(timeout)) as answer:
        print(json.dumps({"status": answer.status, "body": json.loads(answer.read())}))
except urllib.error.HTTPError as error:
    print(json.dumps({"status": error.code, "body": json.loads(error.read() or b"null")}))
"""

ASK_ON = """
import collections, json, sys, time, urllib.request as web
url, key, model, seconds = sys.argv[1:5]
body = json.dumps({"model": model, "prompt": "Where are the ships?"}).encode()
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
found, end = collections.Counter(), time.monotonic() + float(seconds)
while time.monotonic() < end:
    try:
        with web.urlopen(web.Request(url, body, headers), timeout=60) as answer:
            found[str(answer.status)] += 1
            answer.read()
    except Exception as error:
        found[str(error)] += 1
    time.sleep(0.02)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """The chart with a gateway in one namespace, whose clients need a key."""
    cluster.node.load(images.project("gateway", gateway_image()))
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    keys = {"metadata": {"name": "team-keys", "namespace": PIER}, "stringData": {"red": _KEY}}
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PIER, "labels": level}},
            {"apiVersion": "v1", "kind": "Secret", **keys},
        ]
    )
    installed = Release(cluster)
    installed.install(
        "gateway.enabled=true",
        f"gateway.namespaces={{{PIER}}}",
        "gateway.keySecrets={team-keys}",
        "gateway.replicas=1",
        "gateway.drainSeconds=30",
        "gateway.envoyResources.requests.cpu=10m",
        "gateway.brainResources.requests.cpu=10m",
    )
    cluster.apply(models.catalog())
    yield installed
    cluster.kubectl("-n", PIER, "delete", "llmdeployments", "--all", "--wait")
    installed.uninstall()
    cluster.kubectl("delete", "namespace", PIER)


@pytest.fixture(scope="module")
def sleeping(cluster: Cluster, release: Release) -> dict[str, Any]:
    """A model that nobody asked for, and so is at zero."""
    manifest = models.deployment(PIER, "chat")
    manifest["spec"] |= {
        "routing": "Gateway",
        "scaling": {"minReplicas": 0, "maxReplicas": 1, "idleAfter": "20s"},
        "objectives": {"usdPerBadMinute": "0.00001"},
    }
    cluster.apply(manifest)
    until("at zero", lambda: reason(cluster), lambda seen: seen == "AtZero", timeout_s=150.0)
    return manifest


def reason(cluster: Cluster) -> str:
    path = "-o=jsonpath={.status.summary.reason} {.status.conditions[?(@.type=='Ready')].message}"
    return cluster.kubectl("-n", PIER, "get", "llm", "chat", path).split(" ")[0]


def from_operator(release: Release, program: str, *arguments: str) -> list[str]:
    """A command that runs a program in the operator's pod, with the gateway's address before its arguments."""
    cluster = release.cluster
    address = cluster.kubectl("-n", PIER, "get", "service", "wharfage-gateway", "-o=jsonpath={.spec.clusterIP}")
    (pod,) = release.pods()
    where = ("-n", NAMESPACE, "exec", pod["metadata"]["name"], "--", "python3", "-c")
    return [*where, program, f"http://{address}/v1/completions", *arguments]


def asked(release: Release, *, key: str = _KEY, model: str = "chat", timeout_s: float = 60.0) -> dict[str, Any]:
    """What a client is answered."""
    said = release.cluster.kubectl(*from_operator(release, ASK, key, model, f"{timeout_s:g}"))
    return dict(json.loads(said))


def test_who_has_no_key_is_turned_away_and_who_asks_for_another_model_is_told_which_there_are(
    release: Release, sleeping: dict[str, Any]
) -> None:
    assert asked(release, key="sk-wrong")["status"] == 401
    unknown = asked(release, model="other")
    assert unknown["status"] == 404
    assert "chat" in unknown["body"]["error"]["message"]


def test_a_request_at_zero_waits_for_the_replica_that_it_wakes_and_is_answered_by_it(
    release: Release, sleeping: dict[str, Any]
) -> None:
    answer = asked(release, timeout_s=150.0)
    assert answer["status"] == 200
    assert answer["body"]["choices"][0]["text"] == "ships at anchor"
    until("it serves", lambda: reason(release.cluster), lambda seen: seen == "Serving")


def test_a_rollout_of_the_gateway_fails_no_request(release: Release, sleeping: dict[str, Any]) -> None:
    cluster = release.cluster
    assert asked(release, timeout_s=150.0)["status"] == 200
    with ThreadPoolExecutor() as beside:
        asking = beside.submit(cluster.kubectl, *from_operator(release, ASK_ON, _KEY, "chat", "40"))
        cluster.kubectl("-n", PIER, "rollout", "restart", "deployment/wharfage-gateway")
        cluster.kubectl("-n", PIER, "rollout", "status", "deployment/wharfage-gateway", "--timeout=240s")
        said = asking.result(timeout=240)
    found = json.loads(said)
    assert found.keys() == {"200"}, found
    assert found["200"] > 20
