"""A gateway and the operator on a real control plane: a request for a model at zero waits, wakes it, and is sent on.

The brain alone: it is asked as Envoy asks it, and says where to send. What Envoy does with that, tests/gateway show.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wharfage_gateway.unixhttp import UnixConnection
from wharfage_operator.kinds import DEPLOYMENTS, PODS

from tests.cluster.brain import BrainProcess
from tests.cluster.emulated import READS
from tests.cluster.lab import Lab
from tests.cluster.server import condition, eventually

GATED: dict[str, Any] = {
    "routing": "Gateway",
    "gateway": {"hold": "2m"},
    "scaling": {"minReplicas": 0, "maxReplicas": 4, "idleAfter": "5m"},
    "objectives": {"usdPerBadMinute": "0.001"},
    "placement": {"accelerators": ["L4"]},
}
"""Five minutes are 7.5 s of the wall at the emulator's pace."""


@dataclass
class Crowd:
    """Clients that ask at once, and the answers that they have."""

    answers: list[tuple[int, str, float]] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def ask(self, brain: BrainProcess, count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=self._one, args=(brain,))
            self.threads.append(thread)
            thread.start()

    def _one(self, brain: BrainProcess) -> None:
        connection = UnixConnection(brain.folder / "brain.sock", timeout_s=150.0)
        connection.request("POST", "/check/v1/chat/completions", headers={"x-model": "chat", "content-length": "0"})
        answer = connection.getresponse()
        answer.read()
        self.answers.append((answer.status, answer.headers.get("x-endpoint", ""), time.monotonic()))
        connection.close()

    def wait(self) -> None:
        for thread in self.threads:
            thread.join(timeout=160)


def replicas(lab: Lab) -> int:
    return sum(int(pool["spec"]["replicas"]) for pool in lab.server.all(DEPLOYMENTS, lab.namespace))


def addresses(lab: Lab) -> set[str]:
    return {f"{pod['status'].get('podIP')}:8000" for pod in lab.server.all(PODS, lab.namespace)}


def at_zero(lab: Lab) -> bool:
    return condition(lab.llm(), "Ready").get("reason") == "AtZero" and not lab.server.all(PODS, lab.namespace)


def test_requests_at_zero_wait_wake_the_model_and_are_all_sent_to_it_and_it_goes_back_to_zero(
    lab: Lab, brains: Callable[[str], BrainProcess]
) -> None:
    brain = brains("gateway-a")
    # The engines tell nothing (there is nobody at that proxy): what is known of the load, the gateway tells.
    told = {"gateways": f"{lab.namespace}={brain.url}", "scrape_proxy": "http://127.0.0.1:9"}
    running = lab.start(None, **told, **READS)
    lab.create(**GATED)
    eventually(lambda: at_zero(lab), within_s=120.0, what="nobody asks, so that nothing runs")
    assert "The next request wakes it" in condition(lab.llm(), "Ready")["message"]

    crowd = Crowd()
    crowd.ask(brain, 50)
    # Those that come first may be answered before the last has come: nobody is before there is a replica.
    eventually(lambda: brain.demand()["arrivals"] == 50, what="all have come")
    there: set[str] = set()

    def answered() -> bool:  # once they are, it goes back to zero by itself
        ended = not any(thread.is_alive() for thread in crowd.threads)
        there.update(addresses(lab))
        return ended

    eventually(answered, within_s=160.0, what="all are answered")
    crowd.wait()
    assert [status for status, _, _ in crowd.answers] == [200] * 50
    assert {endpoint for _, endpoint, _ in crowd.answers} <= there
    counted = brain.demand()
    assert (counted["arrivals"], counted["admitted"], counted["refused"], counted["waiting"]) == (50, 50, 0, 0)
    eventually(lambda: at_zero(lab), within_s=120.0, what="back at zero")
    assert running.tracebacks == []
