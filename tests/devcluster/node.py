"""A real node: kubelet, containerd and kube-proxy as root on this machine, inside the cluster's network namespace.

Pods on it are real containers with real probes, Services, security contexts and kills. Accelerators are declared on the
node as an extended resource, which the scheduler and the kubelet honour although no device stands behind them.
Everything a node makes lies in its namespace, its cgroup and two folders, so that `remove` finds it again from the
cluster's name alone, also after its starter was killed. A second node is another kubelet with another containerd in the
same namespace; it lives below the first one's cgroup and folders, and shares its addresses and kube-proxy.
"""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Protocol

from tests.devcluster import cgroups, debian, images, kernel, network, remains

PROXY_USER = "system:kube-proxy"
READY_TIMEOUT_S = 60.0
_PORT, _HEALTHZ_PORT = 10250, 10248
_APART = 100  # ports of one node from those of the next
_TEMPLATES = Path(__file__).parent / "templates"


class NodeError(RuntimeError):
    """The node did not come up; the message carries the last lines of the log that tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the node's binaries are."""

    kubernetes: Path
    """The multi-call binary that is kubelet and kube-proxy."""
    containerd: Path
    """The folder of containerd, its shim and ctr."""


class ControlPlane(Protocol):
    """What a node needs of the cluster it joins; `Cluster` has it."""

    @property
    def name(self) -> str:
        """The cluster's name."""

    @property
    def ca(self) -> Path:
        """Signs the client certificate by which the API server shows itself to the kubelet."""

    def kubeconfig_of(self, user: str) -> Path:
        """The file by which `user` talks to the API server."""

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as administrator."""

    def start(self, name: str, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
        """Run a process inside the cluster's network for as long as the cluster lives."""

    def processes(self) -> dict[str, dict[str, Any]]:
        """The processes that were started."""

    def log(self, name: str) -> str:
        """What a process has written."""


@dataclass(frozen=True, slots=True)
class Node:
    """A real node of one cluster; the first has the number 0."""

    cluster: ControlPlane
    programs: Programs
    number: int = 0

    @property
    def name(self) -> str:
        """Of its Node object."""
        return f"real-{self.number}"

    @property
    def root(self) -> Path:
        """Images, volumes and logs."""
        return remains.root_of(self.cluster.name) / self._below

    @property
    def run(self) -> Path:
        """Sockets and mounts; short, because a socket's path may have 107 bytes."""
        return remains.run_of(self.cluster.name) / self._below

    @property
    def _below(self) -> str:
        """Where it lives below the first one."""
        return str(self.number) if self.number else ""

    @property
    def _suffix(self) -> str:
        """Of its processes' names."""
        return f"-{self.number}" if self.number else ""

    def start(self) -> None:
        """Bring the node up in the namespace that the control plane already lives in, and wait until it is Ready.

        Another one than the first is started after it.
        Raises `NodeError` when a process dies or the node is not Ready within `READY_TIMEOUT_S`.
        """
        if (sign := remains.foreign_kubelet()) is not None:
            raise NodeError(
                f"this machine is a node of another cluster ({sign}): two kubelets would disturb each other"
            )
        debian.require(debian.NODE_PACKAGES)
        inside = network.find(self.cluster.name)
        if inside is None:
            raise NodeError(f"cluster {self.cluster.name} has no network namespace: bring it up with a node")
        pause = images.pause()
        if not self.number:
            kernel.remember(self.root)
        cgroups.create(self._cgroup)
        self._write_configuration(inside)
        containerd = str(self.programs.containerd / "containerd")
        self._start("containerd", containerd, "--config", f"{self.root}/containerd.toml")
        self._wait("containerd", (self.run / "containerd.sock").exists)
        self.load(pause)
        kubernetes = str(self.programs.kubernetes)
        user = self.cluster.kubeconfig_of(f"system:node:{self.name}")
        self._start(
            "kubelet", kubernetes, "kubelet",
            f"--config={self.root}/kubelet.yaml", f"--kubeconfig={user}",
            f"--root-dir={self.root}/kubelet", f"--cert-dir={self.root}/kubelet/pki",
            f"--hostname-override={self.name}", f"--node-ip={inside.address}",
        )  # fmt: skip
        if not self.number:
            self._start("kube-proxy", kubernetes, "kube-proxy", f"--config={self.root}/kube-proxy.yaml")
        self._wait("kubelet", self._is_ready)

    def load(self, archive: Path) -> None:
        """Import a docker-archive, so that pods can run its image without a registry."""
        self.ctr("images", "import", str(archive))

    def ctr(self, *arguments: str) -> str:
        """Talk to the node's containerd. Raises `NodeError` with its words when it refuses."""
        command = [f"{self.programs.containerd}/ctr", f"--address={self.run}/containerd.sock", "-n=k8s.io", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NodeError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def declare(self, resources: Mapping[str, str], *, labels: Mapping[str, str]) -> None:
        """Put extended resources (`nvidia.com/gpu`) and labels on the node, as a device plugin and a cloud would."""
        self.cluster.kubectl(
            "patch", "node", self.name, "--type=merge", "-p", json.dumps({"metadata": {"labels": dict(labels)}})
        )
        status = json.dumps({"status": {"capacity": dict(resources), "allocatable": dict(resources)}})
        self.cluster.kubectl("patch", "node", self.name, "--subresource=status", "--type=merge", "-p", status)

    @property
    def _cgroup(self) -> str:
        return f"{self.cluster.name}/{self.name}" if self.number else self.cluster.name

    def _write_configuration(self, inside: network.Network) -> None:
        values = {
            "root": self.root,
            "run": self.run,
            "ca": self.cluster.ca,
            "kubeconfig": self.cluster.kubeconfig_of(PROXY_USER),
            "cgroup": cgroups.path_of(self._cgroup),
            "cni": remains.root_of(self.cluster.name) / "cni",
            "port": _PORT + _APART * self.number,
            "healthz": _HEALTHZ_PORT + _APART * self.number,
            "namespace": inside.namespace,
            "node": self.name,
            "pause": images.PAUSE,
            "pods": network.PODS,
        }
        for folder in (self.root / "cni", self.run):
            folder.mkdir(parents=True, exist_ok=True)
        (self.root / "resolv.conf").touch()
        for template, target in (
            ("containerd.toml", "containerd.toml"),
            ("cni.conflist", "cni/10-wharfage.conflist"),
            ("kubelet.yaml", "kubelet.yaml"),
            ("kube-proxy.yaml", "kube-proxy.yaml"),
        ):
            text = Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
            (self.root / target).write_text(text, encoding="utf-8")

    def _start(self, name: str, *argv: str) -> None:
        path = f"{self.programs.containerd}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.cluster.start(name + self._suffix, argv, environment={"PATH": path})

    def _wait(self, name: str, happened: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not happened():
            ended = self.cluster.processes()[name + self._suffix]["exited"] is not None
            if ended or time.monotonic() > deadline_s:
                how = "ended" if ended else f"did not come up within {READY_TIMEOUT_S:.0f} s"
                tail = "\n".join(self.cluster.log(name + self._suffix).splitlines()[-15:])
                raise NodeError(f"{name} of cluster {self.cluster.name} {how}; the end of its log:\n{tail}")
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        return self.cluster.kubectl("get", "node", self.name, "--ignore-not-found", f"-o=jsonpath={path}") == "True"
