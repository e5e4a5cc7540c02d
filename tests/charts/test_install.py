"""Helm and the chart on a real API server: from the first install to the last trace."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from wharfage_operator.connection import connect
from wharfage_operator.preflight import missing
from wharfage_operator.settings import Settings

from tests.charts.release import CHART, NAMESPACE, HelmError, Manifest, helm
from tests.devcluster.cluster import AccessError, Cluster

DEFINITIONS = ("llmdeployments", "llmbudgets", "offercatalogs")
CHAT: Manifest = {
    "apiVersion": "wharfage.dev/v1alpha1",
    "kind": "LLMDeployment",
    "metadata": {"name": "chat", "namespace": "shop"},
    "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}},
}


@pytest.fixture
def cluster(bare_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with namespaces to install into; releases and definitions are gone afterwards."""
    for name in (NAMESPACE, "shop", "search"):
        bare_cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
            }
        )
    yield bare_cluster
    for release in json.loads(on(bare_cluster, "list", "--all-namespaces", "--output=json")):
        on(bare_cluster, "uninstall", release["name"], "--namespace", release["namespace"])
    bare_cluster.established()
    # Deleting a definition lists its objects. Where its storage was never asked for since the last change of the
    # definition, the API server says "storage is (re)initializing" and tries again minutes later.
    assert eventually(lambda: served(bare_cluster))
    bare_cluster.kubectl("delete", *(f"crd/{each}.wharfage.dev" for each in DEFINITIONS))


def on(cluster: Cluster, *arguments: str | Path, values: dict[str, Any] | None = None) -> str:
    return helm(*arguments, values=values, kubeconfig=cluster.kubeconfig)


def served(cluster: Cluster) -> bool:
    """Whether objects of every kind can be listed."""
    try:
        cluster.kubectl("get", ",".join(f"{each}.wharfage.dev" for each in DEFINITIONS), "--all-namespaces")
    except AccessError:
        return False
    return True


def install(
    cluster: Cluster, values: dict[str, Any] | None = None, *, name: str = "wharfage", namespace: str = NAMESPACE
) -> str:
    return on(cluster, "install", name, CHART, "--namespace", namespace, values=values or {})


def read(cluster: Cluster, *what: str) -> Any:
    return json.loads(cluster.kubectl("get", *what, "--output=json"))


def eventually(holds: Callable[[], bool], *, within_s: float = 120.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.1)
    return True


def may(cluster: Cluster, user: str, *what: str) -> bool:
    """Whether the API server would let `user` do this; a subresource is named by kubectl's own flag."""
    try:
        return cluster.kubectl("auth", "can-i", *what, f"--as={user}").strip() == "yes"
    except AccessError:  # kubectl exits with 1 for "no"
        return False


def still_missing(cluster: Cluster, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the operator's own preflight misses when it logs in with the chart's account."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = cluster.kubectl("create", "token", "wharfage", "--namespace", settings.namespace).strip()
    config["users"][0]["user"] = {"token": token}
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))

    async def ask() -> list[str]:
        async with connect(request_timeout_s=45, connect_timeout_s=45) as connection:
            return await missing(connection, settings)

    return asyncio.run(ask())


def test_a_namespace_at_the_restricted_level_accepts_the_operators_pod(cluster: Cluster) -> None:
    install(cluster)
    assert eventually(lambda: len(read(cluster, "pods", "-n", NAMESPACE)["items"]) == 1)
    (replica_set,) = read(cluster, "replicasets", "-n", NAMESPACE)["items"]
    assert "ReplicaFailure" not in {each["type"] for each in replica_set["status"].get("conditions", ())}


