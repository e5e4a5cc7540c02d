"""A real node: kubelet, containerd and kube-proxy as root on this machine, inside the cluster's network namespace.

Pods on it are real containers with real probes, Services, security contexts and kills. Accelerators are declared on the
node as an extended resource, which the scheduler and the kubelet honour although no device stands behind them.
Everything a node makes lies in its namespace, its cgroup and two folders, so that `remove` finds it again from the
cluster's name alone, also after its starter was killed.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tests.devcluster import cgroups, debian, images, kernel, network, remains

NAME = "real-0"
READY_TIMEOUT_S = 60.0
_TEMPLATES = Path(__file__).parent / "templates"
_CONTAINERD_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")


class NodeError(RuntimeError):
    """The node did not come up; the message carries the last lines of the log that tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the node's binaries are."""

    kubernetes: Path
    """The multi-call binary that is kubelet and kube-proxy."""
    containerd: Path
    """The folder of containerd, its shim and ctr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the node's processes reach the API server."""

    kubeconfig: Path
    ca: Path
    """Signs the client certificate by which the API server shows itself to the kubelet."""


@dataclass(frozen=True, slots=True)
class Node:
    """One cluster's real node, from `start` to `stop`."""

    cluster: str
    programs: Programs
    access: Access
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False, compare=False)

    @property
    def root(self) -> Path:
        """Images, volumes and logs."""
        return remains.root_of(self.cluster)

    @property
    def run(self) -> Path:
        """Sockets and mounts; short, because a socket's path may have 107 bytes."""
        return remains.run_of(self.cluster)

    @property
    def inside(self) -> network.Network:
        """The cluster's namespace. Raises `NodeError` when it is gone."""
        found = network.find(self.cluster)
        if found is None:
            raise NodeError(
                f"the network namespace {network.namespace_of(self.cluster)} is gone: start the cluster again"
            )
        return found

    def start(self) -> None:
        """Bring the node up in the namespace that the control plane already lives in, and wait until it is Ready.

        Raises `NodeError` when a process dies or the node is not Ready within `READY_TIMEOUT_S`.
        """
        if (sign := remains.foreign_kubelet()) is not None:
            raise NodeError(
                f"this machine is a node of another cluster ({sign}): two kubelets would disturb each other"
            )
        debian.require(debian.NODE_PACKAGES)
        pause = images.pause()
        inside = self.inside
        kernel.remember(self.root)
        cgroups.create(self.cluster)
        self._write_configuration(inside)
        self._spawn("containerd", self.programs.containerd / "containerd", "--config", self.root / "containerd.toml")
        self._wait("containerd", (self.run / "containerd.sock").exists)
        self.load(pause)
        self._spawn(
            "kubelet", self.programs.kubernetes, "kubelet",
            f"--config={self.root}/kubelet.yaml", f"--kubeconfig={self.access.kubeconfig}",
            f"--root-dir={self.root}/kubelet", f"--cert-dir={self.root}/kubelet/pki",
            f"--hostname-override={NAME}", f"--node-ip={inside.address}",
        )  # fmt: skip
        self._spawn("kube-proxy", self.programs.kubernetes, "kube-proxy", f"--config={self.root}/kube-proxy.yaml")
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
        self._kubectl("patch", "node", NAME, "--type=merge", "-p", json.dumps({"metadata": {"labels": dict(labels)}}))
        status = json.dumps({"status": {"capacity": dict(resources), "allocatable": dict(resources)}})
        self._kubectl("patch", "node", NAME, "--subresource=status", "--type=merge", "-p", status)

    def alive(self) -> bool:
        """Whether every process of the node still runs."""
        return all(child.poll() is None for child in self._children)

    def stop(self) -> None:
        """End the node with all its pods and take away everything it made, the namespace included."""
        remains.remove(self.cluster)
        for child in self._children:
            child.wait(timeout=10)

    def _write_configuration(self, inside: network.Network) -> None:
        values = {
            "root": self.root,
            "run": self.run,
            "ca": self.access.ca,
            "kubeconfig": self.access.kubeconfig,
            "cgroup": cgroups.path_of(self.cluster),
            "namespace": inside.namespace,
            "node": NAME,
            "pause": images.PAUSE,
            "pods": network.PODS,
        }
        for folder in (self.root / "cni", self.root / "logs", self.run):
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

    def _spawn(self, name: str, *argv: str | Path) -> None:
        """Start a process inside the namespace, in a session of its own: a Ctrl-C is for the caller, who stops us."""
        with self._log(name).open("ab") as log:
            child = subprocess.Popen(
                self.inside.enter([str(argument) for argument in argv]),
                env=os.environ | {"PATH": f"{self.programs.containerd}:/usr/sbin:/usr/bin:/sbin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children.append(child)

    def _wait(self, name: str, happened: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not happened():
            if not self.alive() or time.monotonic() > deadline_s:
                tail = "\n".join(self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
                raise NodeError(
                    f"{name} did not come up within {READY_TIMEOUT_S:.0f} s; the end of {self._log(name)}:\n{tail}"
                )
            time.sleep(0.2)

    def _log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def _is_ready(self) -> bool:
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        with contextlib.suppress(NodeError):
            return self._kubectl("get", "node", NAME, f"-o=jsonpath={path}") == "True"
        return False

    def _kubectl(self, *arguments: str) -> str:
        kubectl = shutil.which("kubectl") or "kubectl"
        command = [kubectl, f"--kubeconfig={self.access.kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NodeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


@contextlib.contextmanager
def reserved(cluster: str) -> Iterator[network.Network]:
    """A namespace for a cluster that is about to start, taken away with all that lives in it at the end."""
    remains.remove(cluster)
    inside = network.create(cluster)
    try:
        yield inside
    finally:
        remains.remove(cluster)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m tests.devcluster.node CLUSTER...`: remove what is left of clusters whose starter was killed."""
    for cluster in sys.argv[1:] if argv is None else argv:
        remains.remove(cluster)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
