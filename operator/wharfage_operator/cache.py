"""What the API server holds, as far as the operator has been told: trimmed objects by kind and key.

The cache never goes back in time: an event older than what is stored (the answer to one of our own
writes, say) is dropped, and an object that was seen to go is not brought back by a late answer.
Resource versions of one resource compare as integers (Kubernetes documents it since 1.35).
"""

from collections import OrderedDict
from collections.abc import Iterable, KeysView

from wharfage_api.labels import OWNER

from wharfage_operator.kinds import DEPLOYMENTS, NAMESPACES, NODES, PODS, Key, Kind, Object, version_of
from wharfage_operator.shares import Shares

SCALED_BY = "scaledBy"
"""Where a Deployment in the cache says who wrote its count through the scale subresource, which is never us."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_REMEMBERED_DELETIONS = 4096
_POD_SPEC = ("nodeName", "nodeSelector")
_POD_STATUS = (
    "phase",
    "podIP",
    "reason",
    "message",
    "startTime",
    "conditions",
    "containerStatuses",
    "initContainerStatuses",
)
_LABELLED = ("name", "uid", "resourceVersion", "labels")
_NODE_STATUS = ("allocatable", "capacity", "conditions", "nodeInfo")


def trim(kind: Kind, obj: Object, shares: Shares) -> Object:
    """Copy of an object without what nobody reads; what it has in common with others is held once."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in ("managedFields", "selfLink")}
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != _LAST_APPLIED}
    slim = {**obj, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
    if kind is PODS:
        slim["spec"] = _only(obj.get("spec", {}), _POD_SPEC)
        slim["status"] = _only(obj.get("status", {}), _POD_STATUS)
    elif kind is NODES:
        slim["spec"] = _only(obj.get("spec", {}), ("taints", "unschedulable", "providerID"))
        slim["status"] = _only(obj.get("status", {}), _NODE_STATUS)
        slim["status"]["nodeInfo"] = _only(slim["status"].get("nodeInfo", {}), ("architecture", "operatingSystem"))
    elif kind is NAMESPACES:
        slim["metadata"] = metadata = _only(metadata, _LABELLED)
        slim["spec"] = slim["status"] = {}
    elif kind is DEPLOYMENTS and (manager := _scaled_by(obj)):
        slim[SCALED_BY] = manager
    parts = {name: shares.of(part) for name, part in slim.items() if name != "metadata"}
    # The cache itself changes the version in there, so this one is not shared.
    return parts | {"metadata": {name: shares.of(part) for name, part in metadata.items()}}


def _only(mapping: Object, names: Iterable[str]) -> Object:
    return {name: mapping[name] for name in names if name in mapping}


def _scaled_by(obj: Object) -> str:
    for entry in obj["metadata"].get("managedFields") or ():
        if entry.get("subresource") == "scale" and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {}):
            return str(entry.get("manager") or "somebody")
    return ""


def owner_of(obj: Object) -> Key | None:
    """The key of the LLMDeployment that an object belongs to, by owner reference, else by label."""
    metadata = obj["metadata"]
    for reference in metadata.get("ownerReferences", ()):
        if reference.get("kind") == "LLMDeployment" and reference.get("apiVersion", "").startswith("wharfage.dev/"):
            return metadata.get("namespace", ""), reference["name"]
    name = metadata.get("labels", {}).get(OWNER)
    return (metadata.get("namespace", ""), name) if name else None


