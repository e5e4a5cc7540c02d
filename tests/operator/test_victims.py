"""Who goes when a pool shrinks or a machine is taken back, and who comes back."""

from typing import Any

import pytest
from wharfage_api.labels import POOL, SERVING
from wharfage_autoscaler.fleet import Fleet
from wharfage_operator.notices import NO_NODE, Fate, Notice, Notices
from wharfage_operator.plan import INTENT, intended
from wharfage_operator.pools import STAND_INS, pool_hash
from wharfage_operator.victims import COST, Farewells, Resize, farewells, resizes, with_stand_ins
from wharfage_operator.victims import leaving as leaving_of

from tests.builders import offer, pool

Object = dict[str, Any]
NOW_S = 1_795_000_000.0
NOTICE_S = 120.0
STAYS = {"p": Resize(2, 2)}


def pod(
    name: str,
    node: str = "",
    *,
    pool: str = "p",
    ready: bool = True,
    serving: str = "true",
    template: str = "t",
    created: str = "2026-11-22T10:00:00Z",
    deleted: bool = False,
) -> Object:
    metadata: Object = {
        "name": name,
        "namespace": "shop",
        "uid": name,
        "labels": {POOL: pool, SERVING: serving, "pod-template-hash": template},
        "creationTimestamp": created,
    }
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-22T11:00:00Z"
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "metadata": metadata,
        "spec": {"nodeName": node or f"node-of-{name}"},
        "status": {"podIP": "10.0.0.1", "conditions": [condition]},
    }


def said(*nodes: str, fate: Fate = Fate.INTERRUPTION, ago_s: float = 0.0) -> Notices:
    return Notices({name: Notice(name, fate, "a sign", NOW_S - ago_s, spot=True) for name in nodes})


def parting(
    pods: list[Object],
    notices: Notices | None = None,
    pools: dict[str, Resize] | None = None,
    running: dict[str, float] | None = None,
) -> Farewells:
    seen = notices or Notices()
    return farewells(pods, seen, pools or STAYS, notice_s=NOTICE_S, now_s=NOW_S, running=running)


def leaving(found: Farewells) -> list[str]:
    return [mark.pod["metadata"]["name"] for mark in found.marks if mark.leaves]


def returning(found: Farewells) -> list[str]:
    return [mark.pod["metadata"]["name"] for mark in found.marks if not mark.leaves]


def ended(found: Farewells) -> list[str]:
    return [each["metadata"]["name"] for each in found.ends]


def test_a_replica_whose_machine_is_taken_back_leaves_at_once() -> None:
    found = parting([pod("a", "spot-1"), pod("b", "spot-2")], said("spot-1"))
    assert (leaving(found), ended(found), found.again_s) == (["a"], ["a"], None)
    (mark,) = found.marks
    assert (mark.labels, mark.annotations) == ({SERVING: "leaving"}, {COST: "-1"})


def test_the_last_replica_serves_on_until_half_of_the_notice_is_gone() -> None:
    pods = [pod("a", "spot-1")]
    assert parting(pods, said("spot-1", ago_s=20.0)) == Farewells(again_s=40.0)
    assert ended(parting(pods, said("spot-1", ago_s=60.0))) == ["a"]


def test_no_more_leave_at_once_than_stay_to_take_over() -> None:
    pods = [pod("a", "spot-1"), pod("b", "spot-2"), pod("c", "spot-3"), pod("d", "fixed")]
    found = parting(pods, said("spot-1", "spot-2", "spot-3"))
    assert (ended(found), found.again_s) == (["a"], 60.0)
    pods[0] = pod("a", "spot-1", serving="leaving", deleted=True)
    assert ended(parting(pods, said("spot-1", "spot-2", "spot-3"))) == []
    assert ended(parting(pods[1:], said("spot-1", "spot-2", "spot-3", ago_s=60.0))) == ["b", "c"]


def test_what_does_not_serve_yet_is_not_waited_for() -> None:
    found = parting([pod("a", "spot-1", ready=False)], said("spot-1"))
    assert ended(found) == ["a"]


