"""The only module that writes to the API server (the Lease aside): server-side apply, delete, status, events.

Every write is guarded: this replica proved its lease recently; an object is created only where none was, and
changed only while it still is the one that was looked at; nothing is made for a deployment that has gone since;
and the answer goes into the cache at once, so that no later decision rests on a state older than our own last write.
The answer to a status may tell of an edit before the watch does, which is then no news: it is acted on here.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from wharfage_autoscaler.reasons import Reason

from wharfage_operator.cache import Cache, owner_of, same
from wharfage_operator.connection import APPLY, FIELD_MANAGER, Connection
from wharfage_operator.echoes import Echoes
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.kinds import EVENTS, LLM_DEPLOYMENTS, PODS, Key, Kind, Object, key_of, kind_of
from wharfage_operator.telemetry import Telemetry

_NOWHERE = "1"
"""A resource version that no live object has: applying with it creates an object or answers 409."""

_MOST_EVENTS = 5000
_UNHURRIED_S = 0.2


class Writer:
    """Writes for whoever leads."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        telemetry: Telemetry,
        echoes: Echoes,
        *,
        conflict_every_s: float,
        may_write: Callable[[], bool],
        edited: Callable[[Kind, Key, Object], None],
    ) -> None:
        """`may_write` says whether this replica's lease is proven, `edited` is told of edits that an answer tells."""
        self._conflict_every_s = conflict_every_s
        self._unposted: deque[Object] = deque(maxlen=_MOST_EVENTS)
        self._posted = asyncio.Event()
        self._connection = connection
        self._cache = cache
        self._telemetry = telemetry
        self._echoes = echoes
        self._may_write = may_write
        self._edited = edited

    async def apply(self, wanted: Object, *, owner: Key, owner_uid: str) -> None:
        """Create or change one child; NotYet if the name belongs to an object without our owner uid."""
        if self._cache.uid(LLM_DEPLOYMENTS, owner) != owner_uid:
            return  # deleted since it was looked at; what was made now would have to be collected
        kind, key = kind_of(wanted), key_of(wanted)
        known = self._cache.get(kind, key)
        if known is not None and not owned_by(known, owner_uid):
            raise taken(known, owner, retry_s=self._conflict_every_s)
        try:
            answer = await self._apply(kind, key, wanted, known)
        except ApiError as error:
            if not error.replaced:
                raise
            live = await self._connection.get(kind, key)
            if live is None:
                raise  # deleted while it was written; the next attempt creates it
            if not owned_by(live, owner_uid):
                raise taken({**live, "kind": kind.name}, owner, retry_s=self._conflict_every_s) from error
            self._cache.put(kind, live)
            answer = await self._apply(kind, key, wanted, live)
        self._cache.put(kind, answer)

    async def _apply(
        self, kind: Kind, key: Key, wanted: Object, known: Object | None, *, manager: str = FIELD_MANAGER
    ) -> Object:
        precondition = {"uid": known["metadata"]["uid"]} if known else {"resourceVersion": _NOWHERE}
        body = {**wanted, "metadata": {**wanted["metadata"], **precondition}}
        return await self._write("PATCH", kind, kind.path(*key), body, manager=manager)

    async def keep(self, wanted: Object, known: Object | None, *, manager: str, as_it_was: bool = False) -> Object:
        """Create or change what the operator itself remembers, under a field manager of its own; nobody caches it.

        ApiError 409 where somebody made an object of that name meanwhile, or replaced the one that is `known`; with
        `as_it_was` also where somebody has changed it.
        """
        if as_it_was and known is not None:
            version = known["metadata"]["resourceVersion"]
            wanted = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": version}}
        return await self._apply(kind_of(wanted), key_of(wanted), wanted, known, manager=manager)

    async def mark(self, pod: Object, *, labels: Mapping[str, str], annotations: Mapping[str, str]) -> None:
        """Set these on exactly this pod, and take back what was set before and is not among them; gone is fine."""
        name = {part: pod["metadata"][part] for part in ("name", "namespace")}
        body = {"apiVersion": PODS.api_version, "kind": PODS.name}
        metadata = {**name, "labels": dict(labels), "annotations": dict(annotations)}
        try:
            answer = await self._apply(PODS, key_of(pod), {**body, "metadata": metadata}, pod)
        except ApiError as error:
            if error.status != 404 and not error.replaced:
                raise
        else:
            self._cache.put(PODS, answer)

    async def delete(self, obj: Object, *, as_it_was: bool = True) -> None:
        """Delete exactly this object, and only `as_it_was` when it was looked at; what is gone already is fine."""
        kind, key, metadata = kind_of(obj), key_of(obj), obj["metadata"]
        preconditions = {"uid": metadata["uid"]}
        if as_it_was:
            preconditions["resourceVersion"] = metadata["resourceVersion"]
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        try:
            await self._write("DELETE", kind, kind.path(*key), options)
        except ApiError as error:
            if error.status != 404 and (as_it_was or not error.replaced):
                raise

    async def status(self, kind: Kind, obj: Object, status: Object) -> bool:
        """Write the status of exactly this object if it differs; returns whether it was written.

        The answer that there is no such object is believed: its deletion may have gone unheard.
        """
        if obj.get("status") == status:
            return False
        key, metadata = key_of(obj), obj["metadata"]
        identity = {name: metadata[name] for name in ("name", "namespace", "uid") if name in metadata}
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": identity, "status": status}
        try:
            answer = await self._write("PATCH", kind, kind.path(*key) + "/status", body)
        except ApiError as error:
            if error.status != 404:
                raise
            self._cache.forget(kind, key)
            return False
        self._cache.put(kind, answer)
        known = self._cache.get(kind, key)
        if known is not None and not same_wish(obj, known):
            self._edited(kind, key, known)
        return True

    def event(self, about: Object, *, reason: str, message: str, warning: bool) -> None:
        """Have an Event recorded for `kubectl describe`; `post_events` sends it when there is time."""
        self._unposted.append(_event(about, reason, message, warning=warning, now=time.time()))
        self._posted.set()

    async def post_events(self, busy: Callable[[], bool]) -> None:
        """Send Events for ever, one at a time and slowly while `busy`; one that fails is lost, as Events may be."""
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._unposted:
                if busy():
                    await asyncio.sleep(_UNHURRIED_S)
                event = self._unposted.popleft()
                with contextlib.suppress(ApiError, NotYet):
                    await self._write("POST", EVENTS, EVENTS.path(event["metadata"]["namespace"]), event)

    async def _write(self, verb: str, kind: Kind, path: str, body: Object, *, manager: str = FIELD_MANAGER) -> Object:
        if not self._may_write():
            raise NotYet(Reason.RECONCILE_ERROR, "this replica does not lead", 1.0)
        applied = verb == "PATCH"
        try:
            answer = await self._connection.call(
                verb,
                path,
                body=body,
                params={"fieldManager": manager, "force": "true"} if applied else None,
                content_type=APPLY if applied else "application/json",
            )
        except ApiError as error:
            self._telemetry.write_failures.labels(kind.plural, str(error.status)).inc()
            raise
        self._telemetry.writes.labels(kind.plural, verb).inc()
        if applied and manager == FIELD_MANAGER:  # nobody listens for what others own
            self._echoes.expect(kind, answer)
        return answer


