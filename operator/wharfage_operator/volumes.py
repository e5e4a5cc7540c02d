"""What the engine's container finds in its file system besides the image, which is read-only."""

from typing import Any

from wharfage_operator.quantities import memory, storage
from wharfage_operator.replica import Replica
from wharfage_operator.weights import CACHE

ENGINE_FILES = "/etc/wharfage/engine"

Manifest = dict[str, Any]


def volumes(replica: Replica) -> list[Manifest]:
    """The pod's volumes: scratch, shared memory, the cache, the drain's file, weights, and the user's claims."""
    # NCCL keeps its rings in shared memory; one process alone needs little.
    shm_gib = 8 if not replica.on_cpu and replica.fit.accelerators > 1 else 1
    return [
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": memory(shm_gib)}},
        {"name": "cache", **_cache(replica)},
        {"name": "engine", "configMap": {"name": f"{replica.whose.name}-engine"}},
        *replica.weights.volumes,
        *(
            {
                "name": f"mount-{number}",
                "persistentVolumeClaim": {"claimName": mount.claim, **_read_only(mount.read_only)},
            }
            for number, mount in enumerate(replica.deployment.spec.engine.mounts)
        ),
    ]


def _cache(replica: Replica) -> Manifest:
    """A shared claim, a volume per replica, or the node's disk for as long as the pod lives."""
    written = replica.deployment.spec.engine.weight_cache
    if written is not None and written.claim:
        return {"persistentVolumeClaim": {"claimName": written.claim}}
    if written is None or not written.size:
        return {"emptyDir": {}}
    size = storage(written.size)
    if not written.storage_class:
        return {"emptyDir": {"sizeLimit": size}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": written.storage_class,
        "resources": {"requests": {"storage": size}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": replica.whose.labels}, "spec": claim}}}


def mounts(replica: Replica) -> list[Manifest]:
    """Where the engine's container finds each of them."""
    return [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own emptyDir
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        {"name": "cache", "mountPath": CACHE},
        {"name": "engine", "mountPath": ENGINE_FILES, "readOnly": True},
        *replica.weights.mounts,
        *(
            {"name": f"mount-{number}", "mountPath": mount.path, **_read_only(mount.read_only)}
            for number, mount in enumerate(replica.deployment.spec.engine.mounts)
        ),
    ]


def _read_only(wanted: bool) -> Manifest:
    """The field only where it is true: the API server drops a false one, which would look like drift."""
    return {"readOnly": True} if wanted else {}
