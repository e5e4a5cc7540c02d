"""Who is on which machine, from objects of the API server."""

from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_api.labels import POOL
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.spend import Account, Payer
from wharfage_operator.cache import Cache
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, NODES, Object
from wharfage_operator.neighbours import is_neighbour
from wharfage_operator.pools import description, pool_hash
from wharfage_operator.tariffs import priced
from wharfage_operator.tenancy import Ended, Tenancy

from tests.builders import offer

EIGHT = offer("p5", accelerators=8, accelerator="H100", usd_per_hour=80.0)
POOL_OF_TWO = Pool(EIGHT, "base", 1, 2)
HASH = pool_hash(POOL_OF_TWO.key)
NOON_S = datetime(2026, 8, 3, 12, tzinfo=UTC).timestamp()


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOON_S + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    uid: str = "pod", *, node: str = "gpu-1", bound: float | None = 10, ready: float | None = 70, **status: Any
) -> Object:
    moments = {"PodScheduled": bound, "Ready": ready}
    conditions = [
        {"type": name, "status": "False" if moment is None else "True", "lastTransitionTime": at(moment or 0)}
        for name, moment in moments.items()
    ]
    labels = {"wharfage.dev/llmdeployment": "chat", POOL: HASH}
    return {
        "metadata": {"name": uid, "namespace": "shop", "uid": uid, "labels": labels},
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "conditions": conditions, **status},
    }


def node(uid: str = "node-uid", name: str = "gpu-1") -> Object:
    return {"metadata": {"name": name, "uid": uid, "creationTimestamp": at(0)}}


def cache(*, deployment_uid: str = "llm-uid", pool_of: str = "llm-uid", pool: bool = True) -> Cache:
    found = Cache()
    found.put(NODES, {**node(), "metadata": {**node()["metadata"], "resourceVersion": "1"}})
    metadata = {"name": "chat", "namespace": "shop", "uid": deployment_uid, "resourceVersion": "2"}
    found.put(
        LLM_DEPLOYMENTS,
        {"metadata": {**metadata, "labels": {"team": "search"}}, "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}}},
    )
    if pool:
        owner = {"kind": "LLMDeployment", "apiVersion": "wharfage.dev/v1alpha1", "name": "chat", "uid": pool_of}
        metadata = {"name": f"chat-{HASH}", "namespace": "shop", "uid": "pool-uid", "resourceVersion": "3"}
        annotations = {POOL: description(POOL_OF_TWO)}
        found.put(DEPLOYMENTS, {"metadata": {**metadata, "annotations": annotations, "ownerReferences": [owner]}})
    return found


def tenancy(known: Cache, *, shared: bool = False, floor_s: float = 0.0) -> Tenancy:
    return Tenancy(
        known, priced([EIGHT], {}, NOON_S), lambda _: ("month",), lambda wall_s: wall_s, lambda _: shared, floor_s
    )


ACCOUNT = Account(Payer("llm-uid", "shop", "chat", "search", "hf://Qwen/Qwen3-8B"), EIGHT.key, ("month",))
STAY = Stay(ACCOUNT, 0.25, NOON_S + 10, NOON_S + 70)
MARK = Meter(NOON_S)


def test_a_pod_is_on_its_machine_from_when_it_was_bound() -> None:
    assert tenancy(cache()).machines(MARK, [pod()], (), ()) == {
        "node-uid": Machine(80.0, whole=True, since_s=NOON_S, stays={"pod": STAY})
    }


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(pod(bound=None), id="not bound yet"),
        pytest.param(pod(node="gpu-2"), id="on a node that nobody knows"),
        pytest.param(pod(phase="Failed"), id="that has failed"),
        pytest.param(pod(phase="Succeeded"), id="that is done"),
    ],
)
def test_a_pod_costs_nothing(who: Object) -> None:
    assert tenancy(cache()).machines(MARK, [who], (), ()) == {}


def test_one_that_is_not_ready_starts_up() -> None:
    found = tenancy(cache()).machines(MARK, [pod(ready=None)], (), ())
    assert found["node-uid"].stays["pod"].ready_s is None


def test_a_pod_and_a_node_that_went_end_when_they_were_seen_to_go() -> None:
    gone = Ended(pod(), NOON_S + 500)
    found = tenancy(cache()).machines(MARK, [], [gone], ())
    assert found["node-uid"].stays["pod"].until_s == NOON_S + 500
    assert found["node-uid"].until_s is None
    nodes = Cache()
    for kind in (LLM_DEPLOYMENTS, DEPLOYMENTS):
        for key in cache().keys(kind):
            nodes.put(kind, cache().get(kind, key) or {})
    found = tenancy(nodes).machines(MARK, [], [gone], [Ended(node(), NOON_S + 510)])
    assert found["node-uid"].until_s == NOON_S + 510


