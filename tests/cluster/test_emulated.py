"""The loop on one machine: engines serve a trace behind fake pods, and the operator reads what they say."""

import json
from datetime import datetime

import pytest
from wharfage_operator.kinds import CONFIG_MAPS, PODS, Kind

from demo.emulator.stages import leaving, loading
from demo.emulator.world import MISCHIEF
from tests.cluster.emulated import RATE, READS, SPEED, EmulatorProcess
from tests.cluster.lab import Lab
from tests.cluster.server import Object, condition, eventually

STAGES = Kind("kwok.x-k8s.io", "v1alpha1", "stages", "Stage", namespaced=False)
PODS_WANTED = 4


def served(lab: Lab) -> None:
    """Four replicas, on machines that carry this load with ease: there is no reason to move."""
    placement = {"accelerators": ["L40S"]}
    lab.create(scaling={"minReplicas": PODS_WANTED, "maxReplicas": PODS_WANTED}, placement=placement)
    lab.ready()


def told(lab: Lab) -> float:
    """Requests per second by the status."""
    return float(((lab.llm() or {}).get("status", {}).get("load") or {}).get("requestsPerSecond", 0.0))


def agrees(lab: Lab, what: str) -> None:
    eventually(lambda: abs(told(lab) - RATE) <= 0.1 * RATE, what=f"{what}: the status tells the load")


def test_the_status_tells_the_load_that_the_engines_serve(lab: Lab, emulator: EmulatorProcess) -> None:
    operator = lab.start(None, scrape_proxy=emulator.address, **READS)
    served(lab)
    agrees(lab, "four pods")
    killed = lab.server.all(PODS, lab.namespace)[0]["metadata"]["name"]
    lab.cluster.kubectl("delete", "pod", "-n", lab.namespace, killed, "--grace-period=0", "--force")
    eventually(lambda: not lab.server.get(PODS, lab.namespace, killed), what="the pod is gone")
    agrees(lab, "after one was killed")
    run = emulator.ledger()
    judged = run["deployments"][f"{lab.namespace}/chat"]
    assert judged["requests"] == pytest.approx(RATE * run["seconds"], rel=0.2)  # all but those under way
    assert judged["bad_requests"] <= 0.1 * judged["requests"]
    eventually(lambda: condition(lab.llm(), "MetricsFresh").get("status") == "True", what="its metrics are fresh")
    assert operator.tracebacks == []


@pytest.mark.parametrize(
    ("mischief", "outcome"),
    [("hangs", "failed"), ("huge", "failed"), ("lies", "impossible")],
    ids=lambda value: str(value),
)
def test_a_pod_whose_page_is_of_no_use_does_what_the_others_do(
    lab: Lab, emulator: EmulatorProcess, mischief: str, outcome: str
) -> None:
    operator = lab.start(None, scrape_proxy=emulator.address, **READS)
    served(lab)
    name = lab.server.all(PODS, lab.namespace)[0]["metadata"]["name"]
    lab.server.merge(PODS, lab.namespace, name, {"metadata": {"annotations": {MISCHIEF: mischief}}})
    eventually(lambda: operator.metric(f'wharfage_scrapes_total{{outcome="{outcome}"}}') >= 2, what=outcome)
    agrees(lab, f"one {mischief}")
    assert operator.tracebacks == []


def test_what_a_replica_carries_is_learned_from_the_pages_of_engines_that_are_busy(lab: Lab) -> None:
    emulator = EmulatorProcess(lab, 8.0, tokens=(600, 200))
    try:
        operator = lab.start(None, scrape_proxy=emulator.address, history_every_s="60", **READS)
        served(lab)
        engine = f'accelerator="L40S",accelerators="1",name="chat",namespace="{lab.namespace}",variant=""'
        windows = f"wharfage_calibration_windows{{{engine}}}"
        eventually(lambda: operator.metric(windows) >= 4, within_s=120.0, what="four windows were learned from")

        def capacity(calibrated: str) -> float:
            return operator.metric(
                "wharfage_capacity_requests_per_second"
                f'{{accelerator="L40S",accelerators="1",calibrated="{calibrated}",name="chat"'
                f',namespace="{lab.namespace}",variant=""}}'
            )

        eventually(
            lambda: 0.0 < capacity("true") == pytest.approx(capacity("false"), rel=0.15),
            what="the emulated engine is what the model takes it for",
        )
        told = json.loads(operator.page(f"decisions/{lab.namespace}/chat"))["engines"]
        assert "calibrated on" in told[0]
        kept = eventually(lambda: lab.server.get(CONFIG_MAPS, lab.namespace, "chat-history"), what="it is kept")
        assert "said" in json.loads(kept["data"]["calibration"])
        assert operator.tracebacks == []
    finally:
        emulator.stop()


def test_pods_load_their_model_first_and_finish_what_they_have_before_they_go(
    lab: Lab, emulator: EmulatorProcess
) -> None:
    made = [
        loading(stage(lab, "pod-ready"), speed=SPEED, loading_s=(120.0, 120.0), namespace=lab.namespace),
        leaving(stage(lab, "pod-delete"), namespace=lab.namespace),
    ]
    for each in made:
        lab.server.create(STAGES, each)
    try:
        lab.start(None, scrape_proxy=emulator.address, **READS)
        served(lab)
        for pod in lab.server.all(PODS, lab.namespace):
            assert moment_s(pod, "Ready") - moment_s(pod, "PodScheduled") >= 2.0  # of three, told in whole seconds
        agrees(lab, "four pods that loaded their model")
        name = lab.server.all(PODS, lab.namespace)[0]["metadata"]["name"]
        lab.cluster.kubectl("delete", "pod", "-n", lab.namespace, name, "--wait=false")
        eventually(lambda: not lab.server.get(PODS, lab.namespace, name), what="the emulator ends the pod")
        agrees(lab, "after one has gone")
    finally:
        for each in made:
            lab.server.delete(STAGES, "", each["metadata"]["name"])


def stage(lab: Lab, name: str) -> Object:
    found = lab.server.get(STAGES, "", name)
    assert found is not None
    return found


def moment_s(pod: Object, about: str) -> float:
    return datetime.fromisoformat(condition(pod, about)["lastTransitionTime"]).timestamp()
