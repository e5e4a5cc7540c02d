"""The Gateway API in front of ours: what the page on gateways tells to write is what the API's own definitions take."""

import re
from pathlib import Path

import yaml

from tests.cluster.lab import Lab
from tests.devcluster import build

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "gateway.md"
DEFINITION = "gateway.networking.k8s.io_httproutes.yaml"


def test_the_route_of_the_page_is_taken_and_leads_to_the_gateways_service(lab: Lab) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (route,) = (document for block in blocks if (document := yaml.safe_load(block)).get("kind") == "HTTPRoute")
    lab.cluster.apply((build.gateway_api() / DEFINITION).read_text(encoding="utf-8"))
    try:
        lab.cluster.established()
        lab.cluster.apply({**route, "metadata": {"name": "llm", "namespace": lab.namespace}})
        name = "-o=jsonpath={.spec.rules[0].backendRefs[0].name}:{.spec.rules[0].backendRefs[0].port}"
        assert lab.cluster.kubectl("-n", lab.namespace, "get", "httproute", "llm", name) == "wharfage-gateway:80"
    finally:
        lab.cluster.kubectl("delete", "crd", "httproutes.gateway.networking.k8s.io")
