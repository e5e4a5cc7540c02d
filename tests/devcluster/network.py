"""One network namespace per cluster, so that clusters live side by side and the host's firewall is never touched.

Everything of a cluster with a real node runs inside its namespace: the API server, the kubelet, kube-proxy's rules, the
pods. A veth pair connects it to the host, which so reaches the API server and nothing else. All addresses come from
198.18.0.0/15, which RFC 2544 sets aside for tests: they are routed nowhere, and the namespace has no default route.
"""

import contextlib
import ipaddress
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PODS = ipaddress.IPv4Network("198.18.128.0/17")
SERVICES = ipaddress.IPv4Network("198.19.0.0/17")
FAKE_PODS = ipaddress.IPv4Network("198.19.128.0/17")
_LINKS = ipaddress.IPv4Network("198.18.0.0/18")
_HOST_END = "wf"


class NamespaceError(RuntimeError):
    """`ip` refused; the message carries its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A cluster's namespace and the addresses of the two ends of its link."""

    namespace: str
    address: ipaddress.IPv4Address
    """Inside: where the API server, the kubelet and NodePorts listen."""
    host_address: ipaddress.IPv4Address

    @property
    def path(self) -> Path:
        """The file that pins the namespace."""
        return namespace_path(self.namespace)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """`argv` as a command that runs inside.

        Only the network namespace changes: `ip netns exec` would also give each process its own mounts, and containerd
        would not see the volumes that the kubelet mounts.
        """
        return ["nsenter", f"--net={self.path}", "--", *argv]


def namespace_of(cluster: str) -> str:
    """The namespace's name for a cluster's name."""
    return f"wharfage-{cluster}"


def namespace_path(namespace: str) -> Path:
    """Where `ip netns` pins a namespace."""
    return Path("/run/netns") / namespace


def create(cluster: str) -> Network:
    """Make the cluster's namespace with its link to the host; needs root.

    Raises `NamespaceError` when it exists already, or when `ip` refuses.
    """
    if os.geteuid() != 0:
        raise NamespaceError("a real node needs root: it makes a network namespace, mounts and cgroups")
    namespace = namespace_of(cluster)
    _ip("netns", "add", namespace)
    try:
        slot = _link(namespace)
        host_address, address = _ends(slot)
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", namespace, "addr", "add", f"{address}/30", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")
        # Nobody has a Service's address: the route only lets packets from inside reach kube-proxy's rules.
        _ip("-n", namespace, "route", "add", str(SERVICES), "dev", "eth0")
        _ip("addr", "add", f"{host_address}/30", "dev", f"{_HOST_END}{slot}")
        _ip("link", "set", f"{_HOST_END}{slot}", "up")
    except NamespaceError:
        delete(cluster)
        raise
    return Network(namespace=namespace, address=address, host_address=host_address)


def find(cluster: str) -> Network | None:
    """The cluster's network if it stands, read from the kernel."""
    namespace = namespace_of(cluster)
    if not namespace_path(namespace).exists():
        return None
    links = json.loads(_ip("-n", namespace, "-json", "-4", "addr", "show", "dev", "eth0"))
    inside = [entry["local"] for link in links for entry in link.get("addr_info", ())]
    if not inside:
        return None
    address = ipaddress.IPv4Address(inside[0])
    return Network(namespace=namespace, address=address, host_address=address - 1)


def delete(cluster: str) -> None:
    """Take the namespace away, and with it its end of the link, the host's end and every rule inside.

    The kernel keeps a namespace as long as a process or a mount holds it: end those first.
    """
    namespace = namespace_of(cluster)
    if not namespace_path(namespace).exists():
        return
    with contextlib.suppress(NamespaceError):  # deleting one end deletes both, now; the namespace's own end comes later
        _ip("-n", namespace, "link", "del", "eth0")
    _ip("netns", "del", namespace)


def _link(namespace: str) -> int:
    """Claim the first free /30: making the host's end is what claims it, so two callers cannot get the same one."""
    for slot in range(_LINKS.num_addresses // 4):
        try:
            _ip("link", "add", f"{_HOST_END}{slot}", "type", "veth", "peer", "name", "eth0", "netns", namespace)
        except NamespaceError as refused:
            if "File exists" not in str(refused):
                raise
            continue
        return slot
    raise NamespaceError(f"every link address of {_LINKS} is in use: stop clusters that are no longer needed")


def _ends(slot: int) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    first = _LINKS.network_address + 4 * slot
    return first + 1, first + 2


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NamespaceError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
