"""Request lines are taken apart as RBAC sees them."""

import pytest

from tests.faults.requests import parse


@pytest.mark.parametrize(
    ("method", "path", "query", "rule", "namespace", "name"),
    [
        pytest.param("GET", "/api/v1/pods", {}, ("list", "", "pods"), "", "", id="a list over all namespaces"),
        pytest.param(
            "GET", "/api/v1/namespaces/a/pods/p", {}, ("get", "", "pods"), "a", "p", id="an object in a namespace"
        ),
        pytest.param("GET", "/api/v1/namespaces/a", {}, ("get", "", "namespaces"), "a", "a", id="a namespace itself"),
        pytest.param(
            "PUT",
            "/api/v1/namespaces/a/finalize",
            {},
            ("update", "", "namespaces/finalize"),
            "a",
            "a",
            id="a namespace's subresource",
        ),
        pytest.param(
            "GET", "/api/v1/nodes", {"watch": "true"}, ("watch", "", "nodes"), "", "", id="a watch of a core resource"
        ),
        pytest.param(
            "PATCH",
            "/apis/wharfage.dev/v1alpha1/namespaces/a/llmdeployments/m/status",
            {"fieldManager": "wharfage"},
            ("patch", "wharfage.dev", "llmdeployments/status"),
            "a",
            "m",
            id="a status patch of a custom resource",
        ),
        pytest.param(
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            {},
            ("deletecollection", "apps", "deployments"),
            "a",
            "",
            id="the deletion of a collection",
        ),
        pytest.param("GET", "/readyz", {}, ("get", "", ""), "", "", id="a path that is no resource"),
        pytest.param("GET", "/apis/apps/v1", {}, ("get", "", ""), "", "", id="discovery"),
    ],
)
def test_a_request_line_is_taken_apart(
    method: str, path: str, query: dict[str, str], rule: tuple[str, str, str], namespace: str, name: str
) -> None:
    request = parse(method, path, query)
    assert (request.rule, request.namespace, request.name) == (rule, namespace, name)
