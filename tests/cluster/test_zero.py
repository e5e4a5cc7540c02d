"""Scale to zero on a real control plane: down when nobody asks, up by an annotation, and nothing forgotten between."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_operator.kinds import LLM_DEPLOYMENTS, PODS
from wharfage_operator.wake import WAKE

from tests.cluster.emulated import READS, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.process import OperatorProcess
from tests.cluster.server import condition, eventually

Start = Callable[..., EmulatorProcess]

RESTS: dict[str, Any] = {
    "scaling": {"minReplicas": 0, "maxReplicas": 4, "idleAfter": "5m"},
    "objectives": {"usdPerBadMinute": "0.001"},
    "placement": {"accelerators": ["L4"]},
}
"""Five minutes are 7.5 s of the wall at the emulator's pace."""


@pytest.fixture
def emulated(lab: Lab) -> Iterator[Start]:
    """Starts an emulator, and ends it."""
    started: list[EmulatorProcess] = []

    def start(*rates: float) -> EmulatorProcess:
        started.append(EmulatorProcess(lab, *rates))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def operator(lab: Lab, emulator: EmulatorProcess) -> OperatorProcess:
    return lab.start(None, scrape_proxy=emulator.address, scale_to_zero="Annotation", **READS)


def wake(lab: Lab) -> None:
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"metadata": {"annotations": {WAKE: _now()}}})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wanted(lab: Lab) -> int:
    return sum(int(pool["spec"]["replicas"]) for pool in lab.pools())


def pods(lab: Lab) -> int:
    return len(lab.server.all(PODS, lab.namespace))


def generations(lab: Lab) -> dict[str, int]:
    """How often the spec of each pool was changed."""
    return {pool["metadata"]["name"]: pool["metadata"]["generation"] for pool in lab.pools()}


def rests(lab: Lab, running: OperatorProcess) -> None:
    """No pool is touched over many more looks; only what was learned is written down now and then."""
    looks, before = 'wharfage_reconciles_total{kind="llmdeployments"', generations(lab)
    enough = running.metric(looks) + 20
    eventually(lambda: running.metric(looks) >= enough, within_s=120.0, what="twenty looks")
    assert generations(lab) == before


def at_zero(lab: Lab) -> None:
    eventually(lambda: lab.pools() and not wanted(lab) and not pods(lab), within_s=180.0, what="no pod is left")
    eventually(lambda: condition(lab.llm(), "Ready").get("reason") == "AtZero", what="AtZero")
    eventually(lambda: ((lab.llm() or {})["status"]["summary"]["replicas"]) == "0/0", what="none of none")
    assert condition(lab.llm(), "Progressing")["reason"] == "Steady"


def serves(lab: Lab) -> None:
    eventually(lambda: condition(lab.llm(), "Ready").get("reason") == "Serving", within_s=120.0, what="it serves")


def test_it_goes_to_zero_when_nobody_asks_and_is_woken_as_often_as_somebody_wishes(lab: Lab, emulated: Start) -> None:
    emulator = emulated(0.2, 0.2, 0.0)
    running = operator(lab, emulator)
    lab.create(**RESTS)
    serves(lab)
    at_zero(lab)
    told = lab.llm() or {}
    assert condition(told, "Ready")["status"] == "True"
    assert f'kubectl annotate llm chat -n {lab.namespace} --overwrite wharfage.dev/wake="' in str(
        condition(told, "Ready")["message"]
    )
    assert (told["status"]["replicas"], told["status"]["cost"]["usdPerHour"]) == (0, "0.00")
    for _ in range(2):
        wake(lab)
        eventually(lambda: wanted(lab) == 1, what="one is ordered")
        serves(lab)
        at_zero(lab)
    rests(lab, running)
    assert running.tracebacks == []


def test_an_operator_that_is_restarted_at_zero_leaves_it_there_and_hears_what_was_wished_meanwhile(
    lab: Lab, emulated: Start
) -> None:
    emulator = emulated(0.2, 0.0)
    first = operator(lab, emulator)
    scaling = {**RESTS["scaling"], "idleAfter": "20m"}  # half a minute of the wall: operators take seconds to start
    lab.create(**{**RESTS, "scaling": scaling})
    serves(lab)
    at_zero(lab)
    before = generations(lab)
    first.kill()
    second = operator(lab, emulator)
    eventually(lambda: second.ready)
    rests(lab, second)
    assert (wanted(lab), pods(lab)) == (0, 0)
    assert generations(lab) == before
    second.kill()
    wake(lab)
    third = operator(lab, emulator)
    eventually(lambda: wanted(lab) == 1, what="one is ordered")
    third.kill()
    fourth = operator(lab, emulator)
    serves(lab)
    assert [one.tracebacks for one in (first, second, third, fourth)] == [[]] * 4


def test_zero_is_refused_by_default_with_what_to_do_and_nothing_is_touched(lab: Lab) -> None:
    lab.start()
    lab.create()
    lab.ready()
    zero = {"spec": {"scaling": {"minReplicas": 0}}}
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", zero)
    said = lab.blocked("NotImplemented", about="Accepted")
    assert "scale_to_zero: Annotation" in said["message"]
    assert wanted(lab) == 1


def test_by_hand_it_goes_to_zero_and_back_by_the_scale_subresource(lab: Lab) -> None:
    lab.start(scale_to_zero="Annotation")
    lab.create(scaling={"mode": "Manual"})
    lab.ready()
    lab.cluster.kubectl("scale", "llm/chat", "-n", lab.namespace, "--replicas=0")
    eventually(lambda: not wanted(lab) and not pods(lab), what="no pod is left")
    eventually(lambda: condition(lab.llm(), "Ready").get("reason") == "AtZero", what="AtZero")
    lab.cluster.kubectl("scale", "llm/chat", "-n", lab.namespace, "--replicas=1")
    serves(lab)