def test_what_went_before_the_mark_is_charged_already() -> None:
    assert tenancy(cache()).machines(MARK, [], [Ended(pod(), NOON_S - 1)], ()) == {}


def known_meter(account: Account = ACCOUNT) -> Meter:
    stay = Stay(account, 0.25, NOON_S + 10, NOON_S + 70)
    return Meter(NOON_S + 100, {"node-uid": Machine(80.0, whole=True, since_s=NOON_S, stays={"pod": stay})})


def test_a_pod_outlives_its_pool() -> None:
    found = tenancy(cache(pool=False)).machines(known_meter(), [pod()], (), ())
    assert found["node-uid"].stays == {"pod": STAY}


def test_a_deployment_that_was_made_again_does_not_pay_for_the_pods_of_the_one_before() -> None:
    again = cache(deployment_uid="second-uid", pool_of="second-uid")
    assert tenancy(again).machines(known_meter(), [pod()], (), ())["node-uid"].stays["pod"].account == ACCOUNT
    fresh = tenancy(again).machines(known_meter(), [pod(), pod("new")], (), ())["node-uid"].stays["new"].account
    assert fresh.payer.uid == "second-uid"
    unheard = tenancy(cache(deployment_uid="second-uid")).machines(MARK, [pod()], (), ())["node-uid"].stays["pod"]
    assert unheard.account == Account(Payer("llm-uid", "shop", "chat"), EIGHT.key)


def test_a_machine_that_ours_have_left_is_ours_until_it_goes() -> None:
    known = Machine(80.0, whole=True, since_s=NOON_S, left=ACCOUNT)
    assert tenancy(cache()).machines(Meter(NOON_S + 100, {"node-uid": known}), [], (), ()) == {"node-uid": known}
    assert tenancy(Cache()).machines(Meter(NOON_S + 100, {"node-uid": known}), [], (), ()) == {}


def test_who_shares_a_machine_pays_for_parts_alone() -> None:
    assert not tenancy(cache(), shared=True).machines(MARK, [pod()], (), ())["node-uid"].whole


def test_before_there_was_a_ledger_nothing_is_charged() -> None:
    found = tenancy(cache(), floor_s=NOON_S + 30).machines(MARK, [pod()], (), ())["node-uid"]
    assert (found.since_s, found.stays["pod"].since_s) == (NOON_S + 30, NOON_S + 30)


def foreign(requests: dict[str, str], **fields: Any) -> Object:
    return {"metadata": {"labels": {}}, "spec": {"containers": [{"resources": {"requests": requests}}]}, **fields}


@pytest.mark.parametrize(
    ("other", "found"),
    [
        pytest.param(foreign({"nvidia.com/gpu": "1"}), True, id="takes an accelerator"),
        pytest.param(foreign({"cpu": "1"}), False, id="takes none"),
        pytest.param(foreign({"nvidia.com/gpu": "1"}, status={"phase": "Succeeded"}), False, id="is done"),
        pytest.param({**foreign({"nvidia.com/gpu": "1"}), "metadata": pod()["metadata"]}, False, id="is ours"),
    ],
)
def test_a_neighbour(other: Object, *, found: bool) -> None:
    assert is_neighbour(other) is found


SPOT = offer("p5", market=Market.SPOT, zone="a", accelerators=8, accelerator="H100", usd_per_hour=20.0)
DEAR = offer("p6", accelerators=4, accelerator="H100", usd_per_hour=60.0)
HOUR_S = 3600.0


def cost(*offers: Offer, age_h: float = 0.0, known: float | None = None, pool: Offer = SPOT) -> tuple[float, bool]:
    before = None if known is None else Machine(known, whole=True, since_s=0.0)
    return priced(offers, {"cloud": NOON_S - age_h * HOUR_S}, NOON_S)(Pool(pool, "base", 1, 8), before)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(cost(SPOT, EIGHT), (20.0, False), id="the price of its offer"),
        pytest.param(cost(SPOT, EIGHT, age_h=25), (80.0, True), id="older than a day: that on demand"),
        pytest.param(cost(SPOT, age_h=25), (20.0, False), id="older than a day, and nobody knows a dearer one"),
        pytest.param(cost(EIGHT, known=21.0), (21.0, True), id="unknown: the last that was known"),
        pytest.param(cost(EIGHT), (80.0, True), id="unknown: that on demand"),
        pytest.param(cost(DEAR), (120.0, True), id="unknown: the dearest of that accelerator"),
        pytest.param(cost(), (0.0, True), id="unknown altogether"),
    ],
)
def test_what_a_machine_costs(found: tuple[float, bool], wanted: tuple[float, bool]) -> None:
    assert found == wanted
