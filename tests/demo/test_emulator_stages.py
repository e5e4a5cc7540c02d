"""Pods of ours take their time; kwok's own stages stay as they are."""

from typing import Any

from demo.emulator.stages import leaving, loading

STAGE: dict[str, Any] = {
    "apiVersion": "kwok.x-k8s.io/v1alpha1",
    "kind": "Stage",
    "metadata": {"name": "pod-ready", "resourceVersion": "7"},
    "spec": {"selector": {"matchExpressions": [{"key": ".status.phase"}]}, "next": {"statusTemplate": "x"}},
}


def test_a_pod_of_ours_loads_its_model_in_a_fraction_of_the_time() -> None:
    made = loading(STAGE, speed=40.0, loading_s=(60.0, 120.0))
    assert made["metadata"] == {"name": "wharfage-pod-ready"}
    assert made["spec"]["delay"] == {"durationMilliseconds": 1500, "jitterDurationMilliseconds": 3000}
    assert made["spec"]["weight"] == 1
    assert [row["key"] for row in made["spec"]["selector"]["matchExpressions"]] == [
        ".status.phase",
        '.metadata.labels["wharfage.dev/pool"]',
    ]
    assert made["spec"]["next"] == {"statusTemplate": "x"}


def test_the_stage_it_was_made_of_is_not_changed() -> None:
    leaving(STAGE)
    assert "weight" not in STAGE["spec"]
    assert len(STAGE["spec"]["selector"]["matchExpressions"]) == 1