def same_wish(before: Object, after: Object) -> bool:
    """Whether two states of an object, as the cache has them, differ at most in what its controller says of it."""
    return same(before, after, but="status")


def owned_by(obj: Object, uid: str) -> bool:
    """Whether the object's controller is the one with that uid."""
    return any(reference.get("uid") == uid for reference in obj["metadata"].get("ownerReferences", ()))


def taken(obj: Object, owner: Key, *, retry_s: float) -> NotYet:
    """An object under a name we need that is not ours; one of a deleted namesake of the owner is on its way out."""
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    what = f"{obj['kind']} {namespace}/{name}"
    if owner_of(obj) == owner and obj["metadata"].get("ownerReferences"):
        message = f"{what} belongs to a deleted deployment of the same name and is being removed"
        return NotYet(Reason.SCALING, message, min(1.0, retry_s))
    message = f"{what} exists and does not belong to this deployment: it is left alone. Delete or rename it"
    return NotYet(Reason.NAME_CONFLICT, message, retry_s)


def _event(about: Object, reason: str, message: str, *, warning: bool, now: float) -> Object:
    metadata = about["metadata"]
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:200]}.{time.time_ns():x}",
            "namespace": metadata.get("namespace") or "default",
        },
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "reason": reason,
        "message": message,
        "type": "Warning" if warning else "Normal",
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": "wharfage.dev/operator",
        "reportingInstance": FIELD_MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
