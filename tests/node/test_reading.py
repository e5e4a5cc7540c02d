"""A real pod reads a real config.json: from a claim, and from what answers as the hub does."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.devcluster.cluster import Cluster
from tests.engine.volumes import claims
from tests.node import models
from tests.node.models import until
from tests.node.release import Release

Condition = Callable[[str], dict[str, Any]]

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 128,
    "intermediate_size": 512,
    "vocab_size": 4096,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
HUB = "anchorage"


def unknown(namespace: str, source: str, *, accelerator: str = "CPU", **engine: Any) -> dict[str, Any]:
    """A deployment whose spec says nothing of the model's shape."""
    manifest = models.deployment(namespace, "chat", source=source, accelerator=accelerator)
    del manifest["spec"]["model"]["shape"]
    manifest["spec"]["engine"] |= engine
    return manifest


def test_a_model_on_a_claim_is_read_as_soon_as_the_claim_is_there(
    cluster: Cluster, release: Release, tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tiny" / "model.safetensors").write_bytes(b"\0" * 2_200_000)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the reader is another user
    with models.served(cluster, unknown("lagoon", "pvc://weights/tiny")) as condition:
        seen = _blocked(condition, "Unschedulable")
        assert 'persistentvolumeclaim "weights" not found' in seen["message"]

        cluster.apply(claims("lagoon", {"weights": tmp_path}))

        models.ready(condition)
        assert _told(cluster, "lagoon") == {"hiddenSize": 128, "layers": 2, "parametersBillions": "0.0011"}
        _no_reader_is_left(cluster, "lagoon")
    cluster.kubectl("delete", "persistentvolume", "lagoon-weights")


def test_a_model_of_a_hub_is_read_and_one_that_it_does_not_have_is_named(cluster: Cluster, release: Release) -> None:
    with hub(cluster) as url:
        env = [{"name": "HF_ENDPOINT", "value": url}]
        manifest = unknown("roadstead", "hf://org/none", accelerator="H100", env=env)  # read, and placed nowhere
        with models.served(cluster, manifest) as condition:
            seen = _blocked(condition, "UnknownShape")
            assert f"{url}/org/none at main has no config.json, or does not exist" in seen["message"]

            manifest["spec"]["model"]["source"] = "hf://org/tiny"
            cluster.apply(manifest)

            _blocked(condition, "CapacityUnavailable")
            assert _told(cluster, "roadstead")["layers"] == 2
            _no_reader_is_left(cluster, "roadstead")


@contextmanager
def hub(cluster: Cluster) -> Iterator[str]:
    """A web server in a pod that has one model, where the hub would have it."""
    at = {"namespace": HUB, "name": "hub"}
    files = {"name": "hub", "items": [{"key": "config.json", "path": "org/tiny/resolve/main/config.json"}]}
    server = {
        "name": "hub",
        "image": models.ENGINE_IMAGE,
        "command": ["python3", "-m", "http.server", "8000", "--directory", "/hub"],
        "readinessProbe": {"httpGet": {"port": 8000, "path": "/"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "hub", "mountPath": "/hub"}],
    }
    spec = {
        "containers": [server],
        "volumes": [{"name": "hub", "configMap": files}],
        "terminationGracePeriodSeconds": 0,
    }
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HUB}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": at, "data": {"config.json": json.dumps(CONFIG)}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": at, "spec": spec},
        ]
    )
    try:
        cluster.kubectl("-n", HUB, "wait", "--for=condition=Ready", "pod/hub", "--timeout=150s")
        yield f"http://{cluster.kubectl('-n', HUB, 'get', 'pod', 'hub', '-o=jsonpath={.status.podIP}')}:8000"
    finally:
        cluster.kubectl("delete", "namespace", HUB)


def _blocked(condition: Condition, reason: str) -> dict[str, Any]:
    """Wait until the deployment says that it is not ready for that reason."""
    return until(
        f"Ready=False, {reason}",
        lambda: condition("Ready"),
        lambda seen: seen.get("status") == "False" and seen.get("reason") == reason,
    )


def _told(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """A few numbers of the shape that was read."""
    text = cluster.kubectl("-n", namespace, "get", "llm", "chat", "-o=jsonpath={.status.models[0].shape}")
    return {name: json.loads(text)[name] for name in ("hiddenSize", "layers", "parametersBillions")}


def _no_reader_is_left(cluster: Cluster, namespace: str) -> None:
    get = ("-n", namespace, "get", "pods", "-l", "wharfage.dev/reads", "-o", "name")
    until("no reader is left", lambda: cluster.kubectl(*get), lambda seen: not seen)
