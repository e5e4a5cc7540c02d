"""A real Kubernetes for one test, one demo or one afternoon: `with Cluster.up() as cluster`.

Every cluster has its own folder, ports, certificates and tokens, so several live side by side. Its processes belong to
a supervisor, which ends them when the process that called `up` ends, even by SIGKILL.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from tests.devcluster import build, network, objects, registry
from tests.devcluster.access import AccessError, Kubectl, is_ready, read
from tests.devcluster.assembly import Assembly
from tests.devcluster.components import Component, Layout, Ports
from tests.devcluster.node import Node, Programs
from tests.devcluster.supervisor import SOCKET

ROOT = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S = 180.0
_END_TIMEOUT_S = 300.0
"""A node leaves gigabytes of unpacked images behind; a disk that is told of each freed block takes a minute or two."""


class ClusterError(RuntimeError):
    """The cluster did not come up or is gone; the message carries the end of the log that tells why."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster."""

    name: str
    layout: Layout
    admin_token: str

    @classmethod
    def up(
        cls,
        *,
        name: str | None = None,
        karpenter: bool = False,
        kwok: bool = True,
        node: bool = False,
        catalogs: Sequence[Path] = (),
        boot_s: float = 2.0,
        detached: bool = False,
    ) -> Self:
        """Start a cluster and wait until it can be used.

        `karpenter` buys fake machines out of `catalogs` (default: the example catalogs), each `boot_s` after the order.
        `node` adds a real node; it needs root. A `detached` cluster lives until `down`, others as long as this process.
        """
        name = name or f"{os.getpid()}-{secrets.token_hex(3)}"
        binary = build.binary()
        folder, lock = registry.claim(name)
        try:
            _supervise(name, folder, lock=lock, detached=detached)
        finally:
            os.close(lock)
        try:
            layout = _lay_out(name, folder, binary=binary, inside=node)
            assembly = Assembly(layout)
            cluster = cls(name, layout, assembly.write_credentials())
            cluster._bring_up(assembly, karpenter=karpenter, kwok=kwok, catalogs=catalogs, boot_s=boot_s)
            if node:
                cluster.node.start()
        except BaseException:
            _ask(folder, {"do": "end"})
            raise
        return cluster

    @classmethod
    def attach(cls, name: str) -> Self:
        """The running cluster called `name`. Raises `ClusterError` when there is none."""
        try:
            layout = _read_layout(registry.folder_of(name))
        except OSError:
            running = ", ".join(registry.names()) or "none"
            raise ClusterError(f"no devcluster called {name} is running; running: {running}") from None
        config = json.loads(layout.kubeconfig("admin").read_text(encoding="utf-8"))
        return cls(name, layout, config["users"][0]["user"]["token"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def folder(self) -> Path:
        """Logs, certificates and data; gone with the cluster."""
        return self.layout.folder

    @property
    def kubeconfig(self) -> Path:
        """Full access; names the cluster's own certificate authority."""
        return self.layout.kubeconfig("admin")

    @property
    def url(self) -> str:
        """The API server's address."""
        return self.layout.url

    @property
    def ca(self) -> Path:
        """The certificate authority to trust."""
        return self.layout.authority.certificate

    def enter(self, argv: Sequence[str]) -> list[str]:
        """`argv` as a command that runs where the pods' and Services' addresses lead somewhere."""
        inside = network.find(self.name) if self.layout.inside else None
        return inside.enter(argv) if inside else list(argv)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as administrator; returns what it prints. Raises `AccessError` with its words when it fails."""
        return Kubectl(self.kubeconfig).run(*arguments, stdin=stdin)

    def read(self, path: str) -> str:
        """One page of the API server as administrator, such as a pod's through its proxy; raises `OSError`."""
        return read(f"{self.url}{path}", ca=self.ca, token=self.admin_token)

    def apply(self, manifests: str | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
        """Apply YAML text, an object or several, server-side."""
        return Kubectl(self.kubeconfig).apply(manifests)

    def established(self) -> None:
        """Wait until every definition is served."""
        Kubectl(self.kubeconfig).established()

    def fake_node(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        capacity: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Add a node that kwok plays, as `objects.fake_node` describes it."""
        self.kubectl("create", "-f", "-", stdin=json.dumps(objects.fake_node(name, labels, capacity, taints)))

    def market(self, **rules: Any) -> None:
        """Say what Karpenter can buy from now on, in the words of `objects.market_rules`; without any: everything."""
        self.apply(objects.market_rules(**rules))

    def start(self, name: str, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
        """Start one more process that ends with the cluster, inside its network; returns its id."""
        environment = {**os.environ, **(environment or {})}
        return int(
            self._ask({"do": "start", "name": name, "argv": self.enter(argv), "environment": environment})["pid"]
        )

    def restart(self, name: str) -> None:
        """Kill a process with SIGKILL and start it again; returns when the API server answers."""
        self._ask({"do": "restart", "name": name})
        self.wait_ready()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process, SIGSTOP for one that hangs."""
        self._ask({"do": "signal", "name": name, "signal": int(number)})

    def processes(self) -> dict[str, dict[str, Any]]:
        """By name: `pid`, exit status in `exited` or None, `rss_kib`."""
        return self._ask({"do": "list"})

    def log(self, name: str) -> str:
        """What a process has written so far."""
        return (self.folder / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def down(self) -> None:
        """End the cluster and wait until nothing of it is left."""
        _ask(self.folder, {"do": "end"})
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        while self.folder.exists():
            if time.monotonic() > deadline_s:
                raise ClusterError(f"devcluster {self.name} does not end: see {self.folder}")
            time.sleep(0.02)

    def kubeconfig_of(self, user: str) -> Path:
        """The file by which one of the cluster's own parts talks to the API server."""
        return self.layout.kubeconfig(user)

    @property
    def node(self) -> Node:
        """The real node of a cluster that was brought up with one."""
        return Node(self, Programs(kubernetes=self.layout.binary, containerd=build.containerd()))

    def second_node(self) -> Node:
        """The same for a second real node; `start` it before anything else."""
        return replace(self.node, number=1)

    def wait_ready(self) -> None:
        """Wait until the API server answers. Raises `ClusterError` when a process has ended instead."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not is_ready(self.url, ca=self.ca, token=self.admin_token):
            ended = [name for name, process in self.processes().items() if process["exited"] is not None]
            late = ["kube-apiserver"] if time.monotonic() > deadline_s else []
            for name in ended or late:
                tail = "\n".join(self.log(name).splitlines()[-15:])
                raise ClusterError(f"{name} of devcluster {self.name} did not come up; the end of its log:\n{tail}")
            time.sleep(0.1)

    def _bring_up(
        self, assembly: Assembly, *, karpenter: bool, kwok: bool, catalogs: Sequence[Path], boot_s: float
    ) -> None:
        for component in assembly.store_and_server():
            self._start(component)
        self.wait_ready()
        for component in assembly.controllers():
            self._start(component)
        kubectl = Kubectl(self.kubeconfig)
        kubectl.apply(assembly.definitions(kwok=kwok, karpenter=karpenter))
        if kwok or karpenter:
            kubectl.established()
            kubectl.apply(assembly.defaults(kwok=kwok, karpenter=karpenter, catalogs=catalogs, boot_s=boot_s))
        for component in assembly.fakes(kwok=kwok, karpenter=karpenter):
            self._start(component)
        self._wait_for_controllers()

    def _wait_for_controllers(self) -> None:
        """Pods need the ServiceAccount that a controller makes in every namespace."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not self.kubectl("get", "serviceaccount", "default", "--ignore-not-found"):
            if time.monotonic() > deadline_s:
                raise ClusterError(f"the controllers do not work: see {self.folder}/logs/kube-controller-manager.log")
            time.sleep(0.1)

    def _start(self, component: Component) -> None:
        argv = self.enter(component.argv)
        self._ask({"do": "start", "name": component.name, "argv": argv, "environment": component.environment})

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = _ask(self.folder, request)
        if answer is None:
            raise ClusterError(f"devcluster {self.name} is gone")
        if "error" in answer:
            raise ClusterError(f"devcluster {self.name}, {request['do']} {request.get('name', '')}: {answer['error']}")
        return answer


def _supervise(name: str, folder: Path, *, lock: int, detached: bool) -> None:
    """Start the supervisor and wait for its socket. It inherits the lock, and a handle by which it sees us die."""
    command = [sys.executable, "-m", "tests.devcluster.supervisor", name, str(folder)]
    caller = None if detached else os.pidfd_open(os.getpid())
    inherited = [lock]
    if caller is not None:
        command.append(str(caller))
        inherited.append(caller)
    with (folder / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=inherited,
            start_new_session=True,
        )
    if caller is not None:
        os.close(caller)
    while not (folder / SOCKET).exists():
        if process.poll() is not None:
            raise ClusterError(
                f"the supervisor ended at once: {(folder / 'supervisor.log').read_text(encoding='utf-8')}"
            )
        time.sleep(0.01)
    # It outlives this call; somebody has to collect its exit status when it ends.
    threading.Thread(target=process.wait, name=f"supervisor of {name}", daemon=True).start()


def _lay_out(name: str, folder: Path, *, binary: Path, inside: bool) -> Layout:
    """Choose address and ports, and write them down for `attach` and for the next cluster's choice."""
    with registry.registering():
        if inside:
            address, ports = str(network.create(name).address), Ports(etcd=2379, etcd_peer=2380, api=6443)
        else:
            etcd, peer, api = registry.free_ports(3)
            address, ports = "127.0.0.1", Ports(etcd=etcd, etcd_peer=peer, api=api)
        layout = Layout(folder=folder, binary=binary, address=address, inside=inside, ports=ports)
        (folder / registry.LAYOUT).write_text(json.dumps(asdict(layout), default=str), encoding="utf-8")
    return layout


def _read_layout(folder: Path) -> Layout:
    read = json.loads((folder / registry.LAYOUT).read_text(encoding="utf-8"))
    return Layout(
        folder=Path(read["folder"]),
        binary=Path(read["binary"]),
        address=read["address"],
        inside=read["inside"],
        ports=Ports(**read["ports"]),
    )


def _ask(folder: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Ask the supervisor; None when it is gone."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(120.0)
            connection.connect(str(folder / SOCKET))
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                line = stream.readline()
    except (FileNotFoundError, ConnectionError):
        return None
    return dict(json.loads(line)) if line else None


__all__ = ["AccessError", "Cluster", "ClusterError"]
