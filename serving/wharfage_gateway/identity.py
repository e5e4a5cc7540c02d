"""Who the gateway is to the API server: the pod's service account, or a kubeconfig outside of a cluster.

In a pod this is three files and two variables, read here. The official client, which a kubeconfig needs with all that
it may hold, takes 11 MiB for as long as the process lives, and is imported only then.
"""

import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class UnknownClusterError(Exception):
    """Neither a pod's service account nor a kubeconfig says which API server to ask."""


async def nobody() -> str:
    """The authorization of one whom a certificate, or nothing, says to be."""
    return ""


@dataclass(frozen=True, slots=True)
class Identity:
    """An API server's address, what to trust and who to be on connections to it, and what a request says who asks.

    `authorization` is asked before each request, since tokens are replaced; empty for none.
    """

    host: str
    tls: ssl.SSLContext | bool = True
    authorization: Callable[[], Awaitable[str]] = nobody


async def identity(environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> Identity:
    """That of the pod, else that of the kubeconfig ($KUBECONFIG, else ~/.kube/config); UnknownClusterError."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{each}", "") for each in ("HOST", "PORT"))
    if host and port and (account / "token").is_file():
        return of_pod(host, port, account)
    return await of_kubeconfig(environment.get("KUBECONFIG"))


class Token:
    """A token in a file, which the kubelet replaces before it expires."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, ""

    def read(self) -> str:
        """As it is now; while the file is replaced the one before, which is good for minutes."""
        with suppress(OSError):
            self._last = self._path.read_text(encoding="ascii").strip() or self._last
        return self._last


def of_pod(host: str, port: str, account: Path) -> Identity:
    """The service account whose files are there; UnknownClusterError where the server's certificate is missing."""
    try:
        trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))
    except OSError as error:
        raise UnknownClusterError(f"{account / 'ca.crt'} cannot be read: {error}") from error
    token = Token(account / "token")

    async def authorization() -> str:
        return f"Bearer {token.read()}"

    at = f"[{host}]" if ":" in host else host
    return Identity(f"https://{at}:{port}", trusted, authorization)


async def of_kubeconfig(path: str | None) -> Identity:
    """Its current context, plugins and all; UnknownClusterError."""
    from kubernetes.aio import config
    from kubernetes.aio.client import Configuration

    found = Configuration()
    try:
        await config.load_kube_config(config_file=path, client_configuration=found, persist_config=False)
    except config.ConfigException as error:
        raise UnknownClusterError(str(error)) from error

    async def authorization() -> str:
        try:
            return await found.get_api_key_with_prefix("BearerToken") or ""
        except (config.ConfigException, OSError):
            return found.api_key.get("BearerToken") or ""

    return Identity(found.host.rstrip("/"), _tls(found), authorization)


def _tls(found: Any) -> ssl.SSLContext | bool:
    if not found.host.startswith("https:"):
        return True
    context = ssl.create_default_context(cafile=found.ssl_ca_cert)
    if not found.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if found.cert_file:
        context.load_cert_chain(found.cert_file, found.key_file)
    return context
