"""Why a deployment does not serve, in the words of whoever knows: the one true cause.

A replica can be stuck in many places, and each place has its own witness: a ReplicaSet that may not create
pods, the scheduler, Karpenter, the kubelet, the engine's own last line. The witnesses are asked in the order
of how much they tell, and the first answer is the status' reason. Messages hold no running clocks: how long
it has lasted is a class (over 5 min), so that waiting writes nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from wharfage_autoscaler.reasons import Reason

from wharfage_operator.lines import last_error, tidy

Object = Mapping[str, Any]

ORDER = (
    Reason.QUOTA_EXCEEDED,
    Reason.PODS_FORBIDDEN,
    Reason.SECRET_MISSING,
    Reason.ENGINE_FAILED,
    Reason.IMAGE_PULL_FAILED,
    Reason.CAPACITY_UNAVAILABLE,
    Reason.UNSCHEDULABLE,
    Reason.WAITING_FOR_NODE,
    Reason.PULLING_IMAGE,
    Reason.STARTING_ENGINE,
    Reason.SCALING,
)
"""From what only the user can mend to what passes by itself."""

_CLASSES_S = ((86400, "over 1 day"), (21600, "over 6 h"), (3600, "over 1 h"), (900, "over 15 min"), (300, "over 5 min"))
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*": \w+: ')
_MISSING_SECRET = re.compile(
    r"""secret ["']?([^"'\s]+?)["']? not found|references non-existent secret key|couldn't find key (\S+) in Secret"""
)
_NOMINATED = frozenset({"Nominated", "TriggeredScaleUp"})
_AUTOSCALER = frozenset({"FailedScheduling", "NotTriggerScaleUp"})


class Blocker(NamedTuple):
    """What stands in the way: the reason, and a sentence for people."""

    reason: Reason
    message: str


def blocker(
    pods: Iterable[Object], deployments: Iterable[Object], events: Iterable[Object] = (), *, now: float
) -> Blocker | None:
    """What keeps replicas from serving; None when every wanted replica is ready.

    `deployments` are the pools' Deployments, `pods` theirs, `events` the core/v1 Events of those pods, `now`
    Unix seconds.
    """
    pools = tuple(deployments)
    waiting = tuple(pod for pod in pods if not _going(pod) and not _ready(pod))
    missing = sum(_missing(pool) for pool in pools)
    if not missing and not waiting:
        return None
    by_pod = _by_pod(events)
    found = [*_refused(pools), *(_of_pod(pod, by_pod.get(pod["metadata"]["name"], ())) for pod in waiting)]
    if not found:
        return (
            Blocker(Reason.SCALING, f"{missing} more replica{'s are' if missing > 1 else ' is'} being created")
            if missing
            else None
        )
    worst = min(found, key=lambda each: ORDER.index(each.reason))
    alike = [
        pod
        for pod, each in zip(waiting, found[len(found) - len(waiting) :], strict=True)
        if each.reason is worst.reason
    ]
    return Blocker(worst.reason, tidy(worst.message + _how_many(len(alike)) + _how_long(alike, now)))


def hindrance(pod: Object, events: Iterable[Object] = (), *, now: float) -> Blocker:
    """What keeps one pod that is pending from running, and in a class for how long."""
    found = _of_pod(pod, _by_pod(events).get(pod["metadata"]["name"], ()))
    return Blocker(found.reason, tidy(found.message + _how_long((pod,), now)))


def _refused(pools: Iterable[Object]) -> Iterator[Blocker]:
    """Pods that a ReplicaSet may not create: the Deployment was accepted, its pods are not."""
    for pool in pools:
        for condition in (pool.get("status") or {}).get("conditions") or ():
            if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
                message = condition.get("message", "")
                reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in message else Reason.PODS_FORBIDDEN
                yield Blocker(reason, message)


def _of_pod(pod: Object, events: Sequence[Object]) -> Blocker:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in containers:
        found = _of_container(container)
        if found is not None:
            return found
    secret = _missing_secret(event.get("message", "") for event in events if event.get("reason") == "FailedMount")
    if secret is not None:
        return secret
    if status.get("phase") == "Failed":
        return Blocker(
            Reason.ENGINE_FAILED, f"pod {status.get('reason', 'Failed')}: {status.get('message', 'no message')}"
        )
    unscheduled = _condition(pod, "PodScheduled")
    if unscheduled is not None and unscheduled.get("status") == "False":
        return _unscheduled(unscheduled, events)
    if not containers or any((container.get("state") or {}).get("waiting") for container in containers):
        return _creating(events)
    if all(container.get("started") for container in containers):
        return Blocker(Reason.STARTING_ENGINE, "the engine runs but does not answer /health")
    return Blocker(Reason.STARTING_ENGINE, "the engine downloads and loads the model")


