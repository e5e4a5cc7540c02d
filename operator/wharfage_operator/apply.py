"""The only module that writes to the API server (the Lease aside): server-side apply, delete, status, events.

Every write is guarded three ways: this replica proved its lease recently; an object is created only
where none was, and changed only while it still is the one that was looked at; and the answer goes into
the cache at once, so that no later decision rests on a state older than our own last write.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from wharfage_autoscaler.reasons import Reason

from wharfage_operator.cache import Cache
from wharfage_operator.connection import APPLY, FIELD_MANAGER, Connection
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.kinds import EVENTS, Key, Kind, Object, key_of, kind_of
from wharfage_operator.telemetry import Telemetry

_NOWHERE = "1"
"""A resource version that no live object has: applying with it creates an object or answers 409."""

_FORCED = {"fieldManager": FIELD_MANAGER, "force": "true"}


class Taken(Exception):  # noqa: N818
    """An object of that name exists and belongs to somebody else; it was not touched."""

    def __init__(self, kind: Kind, key: Key) -> None:
        super().__init__(f"{kind.name} {'/'.join(key)} exists and does not belong to this deployment")
        self.kind = kind
        self.key = key


class Writer:
    """Writes for whoever leads."""

    def __init__(
        self, connection: Connection, cache: Cache, telemetry: Telemetry, may_write: Callable[[], bool]
    ) -> None:
        """`may_write` says whether this replica's lease is proven."""
        self._connection = connection
        self._cache = cache
        self._telemetry = telemetry
        self._may_write = may_write

    async def apply(self, wanted: Object, *, owner_uid: str) -> None:
        """Create or change one child; Taken if the name belongs to an object without our owner uid."""
        kind, key = kind_of(wanted), key_of(wanted)
        known = self._cache.get(kind, key)
        try:
            answer = await self._apply(kind, key, wanted, known)
        except ApiError as error:
            if error.status != 409:
                raise
            live = await self._connection.get(kind, key)
            if live is None:
                raise NotYet(
                    Reason.RECONCILE_ERROR, f"{kind.name} {key[1]} was deleted while it was written", 0.0
                ) from error
            if not owned_by(live, owner_uid):
                raise Taken(kind, key) from error
            self._cache.put(kind, live)
            answer = await self._apply(kind, key, wanted, live)
        self._cache.put(kind, answer)

    async def _apply(self, kind: Kind, key: Key, wanted: Object, known: Object | None) -> Object:
        precondition = {"uid": known["metadata"]["uid"]} if known else {"resourceVersion": _NOWHERE}
        body = {**wanted, "metadata": {**wanted["metadata"], **precondition}}
        return await self._write("PATCH", kind, kind.path(*key), body)

    async def delete(self, obj: Object) -> None:
        """Delete exactly this object in exactly this state; what is gone already is fine."""
        kind, key, metadata = kind_of(obj), key_of(obj), obj["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        try:
            await self._write("DELETE", kind, kind.path(*key), options)
        except ApiError as error:
            if error.status != 404:
                raise

    async def status(self, kind: Kind, obj: Object, status: Object) -> bool:
        """Write the status of exactly this object if it differs; returns whether it was written."""
        if obj.get("status") == status:
            return False
        key, metadata = key_of(obj), obj["metadata"]
        identity = {name: metadata[name] for name in ("name", "namespace", "uid") if name in metadata}
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": identity, "status": status}
        try:
            answer = await self._write("PATCH", kind, kind.path(*key) + "/status", body)
        except ApiError as error:
            if error.status in (404, 409):
                return False  # deleted, or replaced by another of that name: its own event brings us back
            raise
        self._cache.put(kind, answer)
        return True

    async def event(self, about: Object, *, reason: str, message: str, warning: bool, now: float) -> None:
        """Tell `kubectl describe`; a lost event is no failure."""
        moment = datetime.fromtimestamp(now, UTC)
        metadata = about["metadata"]
        namespace = metadata.get("namespace", "default")
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:200]}.{int(now * 1e6):x}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "reason": reason,
            "message": message[:1000],
            "type": "Warning" if warning else "Normal",
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": "wharfage.dev/operator",
            "reportingInstance": FIELD_MANAGER,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._write("POST", EVENTS, EVENTS.path(namespace), body)
        except ApiError:
            return

    async def _write(self, verb: str, kind: Kind, path: str, body: Object) -> Object:
        if not self._may_write():
            raise NotYet(Reason.RECONCILE_ERROR, "this replica does not lead", 1.0)
        applied = verb == "PATCH"
        try:
            answer = await self._connection.call(
                verb,
                path,
                body=body,
                params=_FORCED if applied else None,
                content_type=APPLY if applied else "application/json",
            )
        except ApiError as error:
            self._telemetry.write_failures.labels(kind.plural, str(error.status)).inc()
            raise
        self._telemetry.writes.labels(kind.plural, verb).inc()
        return answer


def owned_by(obj: Object, uid: str) -> bool:
    """Whether the object's controller is the one with that uid."""
    return any(reference.get("uid") == uid for reference in obj["metadata"].get("ownerReferences", ()))
