"""Only one replica acts: a Lease that is held, renewed, and never believed longer than it was proven.

The holder renews it under a deadline on every request. A holder that could not prove its lease within
`renew_deadline_s` of the monotonic clock ends its process before another may take over, because a
reconcile that is under way cannot be called back in any other way.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import LEASES, Key, Kind, Object

log = logging.getLogger(__name__)


class Leases(Protocol):
    """What an election needs of the API server; a `Connection` has it."""

    async def get(self, kind: Kind, key: Key) -> Object | None:
        """One object, or None."""
        ...

    async def call(self, method: str, path: str, *, body: Object | None = None) -> Object:
        """Send one request; ApiError for anything but success."""
        ...


class Lease:
    """The part of one replica in the election."""

    def __init__(
        self,
        connection: Leases,
        *,
        namespace: str,
        name: str,
        identity: str,
        duration_s: float,
        renew_deadline_s: float,
        retry_s: float,
        die: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`die` ends the process when the lease could not be proven in time; `clock` counts seconds and never jumps."""
        self._clock = clock
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._duration_s = duration_s
        self._renew_deadline_s = renew_deadline_s
        self._retry_s = retry_s
        self._die = die
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self._proven_at = 0.0
        self.led = asyncio.Event()
        self.holder = ""
        self.renewed_before: str | None = None
        """When whoever led before this process renewed the Lease last, as it is written there; None if nobody did."""

    @property
    def leads(self) -> bool:
        """Whether this replica may write."""
        return self.led.is_set()

    @property
    def proven(self) -> bool:
        """Whether this replica leads and proved it recently enough to write now."""
        return self.leads and self._clock() - self._proven_at < self._renew_deadline_s

    async def run(self) -> None:
        """Take the lease when it is free and renew it for ever; ends the process when another has it."""
        while True:
            started_at = self._clock()
            try:
                held = await asyncio.wait_for(self._attempt(), timeout=self._renew_deadline_s / 2)
            except (ApiError, TimeoutError) as error:
                # Unproven is not lost: the next attempt may prove it, and the watchdog knows how long that may take.
                log.warning(
                    "the Lease could not be read or renewed", extra={"error": str(error) or "no answer in time"}
                )
            else:
                if held:
                    self._lead(started_at)
                elif self.leads:
                    log.critical("the Lease is lost: ending", extra={"holder": self.holder})
                    self._die(1)
                    return
            await asyncio.sleep(self._retry_s)

    def _lead(self, proven_at: float) -> None:
        # From before the request was sent: that is when `renewTime` was stamped.
        self._proven_at = proven_at
        if not self.leads:
            log.info("leading", extra={"identity": self.identity})
            self.led.set()

    async def watchdog(self) -> None:
        """End the process when the lease went unproven for too long, even if `run` hangs."""
        await self.led.wait()
        while True:
            left_s = self._proven_at + self._renew_deadline_s - self._clock()
            if left_s <= 0 and self.leads:
                log.critical("the Lease is unproven: ending before another replica leads")
                self._die(1)
                return
            await asyncio.sleep(max(left_s, 0.05))

    async def release(self) -> None:
        """Give the lease away at a clean exit, so that the next replica need not wait for its end."""
        if not self.leads:
            return
        self.led.clear()
        with contextlib.suppress(ApiError, TimeoutError):
            current = await asyncio.wait_for(self._connection.get(LEASES, (self._namespace, self._name)), timeout=1)
            if current is not None and current["spec"].get("holderIdentity") == self.identity:
                freed = {**current, "spec": {**current["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}}
                await asyncio.wait_for(self._put(freed), timeout=1)

    async def _attempt(self) -> bool:
        """One round: True when this replica holds the lease now, False when another does."""
        current = await self._connection.get(LEASES, (self._namespace, self._name))
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if current is None:
            try:
                await self._connection.call("POST", LEASES.path(self._namespace), body=self._fresh(moment))
            except ApiError as error:
                if error.status == 409:
                    return False
                raise
            self.holder = self.identity
            return True
        spec = current.get("spec", {})
        self.holder = spec.get("holderIdentity") or ""
        if self.holder != self.identity and not self._expired(spec):
            return False
        taken = self.holder != self.identity
        if not self.leads:
            self.renewed_before = spec.get("renewTime")
        renewed = {
            **current,
            "spec": {
                **spec,
                "holderIdentity": self.identity,
                "leaseDurationSeconds": max(1, round(self._duration_s)),
                "renewTime": moment,
                "acquireTime": moment if taken else spec.get("acquireTime", moment),
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + taken,
            },
        }
        try:
            await self._put(renewed)
        except ApiError as error:
            if error.status == 409 and taken:
                return False  # another replica was quicker
            raise
        self.holder = self.identity
        return True

    def _expired(self, spec: Object) -> bool:
        """Judged by this machine's clock from when a change was last seen: clocks need not agree."""
        holder = spec.get("holderIdentity") or ""
        if not holder:
            return True
        seen = holder, str(spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
            return False
        return self._clock() - self._seen_at >= float(spec.get("leaseDurationSeconds") or self._duration_s)

    def _fresh(self, moment: str) -> Object:
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.name,
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "labels": {"app.kubernetes.io/managed-by": "wharfage"},
            },
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": max(1, round(self._duration_s)),
                "acquireTime": moment,
                "renewTime": moment,
                "leaseTransitions": 0,
            },
        }

    async def _put(self, lease: Object) -> None:
        await self._connection.call("PUT", LEASES.path(self._namespace, self._name), body=lease)
