"""What the operator hears wrongly: events that are lost, late or told twice, lists of before."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Event
from typing import TypeAlias

import pytest
from wharfage_operator.kinds import (
    DEPLOYMENTS,
    LLM_DEPLOYMENTS,
    NODES,
    OFFER_CATALOGS,
    PODS,
    SERVICES,
    Kind,
)
from wharfage_operator.watch import WATCHED

from tests.cluster.between import Between
from tests.cluster.lab import CATALOG, KINDS, Lab, priced
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Object, eventually, eventually_is
from tests.faults.rules import Expire, Hold, LoseLine, Match, Repeat, Rule, Stale, SwapLines

Step: TypeAlias = Callable[[Lab], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Every event of a kind that says something is lost; what is done, and what must come of it."""

    kind: Kind
    saying: str
    before: Step = lambda lab: lab.create()
    do: Step = lambda lab: None
    seen: Step


def grow(lab: Lab) -> None:
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 2}}})


def grown(lab: Lab) -> None:
    assert lab.ready()["status"]["summary"]["replicas"] == "2/2"


def ready(lab: Lab) -> None:
    lab.create()
    lab.ready()


def at_rest(lab: Lab) -> None:
    """No status is on its way, whose answer would tell of the edit before the resync does."""
    ready(lab)
    eventually(lambda: lab.operators[-1].rests, what="nothing is written any more")


def unservable(lab: Lab) -> None:
    """A deployment that waits for a catalog of the test's own, `late`."""
    lab.create(placement={"catalogs": ["late"]})
    said = lab.blocked("UnknownCatalog")["message"]
    assert "late: there is no such OfferCatalog" in said
    assert CATALOG["metadata"]["name"] in said


def unobtainable(lab: Lab) -> None:
    """The same, and the catalog has come: nothing in the cluster provides what it offers."""
    lab.server.create(OFFER_CATALOGS, late("late.l4"))
    lab.create(placement={"catalogs": ["late"]})
    lab.blocked("CapacityUnavailable")


def late(machine: str) -> Object:
    return {"metadata": {"name": "late"}, "spec": {**CATALOG["spec"], "offers": [priced(machine, "L4", 24, "1")]}}


def add_node(lab: Lab) -> None:
    capacity = {"cpu": "32", "memory": "128Gi", "pods": "50", "nvidia.com/gpu": "8"}
    lab.cluster.fake_node("late-1", {"node.kubernetes.io/instance-type": "late.l4"}, capacity)


def watched(proxy: Between, kind: Kind) -> bool:
    """Whether a watch of `kind` is open, so that what happens from now on comes as an event."""
    return any(
        (request.verb, request.resource, request.status) == ("watch", kind.plural, 200)
        for request in list(proxy.seen.requests)
    )


def back(lab: Lab) -> None:
    eventually(lambda: lab.server.get(SERVICES, lab.namespace, "chat"), what="the Service is back")


LOST = {
    "a new deployment": Lost(kind=LLM_DEPLOYMENTS, saying='"name":"chat"', seen=lambda lab: lab.ready()),
    "an edit of a deployment": Lost(
        kind=LLM_DEPLOYMENTS, saying='"minReplicas":2', before=at_rest, do=grow, seen=grown
    ),
    "the readiness of a pool": Lost(kind=DEPLOYMENTS, saying='"readyReplicas":1', seen=lambda lab: lab.ready()),
    "the deletion of a child": Lost(
        kind=SERVICES,
        saying='{"type":"DELETED"',
        before=ready,
        do=lambda lab: lab.server.delete(SERVICES, lab.namespace, "chat"),
        seen=back,
    ),
    "why a pod waits": Lost(
        kind=PODS,
        saying='"reason":"Unschedulable"',
        before=lambda lab: lab.create(scaling={"minReplicas": 9}),
        seen=lambda lab: lab.blocked("Unschedulable"),
    ),
    "a new node": Lost(
        kind=NODES, saying='"name":"late-1"', before=unobtainable, do=add_node, seen=lambda lab: lab.ready()
    ),
    "a new catalog": Lost(
        kind=OFFER_CATALOGS,
        saying='"name":"late"',
        before=unservable,
        do=lambda lab: lab.server.create(OFFER_CATALOGS, late("lab.l4")),
        seen=lambda lab: lab.ready(),
    ),
}


