"""A decision of a real operator, explained and decided once more by the command line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from wharfage_cli.examination import LEASE
from wharfage_operator.kinds import LEASES

from tests.cluster.emulated import READS, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.server import eventually


@pytest.fixture
def emulator(lab: Lab) -> Iterator[EmulatorProcess]:
    started = EmulatorProcess(lab, 0.2, 0.2, 0.2, 0.2, 3.0, tokens=(900, 220))
    yield started
    started.stop()


def wharfage(lab: Lab, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wharfage_cli", "-n", lab.namespace, *arguments]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig or lab.cluster.kubeconfig)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_decision_that_the_load_led_is_explained_and_replayed(lab: Lab, emulator: EmulatorProcess) -> None:
    operator = lab.start(None, scrape_proxy=emulator.address, **READS)
    lab.create(scaling={"maxReplicas": 8})

    def decided() -> list[dict[str, object]]:
        return [each for each in operator.records if each["message"] == "decided" and each.get("demand")]

    eventually(decided, within_s=300.0, what="a decision that the load leads")
    address = f"http://127.0.0.1:{operator.port}"
    explained = wharfage(lab, "explain", "chat", "--operator", address)
    assert explained.returncode == 0, explained
    assert re.search(r"req/s over the last \d+ s", explained.stdout), explained
    assert "the same decision" in explained.stdout
    page = json.loads(wharfage(lab, "explain", "chat", "--operator", address, "--json").stdout)
    assert page["replay"] == {"same": True, "differs": []}
    fleet = page["decision"]["fleet"]
    eventually(lambda: fleet in {each["chosen"] for each in decided()}, what="it has logged what it says")
    nobody = wharfage(lab, "explain", "nobody", "--operator", address)
    assert nobody.returncode == 2
    assert "no LLMDeployment nobody" in nobody.stderr
    # The operator under test has a Lease of another name, so that nobody leads under the usual one.
    unheard = wharfage(lab, "explain", "chat", "--operator-namespace", lab.system)
    assert unheard.returncode == 2
    assert "no operator leads in namespace" in unheard.stderr
    assert operator.tracebacks == []


def test_whoever_may_not_ask_is_told_the_permission_that_is_missing(lab: Lab) -> None:
    lab.create()
    held = {"metadata": {"name": LEASE, "namespace": lab.system}, "spec": {"holderIdentity": "wharfage-0"}}
    lab.server.create(LEASES, held)
    lab.cluster.kubectl("create", "serviceaccount", "reader", "-n", lab.system)
    account = f"--serviceaccount={lab.system}:reader"
    kubeconfig = _kubeconfig(lab, lab.cluster.kubectl("create", "token", "reader", "-n", lab.system).strip())

    def may(namespace: str, role: str, verb: str, resource: str) -> None:
        lab.cluster.kubectl("create", "role", role, f"--verb={verb}", f"--resource={resource}", "-n", namespace)
        lab.cluster.kubectl("create", "rolebinding", role, f"--role={role}", account, "-n", namespace)

    def said(words: str) -> None:
        arguments = ("explain", "chat", "--operator-namespace", lab.system)
        eventually(lambda: words in wharfage(lab, *arguments, kubeconfig=kubeconfig).stderr, what=words)

    may(lab.namespace, "look", "list", "llmdeployments.wharfage.dev")
    said(f"you may not get leases/{LEASE} in namespace {lab.system}")
    may(lab.system, "find", "get", "leases.coordination.k8s.io")
    said(f"you may not get pods/proxy in namespace {lab.system}")
    may(lab.system, "ask", "get", "pods/proxy")
    said(f'the operator\'s pod {lab.system}/wharfage-0: pods "wharfage-0" not found')


def _kubeconfig(lab: Lab, token: str) -> Path:
    """The file of an account that has this token."""
    path = lab.folder / "reader.json"
    told = json.loads(lab.cluster.kubeconfig.read_text(encoding="utf-8"))
    told["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(told), encoding="utf-8")
    return path
