"""What has to change in the cluster: wanted objects against observed ones.

Three questions per object: is it ours, is it as we want it, is it still needed. An object of somebody
else under a name we need stops everything: half a deployment that nobody can reach only costs money.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from wharfage_api.labels import TRIAL

Object = dict[str, Any]

INTENT = "wharfage.dev/intent"
"""Annotation with the hash of what was applied: tells our own change of mind from somebody's edit."""

_LIST_KEYS = ("name", "containerPort", "type", "mountPath", "key", "ip", "path", "port")
_DIGEST = 16  # hex digits; two intents of one object never meet by chance
_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes in the order in which to make them.

    `deletes` and `conflicts` are the observed objects (a deletion carries their uid as precondition).
    `waits` are old pools that stay until the new ones are ready.
    """

    applies: tuple[Object, ...] = ()
    deletes: tuple[Object, ...] = ()
    conflicts: tuple[Object, ...] = ()
    waits: tuple[Object, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.applies and not self.deletes


def intended(obj: Object) -> Object:
    """The object with the hash of itself as an annotation."""
    text = orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(text).hexdigest()[:_DIGEST]
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), INTENT: digest}}}


def plan(children: Iterable[Object], wanted: Iterable[Object], *, owner_uid: str) -> Plan:
    """The writes that turn `children` into `wanted`.

    No move waits for what is on trial, and what was goes at once, unless nothing else serves.

    `children` holds what carries our label and whatever sits under a wanted name; both carry their
    apiVersion and kind. With conflicts there are no writes at all.
    """
    observed = {_identity(child): child for child in children}
    targets = {_identity(obj): obj for obj in wanted}
    conflicts = tuple(observed[i] for i in targets if i in observed and not owned(observed[i], owner_uid))
    if conflicts:
        return Plan(conflicts=conflicts)
    applies = tuple(obj for i, obj in targets.items() if not up_to_date(observed.get(i), obj))
    left = [child for i, child in observed.items() if i not in targets and owned(child, owner_uid) and not going(child)]
    pools = [obj for obj in targets.values() if obj["kind"] == "Deployment"]
    serving = [pool for pool in pools if not _on_trial(pool)]
    free = bool(serving) and all(_may_let_go(observed.get(_identity(pool)), pool) for pool in serving)
    answered = free or any(_answers(child) for child in children if not _on_trial(child) and not going(child))
    waits = tuple(
        child for child in left if child["kind"] == "Deployment" and not free and not (_on_trial(child) and answered)
    )
    deletes = tuple(child for child in left if child not in waits)
    return Plan(applies, deletes, waits=waits)


def owned(obj: Object, owner_uid: str) -> bool:
    """Whether the object belongs to the deployment of that uid."""
    return any(owner.get("uid") == owner_uid for owner in obj["metadata"].get("ownerReferences") or ())


def going(obj: Object) -> bool:
    """Whether the object is being deleted already."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def over(pod: Object) -> bool:
    """Whether a pod has ended, well or not: nothing of it runs any more, though it is still there."""
    return (pod.get("status") or {}).get("phase") in _ENDED


def up_to_date(observed: Object | None, wanted: Object) -> bool:
    """Whether the last applied intent is this one and nobody has changed a field of it since."""
    if observed is None:
        return False
    annotations = observed["metadata"].get("annotations") or {}
    if annotations.get(INTENT) != wanted["metadata"]["annotations"][INTENT]:
        return False
    return covers(observed, wanted)


def covers(observed: Any, wanted: Any) -> bool:
    """Whether every wanted field is there with the wanted value; what others have added is theirs.

    Lists of named things are matched by name, as server-side apply does; other lists must be equal.
    """
    if isinstance(wanted, Mapping):
        return isinstance(observed, Mapping) and all(
            key in observed and covers(observed[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(observed, list):
            return False
        key = _list_key(wanted)
        if key is None:
            return len(observed) == len(wanted) and all(covers(o, w) for o, w in zip(observed, wanted, strict=True))
        by_key = {item.get(key): item for item in observed if isinstance(item, Mapping)}
        return all(item[key] in by_key and covers(by_key[item[key]], item) for item in wanted)
    return bool(observed == wanted)


def _list_key(items: list[Any]) -> str | None:
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    for key in _LIST_KEYS:
        if all(key in item for item in items) and len({item[key] for item in items}) == len(items):
            return key
    return None


def _on_trial(pool: Object) -> bool:
    return (pool["metadata"].get("annotations") or {}).get(TRIAL) == "true"


def _answers(child: Object) -> bool:
    """Whether it is a Deployment that serves with all that it was asked for, which is not nothing."""
    return child["kind"] == "Deployment" and child["spec"].get("replicas", 1) > 0 and serves(child)


def _may_let_go(observed: Object | None, pool: Object) -> bool:
    """Whether an old pool may go for the sake of this new one: it serves, or surging is not wanted."""
    if pool["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0:
        return True
    return observed is not None and serves(observed) and up_to_date(observed, pool)


def serves(deployment: Object) -> bool:
    """Whether a Deployment has as many ready replicas of its present template as it was asked for, and no others."""
    status = deployment.get("status") or {}
    metadata, wanted = deployment["metadata"], deployment["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    updated = status.get("updatedReplicas", 0)
    # A new replica that still waits is counted as updated, and the old one beside it as ready.
    replaced = wanted <= updated and status.get("replicas", 0) <= updated
    return bool(current and replaced and status.get("readyReplicas", 0) >= wanted)


def _identity(obj: Object) -> tuple[str, str]:
    return obj["kind"], obj["metadata"]["name"]