@pytest.fixture
def place(lab: Lab) -> Iterator[Lab]:
    """A lab that leaves no node and no catalog of its own behind."""
    yield lab
    lab.stop_all()
    for kind, name in ((NODES, "late-1"), (OFFER_CATALOGS, "late")):
        if lab.server.get(kind, "", name) is not None:
            lab.server.delete(kind, "", name)


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
def test_an_event_that_never_comes_is_made_up_for_at_the_next_resync(place: Lab, lost: Lost) -> None:
    losing = Rule(
        fault=LoseLine(number=None, saying=lost.saying.encode()),
        match=Match(verb="watch", resource=lost.kind.plural),
        times=None,
    )
    with Between(place.cluster, losing) as proxy:
        operator = place.start(proxy.kubeconfig, resync_s="2")
        eventually(lambda: operator.ready)
        # An operator of an empty cluster is ready before it watches; what comes in between is in kopf's first list.
        eventually(lambda: watched(proxy, lost.kind), what=f"{lost.kind.plural} are watched")
        lost.before(place)
        lost.do(place)
        lost.seen(place)
        noticed = [record["resource"] for record in operator.records if "unreported" in str(record["message"])]
        assert lost.kind.plural in noticed
        assert operator.tracebacks == []


def test_an_edit_that_the_answer_to_a_status_tells_before_the_watch_is_acted_on(lab: Lab) -> None:
    losing = LoseLine(number=None, saying=b'"minReplicas":2')
    with Between(
        lab.cluster, Rule(fault=losing, match=Match(verb="watch", resource=LLM_DEPLOYMENTS.plural), times=None)
    ) as proxy:
        operator = lab.start(proxy.kubeconfig, resync_s="3600", request_timeout_s="90")
        ready(lab)
        status, released = Match(verb="patch", resource=LLM_DEPLOYMENTS.plural, subresource="status"), Event()
        proxy.seen.schedule.add(Rule(fault=Hold(released), match=status))
        lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"limits": {"usdPerHour": "100"}}})
        eventually(lambda: [one for one in proxy.seen.requests if one.fault == "Hold"], what="a status is under way")
        grow(lab)
        released.set()
        grown(lab)
        assert operator.tracebacks == []
        lab.stop_all()


def test_a_deletion_that_is_never_heard_of_leaves_no_children(lab: Lab) -> None:
    losing = Rule(
        fault=LoseLine(number=None, saying=b'{"type":"DELETED"'),
        match=Match(verb="watch", resource=LLM_DEPLOYMENTS.plural),
        times=None,
    )
    with Between(lab.cluster, losing) as proxy:
        operator = lab.start(proxy.kubeconfig, resync_s="3600")
        eventually(lambda: operator.ready)
        ready(lab)
        lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
        # The children are collected, and what is missing would be made again if nobody asked for whom.
        eventually_is(lambda: cached(operator, LLM_DEPLOYMENTS), 0.0, what="deployments that are known")
        eventually(lambda: not lab.children() and not lab.server.all(PODS, lab.namespace))
        assert operator.tracebacks == []


def cached(operator: OperatorProcess, kind: Kind) -> float:
    return operator.metric(f'wharfage_cached_objects{{resource="{kind.plural}"}}')