def test_a_replica_of_a_machine_that_is_gone_ends_even_if_it_is_the_last() -> None:
    assert ended(parting([pod("a", "spot-1")], said("spot-1", fate=Fate.GONE))) == ["a"]


def test_a_replica_whose_node_vanished_leaves_and_is_left_to_the_garbage_collector() -> None:
    vanished = Notices({"spot-1": Notice("spot-1", Fate.GONE, NO_NODE, NOW_S, spot=True)})
    pods = [pod("a", "spot-1"), pod("b")]
    found = parting(pods, vanished)
    assert (leaving(found), ended(found)) == (["a"], [])
    assert asked_for(pods, vanished) == (3, "1")
    pods[0] = pod("a", "spot-1", serving="leaving")
    assert parting(pods, vanished) == Farewells()
    assert returning(parting(pods)) == ["a"]


@pytest.mark.parametrize("fate", [Fate.DRAIN, Fate.SILENT])
def test_a_replica_that_may_still_serve_stays_until_it_is_replaced(fate: Fate) -> None:
    assert parting([pod("a", "spot-1"), pod("b", "spot-2")], said("spot-1", fate=fate)) == Farewells()


def test_a_replica_that_ends_already_is_left_alone() -> None:
    pods = [pod("a", "spot-1", serving="leaving", deleted=True), pod("b", "spot-2")]
    assert parting(pods, said("spot-1")) == Farewells()


def test_without_notice_and_change_nothing_is_written() -> None:
    assert parting([pod("a"), pod("b")]) == Farewells()


@pytest.mark.parametrize(
    ("pods", "notices", "running", "victim"),
    [
        ([pod("a"), pod("b", serving="leaving"), pod("c", ready=False)], None, {}, []),
        ([pod("a", ready=False), pod("b", "tired")], said("tired", fate=Fate.DRAIN), {}, ["b"]),
        ([pod("a"), pod("b", ready=False)], None, {"b": 9.0}, ["b"]),
        ([pod("a", "full"), pod("b", "full"), pod("c", "half")], None, {}, ["c"]),
        ([pod("a"), pod("b"), pod("c")], None, {"a": 4.0, "b": 1.0, "c": 2.0}, ["b"]),
        ([pod("a", created="2026-11-22T12:00:00Z"), pod("b")], None, {}, ["a"]),
    ],
    ids=[
        "one that is marked already stays the victim",
        "one whose machine is about to be emptied goes before one that does not serve",
        "one that does not serve goes before one that does",
        "one that leaves its machine empty goes first: an empty machine costs nothing",
        "one with less to do goes first",
        "the youngest goes first",
    ],
)
def test_whom_a_pool_that_shrinks_does_without(
    pods: list[Object], notices: Notices | None, running: dict[str, float], victim: list[str]
) -> None:
    found = parting(pods, notices, {"p": Resize(len(pods), len(pods) - 1)}, running)
    assert (leaving(found), returning(found), ended(found)) == (victim, [], [])


def test_a_replica_that_is_taken_back_is_one_fewer_to_choose() -> None:
    found = parting([pod("a", "spot-1"), pod("b"), pod("c")], said("spot-1"), {"p": Resize(3, 2)})
    assert (leaving(found), ended(found)) == (["a"], ["a"])


@pytest.mark.parametrize(
    ("pods", "then"),
    [
        ([pod("a"), pod("b", template="u")], 1),
        ([pod("a"), pod("b")], 0),
        ([pod("a"), pod("b", pool="another")], 1),
    ],
    ids=["in the middle of a rollout", "where all go", "where the pool has no more than it shall have"],
)
def test_nobody_is_marked(pods: list[Object], then: int) -> None:
    assert parting(pods, pools={"p": Resize(2, then)}) == Farewells()


def test_a_replica_that_nobody_wants_to_go_any_more_comes_back() -> None:
    found = parting([pod("a", serving="leaving"), pod("b")])
    assert (leaving(found), returning(found)) == ([], ["a"])
    (mark,) = found.marks
    assert (mark.labels, mark.annotations) == ({SERVING: "true"}, {COST: "100"})


