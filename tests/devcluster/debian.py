"""Debian packages that a real node and image builds stand on: found, or installed when we may.

A node needs programs that no language registry serves: runc, the CNI plugins, nft. On a Debian machine and as root they
are installed on the spot; anybody else is told the one command that does it.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

NODE_PACKAGES: Mapping[str, Path] = {
    "runc": Path("/usr/sbin/runc"),
    "containernetworking-plugins": Path("/usr/lib/cni/ptp"),
    "conntrack": Path("/usr/sbin/conntrack"),
    "nftables": Path("/usr/sbin/nft"),
    "iproute2": Path("/usr/bin/ip"),
    "util-linux": Path("/usr/bin/nsenter"),
}
"""What the kubelet, containerd and kube-proxy call, each with the file that proves it is there."""

IMAGE_PACKAGES: Mapping[str, Path] = {
    "buildah": Path("/usr/bin/buildah"),
    "debootstrap": Path("/usr/sbin/debootstrap"),
    "gcc": Path("/usr/bin/gcc"),
    "libc6-dev": Path("/usr/lib/x86_64-linux-gnu/libc.a"),
}
"""What builds images without a container engine."""


class MissingPackagesError(RuntimeError):
    """Programs are missing and could not be installed; the message says what to type."""


def require(packages: Mapping[str, Path]) -> None:
    """Install those of `packages` whose proof is absent.

    Raises `MissingPackagesError` when we are not root, when this is not a Debian, or when apt-get fails.
    """
    missing = sorted(name for name, proof in packages.items() if not proof.exists())
    if not missing:
        return
    command = f"apt-get update && apt-get install --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0:
        raise MissingPackagesError(f"missing programs: {', '.join(missing)}. Run as root: {command}")
    if shutil.which("apt-get") is None:
        raise MissingPackagesError(
            f"missing programs: {', '.join(missing)}. This machine has no apt-get: install what provides them"
        )
    print(f"installing Debian packages: {' '.join(missing)}", flush=True)
    _apt("update", "-qq")
    _apt("install", "-y", "-qq", "--no-install-recommends", *missing)


def unpacked(package: str, programs: Sequence[str], folder: Path) -> bool:
    """Put programs of a package into a folder, without installing it: any user may. False where that cannot be done."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        fetched = subprocess.run(["apt-get", "download", "-qq", package], cwd=scratch, capture_output=True, check=False)
        archive = next(Path(scratch).glob("*.deb"), None)
        if fetched.returncode != 0 or archive is None:
            return False
        subprocess.run(["dpkg-deb", "--extract", archive, f"{scratch}/tree"], check=True)
        for name in programs:
            shutil.copy2(f"{scratch}/tree/usr/bin/{name}", folder / name)
    return True


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MissingPackagesError(f"apt-get {' '.join(arguments)} failed:\n{done.stderr.strip()}")
