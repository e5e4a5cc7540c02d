"""A rollout that finds no machine for new replicas beside the old ones gives way instead of waiting for ever.

The new replica would wait for the machine, and the old one, which holds it, for the new replica. So a surge has
patience: when a new replica has waited too long for a machine while a replica of before holds one of the same kind,
the pool replaces instead, and old replicas end first. This is written on the pool's Deployment together with the
template it is about, so that it survives the operator, does not flap, and ends with the next template. The strategy
stands outside the template: no pod is restarted for it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wharfage_api.labels import POOL

from wharfage_operator.plan import INTENT, going, intended, over

Object = dict[str, Any]

GAVE_UP = "wharfage.dev/surge-gave-up"
"""Annotation of a pool's Deployment: hash of the pod template whose surge found no machine."""

REPLACING = {"maxSurge": 0, "maxUnavailable": 1}
SURGING = {"maxSurge": 1, "maxUnavailable": 0}

_TEMPLATE_HASH = "pod-template-hash"
_DIGEST = 16  # hex digits


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The objects with the strategy that each pool now has; `again_s` is when a surge's patience ends, if one waits."""

    objects: tuple[Object, ...]
    again_s: float | None = None


def rollouts(
    objects: Iterable[Object],
    children: Iterable[Object],
    pods: Sequence[Object],
    *,
    patience_s: float,
    now: float,
) -> Rollouts:
    """The wanted objects, with each surge that found no machine within `patience_s` turned into a replacement.

    `children` and `pods` are the observed ones, `now` is in Unix seconds.
    """
    targets = tuple(objects)
    observed = {child["metadata"]["name"]: child for child in children if child["kind"] == "Deployment"}
    wanted = {_pool(obj) for obj in targets if obj["kind"] == "Deployment"}
    settled: list[Object] = []
    dues: list[float] = []
    for obj in targets:
        known = observed.get(obj["metadata"]["name"])
        if obj["kind"] != "Deployment" or known is None or not _surges(obj):
            settled.append(obj)
            continue
        if _annotation(known, GAVE_UP) == _digest(obj):
            settled.append(_replacing(obj))
            continue
        # Pods tell about this template only once exactly this was applied.
        applied = _annotation(known, INTENT) == _annotation(obj, INTENT)
        since = _waits_since(known, pods, wanted) if applied else None
        left_s = None if since is None else since + patience_s - now
        if left_s is not None and (left_s <= 0 or deadline_exceeded(known)):
            settled.append(_replacing(obj))
            continue
        settled.append(obj)
        if left_s is not None:
            dues.append(left_s)
    return Rollouts(tuple(settled), min(dues, default=None))


def gave_up(pool: Mapping[str, Any]) -> bool:
    """Whether the present template of a pool's Deployment is rolled out by replacement for want of machines."""
    return GAVE_UP in (pool["metadata"].get("annotations") or {})


def deadline_exceeded(pool: Mapping[str, Any]) -> bool:
    """Whether Kubernetes has given up waiting for the Deployment's progress."""
    conditions: Iterable[Mapping[str, Any]] = (pool.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded" for c in conditions)


def _replacing(obj: Object) -> Object:
    annotations = {name: value for name, value in obj["metadata"]["annotations"].items() if name != INTENT}
    metadata = {**obj["metadata"], "annotations": {**annotations, GAVE_UP: _digest(obj)}}
    spec = {**obj["spec"], "strategy": {**obj["spec"]["strategy"], "rollingUpdate": dict(REPLACING)}}
    return intended({**obj, "metadata": metadata, "spec": spec})


def _waits_since(pool: Object, pods: Iterable[Object], wanted: set[str]) -> float | None:
    """Since when a new replica of the pool has waited for a machine that one of before could free; None: it does not.

    A replica of before runs from another template of the same pool, or in a pool that is not wanted any more,
    and asks for the same kind of node: ending any other would free nothing that helps.
    """
    alive = [pod for pod in pods if not _ends(pod)]
    holders = [pod for pod in alive if (pod.get("spec") or {}).get("nodeName")]
    here = _pool(pool)
    found = [
        since
        for pod in alive
        if _pool(pod) == here and (since := _unscheduled_since(pod)) is not None
        if any(_before(holder, pod, wanted) for holder in holders)
    ]
    return min(found, default=None)


def _before(holder: Object, pod: Object, wanted: set[str]) -> bool:
    if _label(holder, _TEMPLATE_HASH) == _label(pod, _TEMPLATE_HASH):
        return False
    if _pool(holder) != _pool(pod) and _pool(holder) in wanted:
        return False
    return bool(_selector(holder) == _selector(pod))


def _unscheduled_since(pod: Object) -> float | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            since = condition.get("lastTransitionTime")
            return datetime.fromisoformat(since).timestamp() if since else None
    return None


def _ends(pod: Object) -> bool:
    return going(pod) or over(pod)


def _surges(obj: Object) -> bool:
    return bool(obj["spec"]["strategy"]["rollingUpdate"]["maxSurge"])


def _digest(obj: Object) -> str:
    text = json.dumps(obj["spec"]["template"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]


def _pool(obj: Object) -> str:
    return _label(obj, POOL)


def _label(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(name, ""))


def _annotation(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))


def _selector(pod: Object) -> object:
    return (pod.get("spec") or {}).get("nodeSelector") or {}
