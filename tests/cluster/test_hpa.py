"""The HPA that we compare ourselves with takes the steps that the control plane's own takes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from wharfage_autoscaler.behavior import KUBERNETES, Behavior, Direction
from wharfage_operator.kinds import DEPLOYMENTS, Kind
from wharfage_simulator.policies.gauge import Gauge
from wharfage_simulator.policies.hpa import Hpa

from tests.cluster.gauges import GAUGE, telling
from tests.cluster.lab import Lab
from tests.cluster.server import eventually
from tests.sights import pool
from tests.simulator.policies.views import KEY, seen

SCALERS = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
TARGET = 10.0
LOOKS = 4
LOOK_S = 15.0
AT_ONCE = Behavior(KUBERNETES.up, Direction(KUBERNETES.down.limits, window_s=0.0))


@dataclass(frozen=True)
class Case:
    """So many pods, what they show together, and the bounds."""

    name: str
    pods: int
    total: float
    least: int = 1
    most: int = 40


CASES = (
    Case("twice", pods=4, total=80.0),
    Case("eightfold", pods=2, total=160.0),
    Case("a-little-more", pods=5, total=52.0),
    Case("enough-more", pods=5, total=56.0),
    Case("less", pods=8, total=21.0),
    Case("least", pods=4, total=1.0, least=2),
    Case("most", pods=4, total=400.0, most=10),
)


@pytest.fixture
def scaled(lab: Lab) -> Iterator[Lab]:
    """A Deployment and its HPA for each case, and the gauges of their pods."""
    for case in CASES:
        lab.server.create(DEPLOYMENTS, deployment(lab.namespace, case))
    eventually(lambda: all(ready(lab, case) == case.pods for case in CASES), within_s=120.0, what="every pod is ready")
    with telling(lab.cluster, lab.namespace, {case.name: case.total for case in CASES}):
        for case in CASES:
            lab.server.create(SCALERS, scaler(lab.namespace, case))
        yield lab


def test_the_compared_autoscaler_takes_the_steps_of_the_control_plane_s_own(scaled: Lab) -> None:
    expected = {case.name: replayed(case) for case in CASES}
    assert expected["eightfold"] == [2, 6, 12, 16]
    taken = {case.name: [case.pods] for case in CASES}

    def settled() -> bool:
        for case in CASES:
            count = replicas(scaled, case)
            if count != taken[case.name][-1]:
                taken[case.name].append(count)
        return all(taken[name][-1] == steps[-1] for name, steps in expected.items())

    try:
        eventually(settled, within_s=180, what="every HPA has come to its end")
    except AssertionError as error:
        said = [row["status"].get("conditions") for row in scaled.server.all(SCALERS, scaled.namespace)[:1]]
        raise AssertionError(f"{error}: {taken} instead of {expected}; {said}") from None
    assert taken == expected


def replayed(case: Case) -> list[int]:
    """The counts by ours, each of which is ready at its next look."""
    policy, count, counts = Hpa(KEY, {Gauge.RUNNING: TARGET}, AT_ONCE), case.pods, [case.pods]
    for look in range(LOOKS):
        view = seen(pool(ready=count, running=case.total), now_s=LOOK_S * look, least=case.least, most=case.most)
        count = policy.target(replace(view)).get(KEY, 0)
        if count != counts[-1]:
            counts.append(count)
    return counts


def replicas(lab: Lab, case: Case) -> int:
    return int((lab.server.get(DEPLOYMENTS, lab.namespace, case.name) or {})["spec"]["replicas"])


def ready(lab: Lab, case: Case) -> int:
    return int((lab.server.get(DEPLOYMENTS, lab.namespace, case.name) or {})["status"].get("readyReplicas", 0))


def deployment(namespace: str, case: Case) -> dict[str, Any]:
    labels = {"app": case.name}
    spec = {"containers": [{"name": "engine", "image": "engine"}]}
    return {
        "metadata": {"name": case.name, "namespace": namespace},
        "spec": {
            "replicas": case.pods,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def scaler(namespace: str, case: Case) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": f"{TARGET:g}"}
    return {
        "metadata": {"name": case.name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": case.name},
            "minReplicas": case.least,
            "maxReplicas": case.most,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": GAUGE}, "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }
