"""SkyServe's own autoscaler with on-demand fallback, and its SpotHedge placer; its clock is told."""

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sky.serve import autoscalers, serve_state, spot_placer
from sky.serve.service_spec import SkyServiceSpec


@dataclasses.dataclass
class Replica:
    """What the autoscaler reads of a replica."""

    replica_id: int
    is_spot: bool
    is_ready: bool
    version: int = 1
    is_terminal: bool = False
    cluster_name: str = ""

    @property
    def status(self) -> Any:
        """Ready, or on its way."""
        return serve_state.ReplicaStatus.READY if self.is_ready else serve_state.ReplicaStatus.PROVISIONING


def begin(settings: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    """A service with this replica policy, or a placer over these prices."""
    if "prices" in settings:
        return _placer(settings["prices"])
    spec = SkyServiceSpec.from_yaml_config({"readiness_probe": "/", "replica_policy": settings["policy"]})
    scaler = autoscalers.Autoscaler.from_spec("service", spec)
    scaler.target_num_replicas = settings["target"]

    def answer(question: dict[str, Any]) -> Any:
        now_s = question["now_s"]
        autoscalers.time = SimpleNamespace(time=lambda: now_s)
        scaler.request_timestamps = []
        scaler.collect_request_information({"timestamps": [now_s - 1.0] * question["requests"]})
        replicas = [
            Replica(number, is_spot, is_ready) for number, (is_spot, is_ready) in enumerate(question["replicas"])
        ]
        change = {True: 0, False: 0}
        for decision in scaler.generate_scaling_decisions(replicas, [1]):
            if decision.operator is autoscalers.AutoscalerDecisionOperator.SCALE_UP:
                change[bool((decision.target or {}).get("use_spot"))] += 1
            else:
                change[replicas[decision.target].is_spot] -= 1
        return {"target": scaler.target_num_replicas, "spot": change[True], "on_demand": change[False]}

    return answer


def _placer(prices: dict[str, float]) -> Callable[[dict[str, Any]], Any]:
    """The placer, past the part of it that asks clouds for their zones."""
    placer = spot_placer.DynamicFallbackSpotPlacer.__new__(spot_placer.DynamicFallbackSpotPlacer)
    zones = {name: spot_placer.Location(_Cloud(), name, None) for name in prices}
    placer.location2status = dict.fromkeys(zones.values(), spot_placer.LocationStatus.ACTIVE)
    placer.location2cost = {zones[name]: usd for name, usd in prices.items()}

    def answer(question: dict[str, Any]) -> Any:
        if lost := question.get("lost"):
            placer.set_preemptive(zones[lost])
        if got := question.get("got"):
            placer.set_active(zones[got])
        return placer.select_next_location([zones[name] for name in question["used"]]).region

    return answer


class _Cloud:
    """The one cloud there is."""

    def is_same_cloud(self, other: "_Cloud") -> bool:
        return True

    def __str__(self) -> str:
        return "cloud"
