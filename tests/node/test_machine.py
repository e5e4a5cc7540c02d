"""What a real node leaves on the machine that it ran on: nothing, however its caller ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.devcluster import network, remains
from tests.devcluster.cluster import Cluster
from tests.node.models import until

_POD = """
apiVersion: v1
kind: Pod
metadata: {name: busy}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: pause
    image: registry.invalid/pause:1
    imagePullPolicy: Never
    volumeMounts: [{name: shm, mountPath: /dev/shm}]
  volumes:
  - {name: shm, emptyDir: {medium: Memory}}
"""
_ON_THE_SECOND = _POD.replace("busy", "busy-too").replace("spec:", "spec:\n  nodeName: real-1", 1)
_CALLER = f"""
import sys, time
from tests.devcluster.cluster import Cluster
cluster = Cluster.up(name=sys.argv[1], kwok=False, node=True)
cluster.second_node().start()
cluster.apply('''{_POD}''')
cluster.apply('''{_ON_THE_SECOND}''')
cluster.kubectl("wait", "--for=condition=Ready", "pod/busy", "pod/busy-too", "--timeout=150s")
print("running", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: f"after {number.name}")
def test_nothing_is_left_when_the_caller_is_killed(ending: signal.Signals) -> None:
    name = f"killed-{os.getpid()}-{ending.value}"
    rules, settings = _firewall(), _kernel()
    caller = subprocess.Popen([sys.executable, "-c", _CALLER, name], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    with caller.stdout:
        assert caller.stdout.readline() == "running\n"
    assert len(_evidence(name)) > 20

    caller.send_signal(ending)
    caller.wait()

    until("nothing is left", lambda: _evidence(name), lambda seen: not seen, timeout_s=120)
    assert _firewall() == rules
    assert _kernel() == settings


def test_two_nodes_live_side_by_side_and_one_ends_without_the_other(cluster: Cluster) -> None:
    with Cluster.up(kwok=False, node=True) as second:
        for each in (cluster, second):
            each.apply(_POD)
            each.kubectl("wait", "--for=condition=Ready", "pod/busy", "--timeout=150s")
        addresses = {network.find(each.name) for each in (cluster, second)}
        name = second.name

    assert len(addresses) == 2
    # The supervisor itself ends last, a moment after everything it looked after.
    until("nothing is left", lambda: _evidence(name), lambda seen: not seen, timeout_s=120)
    time.sleep(2.0)
    assert cluster.kubectl("get", "pod", "busy", "-o=jsonpath={.status.containerStatuses[0].restartCount}") == "0"
    cluster.kubectl("delete", "pod", "busy")


def _evidence(name: str) -> list[str]:
    """All that shows a cluster's name or lies in its namespace; not only what the removal itself looks for."""
    searches: tuple[Callable[[], list[str]], ...] = (
        lambda: remains.of(name),
        lambda: [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line],
        lambda: [line for line in _output("ip", "netns", "list").splitlines() if name in line],
        lambda: [
            line for line in _output("ps", "-eo", "args").splitlines() if name in line and "-c" not in line.split()
        ],
        lambda: [str(path) for root in ("/var/lib/wharfage", "/run/wharfage") for path in Path(root).glob(name)],
        lambda: [str(path) for path in Path("/var/lib/cni").rglob(f"*{name}*")],
        lambda: [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{name}")],
    )
    return [line for search in searches for line in search()]


def _firewall() -> str:
    return _output("nft", "list", "ruleset")


def _kernel() -> list[str]:
    return [
        Path(f"/proc/sys/{name}").read_text()
        for name in ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
    ]


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
