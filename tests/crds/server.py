"""Asks a real API server what it says to an object, without kubectl in between: hundreds of objects in a second."""

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.devcluster.cluster import Cluster

Object = dict[str, Any]
PLURALS = {"LLMDeployment": "llmdeployments", "LLMBudget": "llmbudgets", "OfferCatalog": "offercatalogs"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and body of one answer; `message` is what kubectl would print."""

    status: int
    body: Object

    @property
    def message(self) -> str:
        """The refusal in words; empty when the object was taken."""
        return "" if self.status < 400 else str(self.body.get("message", self.body))


def ask(cluster: Cluster, method: str, path: str, body: Object | None = None) -> Answer:
    """Send one request as administrator."""
    address = urlsplit(cluster.url)
    connection = http.client.HTTPSConnection(
        address.netloc, timeout=30, context=ssl.create_default_context(cafile=cluster.ca)
    )
    try:
        headers = {"Authorization": f"Bearer {cluster.admin_token}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    finally:
        connection.close()


def collection(item: Object, namespace: str = "default") -> str:
    """Where objects of that kind are created."""
    where = f"/namespaces/{namespace}" if item["kind"] == "LLMDeployment" else ""
    return f"/apis/wharfage.dev/v1alpha1{where}/{PLURALS[item['kind']]}"


def try_to_create(cluster: Cluster, item: Object) -> Answer:
    """Create the object as a dry run, with unknown fields refused as kubectl does."""
    return ask(cluster, "POST", f"{collection(item)}?{urlencode({'dryRun': 'All', 'fieldValidation': 'Strict'})}", item)
