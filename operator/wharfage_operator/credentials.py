"""Who the operator is to the API server, and how it stays known: tokens are replaced while it runs.

The official client loads the configuration: the pod's service account, or a kubeconfig with tokens, token
files, certificates or exec plugins.
"""

import logging
import os
import ssl

from kubernetes.aio import config
from kubernetes.aio.client import Configuration

log = logging.getLogger(__name__)


class Credentials:
    """The address of the API server, and the header that says who asks."""

    def __init__(self, configuration: Configuration) -> None:
        """Use `load` instead."""
        self.configuration = configuration

    @classmethod
    async def load(cls) -> "Credentials":
        """Read the pod's service account or the kubeconfig ($KUBECONFIG, else ~/.kube/config); ConfigException."""
        return cls(await _loaded())

    @property
    def host(self) -> str:
        """The API server's URL, without a slash at the end."""
        return str(self.configuration.host)

    async def authorization(self) -> dict[str, str]:
        """The header of a request; empty where a certificate says who asks."""
        try:
            # The hook of the in-cluster loader reads the token's file again once a minute.
            token = await self.configuration.get_api_key_with_prefix("BearerToken")
        except (config.ConfigException, OSError):  # while it is replaced; the one before is good for minutes
            token = self.configuration.api_key.get("BearerToken")
        return {"Authorization": token} if token else {}

    async def renew(self) -> None:
        """Read the token again: the one at hand is not accepted any more."""
        try:
            fresh = await _loaded()
        except (config.ConfigException, OSError) as error:
            log.warning("the credentials could not be read again", extra={"error": str(error)})
            return
        self.configuration.api_key = fresh.api_key
        self.configuration.refresh_api_key_hook = fresh.refresh_api_key_hook

    def tls(self) -> ssl.SSLContext | bool:
        """What to trust, and who to be, on TLS connections to this server."""
        if not self.host.startswith("https:"):
            return True
        context = ssl.create_default_context(cafile=self.configuration.ssl_ca_cert)
        if not self.configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.configuration.cert_file:
            context.load_cert_chain(self.configuration.cert_file, self.configuration.key_file)
        return context


async def _loaded() -> Configuration:
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(
            config_file=os.environ.get("KUBECONFIG"), client_configuration=configuration, persist_config=False
        )
    configuration.host = configuration.host.rstrip("/")
    return configuration
