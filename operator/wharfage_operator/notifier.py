"""Tells budgets' webhooks what has happened to them: each transition at least once, under one id, in order.

What there is to tell is written down before it is sent (`outbox.py`), so that neither a restart nor another leader
loses any of it or finds it anew. A webhook that fails is tried again, ever less often, for a day; meanwhile it holds
nobody up: neither the others, nor the stages themselves.
"""

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from wharfage_autoscaler.reasons import Reason

from wharfage_operator.apply import Writer
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.kinds import CONFIG_MAPS, LLM_BUDGETS, SECRETS, Object
from wharfage_operator.outbox import NAME, Outbox, read, written
from wharfage_operator.scopes import Scopes
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.transitions import Course, Notification, transitions
from wharfage_operator.treasury import Books, Treasury
from wharfage_operator.webhook import Webhook, WebhookError, opened

log = logging.getLogger(__name__)
MANAGER = "wharfage-notifications"
_EVERY_S = 2.0
_LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A webhook that has failed: how often in a row, and when it is tried again (seconds that are never set)."""

    failures: int
    again_s: float


class Notifier:
    """The outbox, and whom it could not be delivered to."""

    def __init__(
        self,
        cache: Cache,
        connection: Connection,
        writer: Writer,
        clock: Clock,
        telemetry: Telemetry,
        *,
        scopes: Scopes,
        treasury: Treasury,
        books: Books,
        namespace: str,
        secrets: Collection[str],
        loopback: bool = False,
        first_s: float = 1.0,
    ) -> None:
        """`secrets` of the operator's `namespace` may be read; a failure is tried again after `first_s`, then later.

        `loopback`: webhooks may lie on the operator's own.
        """
        self._cache = cache
        self._connection = connection
        self._writer = writer
        self._clock = clock
        self._telemetry = telemetry
        self._scopes = scopes
        self._treasury = treasury
        self._books = books
        self._namespace = namespace
        self._secrets = frozenset(secrets)
        self._loopback = loopback
        self._first_s = first_s
        self._outbox: Outbox | None = None
        self._written: Outbox | None = None
        self._known: Object | None = None
        self._troubles: dict[str, _Trouble] = {}

    async def run(self) -> None:
        """Look and send for ever."""
        async with opened(loopback=self._loopback) as webhook:
            while True:
                await self.turn(webhook)
                await asyncio.sleep(_EVERY_S)

    async def turn(self, webhook: Webhook) -> None:
        """Write down what is new, then send what is due; what fails is tried again at a later turn."""
        try:
            outbox = self._heard(self._outbox if self._outbox is not None else await self._restored())
            await self._keep(outbox)
            delivered = await self._sent(webhook, outbox)
            if delivered:
                await self._keep(outbox.without(delivered))
        except (ApiError, NotYet) as error:
            log.info("notifications wait", extra={"error": str(error)})
            if isinstance(error, ApiError) and error.status == 409:
                self._outbox = None  # somebody else wrote them: what they know is right
        except Exception:  # a notification that waits is no reason to stop serving
            log.exception("notifications wait")

    async def _restored(self) -> Outbox:
        self._known = await self._connection.get(CONFIG_MAPS, (self._namespace, NAME))
        self._written = Outbox()
        if self._known is not None:
            try:
                self._written = read(self._known)
            except ValueError as error:
                log.warning("notifications begin anew", extra={"error": str(error)})
        return self._written

    def _heard(self, outbox: Outbox) -> Outbox:
        """What has happened since the last turn; what has waited for too long is given up."""
        courses: dict[str, Course] = {}
        news: list[Notification] = []
        now_s = self._clock.unix_s
        for name, spec in self._scopes.budgets.items():
            uid = self._cache.uid(LLM_BUDGETS, ("", name))
            if spec.notify is None or uid is None:
                continue
            before, account = outbox.courses.get(uid), self._treasury.account(name)
            after = before
            if account is not None and account.uid == uid:
                spent = partial(self._books.spent, name)
                after, found = transitions(name, account, before, now_s, spent=spent)
                news += found
            if after is not None:
                courses[uid] = after
        told = outbox.told(courses, news)
        late = told.late(now_s)
        for each in late:
            self._gave_up(each)
        self._show(told)
        return told.without({each.id for each in late})

    async def _keep(self, outbox: Outbox) -> None:
        """Have it last; nothing is written where nothing has changed."""
        self._outbox = outbox
        if outbox == self._written:
            return
        wanted = written(self._namespace, outbox)
        self._known = await self._writer.keep(wanted, self._known, manager=MANAGER, as_it_was=True)
        self._written = outbox

    async def _sent(self, webhook: Webhook, outbox: Outbox) -> frozenset[str]:
        """The ids of what was delivered: the oldest of each budget that is not to wait."""
        now_s = time.monotonic()
        due = [
            each
            for each in outbox.next_of_each()
            if each.uid not in self._troubles or now_s >= self._troubles[each.uid].again_s
        ]
        problems = await asyncio.gather(*(self._delivered(webhook, each) for each in due))
        for each, problem in zip(due, problems, strict=True):
            self._came_of(each, problem)
        return frozenset(each.id for each, problem in zip(due, problems, strict=True) if not problem)

    async def _delivered(self, webhook: Webhook, notification: Notification) -> str:
        """Why it was not delivered; empty where it was."""
        spec = self._scopes.budgets.get(notification.budget)
        if spec is None or spec.notify is None:
            return "the budget is gone"
        name = spec.notify.secret_ref.name
        try:
            await webhook.post(await self._address(name), notification.body)
        except WebhookError as error:
            return f"the webhook of Secret {self._namespace}/{name}: {error}"
        return ""

    async def _address(self, name: str) -> str:
        """What the Secret says now: an address that was mended is used at once."""
        if name not in self._secrets:
            raise WebhookError(f"the operator may not read it: add {name} to its setting webhook_secrets")
        try:
            found = await self._connection.get(SECRETS, (self._namespace, name))
        except ApiError as error:
            raise WebhookError(f"it cannot be read: {error}") from error
        if found is None:
            raise WebhookError("it does not exist: create it with the address as its key url")
        try:
            return base64.b64decode((found.get("data") or {})["url"], validate=True).decode().strip()
        except (KeyError, UnicodeDecodeError, binascii.Error) as error:
            raise WebhookError("it has no key url that is text: write the address into it") from error

    def _came_of(self, notification: Notification, problem: str) -> None:
        uid, before = notification.uid, self._troubles.get(notification.uid)
        outcome = "failed" if problem else "delivered"
        self._telemetry.budgets.notifications.labels(notification.budget, outcome).inc()
        if problem:
            failures = 1 if before is None else before.failures + 1
            pause_s = min(_LONGEST_S, self._first_s * 2.0 ** min(failures - 1, 30))
            self._troubles[uid] = _Trouble(failures, time.monotonic() + pause_s)
        else:
            self._troubles.pop(uid, None)
        if problem and before is None:
            self._event(notification, f"{problem}; it is tried again for a day")
        account = self._treasury.account(notification.budget)
        if account is not None and account.unheard != problem:
            account.unheard = problem
            self._treasury.show(notification.budget)

    def _gave_up(self, notification: Notification) -> None:
        self._telemetry.budgets.notifications.labels(notification.budget, "dropped").inc()
        account = self._treasury.account(notification.budget)
        why = account.unheard if account is not None and account.unheard else "its webhook did not take it in time"
        self._event(notification, f"never delivered: {notification.body['text']} ({why})")

    def _event(self, notification: Notification, message: str) -> None:
        raw = self._cache.get(LLM_BUDGETS, ("", notification.budget))
        if raw is not None:
            self._writer.event(raw, reason=Reason.WEBHOOK_FAILS.value, message=message, warning=True)

    def _show(self, outbox: Outbox) -> None:
        waiting: dict[str, int] = {}
        for each in outbox.waiting:
            waiting[each.budget] = waiting.get(each.budget, 0) + 1
        self._telemetry.budgets.show_waiting(waiting)
