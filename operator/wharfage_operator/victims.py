"""Which replicas go, and how: told to Kubernetes before it takes one, ended in time where the cloud takes a machine.

A replica that is to go is marked with one write: the Service selects it no longer, and its deletion costs less than any
other, so that the ReplicaSet takes just this one. What remains, draining, is the pod's own doing as soon as it is
deleted. Where the machine goes for good, the pod is deleted here: its drain needs the time that is left, its ReplicaSet
orders another at once, and no disruption budget can hold that up. Where it may serve on for a while, another is ordered
beside it, and it is the victim once that one serves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wharfage_api.labels import POOL, SERVING
from wharfage_autoscaler.fleet import Fleet, PoolKey

from wharfage_operator.metrics import is_reached, is_ready
from wharfage_operator.notices import NO_NODE, Fate, Notices
from wharfage_operator.plan import INTENT, going, intended
from wharfage_operator.pools import STAND_INS, pool_hash

COST = "controller.kubernetes.io/pod-deletion-cost"
_TEMPLATE = "pod-template-hash"
_SERVES, _LEAVES = "true", "leaving"
_KEPT_COST, _VICTIM_COST = "100", "-1"  # 100 is what the pod's template says

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resize:
    """Replicas that a pool's Deployment has now, and those that it is about to have."""

    now: int
    then: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What a pod's label and annotation shall be: those of a replica that leaves, or those of its template."""

    pod: Object
    leaves: bool

    @property
    def labels(self) -> dict[str, str]:
        """Selected by the Service or not."""
        return {SERVING: _LEAVES if self.leaves else _SERVES}

    @property
    def annotations(self) -> dict[str, str]:
        """How dear its loss is to the ReplicaSet, and to Karpenter."""
        return {COST: _VICTIM_COST if self.leaves else _KEPT_COST}


@dataclass(frozen=True, slots=True)
class Farewells:
    """Marks to set before anything else is written, pods to delete after it, and when to look again (seconds)."""

    marks: tuple[Mark, ...] = ()
    ends: tuple[Object, ...] = ()
    again_s: float | None = None


