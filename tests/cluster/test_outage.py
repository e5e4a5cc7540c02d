"""What the operator decides by goes away: a Prometheus, the worker. A condition changes, and nothing that runs."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from wharfage_operator.promql import questions
from wharfage_operator.settings import Settings

from tests.cluster.emulated import READS, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.server import condition, eventually
from tests.operator.servers import Asked, answering, body

OUTAGE_S = 20.0  # more than a tick; that ten minutes change nothing either is the pilotage's to show
LABEL = Settings().prometheus_label
FIGURES = {query: figure for figure, query in questions(LABEL).items()}
RPS = 3.0
TOLD = {
    **{f"begun_{window}": RPS for window in ("15s", "1m", "5m")},
    "finished": RPS,
    "prompt": 900.0 * RPS,
    "output": 220.0 * RPS,
    "running": 20.0,
    "waiting": 0.0,
}


@dataclass
class Server:
    """A Prometheus that scrapes one deployment of as many pods as it is told, and may be out of order."""

    namespace: str
    pods: int = 1
    state: str = "well"
    address: str = ""

    def answer(self, query: str) -> tuple[int, str]:
        """Status and body."""
        figure = FIGURES[query]
        value = str(self.pods) if figure == "pods" else str(TOLD.get(figure, ""))
        if self.state == "broken":
            return 500, "no"
        if self.state == "slow":
            time.sleep(2.0)
        if self.state == "not a number" and value:
            value = "NaN"
        if self.state == "empty" or not value:
            return 200, json.dumps({"data": {"result": []}})
        labels = {"namespace": self.namespace, LABEL: "other" if self.state == "of others" else "chat", "job": "vllm"}
        return 200, json.dumps({"data": {"result": [{"metric": labels, "value": [time.time(), value]}]}})


@pytest.fixture
def prometheus(lab: Lab) -> Iterator[Server]:
    """The server, answering."""
    told = Server(lab.namespace)

    def answer(asked: Asked) -> None:
        status, text = told.answer(parse_qs(asked.form.decode())["query"][0])
        with suppress(OSError):  # who asked waits no longer
            body(text, status)(asked)

    with answering(answer) as told.address:
        yield told


def wanted(lab: Lab) -> int:
    return sum(int(pool["spec"]["replicas"]) for pool in lab.pools())


def ready(lab: Lab) -> int:
    return sum(int((pool.get("status") or {}).get("readyReplicas", 0)) for pool in lab.pools())


def test_an_outage_of_prometheus_changes_nothing_but_a_condition(lab: Lab, prometheus: Server) -> None:
    operator = lab.start(
        prometheus_url=prometheus.address,
        prometheus_timeout_s="0.5",
        scrape_every_s="0.4",
        status_every_s="0.2",
    )
    lab.create(scaling={"maxReplicas": 4}, placement={"accelerators": ["L4"]})

    def grown() -> int:
        prometheus.pods = max(1, ready(lab))
        return wanted(lab) if wanted(lab) == ready(lab) == 4 else 0

    prometheus.pods = eventually(grown, within_s=120.0, what="as many replicas as there may be")
    seen: set[int] = set()

    def said(status: str) -> str:
        seen.add(wanted(lab))
        found = condition(lab.llm(), "MetricsFresh")
        return str(found.get("reason")) if found.get("status") == status else ""

    for state in ("broken", "empty", "slow", "not a number", "of others"):
        prometheus.state = state
        assert eventually(lambda: said("False"), within_s=120.0, what=f"{state}: it is said") == "NoMetrics"
        until_s = time.monotonic() + (OUTAGE_S if state == "broken" else OUTAGE_S / 10)
        while time.monotonic() < until_s:
            assert said("False") == "NoMetrics"
            time.sleep(0.1)
        prometheus.state = "well"
        eventually(lambda: said("True"), within_s=120.0, what=f"{state}: and it is over")
    assert seen == {4}
    assert operator.tracebacks == []


def workers(operator: int) -> list[int]:
    """Processes that the operator has started."""
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{operator}/task/{operator}/children").read_text().split()]
    return []


def test_a_worker_that_is_killed_again_and_again_holds_what_was_decided(lab: Lab) -> None:
    emulator = EmulatorProcess(lab, 3.0, tokens=(900, 220))
    try:
        operator = lab.start(None, scrape_proxy=emulator.address, **READS)
        lab.create(scaling={"maxReplicas": 8}, placement={"accelerators": ["L4"]})
        eventually(lambda: wanted(lab) == ready(lab) > 3, within_s=180.0, what="as many as the load needs")
        counts: set[int] = set()

        def killed() -> bool:
            for pid in workers(operator.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            counts.add(ready(lab))
            return condition(lab.llm(), "Progressing").get("reason") == "DecisionHeld"

        eventually(killed, within_s=180.0, what="it is said that nothing can be worked out anew")
        assert min(counts) > 3
        eventually(
            lambda: condition(lab.llm(), "Progressing").get("reason") != "DecisionHeld",
            within_s=180.0,
            what="left alone, it is over",
        )
        assert operator.process.poll() is None
    finally:
        emulator.stop()
