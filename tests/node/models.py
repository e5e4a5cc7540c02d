"""Models on the real node: what can be rented there, and deployments of the stand-in for the engine."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.devcluster.cluster import Cluster

ENGINE_IMAGE = "registry.invalid/engine:1"
NODE_LABELS = {"example.com/machine": "shed"}
_TIMEOUT_S = 150.0
Seen = TypeVar("Seen")


def catalog() -> dict[str, Any]:
    """One machine: the node under test, by one processor or by one declared accelerator."""
    shared = {"vcpus": 1, "memoryGiB": 8, "nodeSelector": NODE_LABELS}
    return {
        "apiVersion": "wharfage.dev/v1alpha1",
        "kind": "OfferCatalog",
        "metadata": {"name": "here"},
        "spec": {
            "provider": "onprem",
            "region": "here",
            "observedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "offers": [
                {
                    **shared,
                    "name": "shed-cpu",
                    "machine": "shed",
                    "accelerator": {"name": "CPU", "count": 1},
                    "prices": [{"market": "OnDemand", "usdPerHour": "0.05"}],
                },
                {
                    **shared,
                    "name": "shed-l4",
                    "machine": "shed",
                    "accelerator": {"name": "L4", "count": 1, "memoryGiB": 24},
                    "prices": [{"market": "OnDemand", "usdPerHour": "0.80"}],
                },
            ],
        },
    }


def deployment(
    namespace: str, name: str, *, accelerator: str = "CPU", source: str = "hf://org/tiny", image: str = ENGINE_IMAGE
) -> dict[str, Any]:
    """An LLMDeployment of a model of a million parameters."""
    return {
        "apiVersion": "wharfage.dev/v1alpha1",
        "kind": "LLMDeployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "model": {
                "source": source,
                "shape": {
                    "parametersBillions": "0.001",
                    "layers": 2,
                    "hiddenSize": 128,
                    "ffnSize": 512,
                    "vocabularySize": 4096,
                    "attentionHeads": 4,
                    "kvHeads": 2,
                    "headDimension": 32,
                    "maxContextTokens": 2048,
                },
            },
            "engine": {"image": image, "maxModelTokens": 1024},
            "scaling": {"mode": "Manual"},
            "placement": {"accelerators": [accelerator]},
        },
    }


@contextmanager
def served(cluster: Cluster, manifest: dict[str, Any]) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Apply a deployment in a namespace of its own that lets only restricted pods in, and take both away at the end.

    Gives a function that returns a condition of it by its type.
    """
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(
        [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": level}}, manifest]
    )

    def condition(kind: str) -> dict[str, Any]:
        seen = json.loads(cluster.kubectl("-n", namespace, "get", "llmdeployment", name, "-o", "json"))
        conditions = seen.get("status", {}).get("conditions", [])
        return next((dict(row) for row in conditions if row["type"] == kind), {})

    try:
        yield condition
    finally:
        # A namespace with a pod in it looks again only after half of the pod's grace: the pods go first.
        cluster.kubectl("-n", namespace, "delete", "llmdeployment", name, "--ignore-not-found")
        until(
            "no pod is left",
            lambda: cluster.kubectl("-n", namespace, "get", "pods", "-o", "name"),
            lambda seen: not seen,
        )
        cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found")


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    """The engines' pods in a namespace that are not on their way out."""
    found = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def until(what: str, look: Callable[[], Seen], good: Callable[[Seen], bool], *, timeout_s: float = _TIMEOUT_S) -> Seen:
    """Look again and again until it is good; the failure shows what was seen last."""
    deadline_s = time.monotonic() + timeout_s
    while not good(seen := look()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s:.0f} s: {what}; last seen: {seen}"
        time.sleep(0.5)
    return seen


def ready(condition: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Wait until the deployment serves."""
    return until("Ready", lambda: condition("Ready"), lambda seen: seen.get("status") == "True")
