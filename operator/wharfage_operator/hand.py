"""The worker's process as the operator holds it: started in a group of its own, asked over pipes, killed as a group.

What it says aside goes into the operator's log, line by line. Whatever is wrong with it is `Lost`, and the end of it.
"""

import asyncio
import contextlib
import logging
import os
import pickle
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

from wharfage_operator.frames import HEAD, Reply, length

log = logging.getLogger(__name__)

_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""More would wait for each other: what is solved is small. And a process with threads must not fork."""
_LAST_WORDS_S = 1.0
"""For what a process that has ended left in its pipes."""
_LINE = 1024


class Lost(Exception):  # noqa: N818 - the state is the name, as in `errors`
    """The process is not to be used any more; `outcome` names in a word what happened, `reason` in a sentence."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Hand:
    """One worker, from its start to its end."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._relay = asyncio.create_task(_relayed(process))

    @property
    def lives(self) -> bool:
        """Whether nobody has heard of its end."""
        return self._process.returncode is None

    async def answer(self, frame: bytes, *, within_s: float) -> Reply:
        """What it says to that, or of itself where the frame is empty. `Lost` where it says nothing or nonsense.

        A process that has ended has said all it will, whoever still holds its pipe.
        """
        reading = asyncio.create_task(_exchanged(self._process, frame))
        ending = asyncio.create_task(self._process.wait())
        try:
            await asyncio.wait([reading, ending], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() and not ending.done():
                raise Lost("late", f"it took longer than {within_s:g} s")
            if not reading.done():
                self._kill()
                await asyncio.wait([reading], timeout=_LAST_WORDS_S)
            if not reading.done():
                raise EOFError
            return reading.result()
        except (EOFError, ConnectionError) as error:
            self._kill()
            await self._process.wait()
            raise Lost("died", f"the worker ended with {self._status}") from error
        except (ValueError, TypeError, AttributeError, ImportError, pickle.PickleError) as error:
            raise Lost("nonsense", f"the worker sent nonsense: {error}") from error
        finally:
            for task in (reading, ending):
                task.cancel()
            await asyncio.wait([reading, ending])

    async def end(self) -> None:
        """Kill it and what it started."""
        self._kill()
        await self._process.wait()
        await asyncio.wait([self._relay], timeout=_LAST_WORDS_S)
        self._relay.cancel()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def _status(self) -> str:
        code = self._process.returncode or 0
        return f"signal {-code}" if code < 0 else f"status {code}"


async def started(command: Sequence[str]) -> Hand:
    """The process; `Lost` where there is no such program."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | _ONE_THREAD,
            start_new_session=True,  # signals to the operator's group are the operator's
        )
    except OSError as error:
        raise Lost("unstarted", f"the worker cannot be started: {error}") from error
    return Hand(process)


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
