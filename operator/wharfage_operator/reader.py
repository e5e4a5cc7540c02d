"""The pod that reads a model's config.json where only the deployment's own pods may look.

A bare pod, no Job: an admission that refuses it (quota, Pod Security) says so to us instead of to a controller, it
needs no watch and no permission on one more kind, and what a Job would add, trying again, must know why it failed.
It runs on the engine's image, which is allowed here, brings Python, and is needed anyway. It carries the label
of the deployment, so that what lets engines out to the hub lets it out as well, and not the one that the Service
selects by. Why the rest is as it is: docs/design/0010-reading-config-json.md.
"""

import hashlib
import json
from typing import Any

from wharfage_api.llmdeployment import LLMDeployment
from wharfage_serving.reader import HUB, shown

from wharfage_operator.children import READER_MODULE, ChildSettings, Identity
from wharfage_operator.origin import Origin
from wharfage_operator.platforms import Platform
from wharfage_operator.pod import container_security, pod_security, tolerations, variable
from wharfage_operator.volumes import ENGINE_FILES
from wharfage_operator.weights import weights

READS = "wharfage.dev/reads"
"""Label of a reader: a hash of all that it is made of. As an annotation: what it reads, in words."""

CONTAINER = "reader"
READABLE = ("hf://", "pvc://")
_DEADLINE_S = 1800  # pulling an engine's image of 10 GB counts
_GRACE_S = 2
_HASH = 8  # hex digits

Manifest = dict[str, Any]


def is_reader(pod: Manifest) -> bool:
    """Whether a pod reads a config.json; all others of a deployment are replicas."""
    return READS in (pod["metadata"].get("labels") or {})


def readable(origin: Origin) -> bool:
    """Whether a pod can read config.json there without a vendor's client or pulling the weights."""
    return origin.source.startswith(READABLE)


def reader(
    deployment: LLMDeployment, whose: Identity, origin: Origin, settings: ChildSettings, platform: Platform
) -> Manifest:
    """The pod, all but which attempt it is.

    Raises:
        Rejected: for a source whose form is not known.

    """
    added = deployment.spec.pod_template
    pod = whose.child("v1", "Pod", spec=_spec(deployment, whose, origin, settings=settings, platform=platform))
    metadata = pod["metadata"]
    metadata["labels"] = {**added.labels, **metadata["labels"], "app.kubernetes.io/name": "wharfage-reader"}
    metadata["annotations"] = {
        **added.annotations,
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
        READS: f"{origin} from {_where(deployment, origin)}",
    }
    text = json.dumps(pod, sort_keys=True, separators=(",", ":"))
    metadata["labels"][READS] = hashlib.sha256(text.encode()).hexdigest()[:_HASH]
    return pod


def numbered(pod: Manifest, number: int) -> Manifest:
    """The pod of that attempt: a name of its own, so that no earlier one can be in its way."""
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "name": f"{metadata['name']}-config-{metadata['labels'][READS]}-{number}"}}


def attempt(pod: Manifest) -> int:
    """Which attempt a reader is, from 1: by its name, which nobody can edit."""
    digits = pod["metadata"]["name"].rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 1


def _where(deployment: LLMDeployment, origin: Origin) -> str:
    scheme, _, rest = origin.source.partition("://")
    if scheme == "pvc":
        return f"claim {rest.partition('/')[0]}"
    named = (row.value for row in deployment.spec.engine.env if row.name == "HF_ENDPOINT")
    return shown(next((value for value in named if value), HUB))


def _spec(
    deployment: LLMDeployment, whose: Identity, origin: Origin, *, settings: ChildSettings, platform: Platform
) -> Manifest:
    placement, added = deployment.spec.placement, deployment.spec.pod_template
    secret = deployment.spec.model.credentials_secret
    source = weights(origin.source, credentials=(secret.name, secret.key) if secret else None)
    files = {
        "name": "engine",
        "configMap": {
            "name": f"{whose.name}-engine",
            "items": [{"key": READER_MODULE, "path": READER_MODULE}],
        },
    }
    revision = ["--revision", origin.revision] if origin.revision else []
    written = {row.name: variable(row) for row in deployment.spec.engine.env}
    container = {
        "name": CONTAINER,
        "image": settings.reader_image or deployment.spec.engine.image or settings.engine_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-I", f"{ENGINE_FILES}/{READER_MODULE}"],
        "args": [source.model, *revision],
        "env": [
            *({"name": name, "value": value} for name, value in source.env if name not in written),
            *written.values(),
        ],
        # Limits as well as requests: a quota may ask for all four.
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        # Where Python itself fails, its last line is in the log alone.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
        "volumeMounts": [{"name": "engine", "mountPath": ENGINE_FILES, "readOnly": True}, *source.mounts],
    }
    pod: Manifest = {
        "serviceAccountName": whose.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": _DEADLINE_S,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": pod_security(),
        # On a machine of one's own the only node may be a tainted one.
        "tolerations": tolerations(deployment, platform.tolerations),
        "containers": [container],
        "volumes": [files, *source.volumes],
    }
    if placement.node_selector:
        pod["nodeSelector"] = dict(placement.node_selector)
    if added.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": row.name} for row in added.image_pull_secrets]
    return pod
