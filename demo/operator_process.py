"""The operator as a plain process, with nothing but its chart's own permissions.

The process logs in with a token of the chart's ServiceAccount, so a rule missing in the chart
shows here exactly as it would in a pod.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from demo.kubectl import Kubectl

STOP_WITHIN_S = 10


def service_account_kubeconfig(kubectl: Kubectl, folder: Path, *, namespace: str, account: str = "wharfage") -> Path:
    """Write a kubeconfig that logs in as the chart's ServiceAccount, and return its path."""
    token = kubectl.run("create", "token", account, "-n", namespace, "--duration", "24h").strip()
    config = yaml.safe_load(kubectl.run("config", "view", "--raw", "--minify", "--flatten"))
    config["users"] = [{"name": account, "user": {"token": token}}]
    for context in config["contexts"]:
        context["context"]["user"] = account
    path = folder / "operator.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return path


@contextmanager
def operator(kubeconfig: Path, folder: Path, *, namespace: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `wharfage-operator` until the block ends; its log is `operator.log` in `folder`."""
    process = start(kubeconfig, folder, namespace=namespace)
    try:
        yield process
    finally:
        stop(process)


def start(kubeconfig: Path, folder: Path, *, namespace: str) -> subprocess.Popen[bytes]:
    """Start the operator; the caller ends it with `stop`."""
    environment = dict(os.environ, KUBECONFIG=str(kubeconfig), WHARFAGE_NAMESPACE=namespace, WHARFAGE_HTTP_PORT="0")
    with (folder / "operator.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "wharfage_operator"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the operator politely, or by force when it does not listen."""
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
