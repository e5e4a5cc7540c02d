"""What one process hears of machines on behalf of all deployments."""

from typing import Any

from wharfage_api.labels import POOL
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.offers import Market
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.kinds import NODES, PODS
from wharfage_operator.leads import PRIOR
from wharfage_operator.lookout import Lookout
from wharfage_operator.pools import pool_hash
from wharfage_operator.telemetry import Telemetry

from tests.builders import offer, pool
from tests.operator.objects import node

Object = dict[str, Any]
NOW_S = 1_795_000_000.0
SPOT, FIXED = offer("g6.xlarge", market=Market.SPOT), offer("g6.xlarge")
FLEET = Fleet((pool(SPOT, 1), pool(FIXED, 1)))
DISRUPTED = {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}


def seen(name: str, *, version: int, spec: Object | None = None) -> Object:
    found = node(name, labels={"karpenter.sh/capacity-type": "spot"}, spec=spec or {})
    found["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": str(version)}
    return found


def replica(name: str, where: str, owner: str) -> Object:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-18T11:00:00Z"}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": name,
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-18T11:00:00Z",
            "labels": {"wharfage.dev/llmdeployment": owner, POOL: pool_hash(FLEET.pools[0].key)},
        },
        "spec": {"nodeName": where},
        "status": {"conditions": [scheduled]},
    }


def place() -> tuple[Cache, Lookout]:
    """A lookout that has seen two nodes, each with a pod of another deployment."""
    cache = Cache()
    for name, owner in (("gpu-1", "chat"), ("gpu-2", "code")):
        cache.put(NODES, seen(name, version=1))
        cache.put(PODS, replica(f"{owner}-a", name, owner))
    lookout = Lookout(cache, Clock())
    assert lookout.look(NOW_S) == frozenset()
    return cache, lookout


def test_only_who_has_pods_where_something_is_said_is_woken() -> None:
    cache, lookout = place()
    cache.put(NODES, seen("gpu-2", version=2, spec=DISRUPTED))
    assert lookout.look(NOW_S + 1.0) == {("shop", "code")}
    assert lookout.look(NOW_S + 2.0) == frozenset()


def test_a_loss_that_one_deployment_tells_is_known_to_all() -> None:
    cache, lookout = place()
    cache.put(NODES, seen("gpu-1", version=2, spec=DISRUPTED))
    lookout.look(NOW_S + 1.0)
    pods = cache.owned(("shop", "chat"), kinds=(PODS,))
    assert lookout.heard(("shop", "chat"), pods, FLEET, now_s=NOW_S + 1.0)
    assert not lookout.heard(("shop", "chat"), pods, FLEET, now_s=NOW_S + 2.0)
    assert not lookout.obtainable(SPOT, NOW_S + 2.0)
    assert lookout.obtainable(FIXED, NOW_S + 2.0)
    assert lookout.obtainable(SPOT, NOW_S + 3600.0)


def test_lead_times_are_of_the_world_that_runs_faster() -> None:
    assert Lookout(Cache(), Clock(scale=40.0)).lead_s(SPOT) == PRIOR.total_s


def test_what_was_heard_is_shown_as_metrics() -> None:
    cache, lookout = place()
    cache.put(NODES, seen("gpu-1", version=2, spec=DISRUPTED))
    lookout.look(NOW_S + 1.0)
    pods = [ready(pod) for pod in cache.owned(("shop", "chat"), kinds=(PODS,))]
    lookout.heard(("shop", "chat"), pods, FLEET, now_s=NOW_S + 1.0)
    telemetry = Telemetry()
    lookout.tell(telemetry, NOW_S + 2.0)
    of = {"catalog": "cloud", "offer": "g6.xlarge", "market": "Spot", "zone": ""}
    read = telemetry.registry.get_sample_value
    assert read("wharfage_offer_short", of) == 1.0
    assert read("wharfage_nodes_noticed", {"means": "Interruption"}) == 1.0
    assert read("wharfage_lead_seconds", {**of, "part": "engine"}) == lookout.leads.of(SPOT.key).engine_s
    lookout.tell(telemetry, NOW_S + 3600.0)
    assert read("wharfage_offer_short", of) == 0.0


def ready(pod: Object) -> Object:
    """The pod once its engine answers, 100 s after it had its machine."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-18T11:01:40Z"}
    return {**pod, "status": {"conditions": [*pod["status"]["conditions"], condition]}}
