"""How long fake pods take: kwok's stages for pods of ours, slower than those that come with it.

kwok makes a pod ready the moment it has a machine, and lets it go the moment somebody deletes it. A pod of ours loads
its model first, and finishes what it has before it goes: that the emulator sees, and ends it. Stages with a weight win
over those without, so nothing that comes with kwok is changed, and other pods are as they were.
"""

import copy
from typing import Any, TypeAlias

from wharfage_api.labels import POOL

Object: TypeAlias = dict[str, Any]

READY, DELETE = "pod-ready", "pod-delete"
LOADING_S = (45.0, 75.0)
"""From its machine to its readiness, in the engine's seconds: weights of some GB from a disk of the region."""
FORGOTTEN_S = 600.0
"""A pod that nobody ends is gone after so long, of the wall's."""


def loading(stage: Object, *, speed: float, loading_s: tuple[float, float] = LOADING_S, namespace: str = "") -> Object:
    """The stage `pod-ready` for pods of ours, which take between the two times; of one namespace, or of all."""
    least_s, most_s = loading_s
    delay = {
        "durationMilliseconds": round(1000.0 * least_s / speed),
        "jitterDurationMilliseconds": round(1000.0 * most_s / speed),
    }
    return _ours(stage, namespace, delay)


def leaving(stage: Object, *, namespace: str = "") -> Object:
    """The stage `pod-delete` for pods of ours, in case nobody ends them."""
    return _ours(stage, namespace, {"durationMilliseconds": round(1000.0 * FORGOTTEN_S)})


def _ours(stage: Object, namespace: str, delay: Object) -> Object:
    spec = copy.deepcopy(stage["spec"])
    mine = spec["selector"]["matchExpressions"]
    mine.append({"key": f'.metadata.labels["{POOL}"]', "operator": "Exists"})
    if namespace:
        mine.append({"key": ".metadata.namespace", "operator": "In", "values": [namespace]})
    spec |= {"weight": 1, "delay": delay}
    metadata = {"name": "-".join(("wharfage", stage["metadata"]["name"], *((namespace,) if namespace else ())))}
    return {"apiVersion": stage["apiVersion"], "kind": stage["kind"], "metadata": metadata, "spec": spec}
