"""The cache never goes back in time, and knows what belongs to whom."""

from typing import Any

from wharfage_operator.cache import SCALED_BY, Cache, trim
from wharfage_operator.kinds import CHILDREN, DEPLOYMENTS, NODES, PODS, SERVICES, Object
from wharfage_operator.shares import Shares


def service(version: int, *, uid: str = "u1", name: str = "chat", owner: str | None = "chat", **more: Any) -> Object:
    metadata: Object = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "wharfage.dev/v1alpha1", "kind": "LLMDeployment", "name": owner, "uid": "o"}
        ]
    return {"metadata": metadata, **more}


KEY = ("shop", "chat")


def test_news_is_news_only_once() -> None:
    cache = Cache()
    assert cache.put(SERVICES, service(5, spec={"a": 1}))
    assert not cache.put(SERVICES, service(5, spec={"a": 1}))
    assert not cache.put(SERVICES, service(6, spec={"a": 1})), "only its version differs"
    assert cache.put(SERVICES, service(7, spec={"a": 2}))
    assert cache.changes(SERVICES) == 2


def test_an_event_older_than_our_own_last_write_changes_nothing() -> None:
    cache = Cache()
    cache.put(SERVICES, service(9, spec={"a": "ours"}))
    assert not cache.put(SERVICES, service(8, spec={"a": "before"}))
    assert cache.get(SERVICES, KEY) == {**service(9, spec={"a": "ours"}), "apiVersion": "v1", "kind": "Service"}


def test_a_deleted_object_is_not_brought_back_by_a_late_answer_but_by_a_new_one() -> None:
    cache = Cache()
    cache.put(SERVICES, service(5))
    assert cache.drop(SERVICES, KEY, uid="u1", version=7) is not None
    assert not cache.put(SERVICES, service(6))
    assert not cache.lags(SERVICES, KEY, uid="u1", version=6)
    assert cache.put(SERVICES, service(7, uid="u2"))


def test_an_object_that_went_out_of_sight_is_known_again_when_it_changes() -> None:
    cache = Cache()
    cache.put(SERVICES, service(5))
    cache.drop(SERVICES, KEY, uid="u1", version=6)  # it lost the label that it is watched by
    assert cache.lags(SERVICES, KEY, uid="u1", version=7)
    assert cache.put(SERVICES, service(7))


def test_an_end_that_is_older_than_what_is_known_is_none() -> None:
    cache = Cache()
    cache.put(SERVICES, service(7))
    assert cache.drop(SERVICES, KEY, uid="u1", version=6) is None
    assert cache.uid(SERVICES, KEY) == "u1"


def test_what_is_forgotten_comes_back_as_it_was() -> None:
    cache = Cache()
    cache.put(SERVICES, service(5))
    assert cache.forget(SERVICES, KEY) is not None
    assert cache.forget(SERVICES, KEY) is None
    assert cache.lags(SERVICES, KEY, uid="u1", version=5)
    assert cache.put(SERVICES, service(5))


def test_the_end_of_a_predecessor_does_not_take_its_successor_away() -> None:
    cache = Cache()
    cache.put(SERVICES, service(7, uid="u2"))
    assert cache.drop(SERVICES, KEY, uid="u1", version=6) is None
    assert cache.uid(SERVICES, KEY) == "u2"


def test_children_are_found_by_owner_reference_or_label_and_only_of_the_kinds_asked_for() -> None:
    cache = Cache()
    cache.put(SERVICES, service(1))
    pod = service(2, name="pod", owner=None)
    pod["metadata"]["labels"] = {"wharfage.dev/llmdeployment": "chat"}
    cache.put(PODS, pod)
    assert [child["kind"] for child in cache.owned(KEY, kinds=CHILDREN)] == ["Service"]
    assert [child["kind"] for child in cache.owned(KEY, kinds=(PODS,))] == ["Pod"]
    cache.forget(SERVICES, KEY)
    assert cache.owned(KEY, kinds=CHILDREN) == ()


def test_a_child_that_changes_hands_leaves_its_old_owner() -> None:
    cache = Cache()
    cache.put(SERVICES, service(1))
    cache.put(SERVICES, service(2, owner="other"))
    assert cache.owned(KEY, kinds=CHILDREN) == ()
    assert len(cache.owned(("shop", "other"), kinds=CHILDREN)) == 1


def test_what_nobody_reads_is_not_kept() -> None:
    raw = service(1)
    raw["metadata"]["managedFields"] = [{"manager": "someone"}]
    raw["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "theirs": "kept"}
    slim = trim(SERVICES, raw, Shares())
    assert "managedFields" not in slim["metadata"]
    assert slim["metadata"]["annotations"] == {"theirs": "kept"}
    assert "managedFields" in raw["metadata"], "the original is not touched"


def test_a_node_heartbeat_is_no_news() -> None:
    def node(version: int, beat: str) -> Object:
        conditions = [{"type": "Ready", "status": "True", "lastHeartbeatTime": beat}]
        return {
            "metadata": {"name": "n", "uid": "n", "resourceVersion": str(version)},
            "status": {"conditions": conditions},
        }

    cache = Cache()
    assert cache.put(NODES, node(1, "10:00"))
    assert not cache.put(NODES, node(2, "10:05"))


def test_of_whoever_wrote_a_deployment_only_the_one_that_scaled_it_is_known() -> None:
    scaled: Object = {"f:spec": {"f:replicas": {}}}
    fields = [
        {"manager": "wharfage", "fieldsV1": scaled},
        {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    pool = service(1)
    pool["metadata"]["managedFields"] = fields
    assert SCALED_BY not in trim(DEPLOYMENTS, pool, Shares())
    fields.append({"manager": "kubectl", "subresource": "scale", "fieldsV1": scaled})
    slim = trim(DEPLOYMENTS, pool, Shares())
    assert slim[SCALED_BY] == "kubectl"
    assert "managedFields" not in slim["metadata"]
