"""The operator's side of its worker: starts it, hands it one errand at a time, and ends it when it does not answer.

Solving and fitting take seconds of processor time and libraries of 130 MiB, so another process does them: it may be
killed by the clock, run out of memory or crash in foreign code, and all that is lost is the errand under way. Whoever
asked has `WorkerFailed` and goes on with what was said before.
"""

import asyncio
import contextlib
import heapq
import itertools
import logging
import os
import pickle
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wharfage_operator.errands import Errand
from wharfage_operator.frames import HEAD, Reply, framed, length
from wharfage_operator.telemetry import Telemetry

log = logging.getLogger(__name__)
T = TypeVar("T")

COMMAND = (sys.executable, "-P", "-m", "wharfage_operator.worker")
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""More would wait for each other: what is solved is small. And a process with threads must not fork."""
_LONGEST_PAUSE_S = 60.0
_PATIENCE_S = 3.0
"""For so long errands wait for a worker that may not be started yet; beyond that they are told at once."""
_LAST_WORDS_S = 1.0
"""For what a worker that has ended left in its pipes."""
_LINE = 1024
_MIB = 1024 * 1024


class WorkerFailed(Exception):  # noqa: N818 - the state is the name, as in `errors`
    """An errand was not done: `reason` says why. What was said before holds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Lost(WorkerFailed):
    """The worker is not to be used any more; `outcome` is the metric's label."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


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
        self._worker: Process | None = None
        self._relay: asyncio.Task[None] | None = None
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
        except WorkerFailed as failure:
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
        try:
            worker = await self._started()
            reply = await self._answered(worker, framed(order.errand), order.timeout_s)
            value = _believed(order.errand, reply.value) if reply.answered else None
        except _Lost as loss:
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

    async def _started(self) -> Process:
        """The worker, which is started if there is none."""
        if self._worker is not None and self._worker.returncode is None:
            return self._worker
        pause_s = self._from_s - time.monotonic()
        if pause_s > _PATIENCE_S:
            raise _Paused(f"the worker is started again in {pause_s:.0f} s: {self._lost_for}")
        await asyncio.sleep(max(0.0, pause_s))
        await self._end()
        began_s = time.monotonic()
        self._telemetry.worker_starts.inc()
        try:
            self._worker = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=os.environ | _ONE_THREAD,
                start_new_session=True,  # signals to the operator's group are the operator's
            )
        except OSError as error:
            raise _Lost("unstarted", f"the worker cannot be started: {error}") from error
        self._relay = asyncio.create_task(_relayed(self._worker))
        hello = await self._answered(self._worker, b"", self._start_within_s)
        log.info(
            "the worker is ready",
            extra={"took_s": round(time.monotonic() - began_s, 2), "rss_mib": round(hello.rss_mib)},
        )
        return self._worker

    async def _answered(self, worker: Process, frame: bytes, within_s: float) -> Reply:
        """What it says next. A process that has ended has said all it will, whoever still holds its pipe."""
        reading = asyncio.create_task(_exchanged(worker, frame))
        ending = asyncio.create_task(worker.wait())
        try:
            await asyncio.wait([reading, ending], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() and not ending.done():
                raise _Lost("late", f"it took longer than {within_s:g} s")
            if not reading.done():
                _kill(worker)
                await asyncio.wait([reading], timeout=_LAST_WORDS_S)
            if not reading.done():
                raise EOFError
            return reading.result()
        except (EOFError, ConnectionError) as error:
            _kill(worker)
            await worker.wait()
            raise _Lost("died", f"the worker ended with {_status(worker)}") from error
        except (ValueError, TypeError, AttributeError, ImportError, pickle.PickleError) as error:
            raise _Lost("nonsense", f"the worker sent nonsense: {error}") from error
        finally:
            for task in (reading, ending):
                task.cancel()
            await asyncio.wait([reading, ending])

    async def _end(self) -> None:
        """The worker and what it started, if there is one."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        _kill(worker)
        await worker.wait()
        if self._relay is not None:
            await asyncio.wait([self._relay], timeout=_LAST_WORDS_S)
            self._relay.cancel()
        self._telemetry.worker_rss.set(0.0)


async def _exchanged(worker: Process, frame: bytes) -> Reply:
    assert worker.stdin is not None  # noqa: S101 - both are pipes
    assert worker.stdout is not None  # noqa: S101
    if frame:
        worker.stdin.write(frame)
        await worker.stdin.drain()
    count = length(await worker.stdout.readexactly(HEAD.size))
    reply = pickle.loads(await worker.stdout.readexactly(count))  # noqa: S301 - `frames` says why
    if not isinstance(reply, Reply):
        raise ValueError(f"{type(reply).__name__} is no reply")
    return reply


async def _relayed(worker: Process) -> None:
    """What the worker says aside, into the operator's log."""
    assert worker.stderr is not None  # noqa: S101
    rest = b""
    while chunk := await worker.stderr.read(_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE:
            lines, rest = [*lines, rest], b""
        for line in filter(None, lines):
            _say(line)
    if rest:
        _say(rest)


def _say(line: bytes) -> None:
    log.warning("the worker says: %s", line.decode("utf-8", errors="replace"))


def _outcome(failure: WorkerFailed) -> str:
    if isinstance(failure, _Lost):
        return failure.outcome
    return "paused" if isinstance(failure, _Paused) else "failed"


def _kill(worker: Process) -> None:
    """It and what it started: they are a group of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)


def _status(worker: Process) -> str:
    code = worker.returncode or 0
    return f"signal {-code}" if code < 0 else f"status {code}"


def _believed(errand: Errand[T], value: object) -> T:
    try:
        return errand.read(value)
    except ValueError as error:
        raise _Lost("nonsense", f"the worker sent nonsense: {error}") from error
