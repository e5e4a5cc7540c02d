"""Which processes a control plane consists of, and with what arguments: values, nothing is started here."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.devcluster import network
from tests.devcluster.pki import Authority

FAKE_NODE = "kwok.x-k8s.io/node"
"""Annotation of the nodes that kwok plays; real nodes do not carry it."""

NODE_GRACE_S = 3600
"""How long a node may be silent before it is called lost, and its pods not ready, which kwok never makes ready again.

kwok's nodes say every 10 minutes that they live.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One process of the cluster."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the control plane listens on `address`'s machine or namespace."""

    etcd: int
    etcd_peer: int
    api: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A cluster's folder, and what it is called and found by."""

    folder: Path
    binary: Path
    address: str
    """Where clients reach the API server: loopback, or inside the cluster's network namespace."""
    inside: bool
    """Whether the processes live in a network namespace of their own."""
    ports: Ports

    @property
    def authority(self) -> Authority:
        """The cluster's certificate authority."""
        return Authority(self.folder / "pki")

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://{self.address}:{self.ports.api}"

    def kubeconfig(self, user: str) -> Path:
        """The file by which `user` talks to the API server."""
        return self.folder / f"{user.removeprefix('system:')}.kubeconfig"


def kubeconfig(url: str, *, certificate_authority: Path, token: str) -> str:
    """A kubeconfig with the real authority in it, as JSON, which is YAML."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "devcluster", "cluster": {"server": url, "certificate-authority": str(certificate_authority)}}
            ],
            "users": [{"name": "devcluster", "user": {"token": token}}],
            "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": "devcluster"}}],
            "current-context": "devcluster",
        },
        indent=1,
    )


def etcd(layout: Layout) -> Component:
    """The store. It may lose its last writes with the machine: the cluster would be gone with it anyway."""
    client, peer = (f"http://127.0.0.1:{port}" for port in (layout.ports.etcd, layout.ports.etcd_peer))
    return _component(
        layout, "etcd", "--unsafe-no-fsync", "--log-level=warn",
        f"--data-dir={layout.folder}/etcd",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
    )  # fmt: skip


def api_server(layout: Layout) -> Component:
    """The API server, with RBAC; Pod Security admission is among Kubernetes's defaults and stays on."""
    pki = layout.folder / "pki"
    where = (
        (
            "--bind-address=0.0.0.0",
            f"--advertise-address={layout.address}",
            "--kubelet-preferred-address-types=InternalIP",
        )
        if layout.inside
        # Loopback is no legal address of an endpoint, so the `kubernetes` Service gets none.
        else ("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none")
    )
    return _component(
        layout, "kube-apiserver", *where,
        f"--etcd-servers=http://127.0.0.1:{layout.ports.etcd}",
        f"--secure-port={layout.ports.api}",
        f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={layout.authority.certificate}",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt", f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--token-auth-file={pki}/tokens.csv",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/service-accounts.key",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--service-cluster-ip-range={network.SERVICES}",
        "--allow-privileged=true", "--profiling=false",
    )  # fmt: skip


def controller_manager(layout: Layout) -> Component:
    """The built-in controllers. It serves nothing: that saves a port and its certificates."""
    pki = layout.folder / "pki"
    return _component(
        layout, "kube-controller-manager", *_client(layout, "system:kube-controller-manager"),
        "--use-service-account-credentials=true", "--controllers=*,-node-ipam-controller",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--root-ca-file={layout.authority.certificate}",
        f"--cluster-signing-cert-file={layout.authority.certificate}",
        f"--cluster-signing-key-file={layout.authority.key}",
        f"--node-monitor-grace-period={NODE_GRACE_S}s",
    )  # fmt: skip


def scheduler(layout: Layout) -> Component:
    """The scheduler, serving nothing either."""
    return _component(layout, "kube-scheduler", *_client(layout, "system:kube-scheduler"))


def kwok(layout: Layout) -> Component:
    """Plays the kubelets of the nodes that are marked as fake, and leaves the others alone."""
    return _component(
        layout, "kwok", f"--kubeconfig={layout.kubeconfig('kwok')}",
        "--enable-crds=Stage", "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={FAKE_NODE}=fake",
        f"--cidr={network.FAKE_PODS}", f"--node-ip={network.FAKE_PODS.network_address + 1}",
    )  # fmt: skip


def karpenter(layout: Layout, *, instance_types: Path) -> Component:
    """Buys fake machines for pending pods. CapacityBuffer is on: the operator uses it where somebody acts on it."""
    environment = {
        "KUBECONFIG": str(layout.kubeconfig("karpenter")),
        "SYSTEM_NAMESPACE": "kube-system",
        "DISABLE_LEADER_ELECTION": "true",
        "INSTANCE_TYPES_FILE_PATH": str(instance_types),
        "BATCH_IDLE_DURATION": "200ms",
        "BATCH_MAX_DURATION": "2s",
        "FEATURE_GATES": "CapacityBuffer=true",
        "METRICS_PORT": "0",
        "HEALTH_PROBE_PORT": "0",
    }
    return _component(layout, "karpenter", environment=environment)


def _client(layout: Layout, user: str) -> tuple[str, ...]:
    config = layout.kubeconfig(user)
    return (f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0", "--profiling=false")


def _component(layout: Layout, name: str, *flags: str, environment: dict[str, str] | None = None) -> Component:
    path = os.environ.get("PATH", os.defpath)
    return Component(
        name=name,
        argv=(str(layout.binary), name, *flags),
        environment={"PATH": path, "HOME": "/nonexistent", **(environment or {})},
    )
