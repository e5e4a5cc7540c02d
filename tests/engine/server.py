"""Real vLLM as a plain process on loopback, started with the very arguments that the operator's pods get."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import wharfage_serving.drain
from wharfage_serving.arguments import Engine, arguments, environment

from tests.engine.environment import ENTRY, Environment
from tests.ports import free_port

HOST = "127.0.0.1"
NAME = "tiny"
START_WITHIN_S = 400.0
DRAIN_PROGRAM = "wharfage_drain.py"
_KV_CACHE_BYTES = 4 << 20
_TAIL_LINES = 25


class EngineFailed(RuntimeError):  # noqa: N818 -- what happened, as the suite prints it
    """vLLM did not start or did not answer; the message ends with its last lines."""


@dataclass(frozen=True, slots=True)
class Server:
    """One running engine: a replica without its pod."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def drain_file(self) -> Path:
        """While it exists, every answer ends its connection."""
        return self.folder / "drain"

    def log(self) -> str:
        """What the engine has written so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def tail(self) -> str:
        """The last lines of the log, where an engine says why it ended."""
        return "\n".join(self.log().splitlines()[-_TAIL_LINES:])

    def healthy(self) -> bool:
        """Whether it answers; the port is closed until the engine is ready."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            with connection.getresponse() as answer:
                return answer.status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def complete(self, prompt: str, *, max_tokens: int) -> str:
        """One answer in one piece. Raises `EngineFailed` with the engine's words when there is none."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            body = json.dumps({"model": NAME, "prompt": prompt, "max_tokens": max_tokens})
            connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise EngineFailed(f"status {answer.status}: {text}")
        return str(json.loads(text)["choices"][0]["text"])

    def stop_program(self, *, at_least_s: float, at_most_s: float) -> list[str]:
        """The command that a pod's preStop hook runs."""
        window = ["--at-least", str(at_least_s), "--at-most", str(at_most_s)]
        program = [str(self.folder / DRAIN_PROGRAM), "--drain-file", str(self.drain_file), "--port", str(self.port)]
        return ["/usr/bin/python3", *program, *window]

    def terminate(self) -> None:
        """What the kubelet does after the hook."""
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def serving(
    made: Environment,
    model: Path,
    *,
    shutdown_timeout_s: int = 30,
    max_model_tokens: int = 2048,
    extra: Sequence[str] = (),
    bytecode: bool = False,
) -> Iterator[Server]:
    """A ready engine until the block ends. Raises `EngineFailed` when it does not get there.

    `bytecode` lets it write its compiled modules into the environment.
    """
    with starting(
        made,
        model,
        shutdown_timeout_s=shutdown_timeout_s,
        max_model_tokens=max_model_tokens,
        extra=extra,
        bytecode=bytecode,
    ) as server:
        wait_until_healthy(server)
        yield server


@contextmanager
def starting(
    made: Environment,
    model: Path,
    *,
    shutdown_timeout_s: int = 30,
    max_model_tokens: int = 2048,
    extra: Sequence[str] = (),
    bytecode: bool = False,
) -> Iterator[Server]:
    """As `serving`, without waiting: several engines start together."""
    engine = Engine(
        model=str(model),
        served_name=NAME,
        max_model_tokens=max_model_tokens,
        max_num_seqs=16,
        max_num_batched_tokens=max_model_tokens,
        kv_cache_bytes=_KV_CACHE_BYTES,
        cores=1,
        shutdown_timeout_s=shutdown_timeout_s,
    )
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="wharfage-engine-")))
        shutil.copyfile(wharfage_serving.drain.__file__, folder / DRAIN_PROGRAM)
        port = free_port()
        mine = ["--host", HOST, "--port", str(port), *extra]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(made.python), *ENTRY, *arguments(engine, extra=mine)],
                cwd=folder,
                env=_environment(engine, folder, bytecode=bytecode),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        undo.callback(_end, process)
        yield Server(process, port, folder)


def wait_until_healthy(server: Server) -> None:
    """Return once it answers. Raises `EngineFailed` when it ends or takes longer than `START_WITHIN_S`."""
    deadline_s = time.monotonic() + START_WITHIN_S
    while not server.healthy():
        if (status := server.process.poll()) is not None:
            raise EngineFailed(f"vLLM ended with status {status} before it was ready:\n{server.tail()}")
        if time.monotonic() > deadline_s:
            raise EngineFailed(f"vLLM was not ready within {START_WITHIN_S:.0f} s:\n{server.tail()}")
        time.sleep(0.2)


def _environment(engine: Engine, folder: Path, *, bytecode: bool) -> dict[str, str]:
    """What a pod's container has: nothing of this machine's environment but its path."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CACHE_ROOT": str(folder / "cache"),
        "PYTHONPATH": str(folder),
        "WHARFAGE_DRAIN_FILE": str(folder / "drain"),
        **({} if bytecode else {"PYTHONDONTWRITEBYTECODE": "1"}),
        **environment(engine),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the engine and the processes it started: they share a session that is only theirs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
