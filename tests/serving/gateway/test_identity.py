"""Who the gateway is to the API server, in a pod and outside; the official client is not in a pod's memory."""

import subprocess
import sys
from pathlib import Path

import certifi
import pytest
from wharfage_gateway.identity import UnknownClusterError, identity

from tests.gateway.apiserver import ApiServer

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """What the kubelet mounts, with certificates of this machine."""
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text(Path(certifi.where()).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


async def test_a_pod_is_its_service_account_whose_token_is_read_anew(account: Path) -> None:
    found = await identity(IN_POD, account)
    assert found.host == "https://10.0.0.1:443"
    assert await found.authorization() == "Bearer first"
    (account / "token").write_text("second")
    assert await found.authorization() == "Bearer second"
    (account / "token").unlink()
    assert await found.authorization() == "Bearer second"


async def test_an_address_of_ipv6_stands_in_brackets(account: Path) -> None:
    found = await identity({**IN_POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, account)
    assert found.host == "https://[fd00::1]:443"


async def test_a_pod_without_the_servers_certificate_says_which_file_is_missing(account: Path) -> None:
    (account / "ca.crt").unlink()
    with pytest.raises(UnknownClusterError, match=r"ca\.crt"):
        await identity(IN_POD, account)


async def test_outside_of_a_pod_a_kubeconfig_says_who_asks(tmp_path: Path) -> None:
    server = ApiServer()
    server.port = 6443
    path = server.kubeconfig(tmp_path / "kubeconfig")
    found = await identity({"KUBECONFIG": str(path)}, tmp_path)
    assert (found.host, await found.authorization()) == ("http://127.0.0.1:6443", "")
    with pytest.raises(UnknownClusterError):
        await identity({"KUBECONFIG": str(tmp_path / "none")}, tmp_path)


def test_a_brain_does_not_import_the_official_client() -> None:
    program = "import sys, wharfage_gateway.__main__; print('kubernetes' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