def test_the_account_may_do_all_that_the_operator_asks_for(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(cluster, {"operator": {"replicas": 0}})
    # The API server's authorizer hears of new rules by a watch of its own, here as below.
    settings = Settings(namespace=NAMESPACE)
    assert eventually(lambda: still_missing(cluster, tmp_path, settings, monkeypatch) == [])


def test_the_account_may_read_engines_through_the_api_server_where_the_settings_say_so(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(namespace=NAMESPACE, scrape_via="Proxy")
    install(cluster, {"operator": {"replicas": 0}})
    said: list[str] = []

    def one_is_missing() -> bool:
        said[:] = still_missing(cluster, tmp_path, settings, monkeypatch)
        return len(said) == 1

    assert eventually(one_is_missing)
    assert said[0].startswith("may not get pods/proxy cluster-wide")
    more = {"operator": {"replicas": 0, "settings": {"scrape_via": "Proxy"}}}
    on(cluster, "upgrade", "wharfage", CHART, "--namespace", NAMESPACE, values=more)
    assert eventually(lambda: still_missing(cluster, tmp_path, settings, monkeypatch) == [])


def test_a_namespaced_account_may_do_all_of_it_in_its_namespaces_only(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(cluster, {"operator": {"replicas": 0}, "rbac": {"namespaced": True}, "watchNamespaces": ["shop"]})
    settings = Settings(namespace=NAMESPACE, watch_namespaces=("shop",))
    assert eventually(lambda: still_missing(cluster, tmp_path, settings, monkeypatch) == [])
    beyond = still_missing(cluster, tmp_path, Settings(namespace=NAMESPACE, watch_namespaces=("search",)), monkeypatch)
    assert "may not create deployments.apps in namespace search (needed: one per pool of equal replicas)" in beyond


FORBIDDEN = {
    "read Secrets": ("list", "secrets"),
    "run commands in pods": ("create", "pods", "--subresource=exec"),
    "write Nodes": ("patch", "nodes"),
    "write what users asked for": ("patch", "llmdeployments.wharfage.dev"),
    "hand out permissions": ("create", "rolebindings.rbac.authorization.k8s.io"),
    "take another operator's Lease": ("update", "leases.coordination.k8s.io/kube-scheduler", "-n", "kube-system"),
}


def test_the_account_may_do_nothing_else(cluster: Cluster) -> None:
    install(cluster, {"operator": {"replicas": 0}})
    account = f"system:serviceaccount:{NAMESPACE}:wharfage"
    assert eventually(lambda: may(cluster, account, "list", "pods"))
    assert [what for what, question in FORBIDDEN.items() if may(cluster, account, *question)] == []


def test_users_may_do_with_the_kinds_what_their_role_says(cluster: Cluster) -> None:
    install(cluster, {"operator": {"replicas": 0}})
    for user, role in (("vera", "view"), ("ed", "edit"), ("ada", "admin")):
        cluster.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", "shop")
    assert eventually(lambda: may(cluster, "ed", "create", "llmdeployments.wharfage.dev", "-n", "shop"))
    assert eventually(lambda: may(cluster, "ada", "create", "llmdeployments.wharfage.dev", "-n", "shop"))
    assert eventually(lambda: may(cluster, "vera", "list", "llmdeployments.wharfage.dev", "-n", "shop"))
    assert not may(cluster, "vera", "create", "llmdeployments.wharfage.dev", "-n", "shop")
    assert not may(cluster, "ed", "patch", "llmdeployments.wharfage.dev", "--subresource=status", "-n", "shop")
    assert not may(cluster, "ada", "patch", "llmbudgets.wharfage.dev")
    assert not may(cluster, "ed", "create", "llmdeployments.wharfage.dev", "-n", "search")


def test_an_upgrade_is_undone_by_a_rollback(cluster: Cluster) -> None:
    def replicas() -> int:
        return int(read(cluster, "deployment", "wharfage", "-n", NAMESPACE)["spec"]["replicas"])

    install(cluster, {"operator": {"replicas": 0}})
    on(cluster, "upgrade", "wharfage", CHART, "--namespace", NAMESPACE, values={"operator": {"replicas": 2}})
    assert replicas() == 2
    on(cluster, "rollback", "wharfage", "1", "--namespace", NAMESPACE)
    assert replicas() == 0
    history = json.loads(on(cluster, "history", "wharfage", "--namespace", NAMESPACE, "--output=json"))
    assert [each["status"] for each in history] == ["superseded", "superseded", "deployed"]


def test_a_refused_upgrade_leaves_the_release_as_it_was(cluster: Cluster) -> None:
    install(cluster, {"operator": {"replicas": 0}})
    with pytest.raises(HelmError, match="/operator/replicas"):
        on(cluster, "upgrade", "wharfage", CHART, "--namespace", NAMESPACE, values={"operator": {"replicas": -1}})
    assert [each["revision"] for each in json.loads(on(cluster, "list", "-n", NAMESPACE, "--output=json"))] == ["1"]


def test_uninstalling_keeps_definitions_and_deployments_and_installing_again_adopts_them(cluster: Cluster) -> None:
    install(cluster, {"operator": {"replicas": 0}})
    cluster.established()
    cluster.apply(CHAT)
    uid = read(cluster, "llm", "chat", "-n", "shop")["metadata"]["uid"]

    on(cluster, "uninstall", "wharfage", "--namespace", NAMESPACE)
    kinds = "clusterroles,clusterrolebindings,roles,serviceaccounts,deployments,services,networkpolicies"
    left = cluster.kubectl("get", kinds, "-A", "-o", "name", "-l", "app.kubernetes.io/part-of=wharfage")
    assert left.strip() == ""
    assert read(cluster, "llm", "chat", "-n", "shop")["metadata"]["uid"] == uid

    install(cluster, {"operator": {"replicas": 0}})
    assert read(cluster, "llm", "chat", "-n", "shop")["metadata"]["uid"] == uid


def test_a_second_release_beside_the_first_takes_the_definitions_as_they_are(cluster: Cluster) -> None:
    install(cluster, {"operator": {"replicas": 0}, "rbac": {"namespaced": True}}, namespace="shop")
    second = {"operator": {"replicas": 0}, "rbac": {"namespaced": True, "userRoles": False}, "crds": {"enabled": False}}
    install(cluster, second, namespace="search")
    for namespace, other in (("shop", "search"), ("search", "shop")):
        account = f"system:serviceaccount:{namespace}:wharfage"
        assert eventually(partial(may, cluster, account, "create", "deployments.apps", "-n", namespace))
        assert not may(cluster, account, "create", "deployments.apps", "-n", other)


def test_definitions_that_kubectl_applied_are_taken_over_as_the_page_on_them_says(cluster: Cluster) -> None:
    folder = CHART.parents[1] / "crds"
    for plural in DEFINITIONS:
        cluster.kubectl("apply", "--server-side", "-f", str(folder / f"{plural}.yaml"))
    with pytest.raises(HelmError, match="cannot be imported into the current release"):
        install(cluster, {"operator": {"replicas": 0}})
    taking = ("upgrade", "--install", "wharfage", CHART, "--take-ownership", "--force-conflicts")
    on(cluster, *taking, "--namespace", NAMESPACE, values={"operator": {"replicas": 0}})
    owner = read(cluster, "crd", "llmdeployments.wharfage.dev")["metadata"]["annotations"]
    assert owner["meta.helm.sh/release-name"] == "wharfage"
