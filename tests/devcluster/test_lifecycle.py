"""A cluster lives exactly as long as whoever asked for it, and leaves nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.devcluster import descendants, registry
from tests.devcluster.__main__ import main
from tests.devcluster.access import AccessError
from tests.devcluster.cluster import ROOT, Cluster, ClusterError

CALLER = """
import json, sys, time
from tests.devcluster.cluster import Cluster
cluster = Cluster.up(kwok=False)
pids = [process["pid"] for process in cluster.processes().values()]
print(json.dumps({"folder": str(cluster.folder), "pids": pids}), flush=True)
time.sleep(600)
"""


def wait_until(happened: Callable[[], bool], *, timeout_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s"
        time.sleep(0.05)


def supervisor_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    """A zombie is not: it waits for the machine's first process to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def mentioning(folder: str) -> list[str]:
    """Commands of living processes that name the cluster's folder, whatever their parents are."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in command:
            found.append(command)
    return found


@pytest.fixture
def caller() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CALLER], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def started(caller: subprocess.Popen[str]) -> tuple[Path, list[int]]:
    assert caller.stdout is not None
    with caller.stdout as said:
        cluster = json.loads(said.readline())
    return Path(cluster["folder"]), cluster["pids"]


def test_nothing_is_left_of_a_killed_caller_s_cluster(caller: subprocess.Popen[str]) -> None:
    folder, pids = started(caller)
    supervisor = supervisor_of(pids[0])
    assert set(pids) <= descendants.of(supervisor)

    caller.send_signal(signal.SIGKILL)
    caller.wait()

    wait_until(lambda: not folder.exists())
    wait_until(lambda: not mentioning(str(folder)))
    # A process that ends names nothing any more a moment before it is gone.
    wait_until(lambda: not [pid for pid in (supervisor, *pids) if is_alive(pid)])


def test_killing_even_the_supervisor_leaves_no_process_and_the_next_caller_clears_the_rest(
    caller: subprocess.Popen[str],
) -> None:
    folder, pids = started(caller)

    os.kill(supervisor_of(pids[0]), signal.SIGKILL)

    wait_until(lambda: not mentioning(str(folder)))
    assert folder.exists()
    with registry.registering():
        pass
    assert not folder.exists()
    caller.kill()
    caller.wait()


def test_two_clusters_live_side_by_side_and_know_nothing_of_each_other() -> None:
    with Cluster.up(kwok=False) as first, Cluster.up(kwok=False) as second:
        first.kubectl("create", "namespace", "only-in-the-first")
        assert "only-in-the-first" in first.kubectl("get", "namespaces", "-o=name")
        assert "only-in-the-first" not in second.kubectl("get", "namespaces", "-o=name")
        assert first.url != second.url
        assert {first.name, second.name} <= set(registry.names())
        with pytest.raises(AccessError, match="certificate signed by unknown authority"):
            first.kubectl("get", "namespaces", f"--server={second.url}")
    assert not {first.name, second.name} & set(registry.names())


def test_a_name_is_taken_once() -> None:
    with Cluster.up(kwok=False) as cluster, pytest.raises(registry.NameTakenError, match="is running"):
        Cluster.up(name=cluster.name)


def test_attaching_to_nothing_names_what_there_is() -> None:
    with pytest.raises(ClusterError, match="no devcluster called nobody is running"):
        Cluster.attach("nobody")


def test_status_leaves_out_a_cluster_that_comes_or_goes_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"passing-{os.getpid()}"
    folder, lock = registry.claim(name)
    try:
        assert name in registry.names()
        assert main(["status"]) == 0
    finally:
        os.close(lock)
        shutil.rmtree(folder)
    assert name not in capsys.readouterr().out
