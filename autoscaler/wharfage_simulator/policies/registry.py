"""Every policy by name, with what it is, what it is made from, and the settings that tuning may try."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from wharfage_simulator.policies import (
    aibrix,
    clairvoyant,
    dynamo,
    hpa,
    keda,
    knative,
    kubeai,
    llmd,
    melange,
    rayserve,
    sageserve,
    skyserve,
    static,
    wva,
)
from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policy import Policy


class Chooses(StrEnum):
    """What a policy decides."""

    COUNT = "count"
    """How many replicas of the scene's one pool; a comparison tries the cheapest pools and scores the best."""
    MARKETS = "markets"
    """Zones and markets of the scene's pool, too: any pool of the same weights on the same accelerators."""
    POOLS = "pools"
    """Which of all the pools, too."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One policy. The first of its settings is the peer's default, or what its users begin with."""

    description: str
    chooses: Chooses
    make: Callable[..., Policy]
    """Of a scene, and a setting by keyword."""
    settings: Callable[[Scene], tuple[Setting, ...]]


def _as_it_is(scene: Scene) -> tuple[Setting, ...]:
    """Nothing to tune."""
    return ({},)


POLICIES: Mapping[str, Entry] = {
    "static-peak": Entry(
        "a fixed count that carries the busiest minute of the training half",
        Chooses.COUNT,
        lambda scene: static.sized(scene, share=1.0, label="static-peak"),
        _as_it_is,
    ),
    "static-p95": Entry(
        "a fixed count that carries 95 % of the minutes of the training half",
        Chooses.COUNT,
        lambda scene: static.sized(scene, share=0.95, label="static-p95"),
        _as_it_is,
    ),
    "hpa-running": Entry(
        "Kubernetes' HorizontalPodAutoscaler on the requests that run",
        Chooses.COUNT,
        lambda scene, **setting: hpa.Hpa(scene.pool, **setting),
        hpa.running,
    ),
    "hpa-queue": Entry(
        "Kubernetes' HorizontalPodAutoscaler on the requests that wait",
        Chooses.COUNT,
        lambda scene, **setting: hpa.Hpa(scene.pool, **setting),
        hpa.queue,
    ),
    "hpa-kv": Entry(
        "Kubernetes' HorizontalPodAutoscaler on the KV cache in use",
        Chooses.COUNT,
        lambda scene, **setting: hpa.Hpa(scene.pool, **setting),
        hpa.kv,
    ),
    "keda": Entry(
        "KEDA as the production-stack's Helm chart ships it: waiting requests",
        Chooses.COUNT,
        lambda scene, **setting: keda.Keda(scene.pool, **setting),
        keda.settings,
    ),
    "keda-triggers": Entry(
        "KEDA with the production-stack's three documented triggers",
        Chooses.COUNT,
        lambda scene, **setting: keda.Keda(scene.pool, **setting),
        keda.tutorial,
    ),
    "knative": Entry(
        "Knative's pod autoscaler: concurrency over a stable and a panic window",
        Chooses.COUNT,
        lambda scene, **setting: knative.Knative(scene.pool, **setting),
        knative.settings,
    ),
    "aibrix-apa": Entry(
        "AIBrix's APA: a gauge's mean over the pods against its target",
        Chooses.COUNT,
        lambda scene, **setting: aibrix.Apa(scene.pool, **setting),
        aibrix.apa,
    ),
    "aibrix-kpa": Entry(
        "AIBrix's KPA: Knative's formula on a gauge's mean, as coded, and corrected when tuned",
        Chooses.COUNT,
        lambda scene, **setting: aibrix.Kpa(scene.pool, **setting),
        aibrix.kpa,
    ),
    "kubeai": Entry(
        "KubeAI: requests in flight, averaged over ten minutes",
        Chooses.COUNT,
        lambda scene, **setting: kubeai.KubeAi(scene.pool, **setting),
        kubeai.settings,
    ),
    "llm-d-slo": Entry(
        "llm-d's SLO-aware law: 90th percentiles of latency over their objectives",
        Chooses.COUNT,
        lambda scene, **setting: llmd.SloAware(scene.pool, **setting),
        llmd.settings,
    ),
    "ray-serve": Entry(
        "Ray Serve: requests in flight per replica, with delays",
        Chooses.COUNT,
        lambda scene, **setting: rayserve.RayServe(scene.pool, **setting),
        rayserve.settings,
    ),
    "wva": Entry(
        "llm-d's Workload Variant Autoscaler: tokens in the caches, cheapest variant first",
        Chooses.POOLS,
        lambda scene, **setting: wva.Wva(**setting),
        wva.settings,
    ),
    "skyserve": Entry(
        "SkyServe with SpotHedge: spot over zones, on-demand for what is missing",
        Chooses.MARKETS,
        lambda scene, **setting: skyserve.SkyServe(scene.pool, **setting),
        skyserve.settings,
    ),
    "dynamo": Entry(
        "NVIDIA Dynamo's planner by the use of the cache, its default",
        Chooses.COUNT,
        lambda scene, **setting: dynamo.Dynamo(scene.pool, **setting),
        dynamo.easy,
    ),
    "dynamo-sla": Entry(
        "NVIDIA Dynamo's planner by objectives: predicted traffic over learned step times",
        Chooses.COUNT,
        lambda scene, **setting: dynamo.Dynamo(scene.pool, **setting),
        dynamo.sla,
    ),
    "sageserve": Entry(
        "SageServe's hybrid: an hourly forecast says how many, the use of the cache when",
        Chooses.COUNT,
        lambda scene, **setting: sageserve.SageServe(scene.pool, scene.training_rps, **setting),
        sageserve.settings,
    ),
    "melange": Entry(
        "Mélange as AIBrix solves it: the cheapest machines that carry slices of the load",
        Chooses.POOLS,
        lambda scene, **setting: melange.Melange(**setting),
        melange.settings,
    ),
    "oracle": Entry(
        "knows the future: a lower bound, no competitor",
        Chooses.COUNT,
        clairvoyant.foreseen,
        clairvoyant.settings,
    ),
}


def make(name: str, scene: Scene, setting: Setting | None = None) -> Policy:
    """A policy in its first state; its default setting unless one is given. ValueError for a name that is none."""
    entry = POLICIES.get(name)
    if entry is None:
        raise ValueError(f"there is no policy {name!r}; there are {', '.join(POLICIES)}")
    return entry.make(scene, **(entry.settings(scene)[0] if setting is None else setting))


def candidates(name: str, scene: Scene) -> dict[str, Setting]:
    """The settings that tuning may choose, by the name that the policy then has; the default first."""
    found: dict[str, Setting] = {}
    for setting in POLICIES[name].settings(scene):
        found.setdefault(make(name, scene, setting).name, setting)
    return found
