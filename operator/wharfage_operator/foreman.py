"""The operator's side of its worker: starts it, hands it one errand at a time, and ends it when it does not answer.

Solving and fitting take seconds of processor time, and libraries of 50 MiB. So another process does them: it may be
killed by the clock, run out of memory or crash in foreign code, and all that is lost is the errand under way. Whoever
asked has `WorkerFailed`, and goes on with what was said before.
"""

import asyncio
import heapq
import itertools
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wharfage_operator.errands import Errand
from wharfage_operator.frames import framed
from wharfage_operator.hand import Hand, Lost, started
from wharfage_operator.telemetry import Telemetry

log = logging.getLogger(__name__)
T = TypeVar("T")

COMMAND = (sys.executable, "-P", "-m", "wharfage_operator.worker")
_LONGEST_PAUSE_S = 60.0
_PATIENCE_S = 3.0
"""For so long errands wait for a worker that may not be started yet; beyond that they are told at once."""
_MIB = 1024 * 1024


class WorkerFailed(Exception):  # noqa: N818 - the state is the name, as in `errors`
    """An errand was not done: `reason` says why. What was said before holds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Paused(WorkerFailed):
    """No worker is started just now, which was said when the last one was lost."""


@dataclass(slots=True, order=True)
class _Order:
    """An errand that waits."""

    rank: int
    number: int
    errand: Errand[Any] = field(compare=False)
    timeout_s: float = field(compare=False)
    answer: "asyncio.Future[Any]" = field(compare=False)


class Foreman:
    """Errands of the least rank go first, and among those the first that was asked."""

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        most_rss_mib: float = 400.0,
        start_within_s: float = 60.0,
        first_pause_s: float = 0.5,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """A worker above `most_rss_mib` after an errand is ended, and started anew for the next.

        One that does not start `within_s`, or is lost, is started again after `first_pause_s`, and each time it is lost
        without having answered anything after twice as long, up to a minute.
        """
        self._telemetry = telemetry
        self._most_rss_mib = most_rss_mib
        self._start_within_s = start_within_s
        self._first_pause_s = first_pause_s
        self._command = tuple(command)
        self._orders: list[_Order] = []
        self._under_way: list[_Order] = []
        self._numbers = itertools.count()
        self._task: asyncio.Task[None] | None = None
        self._worker: Hand | None = None
        self._lost = 0
        """Since anything was answered."""
        self._lost_for = ""
        self._from_s = 0.0
        """Before then (monotonic) none is started."""
        self._closed = False

    async def ask(self, errand: Errand[T], *, timeout_s: float) -> T:
        """What came of the errand, which may take so long once it is begun; `WorkerFailed` where nothing did."""
        if self._closed:
            raise WorkerFailed("the operator is ending")
        order = _Order(errand.rank, next(self._numbers), errand, timeout_s, asyncio.get_running_loop().create_future())
        heapq.heappush(self._orders, order)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        answer: T = await order.answer
        return answer

    async def close(self) -> None:
        """End the worker; errands that wait fail."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for order in [*self._under_way, *self._orders]:
            if not order.answer.done():
                order.answer.set_exception(WorkerFailed("the operator is ending"))
        await self._end()

    async def _work(self) -> None:
        """Do what waits; ends when nothing does."""
        while self._orders:
            self._under_way = [heapq.heappop(self._orders)]
            if not self._under_way[0].answer.done():
                await self._do(self._under_way[0])
        self._under_way = []

    async def _do(self, order: _Order) -> None:
        began_s, kind = time.monotonic(), order.errand.kind
        try:
            answer = await self._done(order)
        except (Lost, WorkerFailed) as failure:
            outcome = _outcome(failure)
            level = logging.DEBUG if outcome == "paused" else logging.WARNING
            log.log(level, "an errand failed", extra={"kind": kind, "outcome": outcome, "error": failure.reason})
            if not order.answer.done():
                order.answer.set_exception(WorkerFailed(failure.reason))
        except Exception as bug:  # whoever asked has it, and logs it
            outcome = "bug"
            await self._end()
            if not order.answer.done():
                order.answer.set_exception(bug)
        else:
            outcome = "done"
            if not order.answer.done():
                order.answer.set_result(answer)
        self._telemetry.errands.labels(kind, outcome).inc()
        self._telemetry.errand_seconds.labels(kind).observe(time.monotonic() - began_s)

    async def _done(self, order: _Order) -> object:
        frame = framed(order.errand)
        try:
            worker = await self._started()
            reply = await worker.answer(frame, within_s=order.timeout_s)
            value = _believed(order.errand, reply.value) if reply.answered else None
        except Lost as loss:
            self._lost += 1
            self._lost_for = loss.reason
            pause_s = min(_LONGEST_PAUSE_S, self._first_pause_s * 2.0 ** (self._lost - 1))
            self._from_s = time.monotonic() + pause_s
            await self._end()
            raise
        self._lost = 0
        self._telemetry.worker_cpu_seconds.inc(reply.cpu_s)
        self._telemetry.worker_rss.set(reply.rss_mib * _MIB)
        if reply.rss_mib > self._most_rss_mib:
            log.info("the worker is started anew for its memory", extra={"rss_mib": round(reply.rss_mib)})
            await self._end()
        if not reply.answered:
            raise WorkerFailed(str(reply.value))
        return value

    async def _started(self) -> Hand:
        """The worker, which is started if there is none."""
        if self._worker is not None and self._worker.lives:
            return self._worker
        pause_s = self._from_s - time.monotonic()
        if pause_s > _PATIENCE_S:
            raise _Paused(f"the worker waits to be started again: {self._lost_for}")
        await asyncio.sleep(max(0.0, pause_s))
        await self._end()
        began_s = time.monotonic()
        self._telemetry.worker_starts.inc()
        self._worker = await started(self._command)
        hello = await self._worker.answer(b"", within_s=self._start_within_s)
        log.info(
            "the worker is ready",
            extra={"took_s": round(time.monotonic() - began_s, 2), "rss_mib": round(hello.rss_mib)},
        )
        return self._worker

    async def _end(self) -> None:
        """The worker and what it started, if there is one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()
            self._telemetry.worker_rss.set(0.0)


def _outcome(failure: Lost | WorkerFailed) -> str:
    if isinstance(failure, Lost):
        return failure.outcome
    return "paused" if isinstance(failure, _Paused) else "failed"


def _believed(errand: Errand[T], value: object) -> T:
    try:
        return errand.read(value)
    except ValueError as error:
        raise Lost("nonsense", f"the worker sent nonsense: {error}") from error
