"""The chart grants exactly what the operator's table says, and users get what their role allows."""

from collections.abc import Iterable
from typing import Any

import pytest
from wharfage_operator.rules import RULES, Rule, rules
from wharfage_operator.settings import Settings

from tests.charts.release import Manifest, of_kind, rendered, the

Grant = tuple[str, str, str, str]  # group, resource, verb, name of the one object or ""


def granted(rules: Iterable[dict[str, Any]]) -> set[Grant]:
    return {
        (group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def wanted(rules: Iterable[Rule]) -> set[Grant]:
    return {
        (rule.group, rule.resource, verb, name) for rule in rules for verb in rule.verbs for name in rule.names or ("",)
    }


def role(release: tuple[Manifest, ...], kind: str, name: str, namespace: str | None = None) -> list[dict[str, Any]]:
    (found,) = (
        each
        for each in of_kind(release, kind)
        if each["metadata"]["name"] == name and each["metadata"].get("namespace") == namespace
    )
    return list(found["rules"])


def test_the_roles_equal_the_operators_table() -> None:
    release = rendered()
    assert granted(role(release, "ClusterRole", "wharfage.wharfage-system")) == wanted(
        rule for rule in RULES if not rule.own_namespace
    )
    assert granted(role(release, "Role", "wharfage-leader", "wharfage-system")) == wanted(
        rule for rule in RULES if rule.own_namespace
    )
    assert len(of_kind(release, "Role")) == 1


def test_a_namespaced_release_writes_only_in_its_namespaces() -> None:
    release = rendered({"rbac": {"namespaced": True}, "watchNamespaces": ["shop", "search"]})
    served = wanted(rule for rule in RULES if not rule.own_namespace and not rule.cluster_scoped)
    for namespace in ("shop", "search"):
        assert granted(role(release, "Role", "wharfage.wharfage-system", namespace)) == served
    assert granted(role(release, "ClusterRole", "wharfage.wharfage-system")) == wanted(
        rule for rule in RULES if rule.cluster_scoped
    )


@pytest.mark.parametrize("namespaced", [False, True], ids=["cluster-wide", "in its namespaces alone"])
def test_engines_are_read_through_the_api_server_by_those_alone_who_are_told_to(*, namespaced: bool) -> None:
    asked = {"operator": {"settings": {"scrape_via": "Proxy"}}, "rbac": {"namespaced": namespaced}}
    usual, more = served(rendered({**asked, "operator": {}})), served(rendered(asked))
    assert more - usual == {("", "pods/proxy", "get", "")}
    settings = Settings(scrape_via="Proxy")
    assert wanted(rules(settings)) - wanted(rules(Settings())) == more - usual


@pytest.mark.parametrize("namespaced", [False, True], ids=["cluster-wide", "in its namespaces alone"])
def test_secrets_are_read_by_their_names_by_those_alone_who_are_told_to(*, namespaced: bool) -> None:
    asked = {"operator": {"settings": {"webhook_secrets": "finops, on-call,"}}, "rbac": {"namespaced": namespaced}}
    usual, more = served(rendered({**asked, "operator": {}})), served(rendered(asked))
    assert more - usual == {("", "secrets", "get", "finops"), ("", "secrets", "get", "on-call")}
    settings = Settings(webhook_secrets=("finops", "on-call"))
    assert wanted(rules(settings)) - wanted(rules(Settings())) == more - usual


def test_a_list_of_no_secrets_is_no_right_to_all_of_them() -> None:
    asked = {"operator": {"settings": {"webhook_secrets": " , "}}}
    assert served(rendered(asked)) == served(rendered({}))


def served(release: tuple[Manifest, ...]) -> set[Grant]:
    """All that the operator's account is granted."""
    roles = (*of_kind(release, "ClusterRole"), *of_kind(release, "Role"))
    own = (each for each in roles if not each["metadata"]["name"].endswith((".view", ".edit", ".finops")))
    return granted(rule for each in own for rule in each["rules"])


def test_a_namespaced_release_serves_its_own_namespace_by_default() -> None:
    release = rendered({"rbac": {"namespaced": True}}, namespace="shop")
    assert role(release, "Role", "wharfage.shop", "shop")
    environment = the(release, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "WHARFAGE_WATCH_NAMESPACES", "value": "shop"} in environment


def test_every_binding_names_the_operators_account_and_an_existing_role() -> None:
    release = rendered({"rbac": {"namespaced": True}, "watchNamespaces": ["shop"]})
    account = the(release, "ServiceAccount")["metadata"]
    roles = {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in (*of_kind(release, "Role"), *of_kind(release, "ClusterRole"))
    }
    bindings = (*of_kind(release, "RoleBinding"), *of_kind(release, "ClusterRoleBinding"))
    assert len(bindings) == 3
    for binding in bindings:
        reference = binding["roleRef"]
        assert (reference["kind"], binding["metadata"].get("namespace"), reference["name"]) in roles
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]


def test_no_rule_has_a_wildcard_or_touches_what_it_must_not() -> None:
    release = rendered()
    rules = [rule for kind in ("ClusterRole", "Role") for each in of_kind(release, kind) for rule in each["rules"]]
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert not any("*" in rule[key] for rule in rules for key in ("apiGroups", "resources", "verbs"))
    assert not resources & {"secrets", "pods/exec", "roles", "rolebindings", "clusterroles", "clusterrolebindings"}


def test_users_get_the_kinds_with_the_roles_that_they_have() -> None:
    release = rendered()
    labels = {each["metadata"]["name"]: each["metadata"]["labels"] for each in of_kind(release, "ClusterRole")}
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    aggregated = {
        name.removeprefix("wharfage.wharfage-system"): [key for key in each if key.startswith(prefix)]
        for name, each in labels.items()
    }
    assert aggregated == {"": [], ".view": [f"{prefix}view"], ".edit": [f"{prefix}edit"], ".finops": []}
    edit = granted(role(release, "ClusterRole", "wharfage.wharfage-system.edit"))
    assert {resource for _, resource, _, _ in edit} == {"llmdeployments", "llmdeployments/scale"}


def test_without_rbac_nothing_is_granted() -> None:
    release = rendered({"rbac": {"create": False, "userRoles": False}})
    assert not [each for each in release if each["apiVersion"].startswith("rbac.authorization.k8s.io")]
