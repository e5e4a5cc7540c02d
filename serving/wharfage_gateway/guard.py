"""Starts the brain, and ends and starts it again when it hangs: `python -m wharfage_gateway.guard`, with its arguments.

A dead brain costs nothing for a moment, since Envoy lets requests through; a hung one stops them all until Envoy's
timeout, which has to be longer than the longest hold. So somebody outside of it asks it twice a second. The kubelet's
probe is the second line: it takes minutes. The standard library alone, since this must not hang itself.
"""

import argparse
import logging
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Self

from wharfage_gateway.envoy import Options
from wharfage_gateway.silence import Silence, look
from wharfage_gateway.unixhttp import UnixConnection

log = logging.getLogger("wharfage_gateway.guard")

EVERY_S = 0.5
AGAIN_S = 0.2
"""Between the end of one and the start of the next: one that ends at once must not take a whole core."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a brain may say nothing, in seconds. Waits for a processor count for `starved_s` alone."""

    silence_s: float = 2.0
    starved_s: float = 30.0
    """With the waits: a brain that has so little is of less use than none, since Envoy lets requests through then."""
    start_s: float = 30.0
    """Until it answers for the first time. Waits do not count: the next one would not be faster."""

    def ended(self, silence: Silence, *, answered: bool) -> bool:
        """Whether it is to be ended. `answered`: ever before."""
        if not answered:
            return silence.own_s > self.start_s
        return silence.own_s > self.silence_s or silence.lasted_s > self.starved_s


@dataclass(slots=True)
class Guard:
    """One brain after the other, until told to stop."""

    command: Sequence[str]
    socket_path: str
    stopping: bool = False
    brain: "subprocess.Popen[bytes] | None" = None

    def run(self) -> int:
        """The exit status of the last one, once told to stop."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._stop)
        while True:
            self.brain = subprocess.Popen(self.command)
            if self.stopping:  # told between two brains
                self.brain.terminate()
            status = watch(self.brain, self.socket_path, Patience())
            if self.stopping:
                return status
            log.warning("the brain ended with %d; it is started again", status)
            time.sleep(AGAIN_S)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Pass it on: the brain finishes with those who wait for it, and is still guarded meanwhile."""
        del number, frame
        self.stopping = True
        if self.brain is not None:
            self.brain.terminate()


def watch(brain: "subprocess.Popen[bytes]", socket_path: str, patience: Patience) -> int:
    """Ask it, and end it once it does not answer; its exit status, however it came to it."""
    answered, told, now = False, False, False
    silence = Silence.of(look(brain.pid, time.monotonic()))
    with Question(socket_path) as question:
        while True:
            try:
                return brain.wait(0.0 if question.asked else EVERY_S)
            except subprocess.TimeoutExpired:
                pass
            if now:
                silence = Silence.of(look(brain.pid, time.monotonic()))
            now = question.answer(EVERY_S)
            silence = silence.seen(look(brain.pid, time.monotonic()))
            if now:
                if told or not answered:
                    log.info("the brain answers%s", f" again, after {_words(silence)}" if told else "")
                answered, told = True, False
            elif patience.ended(silence, answered=answered):
                log.error("the brain has not answered for %s; it is ended", _words(silence))
                brain.kill()
            elif answered and not told and silence.lasted_s > patience.silence_s:
                log.warning(_STARVES, _words(silence), patience.starved_s)
                told = True


_STARVES = (
    "the brain has not answered for %s: it is short of processor time, give it more (gateway.brainResources)."
    " It is left alone for %g s"
)


class Question:
    """Asks at a socket, and waits as long as it takes: to ask again would be more to do for one that is slow."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: UnixConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def asked(self) -> bool:
        """Whether an answer is waited for."""
        return self._connection is not None

    def answer(self, within_s: float) -> bool:
        """Whether an answer has come, whatever it says. Asks, unless that was done."""
        try:
            if self._connection is None:
                self._connection = UnixConnection(self._path, timeout_s=within_s)
                self._connection.request("GET", "/v1/models", headers={"Connection": "close"})
            if not select.select([self._connection.sock], [], [], within_s)[0]:
                return False
            came = bool(self._connection.sock.recv(1))
        except OSError:
            came = False
        self._close()
        return came

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _words(silence: Silence) -> str:
    return f"{silence.lasted_s:.1f} s, of which it waited {silence.starved_s:.1f} s for a processor"


def main(arguments: Sequence[str]) -> int:
    """Guard a brain with these arguments, among which is the folder that it shares with Envoy."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="python -m wharfage_gateway.guard", add_help=False, allow_abbrev=False)
    parser.add_argument("--folder", required=True)
    folder: str = parser.parse_known_args(arguments)[0].folder
    command = [sys.executable, "-m", "wharfage_gateway", *arguments]
    return Guard(command, Options(folder=folder).check_socket).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
