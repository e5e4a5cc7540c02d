"""The whole chain on loopback: a real Envoy, the real brain beside it, and engines that pretend; each a process."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import aiohttp
from wharfage_gateway import xds
from wharfage_gateway.envoy import MOST_MEMORY_BYTES, Options, bootstrap
from wharfage_gateway.view import Credential, Model, Replica, View, endpoint

from tests.devcluster import build
from tests.ports import port_of, reserved

START_S = 120.0
KEYS = (Credential("key-of-red", "red"), Credential("key-of-blue", "blue"))


class Process:
    """A program that is ended with the test, unless it ended before."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._running: asyncio.subprocess.Process | None = None

    async def start(self, *command: str | Path) -> None:
        """Start it, once more if need be; what it says goes to its log."""
        with self.log.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                *[str(each) for each in command],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._running is not None and self._running.returncode is None

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._running
        return self._running.pid

    def tell(self, number: signal.Signals) -> None:
        """Tell it something."""
        if self.running and self._running:
            self._running.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = 5.0) -> None:
        """End it; what does not end is killed."""
        if self._running is None:
            return
        self.tell(signal.SIGCONT)
        self.tell(number)
        try:
            await asyncio.wait_for(self._running.wait(), within_s)
        except TimeoutError:
            self.tell(signal.SIGKILL)
            await self._running.wait()

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:] if self.log.exists() else ""

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for something that it must do; its words where it does not, or ends."""
        until_s = time.monotonic() + START_S
        while not await holds():
            assert self.running, f"{self.name} ended before {what}:\n{self.said()}"
            assert time.monotonic() < until_s, f"{self.name}: no {what} within {START_S:g} s:\n{self.said()}"
            await asyncio.sleep(0.02)


class Engine(Process):
    """One replica."""

    def __init__(self, name: str, folder: Path, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(name, folder)
        self.port, self.address = port, address

    async def serve(self, **settings: float) -> Self:
        """Start it with settings of `tests.gateway.engine.Behaviour`; a second time with the same port."""
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        self.log.write_text("")
        await self.start(
            sys.executable, "-m", "tests.gateway.engine", f"--port={self.port}", f"--address={self.address}", *flags
        )

        async def told() -> bool:
            return self.log.read_text().strip().isdigit()

        await self.until(told, "port")
        self.port = int(self.log.read_text())
        return self

    def replica(self, *, slots: float = 1000.0, **fields: Any) -> Replica:
        """As the gateway sees it."""
        return Replica(self.name, self.address, self.port, slots, **fields)

    @property
    def url(self) -> str:
        """Where it is without a gateway."""
        return f"http://{endpoint(self.address, self.port)}"

    async def control(self, **behaviour: float) -> None:
        """Change how it answers."""
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/control", json=behaviour) as told:
            told.raise_for_status()

    async def counted(self) -> dict[str, Any]:
        """What it has seen: `tests.gateway.engine.Counted`."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/counted") as told:
            found: dict[str, Any] = await told.json()
            return found

    async def kill(self) -> None:
        """As a machine that is gone."""
        await self.stop(signal.SIGKILL)


