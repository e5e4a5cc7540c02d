"""The operator as a plain process, with nothing but its chart's own permissions.

It logs in with a token of the chart's ServiceAccount, so a rule missing in the chart shows here exactly as
it would in a pod. The cluster's supervisor owns the process: it ends with the cluster.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from demo.kubectl import Kubectl
from tests.devcluster.cluster import Cluster

PROCESS = "wharfage-operator"
LINES = 15


NOBODY_ANSWERS = {"scrape_every_s": "0"}
"""Settings where nobody stands behind the fake pods."""


def start_operator(
    cluster: Cluster, kubectl: Kubectl, *, namespace: str, settings: Mapping[str, str] = NOBODY_ANSWERS
) -> None:
    """Run `wharfage-operator` in the cluster, as the ServiceAccount that the chart made in `namespace`."""
    kubeconfig = service_account_kubeconfig(kubectl, cluster.folder, namespace=namespace)
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "WHARFAGE_NAMESPACE": namespace,
        "WHARFAGE_HTTP_HOST": "127.0.0.1",
        "WHARFAGE_HTTP_PORT": "0",
    }
    environment |= {f"WHARFAGE_{name.upper()}": value for name, value in settings.items()}
    cluster.start(PROCESS, [sys.executable, "-m", "wharfage_operator"], environment=environment)


def last_words(cluster: Cluster) -> str:
    """The end of the operator's log."""
    try:
        return "\n".join(cluster.log(PROCESS).splitlines()[-LINES:])
    except OSError:
        return "(it was not started)"


def service_account_kubeconfig(kubectl: Kubectl, folder: Path, *, namespace: str, account: str = "wharfage") -> Path:
    """Write a kubeconfig that logs in as the chart's ServiceAccount, and return its path."""
    token = kubectl.run("create", "token", account, "-n", namespace, "--duration", "24h").strip()
    config = yaml.safe_load(kubectl.run("config", "view", "--raw", "--minify", "--flatten"))
    config["users"] = [{"name": account, "user": {"token": token}}]
    for context in config["contexts"]:
        context["context"]["user"] = account
    path = folder / "operator.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
