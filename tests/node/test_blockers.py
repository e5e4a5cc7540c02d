"""What keeps a real pod from serving reaches the status in the words of whoever knows."""

import base64
from collections.abc import Callable
from typing import Any

from tests.devcluster.cluster import Cluster
from tests.node import models
from tests.node.models import until
from tests.node.release import Release

Condition = Callable[[str], dict[str, Any]]


def test_a_model_that_does_not_exist_is_told_in_the_engines_own_words(cluster: Cluster, release: Release) -> None:
    manifest = models.deployment("reef", "chat", source="hf://org/does-not-exist")
    with models.served(cluster, manifest) as condition:
        seen = _blocked(condition, "EngineFailed")

        assert "does-not-exist is not a local folder and is not a valid model identifier" in seen["message"]


def test_an_image_that_cannot_be_pulled_is_named(cluster: Cluster, release: Release) -> None:
    manifest = models.deployment("shoal", "chat", image="registry.invalid/nothing:1")
    with models.served(cluster, manifest) as condition:
        seen = _blocked(condition, "ImagePullFailed")

        assert "registry.invalid/nothing:1" in seen["message"]


def test_a_missing_secret_is_named_and_serving_starts_when_it_comes(cluster: Cluster, release: Release) -> None:
    manifest = models.deployment("bar", "chat")
    manifest["spec"]["engine"]["apiKeySecret"] = {"name": "chat-key", "key": "key"}
    with models.served(cluster, manifest) as condition:
        seen = _blocked(condition, "SecretMissing")
        assert "chat-key" in seen["message"]

        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"namespace": "bar", "name": "chat-key"},
                "data": {"key": base64.b64encode(b"swordfish").decode()},
            }
        )

        models.ready(condition)


def test_replicas_that_find_no_room_are_told_in_the_schedulers_words(cluster: Cluster, release: Release) -> None:
    manifest = models.deployment("sandbank", "chat", accelerator="L4")
    manifest["spec"]["replicas"] = 3
    with models.served(cluster, manifest) as condition:
        seen = _blocked(condition, "Unschedulable")

        assert "0/1 nodes are available" in seen["message"]


def _blocked(condition: Condition, *reasons: str) -> dict[str, Any]:
    """Wait until the deployment says that it is not ready for one of `reasons`."""
    return until(
        f"Ready=False, {' or '.join(reasons)}",
        lambda: condition("Ready"),
        lambda seen: seen.get("status") == "False" and seen.get("reason") in reasons,
    )
