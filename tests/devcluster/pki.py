"""Certificates, keys and tokens of one cluster, made when it starts and gone with it; none is ever checked in."""

import csv
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_DAYS = "30"
_GROUPS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:kube-proxy": "",
    "system:node:real-0": "system:nodes",
    "system:node:real-1": "system:nodes",
    "kwok": "system:masters",
    "karpenter": "system:masters",
}


class CertificateError(RuntimeError):
    """openssl refused; the message carries its words."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        """What signs; also used by the cluster's own certificate signing."""
        return self.folder / "ca.key"

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """Make the authority's key and certificate in `folder`."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = cls(folder)
        made.new_key("ca")
        extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
        _openssl(
            "req", "-x509", "-new", "-days", _DAYS, "-subj", "/CN=devcluster",
            "-key", made.key, "-out", made.certificate,
            *(argument for extension in extensions for argument in ("-addext", extension)),
        )  # fmt: skip
        return made

    def new_key(self, name: str) -> Path:
        """A private key `name.key`, readable by its owner alone."""
        path = self.folder / f"{name}.key"
        path.touch(mode=0o600)
        _openssl("ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", path)
        return path

    def issue(self, name: str, *, subject: str, alternatives: Sequence[str] = ()) -> tuple[Path, Path]:
        """Sign a certificate `name.crt` for servers and clients; returns it and its key.

        `subject` is in openssl's form, `/O=group/CN=user`; `alternatives` as `IP:127.0.0.1` or `DNS:name`.
        """
        key = self.new_key(name)
        request, certificate = self.folder / f"{name}.csr", self.folder / f"{name}.crt"
        _openssl("req", "-new", "-subj", subject, "-key", key, "-out", request)
        extensions = self.folder / f"{name}.ext"
        lines = ["extendedKeyUsage=serverAuth,clientAuth"]
        if alternatives:
            lines.append(f"subjectAltName={','.join(alternatives)}")
        extensions.write_text("\n".join(lines) + "\n", encoding="utf-8")
        serial = str(secrets.randbits(63))
        _openssl(
            "x509", "-req", "-days", _DAYS, "-set_serial", serial, "-CA", self.certificate, "-CAkey", self.key,
            "-extfile", extensions, "-in", request, "-out", certificate,
        )  # fmt: skip
        return certificate, key


def write_tokens(path: Path) -> dict[str, str]:
    """Write the API server's token file; returns a token by user name."""
    tokens = {user: secrets.token_urlsafe(24) for user in _GROUPS}
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, (user, group) in enumerate(_GROUPS.items()):
            csv.writer(file).writerow([tokens[user], user, number, group])
    return tokens


def _openssl(*arguments: str | Path) -> None:
    try:
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CertificateError("openssl is not installed: install the package `openssl`") from None
    if done.returncode != 0:
        raise CertificateError(f"openssl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
