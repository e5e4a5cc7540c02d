"""The cache is compared with the API server's own list: before the first decision, and now and then after.

kopf does not say when its first lists are complete, and after a relist it does not report what was
deleted in the meantime. So the operator lists keys and uids itself (paged, metadata only): workers start
when every listed key has arrived, and what is cached but listed no more is dropped.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from wharfage_operator.cache import Cache
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import DEFINED, LLM_DEPLOYMENTS, Key, Kind, Object
from wharfage_operator.refusals import Refusals
from wharfage_operator.settings import Settings
from wharfage_operator.watch import SELECTORS, WATCHED

log = logging.getLogger(__name__)
_POLL_S = 0.05
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
        gone: Callable[[Kind, Key, Object], None],
        streams: Attendance,
        refusals: Refusals,
    ) -> None:
        """`gone` is called for each object that vanished unreported; `streams` are told which kinds are served."""
        self._connection = connection
        self._cache = cache
        self._settings = settings
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
                try:
                    await self.sweep(kind)
                except ApiError as error:
                    self._suspects.add(kind)
                    if not error.forbidden:  # or it is said already
                        log.warning("could not list", extra={"resource": kind.plural, "error": str(error)})

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
                try:
                    listed = await self._listed(kind)
                except ApiError as error:
                    log.warning("could not list", extra={"resource": kind.plural, "error": str(error)})
                    await asyncio.sleep(_RELIST_S)
                    continue
                if listed is not None:
                    self.served.add(kind)
                elif kind is LLM_DEPLOYMENTS:
                    log.warning("the CRD of LLMDeployment is not installed; waiting for it")
                    await asyncio.sleep(_RELIST_S)
                    continue
                if await self._arrived(kind, listed or {}):
                    break
        self.synced.set()
        log.info("synced", extra={kind.plural: self._cache.count(kind) for kind in WATCHED})

    async def _arrived(self, kind: Kind, listed: dict[Key, str]) -> bool:
        """Whether all of them are in the cache within a moment; if not, some may have been deleted since."""
        for _ in range(round(_RELIST_S / _POLL_S)):
            if listed.keys() <= self._cache.keys(kind):
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def sweep(self, kind: Kind) -> None:
        """Drop what is cached but does not exist any more."""
        before = {key: self._cache.uid(kind, key) for key in self._cache.keys(kind)}
        listed = await self._listed(kind)
        (self.served.discard if listed is None else self.served.add)(kind)
        for key, uid in before.items():
            if (listed or {}).get(key) == uid or self._cache.uid(kind, key) != uid:
                continue
            known = self._cache.drop(kind, key, uid=uid)
            if known is not None:
                log.info("vanished unreported", extra={"resource": kind.plural, "key": "/".join(key)})
                self._gone(kind, key, known)

    async def _listed(self, kind: Kind) -> dict[Key, str] | None:
        found: dict[Key, str] = {}
        scopes = self._settings.watch_namespaces if kind.namespaced else ()
        for namespace in scopes or ("",):
            try:
                page = await self._connection.keys(kind, namespace=namespace, selector=SELECTORS.get(kind, ""))
            except ApiError as error:
                if error.forbidden:
                    self._refusals.note("list", kind, namespace, forbidden=True)
                raise
            self._refusals.note("list", kind, namespace, forbidden=False)
            if page is None:
                return None
            found |= page
        return found
