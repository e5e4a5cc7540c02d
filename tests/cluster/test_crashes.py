"""The operator is killed after each of its writes: what was half done is finished, and nothing is done twice.

Every scenario is run until its operator lives to see the end: once more than it writes. How often it writes depends
on what it learns when, so no number of writes stands here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import pytest
from wharfage_operator.kinds import LLM_DEPLOYMENTS, PODS

from tests.cluster.between import Between
from tests.cluster.lab import KINDS, Lab
from tests.cluster.server import eventually
from tests.faults.rules import Kill, Match, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens to the deployment of a name while its operator dies."""

    before: Callable[[Lab, str], object] = lambda lab, name: None
    do: Callable[[Lab, str], object]
    done: Callable[[Lab, str], bool]
    """What an operator makes of it that lives, or the next one."""
    undo: Callable[[Lab, str], object] | None = None
    """What happens before there is a next one, so that nothing must be left."""


def create(lab: Lab, name: str) -> None:
    lab.create(name)


def ready(lab: Lab, name: str) -> None:
    create(lab, name)
    lab.ready(name)


def move(lab: Lab, name: str) -> None:
    """Another accelerator: another pool, which is there before the old one goes."""
    wanted = {"spec": {"placement": {"accelerators": ["L40S"]}}}
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, name, wanted)


def delete(lab: Lab, name: str) -> None:
    lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, name)


def serves_on(accelerator: str) -> Callable[[Lab, str], bool]:
    """One of each child, and one ready replica, on that accelerator; the status says so."""

    def holds(lab: Lab, name: str) -> bool:
        kinds = sorted(kind for kind, _ in lab.children(name))
        fleet = [(row["accelerator"], row["ready"]) for row in lab.is_ready(name).get("status", {}).get("fleet", ())]
        return kinds == sorted(kind.name for kind in KINDS) and fleet == [(accelerator, 1)]

    return holds


def is_gone(lab: Lab, name: str) -> bool:
    pods = [pod for pod in lab.server.all(PODS, lab.namespace) if pod["metadata"]["name"].startswith(f"{name}-")]
    return lab.llm(name) is None and not lab.children(name) and not pods


SCENARIOS = {
    "a first create": Scenario(do=create, done=serves_on("L4 x1")),
    "an edit that moves to another pool": Scenario(before=ready, do=move, done=serves_on("L40S x1")),
    "a delete": Scenario(before=ready, do=delete, done=is_gone),
    "a create that is taken back while nobody looks": Scenario(do=create, done=serves_on("L4 x1"), undo=delete),
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_killed_operator_leaves_neither_duplicates_nor_orphans(
    lab: Lab, subtests: pytest.Subtests, scenario: Scenario
) -> None:
    for nth in count(1):
        died = False
        with subtests.test(msg=f"killed after write {nth}"):
            died = run(lab, scenario, f"chat-{nth}", nth)
        if not died:
            return


def run(lab: Lab, scenario: Scenario, name: str, nth: int) -> bool:
    """Play a scenario whose operator is killed after its `nth` write; returns whether it came to that."""
    with Between(lab.cluster) as proxy:
        first = lab.start(proxy.kubeconfig, resync_s="0.4")
        eventually(lambda: first.ready)
        scenario.before(lab, name)
        eventually(lambda: first.rests, within_s=120.0, what="the operator has nothing to do any more")
        match = Match(write=True, namespace=lab.namespace)
        proxy.seen.schedule.add(Rule(fault=Kill(first.process.kill), match=match, nth=nth))
        scenario.do(lab, name)

        eventually(
            lambda: first.process.poll() is not None or (scenario.done(lab, name) and first.rests),
            within_s=120.0,
            what="the operator has died, or has nothing to do any more",
        )
        died = first.process.poll() is not None
        lab.stop_all()
    if scenario.undo is not None:
        scenario.undo(lab, name)
    must_hold = scenario.done if scenario.undo is None else is_gone
    second = lab.start(resync_s="0.4")
    eventually(lambda: second.ready)
    eventually(lambda: must_hold(lab, name), within_s=120.0, what="what must come of it")
    eventually(lambda: second.rests, within_s=120.0, what="and it stays so")
    assert must_hold(lab, name)
    assert second.tracebacks == []
    second.stop()
    if lab.llm(name) is not None:
        delete(lab, name)
    return died
