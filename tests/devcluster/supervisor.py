"""Owns every process of one cluster, and ends them all when whoever asked for the cluster is gone, however it went.

It is a process of its own because its caller may be killed. It watches the caller through a pidfd, is the reaper of
every orphan below it, and its children die with it by the kernel's hand. Whoever knows the cluster's folder talks to
it over a socket there: one JSON request on a line, one JSON answer.
"""

import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.devcluster import descendants, network, remains

SOCKET = "supervisor.sock"
_SET_CHILD_SUBREAPER = 36
_SET_PDEATHSIG = 1
_END_TIMEOUT_S = 20.0
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Child:
    """A process and how to start it again."""

    argv: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes]


@dataclass(slots=True)
class Supervisor:
    """The event loop over the caller, the socket and the children."""

    name: str
    folder: Path
    children: dict[str, Child] = field(default_factory=dict)
    ending: bool = False

    def run(self, caller: int | None) -> None:
        """Serve until asked to end, or until the pidfd `caller` says that it died; then leave nothing behind."""
        _libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, self._on_terminate)
        selector = selectors.DefaultSelector()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / SOCKET))
            listener.listen()
            selector.register(listener, selectors.EVENT_READ)
            if caller is not None:
                selector.register(caller, selectors.EVENT_READ)
            try:
                while not self.ending:
                    for key, _ in selector.select(timeout=1.0):
                        if key.fileobj is listener:
                            self._answer(listener)
                        else:
                            self.ending = True
                    descendants.reap(known={child.process.pid for child in self.children.values()})
            finally:
                self.remove_everything()

    def _on_terminate(self, *_: object) -> None:
        self.ending = True

    def _answer(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as stream:
            connection.settimeout(60.0)
            try:
                answer = self._obey(json.loads(stream.readline()))
            except (OSError, KeyError, ValueError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            try:
                stream.write(json.dumps(answer) + "\n")
                stream.flush()
            except OSError:
                return  # the asker has gone; what it asked for is done

    def _obey(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "start":
                return {"pid": self._start(request["name"], request["argv"], request["environment"])}
            case "signal":
                self.children[request["name"]].process.send_signal(request["signal"])
                return {}
            case "restart":
                child = self.children[request["name"]]
                child.process.kill()
                child.process.wait()
                return {"pid": self._start(request["name"], child.argv, child.environment)}
            case "list":
                return {name: self._state(child) for name, child in self.children.items()}
            case "end":
                self.ending = True
                return {}
            case unknown:
                raise ValueError(f"no such request: {unknown}")

    def _start(self, name: str, argv: list[str], environment: dict[str, str]) -> int:
        """Start a process that dies with us. Its log is `logs/<name>.log`."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                argv,
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        self.children[name] = Child(argv, environment, process)
        return process.pid

    def _state(self, child: Child) -> dict[str, Any]:
        exited = child.process.poll()
        return {
            "pid": child.process.pid,
            "exited": exited,
            "rss_kib": 0 if exited is not None else descendants.rss_kib(child.process.pid),
        }

    def remove_everything(self) -> None:
        """End every descendant, then take away what a real node made and the cluster's folder."""
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        while left := descendants.of(os.getpid()):
            for pid in left:
                descendants.kill(pid)
            descendants.reap(known=set())
            if time.monotonic() > deadline_s:
                print(f"processes do not end: {sorted(left)}", file=sys.stderr, flush=True)
                break
            time.sleep(0.01)
        if network.namespace_path(network.namespace_of(self.name)).exists() or remains.root_of(self.name).exists():
            remains.remove(self.name)
        shutil.rmtree(self.folder, ignore_errors=True)


def _die_with_parent() -> None:
    _libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """`python -m tests.devcluster.supervisor NAME FOLDER [PIDFD]`."""
    name, folder, *caller = sys.argv[1:]
    Supervisor(name, Path(folder)).run(int(caller[0]) if caller else None)


if __name__ == "__main__":
    main()