@pytest.mark.parametrize(
    ("pods", "pools"),
    [
        ([pod("a", serving="leaving"), pod("b"), pod("c")], STAYS),
        ([pod("a", serving="leaving"), pod("b")], {}),
        ([pod("a", serving="for-debugging"), pod("b")], STAYS),
    ],
    ids=["the ReplicaSet has not taken it yet", "its pool goes", "somebody else has taken the label off"],
)
def test_a_replica_that_left_stays_away(pods: list[Object], pools: dict[str, Resize]) -> None:
    assert farewells(pods, Notices(), pools, notice_s=NOTICE_S, now_s=NOW_S) == Farewells()


def asked_for(pods: list[Object], notices: Notices, replicas: int = 2) -> tuple[int, str]:
    """Replicas of a pool's Deployment, and what its annotation says."""
    wanted = intended({"kind": "Deployment", "metadata": {"labels": {POOL: "p"}}, "spec": {"replicas": replicas}})
    (found,) = with_stand_ins([wanted], pods, notices, notice_s=NOTICE_S, now_s=NOW_S)
    annotations = found["metadata"]["annotations"]
    assert (annotations[INTENT] == wanted["metadata"]["annotations"][INTENT]) == (found == wanted)
    return found["spec"]["replicas"], annotations.get(STAND_INS, "0")


@pytest.mark.parametrize(
    ("pods", "notices", "expected"),
    [
        ([pod("a", "tired"), pod("b")], said("tired", fate=Fate.DRAIN), (3, "1")),
        ([pod("a", "mute", ready=False), pod("b")], said("mute", fate=Fate.SILENT), (3, "1")),
        ([pod("a", "tired"), pod("b"), pod("c", ready=False)], said("tired", fate=Fate.DRAIN), (3, "1")),
        ([pod("a", "tired"), pod("b"), pod("c")], said("tired", fate=Fate.DRAIN), (2, "0")),
        ([pod("a", "spot-1"), pod("b", "spot-2")], said("spot-1", "spot-2"), (4, "2")),
        ([pod("a", "spot-1"), pod("b", "spot-2"), pod("c"), pod("d")], said("spot-1", "spot-2"), (2, "0")),
        ([pod("a", "spot-1"), pod("b", "spot-2"), pod("c")], said("spot-1", "spot-2"), (3, "1")),
        ([pod("a", "tired", pool="another"), pod("b")], said("tired", fate=Fate.DRAIN), (2, "0")),
        ([pod("a"), pod("b", ready=False)], Notices(), (2, "0")),
    ],
    ids=[
        "one more beside a replica whose machine is to be emptied",
        "one more beside a replica whose machine is silent",
        "and no further one while that one starts",
        "until that one serves",
        "one more for each that serves on during its notice",
        "none for those that are deleted, whose ReplicaSet makes others",
        "one that serves on during its notice is not taken for one of those that are wanted",
        "none for one of another pool",
        "none where no machine says anything",
    ],
)
def test_how_many_stand_in(pods: list[Object], notices: Notices, expected: tuple[int, str]) -> None:
    assert asked_for(pods, notices) == expected


def test_serving_replicas_that_nobody_can_count_on_are_told_by_pool() -> None:
    kept = pool(offer("g6.xlarge"), 3)
    name = pool_hash(kept.key)
    pods = [
        pod("a", "spot-1", pool=name),
        pod("b", "mute", pool=name, ready=False),
        pod("c", "spot-1", pool=name, deleted=True),
        pod("d", pool=name),
        pod("e", "spot-1", pool="another"),
    ]
    assert leaving_of(Fleet((kept,)), pods, said("spot-1", "mute")) == {kept.key: 1}


def test_pools_that_come_or_go_change_no_size() -> None:
    def deployment(name: str, replicas: int) -> Object:
        return {"kind": "Deployment", "metadata": {"labels": {POOL: name}}, "spec": {"replicas": replicas}}

    now = [deployment("old", 1), deployment("kept", 3)]
    then = [deployment("kept", 2), deployment("new", 1), {"kind": "Service", "metadata": {}, "spec": {}}]
    assert resizes(now, then) == {"kept": Resize(3, 2)}
