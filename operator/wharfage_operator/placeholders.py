"""Machines ordered ahead as objects: what makes an autoscaler buy one although no replica needs it yet.

Where the cluster has the API of CapacityBuffer and somebody acts on it, that is one object that names the pool's
Deployment: the autoscaler keeps room for so many of its pods. Elsewhere it is pods that do nothing, of the replicas'
size and on their machines, below every priority: a replica that comes takes their place at once, by the scheduler's own
preemption. Neither is a replica: no label of theirs is selected by Service, budget or pool.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from wharfage_api.labels import OWNER, POOL

from wharfage_operator.apply import Writer
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import CAPACITY_BUFFERS, Key, Object
from wharfage_operator.plan import going, intended, over
from wharfage_operator.pod import container_security, pod_security
from wharfage_operator.reader import is_reader

AHEAD = "wharfage.dev/ahead"
"""Label of what orders a machine ahead: the pool's hash."""

log = logging.getLogger(__name__)
_ACTS_WITHIN_S = 60.0
_HASH = 6  # hex digits
_RENEWED_S = 3600


@dataclass(frozen=True, slots=True)
class Means:
    """What machines can be ordered ahead with: whether CapacityBuffer is served, and by which pods otherwise.

    Without a priority class there are no such pods: at the usual priority they would keep replicas out.
    """

    buffers: bool = False
    image: str = ""
    priority_class: str = ""


@dataclass(frozen=True, slots=True)
class Placeholders:
    """Pods to create and to delete."""

    creates: tuple[Object, ...] = ()
    deletes: tuple[Object, ...] = ()


def is_placeholder(pod: Object) -> bool:
    """Whether a pod only holds a machine."""
    return AHEAD in (pod["metadata"].get("labels") or {})


def is_replica(pod: Object) -> bool:
    """Whether a pod of a deployment is one of its engines."""
    return not is_reader(pod) and not is_placeholder(pod)


def buffers(objects: Iterable[Object], counts: dict[str, int]) -> tuple[Object, ...]:
    """A buffer for each pool of which machines are to wait; `counts` are replicas by the pool's hash."""
    wanted = ((obj, counts.get(_pool(obj), 0)) for obj in objects if obj["kind"] == "Deployment")
    return tuple(intended(_buffer(obj, count)) for obj, count in wanted if count)


def placeholders(
    objects: Iterable[Object],
    counts: dict[str, int],
    pods: Sequence[Object],
    children: Iterable[Object],
    means: Means,
    *,
    now_s: float,
) -> Placeholders:
    """The pods that hold machines where no buffer does. `pods` are the placeholders that there are.

    One that has ended is deleted; the next look makes another.
    """
    pools = [obj for obj in objects if obj["kind"] == "Deployment"]
    idle = {_pool(child) for child in children if child["kind"] == CAPACITY_BUFFERS.name and _is_idle(child, now_s)}
    wanted: dict[str, Object] = {}
    for pool in pools:
        if means.priority_class and (not means.buffers or _pool(pool) in idle):
            wanted |= {pod["metadata"]["name"]: pod for pod in _pods(pool, counts.get(_pool(pool), 0), means)}
    there = {pod["metadata"]["name"]: pod for pod in pods}
    unwanted = (pod for name, pod in there.items() if name not in wanted or over(pod))
    return Placeholders(
        tuple(pod for name, pod in wanted.items() if name not in there),
        tuple(pod for pod in unwanted if not going(pod)),
    )


async def hold(writer: Writer, pods: Sequence[Object], *, owner: Key, owner_uid: str) -> bool:
    """Create placeholders; returns whether there are any now.

    What is refused is said and no more: a deployment does not wait for what only may help it.
    """
    try:
        for pod in pods:
            await writer.apply(pod, owner=owner, owner_uid=owner_uid)
    except ApiError as error:
        log.warning("no machine is held ahead", extra={"key": "/".join(owner), "error": str(error)})
        return False
    return bool(pods)


def _buffer(pool: Object, count: int) -> Object:
    metadata = pool["metadata"]
    return {
        "apiVersion": CAPACITY_BUFFERS.api_version,
        "kind": CAPACITY_BUFFERS.name,
        "metadata": {
            "name": f"{metadata['name']}-ahead",
            "namespace": metadata["namespace"],
            "labels": dict(metadata["labels"]),
            "ownerReferences": metadata["ownerReferences"],
        },
        "spec": {
            "scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": metadata["name"]},
            "replicas": count,
        },
    }


def _is_idle(buffer: Object, now_s: float) -> bool:
    """Whether nobody has said anything of a buffer since long: the API is there, and no autoscaler that heeds it."""
    created = buffer["metadata"].get("creationTimestamp")
    if created is None or (buffer.get("status") or {}).get("conditions"):
        return False
    return now_s - datetime.fromisoformat(created).timestamp() > _ACTS_WITHIN_S


def _pods(pool: Object, count: int, means: Means) -> list[Object]:
    """So many pods of a replica's size, where its replicas may be; another size has other names."""
    spec = _spec(pool["spec"]["template"]["spec"], means)
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:_HASH]
    metadata = pool["metadata"]
    labels = {name: text for name, text in metadata["labels"].items() if name != POOL}
    labels |= {"app.kubernetes.io/name": "wharfage-placeholder", AHEAD: _pool(pool), OWNER: metadata["labels"][OWNER]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{metadata['name']}-ahead-{digest}-{number}",
                "namespace": metadata["namespace"],
                "labels": labels,
                # Nobody misses it: the machine may go whenever an autoscaler wants it back.
                "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
                "ownerReferences": metadata["ownerReferences"],
            },
            "spec": spec,
        }
        for number in range(count)
    ]


def _spec(replica: Object, means: Means) -> Object:
    container = {
        "name": "placeholder",
        "image": means.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": replica["containers"][0]["resources"],
        "securityContext": container_security(),
    }
    kept = {name: replica[name] for name in ("affinity", "tolerations", "imagePullSecrets") if replica.get(name)}
    return {
        **kept,
        "serviceAccountName": replica["serviceAccountName"],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": _RENEWED_S,  # where no operator renews it, it is paid for no longer
        "priorityClassName": means.priority_class,
        "securityContext": pod_security(),
        "containers": [container],
    }


def _pool(obj: Object) -> str:
    return str((obj["metadata"].get("labels") or {}).get(POOL, ""))
