"""The cache is compared with the API server's own list: before the first decision, and now and then after.

kopf does not say when its first lists are complete, after a relist it does not report what was deleted in
the meantime, and a watch may lose an event. So the operator lists keys, uids and versions itself (paged, metadata
only): workers start when every listed version has arrived, what is cached but listed no more is dropped, and a
kind of which something was missed is read again.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from typing import Protocol

from wharfage_operator.cache import Cache
from wharfage_operator.connection import Connection, Listing
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import DEFINED, LLM_DEPLOYMENTS, Key, Kind, Object
from wharfage_operator.refusals import Refusals
from wharfage_operator.settings import Settings
from wharfage_operator.watch import SELECTORS, WATCHED, Heard, scopes

log = logging.getLogger(__name__)
_POLL_S = 0.05
_ARRIVAL_S = 2.0
_PATIENCE = 5
_RELIST_S = 2.0
_SETTLE_S = 1.0


class Attendance(Protocol):
    """The watch streams, which come and go with the APIs."""

    async def attend(self, kind: Kind) -> None:
        """The API of a kind is served."""
        ...

    async def leave(self, kind: Kind) -> None:
        """The API of a kind is not served any more."""
        ...


class Sync:
    """Knows whether the cache is complete, and keeps it free of what is gone."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        settings: Settings,
        *,
        heard: Heard,
        gone: Callable[[Kind, Key, Object], None],
        streams: Attendance,
        refusals: Refusals,
    ) -> None:
        """`heard` is called for each object of a kind whose changes went unreported, `gone` for each that vanished.

        `streams` are told which kinds are served, `refusals` which may not be listed.
        """
        self._connection = connection
        self._cache = cache
        self._settings = settings
        self._heard = heard
        self._gone = gone
        self._streams = streams
        self._refusals = refusals
        self._suspects: set[Kind] = set()
        self._suspected = asyncio.Event()
        self.synced = asyncio.Event()
        self.served: set[Kind] = set()
        """Kinds whose API exists."""

    def relisted(self, kind: Kind) -> None:
        """A list of `kind` was delivered: deletions before it may have gone unreported."""
        if self.synced.is_set():
            self._suspects.add(kind)
            self._suspected.set()

    async def run(self) -> None:
        """Wait for the first lists, then sweep for ever."""
        await self.first()
        all_due_at = time.monotonic() + self._settings.resync_s
        while True:
            left_s = all_due_at - time.monotonic()
            pause_s = min(left_s, self._settings.watch_retry_s) if self._suspects else left_s
            try:
                await asyncio.wait_for(self._suspected.wait(), timeout=pause_s)
                await asyncio.sleep(_SETTLE_S)
            except TimeoutError:
                pass
            if time.monotonic() >= all_due_at:
                self._suspects = set(WATCHED)
                all_due_at = time.monotonic() + self._settings.resync_s
            suspects, self._suspects = self._suspects, set()
            self._suspected.clear()
            for kind in suspects:
                if not await self._swept(kind):
                    self._suspects.add(kind)

    async def discover(self) -> None:
        """See for ever which of the APIs that CRDs define are served, and have them watched."""
        while True:
            await asyncio.sleep(self._settings.discovery_s)
            for group, version in {(kind.group, kind.version) for kind in DEFINED}:
                try:
                    page = await self._connection.call("GET", f"/apis/{group}/{version}")
                except ApiError as error:
                    if error.status != 404:
                        continue  # not known is not gone
                    page = {}
                names = {resource["name"] for resource in page.get("resources") or ()}
                for kind in DEFINED:
                    if (kind.group, kind.version) != (group, version):
                        continue
                    if kind.plural in names:
                        self.served.add(kind)
                        await self._streams.attend(kind)
                    else:
                        self.served.discard(kind)
                        await self._streams.leave(kind)

    async def first(self) -> None:
        """Return when everything that the API server lists has arrived in the cache."""
        for kind in WATCHED:
            while True:
                if await self._swept(kind, patience=_PATIENCE):
                    if kind in self.served or kind is not LLM_DEPLOYMENTS:
                        break
                    log.warning("the CRD of LLMDeployment is not installed; waiting for it")
                await asyncio.sleep(_RELIST_S)
        self.synced.set()
        log.info("synced", extra={kind.plural: self._cache.count(kind) for kind in WATCHED})

    async def _swept(self, kind: Kind, *, patience: int = 1) -> bool:
        """Sweep one kind; False if it could not be listed."""
        try:
            await self.sweep(kind, patience=patience)
        except ApiError as error:
            if not error.forbidden:  # or it is said already
                log.warning("could not list", extra={"resource": kind.plural, "error": str(error)})
            return False
        return True

    async def sweep(self, kind: Kind, *, patience: int = 1) -> None:
        """Drop what is cached but does not exist any more, and read again what changed unheard.

        `patience` is how many lists may show something that has not arrived: what is deleted between this list
        and kopf's first one never does.
        """
        missing = 0
        for _ in range(patience):
            missing = await self._compared(kind)
            if not missing:
                return
        log.warning("changes went unreported", extra={"resource": kind.plural, "objects": missing})
        await self._read(kind)

    async def _compared(self, kind: Kind) -> int:
        """Drop what a new list does not show; returns of how many objects that it does show nothing was heard yet."""
        before = {key: self._cache.uid(kind, key) for key in self._cache.keys(kind)}
        listed = await self._listed(kind)
        if listed is None:
            self.served.discard(kind)
            for key in before:
                self._report(kind, key, self._cache.forget(kind, key))
            return 0
        self.served.add(kind)
        for key, uid in before.items():
            if listed.found.get(key, ("", 0))[0] != uid:
                self._report(kind, key, self._cache.drop(kind, key, uid=uid, version=listed.version))
        return await self._awaited(kind, listed)

    def _report(self, kind: Kind, key: Key, known: Object | None) -> None:
        if known is not None:
            log.info("vanished unreported", extra={"resource": kind.plural, "key": "/".join(key)})
            self._gone(kind, key, known)

    async def _awaited(self, kind: Kind, listed: Listing) -> int:
        """How many of the listed states are unheard of after a moment; events may be on their way."""
        awaited = listed.found
        for _ in range(round(_ARRIVAL_S / _POLL_S)):
            awaited = {
                key: (uid, version)
                for key, (uid, version) in awaited.items()
                if self._cache.lags(kind, key, uid=uid, version=version)
            }
            if not awaited:
                break
            await asyncio.sleep(_POLL_S)
        return len(awaited)

    async def _read(self, kind: Kind) -> None:
        for namespace in scopes(kind, self._settings):
            async for obj in self._connection.all(kind, namespace=namespace, selector=SELECTORS.get(kind, "")):
                self._heard(kind, None, obj)

    async def _listed(self, kind: Kind) -> Listing | None:
        """What there is in all namespaces that are served; as old as the oldest of their lists."""
        found: dict[Key, tuple[str, int]] = {}
        version = sys.maxsize
        for namespace in scopes(kind, self._settings):
            try:
                listed = await self._connection.listing(kind, namespace=namespace, selector=SELECTORS.get(kind, ""))
            except ApiError as error:
                if error.forbidden:
                    self._refusals.note("list", kind, namespace, forbidden=True)
                raise
            self._refusals.note("list", kind, namespace, forbidden=False)
            if listed is None:
                return None
            found |= listed.found
            version = min(version, listed.version)
        return Listing(version, found)