class Rig:
    """One gateway and its engines."""

    def __init__(
        self,
        folder: Path,
        *,
        keys_required: bool = False,
        most_memory_bytes: int = MOST_MEMORY_BYTES,
        address: str = "127.0.0.1",
    ) -> None:
        self.folder, self.shared = folder, folder / "run"
        self._ports = reserved(), reserved()
        self.options = Options(
            folder=str(self.shared),
            address=address,
            port=port_of(self._ports[0]),
            keys_required=keys_required,
            most_memory_bytes=most_memory_bytes,
        )
        self.envoy, self.brain = Process("envoy", folder), Process("brain", folder)
        self.engines: dict[str, Engine] = {}
        self.view = View(keys_required=keys_required)
        self.document = bootstrap(self.options)
        self.page_port = port_of(self._ports[1])
        self.guarded = False
        self.namespace = ""
        """Where the brain looks on the API server of $KUBECONFIG, instead of at the view's file."""

    async def __aenter__(self) -> Self:
        self.shared.mkdir(parents=True)
        xds.write(self.view, self.shared)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.guarded:
            self.brain.tell(signal.SIGSTOP)  # or it starts another brain meanwhile
        behind = self._children() if self.guarded and self.brain.running else []  # a killed guard ends nobody
        running = [self.envoy, self.brain, *self.engines.values()]
        await asyncio.gather(*(each.stop(signal.SIGKILL) for each in running))
        for pid in behind:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for each in self._ports:
            each.close()

    async def up(self, *models: Model, **view: Any) -> None:
        """Start brain and Envoy for these models."""
        await self.look(*models, **view)
        await self.start_brain()
        await self.start_envoy()

    async def start_envoy(self) -> None:
        """Start Envoy, whose readiness is a page of its own."""
        path = self.folder / "envoy.json"
        path.write_text(json.dumps(self.document), encoding="utf-8")
        number = secrets.randbelow(2**30)
        quiet = ["--log-level", "warning", "--component-log-level", "misc:error"]
        await self.envoy.start(build.envoy(), "-c", path, "--concurrency", "1", "--base-id", str(number), *quiet)

        async def ready() -> bool:
            return await _status(f"{self.url}/healthz") == 200

        await self.envoy.until(ready, "readiness")

    async def start_brain(self) -> None:
        """Start the brain on the view as it is."""
        await self.brain.start(*self.brain_command)

        async def ready() -> bool:
            return await _status(f"{self.pages}/readyz") == 200

        await self.brain.until(ready, "readiness")

    @property
    def brain_command(self) -> list[str]:
        """How the brain is started."""
        listen = f"--port={self.page_port}"
        module = "wharfage_gateway.guard" if self.guarded else "wharfage_gateway"
        room = f"--most-memory-bytes={self.options.most_memory_bytes}"
        known = f"--namespace={self.namespace}" if self.namespace else f"--view={self.view_file}"
        return [sys.executable, "-m", module, known, f"--folder={self.shared}", listen, room]

    @property
    def guarded_pid(self) -> int:
        """The process of the brain under its guard."""
        return self._children()[0]

    def _children(self) -> list[int]:
        children = Path(f"/proc/{self.brain.pid}/task/{self.brain.pid}/children").read_text(encoding="ascii")
        return [int(each) for each in children.split()]

    @property
    def view_file(self) -> Path:
        """What the brain knows of the cluster."""
        return self.folder / "view.json"

    @property
    def url(self) -> str:
        """Where clients ask."""
        return f"http://127.0.0.1:{self.options.port}"

    @property
    def pages(self) -> str:
        """Where the operator and Prometheus ask."""
        return f"http://127.0.0.1:{self.page_port}"

    async def engine(self, name: str, *, address: str = "127.0.0.1", port: int = 0, **settings: float) -> Engine:
        """One more engine, not yet in any view."""
        made = self.engines[name] = Engine(name, self.folder, address, port)
        return await made.serve(**settings)

    async def look(self, *models: Model, **fields: Any) -> None:
        """Let the brain see these models from now on."""
        self.view = View(models={each.served: each for each in models}, **{**self._kept(), **fields})
        new = self.view_file.with_suffix(".new")
        new.write_text(json.dumps(asdict(self.view)), encoding="utf-8")
        new.replace(self.view_file)

    def publish(self) -> None:
        """Write Envoy's files as the brain would, where there is none."""
        xds.write(self.view, self.shared)

    def _kept(self) -> dict[str, Any]:
        return {
            "credentials": self.view.credentials,
            "keys_required": self.view.keys_required,
            "gateways": self.view.gateways,
        }

    async def demand(self, **query: float) -> dict[str, Any]:
        """What the operator is told."""
        address = f"{self.pages}/demand"
        async with aiohttp.ClientSession() as session, session.get(address, params=query) as told:
            found: dict[str, Any] = await told.json()
            return found

    async def of(self, key: str) -> dict[str, Any]:
        """What the operator is told of one model now."""
        found: dict[str, Any] = (await self.demand())["models"].get(key, {})
        return found

    async def closed(self, replica: str, key: str = "chat") -> bool:
        """Whether the brain sends a replica nothing more, and nothing is on its way there."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.pages}/metrics") as told:
            page = await told.text()
        labels = f'{{model="{key}",replica="{replica}"}} 0.0'
        return f"wharfage_gateway_open{labels}" in page and f"wharfage_gateway_running{labels}" in page

    async def admin(self, path: str, method: str = "GET") -> str:
        """What Envoy's own socket answers, which nobody outside reaches."""
        connector = aiohttp.UnixConnector(self.options.admin_socket)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://envoy{path}") as told,
        ):
            return await told.text()

    async def stat(self, name: str) -> int:
        """One of Envoy's counters."""
        told = await self.admin(f"/stats?filter=^{name}$")
        return int(told.split(":")[1]) if ":" in told else 0


def model(
    key: str = "chat", replicas: Iterable[Replica] = (), *, prefix_affinity: bool = False, **fields: Any
) -> Model:
    """A model that is served under its own name; its load is spread, since most prompts here are the same."""
    return Model(key=key, served=key, replicas=tuple(replicas), prefix_affinity=prefix_affinity, **fields)


async def _status(url: str, headers: Mapping[str, str] | None = None) -> int:
    try:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as told:
            return told.status
    except aiohttp.ClientError:
        return 0