def _of_container(container: Object) -> Blocker | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE:
        # Between two attempts the kubelet says so and repeats the last error: one cause, told in one way.
        said = _BACK_OFF.sub("", message) or reason
        return Blocker(Reason.IMAGE_PULL_FAILED, f"image {container.get('image', '')}: {said}")
    if reason in _CONFIG:
        return _missing_secret([message]) or Blocker(Reason.ENGINE_FAILED, f"{reason}: {message}")
    ended = (container.get("state") or {}).get("terminated") or (container.get("lastState") or {}).get("terminated")
    # A restart after an exit of 0 is not the engine's failure (the node was drained, say).
    if ended and ended.get("exitCode") != 0:
        return Blocker(Reason.ENGINE_FAILED, _ended(ended, container.get("restartCount", 0)))
    return None


def _ended(ended: Object, restarts: int) -> str:
    """The engine's own words where it left any, with how often it has tried."""
    times = f" after {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""
    if ended.get("reason") == "OOMKilled":
        return f"the engine ran out of the pod's memory{times}: it was killed by the kernel"
    line = last_error(ended.get("message", ""))
    return f"the engine ended with code {ended.get('exitCode')}{times}: {line or ended.get('reason', 'no message')}"


def _missing_secret(messages: Iterable[str]) -> Blocker | None:
    for message in messages:
        match = _MISSING_SECRET.search(message)
        if match is not None:
            said = message[match.start() :]
            return Blocker(Reason.SECRET_MISSING, f"{said}: create it in this namespace, the pod goes on by itself")
    return None


def _unscheduled(condition: Object, events: Sequence[Object]) -> Blocker:
    """The scheduler says what there is not; an autoscaler, if one spoke, what it does about that."""
    said = condition.get("message") or "no node was found yet"
    for event in events:  # newest first
        source, words = _source(event), event.get("message", "")
        if event.get("reason") in _NOMINATED:
            return Blocker(Reason.WAITING_FOR_NODE, f"{source}: {words}")
        if event.get("reason") in _AUTOSCALER and source != "default-scheduler":
            return Blocker(Reason.CAPACITY_UNAVAILABLE, f"{source}: {words}")
    return Blocker(Reason.UNSCHEDULABLE, said)


def _creating(events: Sequence[Object]) -> Blocker:
    for event in events:  # newest first
        reason, words = event.get("reason"), event.get("message", "")
        if reason in ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"):
            return Blocker(Reason.STARTING_ENGINE, f"{reason}: {words}")
        if reason == "Pulling":
            return Blocker(Reason.PULLING_IMAGE, words)
        if reason == "Pulled":
            break
    return Blocker(Reason.STARTING_ENGINE, "the node prepares the container")


def _by_pod(events: Iterable[Object]) -> dict[str, list[Object]]:
    """Events per pod, the newest first."""
    found: dict[str, list[Object]] = {}
    for event in sorted(events, key=_when, reverse=True):
        about = event.get("involvedObject") or event.get("regarding") or {}
        if about.get("kind") == "Pod":
            found.setdefault(about.get("name", ""), []).append(event)
    return found


def _when(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((time for time in times if time), event.get("metadata", {}).get("creationTimestamp") or "")


def _source(event: Object) -> str:
    return str(event.get("reportingComponent") or (event.get("source") or {}).get("component") or "an autoscaler")


def _how_many(count: int) -> str:
    return f" ({count} replicas)" if count > 1 else ""


def _how_long(pods: Iterable[Object], now: float) -> str:
    """Since when, in classes: a clock that runs would be a write per second."""
    since = min(
        (pod["metadata"]["creationTimestamp"] for pod in pods if "creationTimestamp" in pod["metadata"]), default=""
    )
    if not since:
        return ""
    waited_s = now - datetime.fromisoformat(since).timestamp()
    return next((f"; for {words}" for least_s, words in _CLASSES_S if waited_s >= least_s), "")


def _missing(pool: Object) -> int:
    wanted = pool["spec"].get("replicas", 1)
    return max(0, int(wanted) - int((pool.get("status") or {}).get("readyReplicas", 0)))


def _going(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _ready(pod: Object) -> bool:
    condition = _condition(pod, "Ready")
    return condition is not None and condition.get("status") == "True"


def _condition(pod: Object, name: str) -> Object | None:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == name), None)