def resizes(pools: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> dict[str, Resize]:
    """What becomes of each pool that there is and still shall be, by its hash. Both are Deployments."""
    then = {_pool(obj): int(obj["spec"]["replicas"]) for obj in wanted if obj["kind"] == "Deployment"}
    now = {_pool(pool): int(pool["spec"].get("replicas", 1)) for pool in pools}
    return {name: Resize(now[name], then[name]) for name in now.keys() & then.keys()}


def with_stand_ins(
    objects: Iterable[Object], pods: Sequence[Object], notices: Notices, *, notice_s: float, now_s: float
) -> tuple[Object, ...]:
    """The wanted objects, in which each pool has as many replicas on top as are needed beside those in doubt.

    In doubt are replicas that serve on although their machines are to be emptied or silent: they count as long as
    others do not serve in their place. One that serves on within its machine's notice is on top until it is ended.
    How many are on top is written on the Deployment, so that nobody takes them for wanted.
    """
    ended, _ = _ended(pods, notices, notice_s=notice_s, now_s=now_s)
    ends = {_uid(pod) for pod in ended if not _has_vanished(pod, notices)}
    alive = [pod for pod in pods if not going(pod) and _uid(pod) not in ends]
    if all(notices.of(pod) is None for pod in alive):
        return tuple(objects)
    return tuple(_stood_in(obj, alive, notices) if obj["kind"] == "Deployment" else obj for obj in objects)


def _stood_in(obj: Object, alive: list[Object], notices: Notices) -> Object:
    told = [(notices.of(pod), pod) for pod in alive if _pool(pod) == _pool(obj)]
    doomed = sum(1 for notice, _ in told if notice is not None and notice.ends)
    in_doubt = sum(1 for notice, _ in told if notice is not None) - doomed
    sure = sum(1 for notice, pod in told if notice is None and is_ready(pod))
    more = doomed + min(in_doubt, max(0, obj["spec"]["replicas"] - sure))
    if not more:
        return obj
    annotations = {name: text for name, text in obj["metadata"]["annotations"].items() if name != INTENT}
    metadata = {**obj["metadata"], "annotations": {**annotations, STAND_INS: str(more)}}
    return intended({**obj, "metadata": metadata, "spec": {**obj["spec"], "replicas": obj["spec"]["replicas"] + more}})


def leaving(fleet: Fleet, pods: Iterable[Object], notices: Notices) -> dict[PoolKey, int]:
    """Of each pool's serving replicas, those that nobody can count on."""
    names = {pool_hash(pool.key): pool.key for pool in fleet.pools}
    found: dict[PoolKey, int] = {}
    for pod in pods:
        key = names.get(_pool(pod))
        if key is not None and is_reached(pod) and notices.of(pod) is not None:
            found[key] = found.get(key, 0) + 1
    return found


def farewells(
    pods: Sequence[Object],
    notices: Notices,
    pools: Mapping[str, Resize],
    *,
    notice_s: float,
    now_s: float,
    running: Mapping[str, float] | None = None,
) -> Farewells:
    """Who goes: those whose machine goes, and the victims of pools that shrink. Who was to go and may stay, stays.

    `notice_s` is what a pod can use of an interruption's notice, `running` are requests under way by the pod's uid.
    """
    alive = [pod for pod in pods if not going(pod)]
    ended, again_s = _ended(pods, notices, notice_s=notice_s, now_s=now_s)
    leaving = {_uid(pod) for pod in ended}
    staying = [pod for pod in alive if _uid(pod) not in leaving]
    victims = {
        _uid(pod)
        for name, resize in pools.items()
        for pod in _victims([p for p in staying if _pool(p) == name], resize, notices, alive, running or {})
    }
    more = [Mark(pod, True) for pod in alive if _uid(pod) in leaving | victims and _serving(pod) == _SERVES]
    back = [Mark(pod, False) for pod in staying if _uid(pod) not in victims and _may_return(pod, staying, pools)]
    ends = tuple(pod for pod in ended if not _has_vanished(pod, notices))
    return Farewells((*more, *back), ends, again_s)


def _ended(
    pods: Sequence[Object], notices: Notices, *, notice_s: float, now_s: float
) -> tuple[list[Object], float | None]:
    """Pods to delete for their machine's sake, and in how many seconds there will be more.

    Of those that serve, no more are sent away at once than stay to take over; the others serve on until half of the
    notice is gone. The last replica would otherwise turn all requests away for minutes in which it could serve.
    """
    doomed = [(notice, pod) for pod in pods if (notice := notices.of(pod)) is not None and notice.ends]
    names = {_uid(pod) for _, pod in doomed}
    others = sum(1 for pod in pods if is_reached(pod) and _serving(pod) == _SERVES and _uid(pod) not in names)
    room = others - sum(1 for _, pod in doomed if going(pod))
    ended: list[Object] = []
    dues: list[float] = []
    alive = [(notice, pod) for notice, pod in doomed if not going(pod)]
    for notice, pod in sorted(alive, key=lambda each: (each[0].since_s, each[1]["metadata"]["name"])):
        left_s = notice.since_s + notice_s / 2 - now_s
        serves = is_ready(pod) and _serving(pod) == _SERVES
        if serves and notice.fate is Fate.INTERRUPTION and left_s > 0 and room <= 0:
            dues.append(left_s)
            continue
        room -= serves
        ended.append(pod)
    return ended, min(dues, default=None)


def _victims(
    pods: list[Object], resize: Resize, notices: Notices, alive: list[Object], running: Mapping[str, float]
) -> list[Object]:
    """Whom a pool that shrinks does without.

    Those first that leave already or whose machine is about to be emptied, then those that do not serve, then those
    that leave a machine empty soonest, have the least to do, and are the youngest, whose caches are the coldest.
    In the middle of a rollout the Deployment's controller chooses by template, and nobody is marked; nor is anybody
    where all go.
    """
    too_many = len(pods) - resize.then
    one_template = len({_label(pod, _TEMPLATE) for pod in pods}) == 1
    if not 0 < resize.then < resize.now or too_many <= 0 or not one_template:
        return []
    on_node: dict[str, int] = {}
    for pod in alive:
        on_node[_node(pod)] = on_node.get(_node(pod), 0) + 1

    def rank(pod: Object) -> tuple[bool, bool, bool, int, float]:
        busy = running.get(_uid(pod), 0.0)
        return (_serving(pod) != _LEAVES, notices.of(pod) is None, is_ready(pod), on_node[_node(pod)], busy)

    youngest = sorted(pods, key=lambda pod: (_created(pod), pod["metadata"]["name"]), reverse=True)
    return sorted(youngest, key=rank)[:too_many]


def _has_vanished(pod: Object, notices: Notices) -> bool:
    """Whether the pod's node is not in the API any more, as far as the cache knows.

    A cache can be wrong: the pod is taken out of the Service, which can be undone, and deleting it is left to the
    garbage collector, which asks once more.
    """
    notice = notices.of(pod)
    return notice is not None and notice.sign == NO_NODE


def _may_return(pod: Object, staying: list[Object], pools: Mapping[str, Resize]) -> bool:
    """Whether a pod was marked that nobody wants to go any more: its pool has no more pods than it shall have."""
    resize = pools.get(_pool(pod))
    if resize is None or _serving(pod) != _LEAVES:
        return False
    return sum(1 for each in staying if _pool(each) == _pool(pod)) <= resize.then


def _pool(obj: Mapping[str, Any]) -> str:
    return _label(obj, POOL)


def _serving(pod: Object) -> str:
    return _label(pod, SERVING)


def _label(obj: Mapping[str, Any], name: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(name, ""))


def _node(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")
