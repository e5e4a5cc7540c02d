"""Brains that hang are ended, and those that are short of a processor are not: on real processes."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from wharfage_gateway.guard import Patience, watch

SERVER = """
import os, socketserver, sys, time

class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        if os.path.exists(sys.argv[1] + ".hang"):
            while True:
                pass
        until = time.process_time() + float(sys.argv[2])
        while time.process_time() < until:
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")

socketserver.UnixStreamServer(sys.argv[1], Answer).serve_forever()
"""
WORK_S = 0.1
"""What an answer takes of a processor."""
SILENCE_S = 1.0
STALL_S = 3.0
"""The same where nobody is to be ended, so that no shorter standstill of the whole machine does it either."""
LONG_S = 600.0


@dataclass
class Guarded:
    """A server that does nothing but answer, and its guard."""

    path: Path
    patience: Patience
    process: "subprocess.Popen[bytes]" = field(init=False)
    thread: threading.Thread = field(init=False)

    def __enter__(self) -> "Guarded":
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(self.path), str(WORK_S)])
        self.thread = threading.Thread(target=watch, args=(self.process, str(self.path), self.patience))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.thread.join()


@contextmanager
def crowded(pid: int) -> Iterator[None]:
    """The process has a seventieth of one processor, as one beside others that ask for much more."""
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        processor = min(os.sched_getaffinity(0))
        for each in (hog.pid, pid):
            os.sched_setaffinity(each, {processor})
        os.setpriority(os.PRIO_PROCESS, pid, 19)
        yield
    finally:
        hog.kill()
        hog.wait()


def until(said: str, log: pytest.LogCaptureFixture, *, within_s: float = 120.0) -> None:
    end_s = time.monotonic() + within_s
    while said not in log.text:
        assert time.monotonic() < end_s, f"{said!r} is not in: {log.text}"
        time.sleep(0.05)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="wharfage_gateway.guard")
    return caplog


def test_one_that_is_short_of_a_processor_is_left_alone_and_that_is_told(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    with Guarded(tmp_path / "socket", Patience(STALL_S, starved_s=LONG_S, start_s=LONG_S)) as guarded:
        until("answers", log)
        with crowded(guarded.process.pid):
            until("short of processor time", log)
        until("answers again", log)
        assert guarded.process.poll() is None
    assert "it is ended" not in log.text


def test_one_that_has_been_short_of_it_for_long_is_ended(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    with Guarded(tmp_path / "socket", Patience(LONG_S, starved_s=SILENCE_S, start_s=LONG_S)) as guarded:
        until("answers", log)
        with crowded(guarded.process.pid):
            until("it is ended", log)
            assert guarded.process.wait(60.0) < 0


def test_one_that_hangs_in_a_loop_is_ended(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    with Guarded(tmp_path / "socket", Patience(SILENCE_S, starved_s=LONG_S, start_s=LONG_S)) as guarded:
        until("answers", log)
        Path(f"{guarded.path}.hang").touch()
        until("it is ended", log)
        assert guarded.process.wait(60.0) < 0


def test_one_that_never_answers_is_ended(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    Path(f"{tmp_path / 'socket'}.hang").touch()
    with Guarded(tmp_path / "socket", Patience(LONG_S, starved_s=LONG_S, start_s=SILENCE_S)) as guarded:
        until("it is ended", log)
        assert guarded.process.wait(60.0) < 0
    assert "the brain answers" not in log.text
