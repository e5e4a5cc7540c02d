"""Starts the brain, and ends and starts it again when it hangs: `python -m wharfage_gateway.guard`, with its arguments.

A dead brain costs nothing for a moment, since Envoy lets requests through; a hung one stops them all until Envoy's
timeout, which has to be longer than the longest hold. So somebody outside of it asks it twice a second. The kubelet's
probe is the second line: it takes seconds at best. The standard library alone, since this must not hang itself.
"""

import argparse
import http.client
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from wharfage_gateway.envoy import Options
from wharfage_gateway.unixhttp import UnixConnection

log = logging.getLogger("wharfage_gateway.guard")

EVERY_S = 0.5
SILENCE_S = 2.0
START_S = 30.0
"""How long a brain may take until it answers for the first time."""
AGAIN_S = 0.2
"""Between the end of one and the start of the next: one that ends at once must not take a whole core."""


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
            status = self._watch(self.brain)
            if self.stopping:
                return status
            log.warning("the brain ended with %d; it is started again", status)
            time.sleep(AGAIN_S)

    def _watch(self, brain: "subprocess.Popen[bytes]") -> int:
        """Its exit status, however it came to it."""
        answered, until_s = False, time.monotonic() + START_S
        while True:
            try:
                return brain.wait(EVERY_S)
            except subprocess.TimeoutExpired:
                pass
            if answers(self.socket_path, SILENCE_S):
                answered = True
            elif answered or time.monotonic() > until_s:
                log.error("the brain has not answered for %g s; it is ended", SILENCE_S)
                brain.kill()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Pass it on: the brain finishes with those who wait for it, and is still guarded meanwhile."""
        del number, frame
        self.stopping = True
        if self.brain is not None:
            self.brain.terminate()


def answers(path: str, within_s: float) -> bool:
    """Whether whoever listens there answers in time, whatever it says."""
    connection = UnixConnection(path, timeout_s=within_s)
    try:
        connection.request("GET", "/v1/models")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


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
