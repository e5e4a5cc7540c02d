"""What is written, what is left alone, and what must never be touched."""

import copy
from typing import Any

import pytest
from wharfage_autoscaler.fleet import Fleet
from wharfage_operator.children import ChildSettings
from wharfage_operator.manifests import manifests
from wharfage_operator.plan import Plan, covers, plan
from wharfage_operator.platforms import platforms

from tests.builders import offer, pool
from tests.operator.objects import UID, deployment

OLD, NEW = offer("g6.xlarge"), offer("g6e.xlarge", accelerator="L40S", accelerator_memory_gib=48)


def wanted(*offers: Any, replicas: int = 2, **spec: Any) -> tuple[dict[str, Any], ...]:
    target = Fleet(tuple(pool(each, replicas, variant="") for each in offers))
    settings = ChildSettings(pod_monitors=True)
    return manifests(deployment(engine={"maxModelTokens": 8192}, **spec), UID, target, settings, platforms()["plain"])


def stored(objects: tuple[dict[str, Any], ...], *, ready: int = 0) -> list[dict[str, Any]]:
    """The objects as the API server would hand them back: with an identity, defaults and a status."""
    found = copy.deepcopy(list(objects))
    for number, obj in enumerate(found):
        obj["metadata"] |= {"uid": f"u{number}", "resourceVersion": "7", "generation": 1}
        if obj["kind"] == "Deployment":
            obj["spec"]["template"]["spec"] |= {"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
            obj["status"] = {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": ready}
    return found


def kinds(objects: tuple[dict[str, Any], ...]) -> list[str]:
    return [obj["kind"] for obj in objects]


def test_applies_everything_to_an_empty_namespace_in_order() -> None:
    found = plan((), wanted(OLD), owner_uid=UID)
    assert kinds(found.applies) == [
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Deployment",
        "PodMonitor",
    ]
    assert not found.deletes


def test_writes_nothing_when_all_is_as_wanted() -> None:
    assert plan(stored(wanted(OLD)), wanted(OLD), owner_uid=UID) == Plan()


def test_restores_a_field_that_somebody_edited() -> None:
    children = stored(wanted(OLD))
    children[2]["spec"]["selector"] = {"app": "mine"}
    assert kinds(plan(children, wanted(OLD), owner_uid=UID).applies) == ["Service"]


def test_leaves_foreign_fields_and_sidecars_alone() -> None:
    children = stored(wanted(OLD))
    children[2]["metadata"]["labels"]["team"] = "search"
    children[5]["spec"]["template"]["spec"]["containers"].append({"name": "mesh", "image": "mesh:1"})
    assert plan(children, wanted(OLD), owner_uid=UID).empty


def test_applies_a_change_of_mind_even_where_the_old_fields_cover_the_new() -> None:
    before = stored(wanted(OLD, podTemplate={"labels": {"team": "search"}}))
    assert kinds(plan(before, wanted(OLD), owner_uid=UID).applies) == ["Deployment"]


def test_touches_nothing_at_all_when_a_name_is_somebody_elses() -> None:
    children = stored(wanted(OLD))[2:3]
    children[0]["metadata"]["ownerReferences"] = []
    found = plan(children, wanted(OLD), owner_uid=UID)
    assert kinds(found.conflicts) == ["Service"]
    assert found.empty


@pytest.mark.parametrize("number", range(7), ids=[obj["kind"] for obj in wanted(OLD)])
def test_every_kind_of_child_can_be_in_conflict(number: int) -> None:
    theirs = stored(wanted(OLD))[number]
    theirs["metadata"]["ownerReferences"] = [{"kind": "LLMDeployment", "name": "chat", "uid": "of-a-deleted-one"}]
    assert plan([theirs], wanted(OLD), owner_uid=UID) == Plan(conflicts=(theirs,))


def test_keeps_the_old_pool_until_the_new_one_serves() -> None:
    old = stored(wanted(OLD), ready=2)
    found = plan([*old, *stored(wanted(NEW))[5:6]], wanted(NEW), owner_uid=UID)
    assert not found.deletes
    assert [obj["metadata"]["name"] for obj in found.waits] == [old[5]["metadata"]["name"]]


def test_lets_the_old_pool_go_once_the_new_one_serves() -> None:
    old = stored(wanted(OLD), ready=2)
    found = plan([*old, *stored(wanted(NEW), ready=2)[5:6]], wanted(NEW), owner_uid=UID)
    assert [obj["metadata"]["name"] for obj in found.deletes] == [old[5]["metadata"]["name"]]


def tried(*names: str) -> tuple[dict[str, Any], ...]:
    """A deployment whose variant int4 is on trial, in pools of these variants."""
    target = Fleet(tuple(pool(OLD, 1, variant=name) for name in names))
    spec: dict[str, Any] = {
        "engine": {"maxModelTokens": 8192},
        "variants": [{"name": "bf16", "quality": "1"}, {"name": "int4", "quality": "0.95", "quantization": "awq"}],
        "objectives": {"qualityFloor": "0.9"},
        "routing": "Gateway",
        "gateway": {"split": [{"variant": "int4", "share": "0.1"}]},
    }
    return manifests(deployment(**spec), UID, target, ChildSettings(), platforms()["plain"])


def test_no_move_waits_for_what_is_on_trial() -> None:
    old, wanted_now = stored(wanted(OLD), ready=2), tried("bf16", "int4")
    serving, on_trial = (obj for obj in stored(wanted_now, ready=1) if obj["kind"] == "Deployment")
    on_trial["status"] = {}
    found = plan([*old, serving, on_trial], wanted_now, owner_uid=UID)
    assert old[5]["metadata"]["name"] in {obj["metadata"]["name"] for obj in found.deletes}


def test_what_was_on_trial_goes_at_once_though_a_move_of_what_serves_is_under_way() -> None:
    old, both = stored(wanted(OLD), ready=2), stored(tried("bf16", "int4"), ready=1)
    serving, on_trial = (obj for obj in both if obj["kind"] == "Deployment")
    serving["status"] = {}
    found = plan([*old, serving, on_trial], tried("bf16"), owner_uid=UID)
    assert [obj["metadata"]["name"] for obj in found.deletes if obj["kind"] == "Deployment"] == [
        on_trial["metadata"]["name"]
    ]
    assert [obj["metadata"]["name"] for obj in found.waits] == [old[5]["metadata"]["name"]]


def test_what_was_on_trial_stays_while_nothing_else_serves() -> None:
    both = stored(tried("bf16", "int4"), ready=1)
    serving, on_trial = (obj for obj in both if obj["kind"] == "Deployment")
    serving["status"] = {}
    found = plan(both, tried("bf16"), owner_uid=UID)
    assert not found.deletes
    assert [obj["metadata"]["name"] for obj in found.waits] == [on_trial["metadata"]["name"]]


def test_a_new_pool_whose_pods_are_of_an_older_template_does_not_serve_yet() -> None:
    new = stored(wanted(NEW), ready=2)[5]
    new["metadata"]["generation"] = 2
    assert not plan([*stored(wanted(OLD), ready=2), new], wanted(NEW), owner_uid=UID).deletes


def test_a_new_pool_does_not_serve_while_a_replica_of_before_stands_in_for_the_new_one() -> None:
    new = stored(wanted(NEW), ready=2)[5]
    new["status"]["replicas"] = 3
    assert not plan([*stored(wanted(OLD), ready=2), new], wanted(NEW), owner_uid=UID).deletes


def test_replaces_before_the_new_pool_serves_where_the_user_says_so() -> None:
    target = wanted(NEW, rollout={"strategy": "Replace"})
    assert kinds(plan(stored(wanted(OLD), ready=2), target, owner_uid=UID).deletes) == ["Deployment"]


def test_never_deletes_the_last_pools_for_want_of_a_new_one() -> None:
    found = plan(stored(wanted(OLD), ready=2), wanted(), owner_uid=UID)
    assert not found.deletes


def test_does_not_delete_twice() -> None:
    children = stored(wanted(OLD), ready=2)
    children[5]["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    assert not plan([*children, *stored(wanted(NEW), ready=2)[5:6]], wanted(NEW), owner_uid=UID).deletes


def test_removes_what_the_settings_no_longer_want() -> None:
    target = tuple(obj for obj in wanted(OLD) if obj["kind"] != "PodMonitor")
    assert kinds(plan(stored(wanted(OLD)), target, owner_uid=UID).deletes) == ["PodMonitor"]


@pytest.mark.parametrize(
    ("observed", "intended", "answer"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"b": 2}, {"a": 1}, False),
        ([{"name": "x", "v": 1}, {"name": "y"}], [{"name": "x", "v": 1}], True),
        ([{"name": "y"}, {"name": "x"}], [{"name": "x"}, {"name": "y"}], True),
        (["a", "b"], ["a"], False),
        ([{"podSelector": {}}], [{"podSelector": {}}], True),
        (None, {"a": 1}, False),
        ("1", 1, False),
    ],
    ids=[
        "more fields are fine",
        "a missing field is drift",
        "named items may have company",
        "their order does not matter",
        "plain lists are whole",
        "items without a name are compared in place",
        "nothing covers something",
        "types count",
    ],
)
def test_covers(observed: Any, intended: Any, answer: bool) -> None:
    assert covers(observed, intended) is answer
