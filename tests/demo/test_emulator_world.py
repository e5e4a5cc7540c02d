"""From the API server's objects to engines, and from engines to pods that are to end."""

from typing import Any

import numpy as np
from wharfage_api.labels import POOL
from wharfage_autoscaler.fleet import Pool
from wharfage_operator.pools import description, pool_hash
from wharfage_operator.readings import reading
from wharfage_simulator.traces import RateTrace

from demo.emulator.world import MISCHIEF, World
from tests.builders import offer

KEY = ("shop", "chat")
TRACE = RateTrace("test", 0.0, 60.0, np.full(10, 2.0))
ON_L4 = Pool(offer("lab.l4", catalog="lab", usd_per_hour=0.8), "", 1, 1)
Object = dict[str, Any]


def llm() -> Object:
    spec = {"model": {"source": "hf://Qwen/Qwen3-8B"}, "engine": {"maxModelTokens": 8192}}
    return {"metadata": {"namespace": "shop", "name": "chat", "uid": "u", "generation": 1}, "spec": spec}


def catalog() -> Object:
    row = {
        "name": "lab.l4",
        "machine": "lab.l4",
        "accelerator": {"name": "L4", "count": 1, "memoryGiB": 24},
        "vcpus": 8,
        "memoryGiB": 32,
        "prices": [{"market": "OnDemand", "usdPerHour": "0.80"}],
    }
    return {
        "metadata": {"name": "lab"},
        "spec": {"provider": "other", "observedAt": "2026-11-01T00:00:00Z", "offers": [row]},
    }


def pool() -> Object:
    digest = pool_hash(ON_L4.key)
    metadata = {"namespace": "shop", "name": f"chat-{digest}", "labels": {POOL: digest}}
    return {"metadata": {**metadata, "annotations": {POOL: description(ON_L4)}}, "spec": {"replicas": 1}}


def pod(uid: str, address: str, *, grace_s: int | None = None, mischief: str = "") -> Object:
    labels = {"wharfage.dev/llmdeployment": "chat", POOL: pool_hash(ON_L4.key)}
    metadata: Object = {"uid": uid, "namespace": "shop", "name": uid, "labels": labels}
    if mischief:
        metadata["annotations"] = {MISCHIEF: mischief}
    if grace_s is not None:
        metadata |= {"deletionTimestamp": "2026-11-26T00:00:00Z", "deletionGracePeriodSeconds": grace_s}
    return {"metadata": metadata, "status": {"podIP": address}}


def slice_of(*uids: str) -> Object:
    endpoints = [{"targetRef": {"kind": "Pod", "uid": uid}, "conditions": {"ready": True}} for uid in uids]
    metadata = {"uid": "slice", "namespace": "shop", "labels": {"kubernetes.io/service-name": "chat"}}
    return {"metadata": metadata, "endpoints": endpoints}


def world(*pods: Object) -> World:
    made = World({KEY: TRACE})
    made.catalog(catalog(), False)
    made.deployment(llm(), False)
    made.pool(pool(), False)
    for each in pods:
        made.pod(each, False)
    return made


def arrived(of: World, address: str) -> float:
    whose = of.at(address)
    assert whose is not None
    seen = reading(of.page(whose), at_s=0.0)
    assert seen is not None
    return sum(each.arrived for each in seen.engines.values())


def test_a_load_begins_with_the_first_pod_that_is_sent_anything() -> None:
    of = world(pod("a", "198.19.128.1"))
    of.step(100.0)
    assert not of.served
    of.endpoints(slice_of("a"), False)
    of.step(200.0)
    of.step(260.0)
    assert of.begun_s == {KEY: 200.0}
    assert arrived(of, "198.19.128.1") > 60.0
    assert of.row().pods == 1


def test_pods_are_known_by_the_address_that_was_asked_for() -> None:
    of = world(pod("a", "198.19.128.1"), pod("b", "198.19.128.2"))
    assert [each and each.uid for each in map(of.at, ("198.19.128.1", "198.19.128.2", "127.0.0.1"))] == ["a", "b", None]
    of.pod(pod("c", "198.19.128.1"), False)  # the address was given again before the end of its first pod was heard
    of.pod(pod("a", "198.19.128.1"), True)
    found = of.at("198.19.128.1")
    assert found is not None
    assert found.uid == "c"


def test_a_pod_that_is_told_to_end_ends_when_it_has_finished() -> None:
    of = world(pod("a", "198.19.128.1"), pod("b", "198.19.128.2"))
    of.endpoints(slice_of("a", "b"), False)
    of.step(0.0)
    of.step(60.0)
    of.pod(pod("a", "198.19.128.1", grace_s=120), False)
    of.endpoints(slice_of("b"), False)
    assert of.step(60.5) == []
    ended = next(found for now_s in range(61, 190) if (found := of.step(float(now_s))))
    assert [each.uid for each in ended] == ["a"]
    assert of.now_s < 60.0 + 120.0


def test_a_pod_that_does_not_finish_ends_with_its_grace() -> None:
    of = world(pod("a", "198.19.128.1"))
    of.endpoints(slice_of("a"), False)
    of.step(0.0)
    of.step(60.0)
    of.pod(pod("a", "198.19.128.1", grace_s=1), False)
    of.endpoints(slice_of(), False)
    assert [each.uid for each in of.step(61.5)] == ["a"]


def test_a_liar_tells_what_no_accelerator_does() -> None:
    of = world(pod("a", "198.19.128.1"), pod("b", "198.19.128.2", mischief="lies"))
    of.endpoints(slice_of("a", "b"), False)
    of.step(0.0)
    of.step(120.0)
    pages = [reading(of.page(each), at_s=0.0) for each in map(of.at, ("198.19.128.1", "198.19.128.2")) if each]
    honest, lying = (seen.engines["0"].output_tokens for seen in pages if seen is not None)
    assert lying > 1e5 * honest
