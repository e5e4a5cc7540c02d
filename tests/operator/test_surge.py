"""A surge that finds no machine gives way to a replacement, once per template."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_api.labels import POOL
from wharfage_autoscaler.fleet import Fleet
from wharfage_operator.children import ChildSettings
from wharfage_operator.manifests import manifests
from wharfage_operator.plan import plan
from wharfage_operator.platforms import platforms
from wharfage_operator.surge import GAVE_UP, REPLACING, SURGING, Rollouts, rollouts

from tests.builders import offer, pool
from tests.operator.objects import UID, deployment

Object = dict[str, Any]
SINCE = "2026-11-22T10:00:00Z"
WAITS_AT = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
PATIENCE_S = 600.0
LATER = WAITS_AT + PATIENCE_S
DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


def wanted(*, name: str = "g6.xlarge", replicas: int = 1, tokens: int = 8192, **spec: Any) -> tuple[Object, ...]:
    target = Fleet((pool(offer(name), replicas, variant=""),))
    seen = deployment(engine={"maxModelTokens": tokens}, **spec)
    return manifests(seen, UID, target, ChildSettings(), platforms()["plain"])


def pool_of(objects: tuple[Object, ...]) -> Object:
    (found,) = (obj for obj in objects if obj["kind"] == "Deployment")
    return found


def pod(of: Object, template: str, **more: Any) -> Object:
    labels = {POOL: of["metadata"]["labels"][POOL], "pod-template-hash": template}
    return {"metadata": {"name": f"chat-{template}", "labels": labels}, "spec": {}, "status": {}, **more}


def serving(of: Object, template: str = "old", **more: Any) -> Object:
    return pod(of, template, spec={"nodeName": "gpu-1"}, **more)


def waiting(of: Object, template: str = "new", *, spec: Object | None = None) -> Object:
    row = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": SINCE}
    return pod(of, template, spec=spec or {}, status={"phase": "Pending", "conditions": [row]})


def settle(
    target: tuple[Object, ...], children: tuple[Object, ...], pods: list[Object], *, now: float = LATER
) -> Rollouts:
    return rollouts(target, children, pods, patience_s=PATIENCE_S, now=now)


def strategy(found: Rollouts) -> Object:
    rolling: Object = pool_of(found.objects)["spec"]["strategy"]["rollingUpdate"]
    return rolling


def stuck(target: tuple[Object, ...]) -> list[Object]:
    """One replica of before on the only machine, and the new one that waits for it."""
    return [serving(pool_of(target)), waiting(pool_of(target))]


def test_replaces_once_a_new_replica_has_waited_too_long() -> None:
    target = wanted()
    found = settle(target, target, stuck(target))
    assert strategy(found) == REPLACING
    assert found.again_s is None


def test_says_when_patience_ends() -> None:
    target = wanted()
    assert settle(target, target, stuck(target), now=WAITS_AT + 60) == Rollouts(target, PATIENCE_S - 60)


def test_a_missed_progress_deadline_ends_patience_early() -> None:
    target = copy.deepcopy(wanted())
    pool_of(target)["status"] = {"conditions": [DEADLINE]}
    assert strategy(settle(wanted(), target, stuck(target), now=WAITS_AT + 60)) == REPLACING


def test_restarts_nothing() -> None:
    target = wanted()
    found = pool_of(settle(target, target, stuck(target)).objects)
    assert found["spec"]["template"] == pool_of(target)["spec"]["template"]


def test_writes_one_object_once() -> None:
    target = wanted()
    found = settle(target, target, stuck(target)).objects
    assert [obj["kind"] for obj in plan(target, found, owner_uid=UID).applies] == ["Deployment"]
    again = settle(target, found, stuck(target))
    assert again == Rollouts(found)
    assert plan(found, again.objects, owner_uid=UID).empty


def test_stays_so_when_the_rollout_is_complete() -> None:
    target = wanted()
    found = settle(target, target, stuck(target)).objects
    after = settle(target, found, [serving(pool_of(target), "new")], now=LATER + 86400)
    assert plan(found, after.objects, owner_uid=UID).empty


def test_stays_so_when_only_the_count_changes() -> None:
    target = wanted()
    found = settle(target, target, stuck(target)).objects
    assert strategy(settle(wanted(replicas=2), found, [])) == REPLACING


def test_surges_again_with_the_next_template() -> None:
    target = wanted()
    before = settle(target, target, stuck(target)).objects
    edited = wanted(tokens=4096)
    found = settle(edited, before, stuck(target))
    assert found == Rollouts(edited)
    assert strategy(found) == SURGING
    assert GAVE_UP not in pool_of(found.objects)["metadata"]["annotations"]


def test_judges_a_template_by_its_own_pods_alone() -> None:
    before, edited = wanted(), wanted(tokens=4096)
    assert strategy(settle(edited, before, stuck(before))) == SURGING


def test_a_strategy_of_replace_is_left_alone() -> None:
    target = wanted(rollout={"strategy": "Replace"})
    assert settle(target, target, stuck(target)) == Rollouts(target)


TARGET = pool_of(wanted())


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param([], id="no pod is there"),
        pytest.param([waiting(TARGET)], id="a first replica waits"),
        pytest.param([serving(TARGET, "new"), waiting(TARGET)], id="one more replica of the same template waits"),
        pytest.param([serving(TARGET), pod(TARGET, "new")], id="the scheduler has not said anything"),
        pytest.param(
            [serving(TARGET), waiting(TARGET, spec={"nodeSelector": {"machine": "p5"}})],
            id="the old machine would not do",
        ),
        pytest.param(
            [serving(TARGET, status={"phase": "Failed"}), waiting(TARGET)], id="the old replica has ended already"
        ),
    ],
)
def test_goes_on_surging_where_ending_an_old_replica_would_not_help(pods: list[Object]) -> None:
    assert settle(wanted(), wanted(), pods) == Rollouts(wanted())


def test_an_old_replica_on_its_way_out_frees_its_machine_by_itself() -> None:
    target = wanted()
    old = serving(pool_of(target))
    old["metadata"]["deletionTimestamp"] = SINCE
    assert settle(target, target, [old, waiting(pool_of(target))]) == Rollouts(target)


def test_lets_an_old_pool_go_that_holds_the_machine_of_the_new_one() -> None:
    old, target = wanted(name="g6.2xlarge"), wanted()
    pods = [serving(pool_of(old)), waiting(pool_of(target))]
    found = settle(target, (*target, pool_of(old)), pods)
    assert strategy(found) == REPLACING
    (gone,) = plan((*target, pool_of(old)), found.objects, owner_uid=UID).deletes
    assert gone["metadata"]["name"] == pool_of(old)["metadata"]["name"]
