"""Folders of this machine as claims that a pod may mount: the restricted level of Pod Security allows no host path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def claims(namespace: str, folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """For each claim name a PersistentVolume on the node's own disk, and the claim that is bound to it."""
    return [manifest for name, folder in folders.items() for manifest in _pair(namespace, name, folder)]


def _pair(namespace: str, name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    volume_name = f"{namespace}-{name}"
    room = {"storage": "8Gi"}
    shared = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name},
        "spec": {
            **shared,
            "capacity": room,
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": namespace, "name": name},
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {**shared, "resources": {"requests": room}, "volumeName": volume_name},
    }
    return volume, claim