def test_a_stale_list_that_shows_a_deleted_deployment_makes_no_children(lab: Lab) -> None:
    lab.create()
    with Between(lab.cluster) as proxy:
        operator = lab.start(proxy.kubeconfig, watch_timeout_s="1", resync_s="1")
        lab.ready()
        lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
        eventually_is(lambda: cached(operator, LLM_DEPLOYMENTS), 0.0, what="deployments that are known")
        eventually(lambda: not lab.children() and operator.rests, what="nothing is left, nor left to do")
        written = children_written(lab, proxy)
        lists, watches = (Match(verb=verb, resource=LLM_DEPLOYMENTS.plural) for verb in ("list", "watch"))
        proxy.seen.schedule.add(Rule(fault=Stale(ago=1), match=lists, times=None))
        proxy.seen.schedule.add(Rule(fault=Expire(), match=watches))
        # kopf lists again, and then the operator compares: both are told of the deployment that is gone.
        eventually(lambda: len([one for one in proxy.seen.requests if one.fault == "Stale"]) >= 3)
        assert children_written(lab, proxy) == written
        assert cached(operator, LLM_DEPLOYMENTS) == 0

        operator.stop()
        second = lab.start(proxy.kubeconfig)  # it cannot know, and learns
        eventually(lambda: second.ready)
        eventually_is(lambda: cached(second, LLM_DEPLOYMENTS), 0.0, what="deployments that are known")
        eventually(lambda: not lab.children())
        assert second.tracebacks == operator.tracebacks == []
        lab.stop_all()


def children_written(lab: Lab, proxy: Between) -> list[str]:
    kinds = {kind.plural for kind in KINDS}
    ours = (request for request in list(proxy.seen.writes) if request.namespace == lab.namespace)
    return [request.path for request in ours if request.resource in kinds]


@pytest.mark.parametrize("shown", [1, 2], ids=lambda shown: f"answer {shown} is shown")
def test_writes_that_arrive_twice_leave_nothing_twice(lab: Lab, shown: int) -> None:
    every = Rule(fault=Repeat(shown=shown), match=Match(write=True, namespace=lab.namespace), times=None)
    with Between(lab.cluster, every) as proxy:
        operator = lab.start(proxy.kubeconfig)
        lab.create()
        lab.ready()
        assert sorted(kind for kind, _ in lab.children()) == sorted(kind.name for kind in KINDS)
        lab.move()
        assert sorted(kind for kind, _ in lab.children()) == sorted(kind.name for kind in KINDS)
        events = lab.server.call("GET", f"/api/v1/namespaces/{lab.namespace}/events")["items"]
        ours = [event for event in events if event["involvedObject"]["kind"] == LLM_DEPLOYMENTS.name]
        told = [(event["reason"], event["message"], event["firstTimestamp"]) for event in ours]
        assert len(told) == len(set(told))
        lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
        eventually(lambda: not lab.children())
        assert operator.tracebacks == []


def test_events_out_of_order_lead_to_the_same_end(lab: Lab) -> None:
    swapping = [
        Rule(fault=SwapLines(number=None), match=Match(verb="watch", resource=kind.plural), times=None)
        for kind in WATCHED
    ]
    ends = []
    for rules in ([], swapping):
        with ExitStack() as stack:
            proxy = stack.enter_context(Between(lab.cluster, *rules))
            # The last event of a watch waits for another, or for the end of the watch.
            operator = lab.start(proxy.kubeconfig, watch_timeout_s="2")
            ready(lab)
            grow(lab)
            grown(lab)
            lab.server.delete(SERVICES, lab.namespace, "chat")
            lab.move()
            back(lab)
            ends.append({which: without_addresses(child) for which, child in lab.children().items()})
            lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
            eventually(lambda: lab.llm() is None and not lab.children())
            operator.stop()
            assert operator.tracebacks == []
    assert ends[1] == ends[0]


def without_addresses(child: Object) -> Object:
    """What a child holds; a Service gets another address each time."""
    held = {**child.get("spec", {}), **child.get("data", {})}
    return {name: value for name, value in held.items() if not name.startswith("clusterIP")}
