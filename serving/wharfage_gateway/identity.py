"""Who the gateway is to the API server: the pod's service account, or a kubeconfig outside of a cluster."""

import os
import ssl

from kubernetes.aio import config
from kubernetes.aio.client import Configuration


async def identity() -> Configuration:
    """Read the pod's service account or the kubeconfig ($KUBECONFIG, else ~/.kube/config); ConfigException."""
    found = Configuration()
    try:
        config.load_incluster_config(client_configuration=found)
    except config.ConfigException:
        await config.load_kube_config(
            config_file=os.environ.get("KUBECONFIG"), client_configuration=found, persist_config=False
        )
    found.host = found.host.rstrip("/")
    return found


async def authorization(configuration: Configuration) -> dict[str, str]:
    """The header of a request; empty where a certificate says who asks. The token's file is read again by itself."""
    try:
        token = await configuration.get_api_key_with_prefix("BearerToken")
    except (config.ConfigException, OSError):  # while it is replaced; the one before is good for minutes
        token = configuration.api_key.get("BearerToken")
    return {"Authorization": token} if token else {}


def tls(configuration: Configuration) -> ssl.SSLContext | bool:
    """What to trust, and who to be, on connections to its server."""
    if not configuration.host.startswith("https:"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