class Cache:
    """Trimmed objects by kind and key, with an index of what belongs to which LLMDeployment."""

    def __init__(self) -> None:
        self._shares = Shares()
        self._objects: dict[Kind, dict[Key, Object]] = {}
        self._owned: dict[Key, dict[tuple[Kind, Key], None]] = {}
        self._changes: dict[Kind, int] = {}
        self._gone_at: OrderedDict[str, int] = OrderedDict()

    def older(self, kind: Kind, obj: Object) -> bool:
        """Whether the cache is behind this version of an object."""
        metadata = obj["metadata"]
        known = self._objects.get(kind, {}).get((metadata.get("namespace", ""), metadata["name"]))
        return known is None or not 0 < version_of(obj) <= version_of(known)

    def lags(self, kind: Kind, key: Key, *, uid: str, version: int) -> bool:
        """Whether the object of that uid was or is in a state that is still to be heard of."""
        known = self._objects.get(kind, {}).get(key)
        return version > self._gone_at.get(uid, -1) and (known is None or version_of(known) < version)

    def put(self, kind: Kind, obj: Object) -> bool:
        """Store what was seen; False when it says nothing new or is older than what is known."""
        metadata = obj["metadata"]
        if version_of(obj) <= self._gone_at.get(metadata.get("uid", ""), -1):
            return False
        key = metadata.get("namespace", ""), metadata["name"]
        objects = self._objects.setdefault(kind, {})
        known = objects.get(key)
        if not self.older(kind, obj):
            return False
        slim = trim(kind, obj, self._shares)
        if known is not None:
            if same(known, slim):
                known["metadata"]["resourceVersion"] = slim["metadata"].get("resourceVersion", "")
                return False
            self._disown(kind, key, known)
        objects[key] = slim
        self._changes[kind] = self._changes.get(kind, 0) + 1
        owner = owner_of(slim)
        if owner is not None:
            self._owned.setdefault(owner, {})[kind, key] = None
        return True

    def drop(self, kind: Kind, key: Key, *, uid: str, version: int) -> Object | None:
        """Forget the object of that uid, which was gone at that resource version. Returns what was known of it.

        Gone is not always deleted: an object without the label that it is watched by is gone until it has it again.
        """
        self._gone_at[uid] = version
        if len(self._gone_at) > _REMEMBERED_DELETIONS:
            self._gone_at.popitem(last=False)
        known = self.get(kind, key)
        if known is None or known["metadata"].get("uid") != uid or version_of(known) > version:
            return None
        return self.forget(kind, key)

    def forget(self, kind: Kind, key: Key) -> Object | None:
        """Remove an object; hearing of it again brings it back. Returns what was known of it."""
        known = self._objects.get(kind, {}).pop(key, None)
        if known is not None:
            self._changes[kind] = self._changes.get(kind, 0) + 1
            self._disown(kind, key, known)
        return known

    def _disown(self, kind: Kind, key: Key, obj: Object) -> None:
        owner = owner_of(obj)
        if owner is None:
            return
        owned = self._owned.get(owner, {})
        owned.pop((kind, key), None)
        if not owned:
            self._owned.pop(owner, None)

    def get(self, kind: Kind, key: Key) -> Object | None:
        """The object, if it is known."""
        return self._objects.get(kind, {}).get(key)

    def all(self, kind: Kind) -> Iterable[Object]:
        """All known objects of a kind; do not change the cache while iterating."""
        return self._objects.get(kind, {}).values()

    def keys(self, kind: Kind) -> KeysView[Key]:
        """Keys of all known objects of a kind, as a live view."""
        return self._objects.setdefault(kind, {}).keys()

    def uid(self, kind: Kind, key: Key) -> str:
        """The uid of an object; empty if it is not known."""
        known = self._objects.get(kind, {}).get(key)
        return str(known["metadata"].get("uid", "")) if known else ""

    def owned(self, owner: Key, *, kinds: Iterable[Kind]) -> tuple[Object, ...]:
        """What belongs to an LLMDeployment, of those kinds, in the order of their names."""
        wanted = frozenset(kinds)
        found = sorted(
            ((key, kind.plural, kind) for kind, key in self._owned.get(owner, ()) if kind in wanted), key=_first_two
        )
        return tuple(self._objects[kind][key] for key, _, kind in found)

    def changes(self, kind: Kind) -> int:
        """A number that grows with every change of an object of that kind."""
        return self._changes.get(kind, 0)

    def count(self, kind: Kind) -> int:
        """How many objects of a kind are known."""
        return len(self._objects.get(kind, {}))


def _first_two(found: tuple[Key, str, Kind]) -> tuple[Key, str]:
    return found[0], found[1]


def same(known: Object, seen: Object, *, but: str = "") -> bool:
    """Whether two trimmed versions differ in nothing but their resource version, and in the part called `but`."""
    parts = (known.keys() | seen.keys()) - {"metadata", but}
    if any(known.get(name) != seen.get(name) for name in parts):
        return False
    ours, theirs = known["metadata"], seen["metadata"]
    return all(ours.get(name) == theirs.get(name) for name in ours.keys() | theirs.keys() if name != "resourceVersion")
