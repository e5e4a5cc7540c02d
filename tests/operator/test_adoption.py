"""Deployments of others: who is asked for, what is refused in which words, where they listen and what they cost."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.law import Held
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_operator.adoption import Adopted, Found, Wish, adopted, allow, dressed, port_of, wish
from wharfage_operator.adoptions import selector
from wharfage_operator.advice import advised
from wharfage_operator.cache import owner_of
from wharfage_operator.errors import Rejected
from wharfage_operator.status import status
from wharfage_operator.verdicts import Seen, metrics_fresh

from tests.autoscaler.test_decide_auto import allotment, portion
from tests.autoscaler.test_decide_auto import seen as auto_seen
from tests.builders import offer, pool, snapshot
from tests.operator.objects import Object, deployment, node, replica

TYPE = "node.kubernetes.io/instance-type"
L4 = replace(offer("g6.xlarge", usd_per_hour=0.8), node_selector=((TYPE, "g6.xlarge"),))
SPOT = replace(L4, market=Market.SPOT, usd_per_hour=0.3)
FOUR = replace(L4, name="g6.12xlarge", accelerators=4, usd_per_hour=4.6)
NODES = {"gpu-1": node("gpu-1", labels={TYPE: "g6.xlarge"}), "cpu-1": node("cpu-1", labels={TYPE: "m7i.large"})}
SOURCE = "hf://Qwen/Qwen3-8B"


def theirs(*, marks: dict[str, str] | None = None, labels: dict[str, str] | None = None, **container: Any) -> Object:
    """A Deployment of one GPU per pod that declares port 8000."""
    usual: Object = {"ports": [{"containerPort": 8000}], "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    return {
        "metadata": {"name": "vllm", "namespace": "shop", "annotations": marks or {}, "labels": labels or {}},
        "spec": {
            "selector": {"matchLabels": {"app": "vllm"}},
            "template": {"metadata": {}, "spec": {"containers": [usual | container]}},
        },
    }


def theirs_pod(name: str, on: str | None = "gpu-1", *, ready: str = "True", phase: str = "Running") -> Object:
    found = replica(name, "10.0.0.1", ready=ready)
    found["metadata"]["labels"] = {"app": "vllm"}
    return {**found, "spec": {"nodeName": on} if on else {}, "status": {**found["status"], "phase": phase}}


def looked_at(found: Found, *, port: int = 0, source: str = SOURCE) -> Adopted:
    return adopted(
        Wish("vllm", port), found, namespace="shop", source=source, variant="", nodes=NODES, offers=(L4, SPOT, FOUR)
    )


def auto(fleet: Fleet) -> Snapshot:
    """One L4 is allotted and enough."""
    return replace(auto_seen(0.5, allotted=allotment(portion(L4, 1))), fleet=fleet)


def annotated(text: str | None) -> Object:
    return {"metadata": {"annotations": {} if text is None else {"wharfage.dev/adopt": text}}}


@pytest.mark.parametrize(
    ("text", "read"), [(None, None), ("vllm", Wish("vllm")), ("vllm-chat.v2:8001", Wish("vllm-chat.v2", 8001))]
)
def test_a_wish_names_a_deployment_and_maybe_its_port(text: str | None, read: Wish | None) -> None:
    assert wish(annotated(text)) == read


@pytest.mark.parametrize("text", ["", "VLLM", "shop/vllm", "vllm:", "vllm:http", "vllm:0", "vllm:70000", "a b", "-x"])
def test_what_names_none_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="write the name of a Deployment of this namespace, or NAME:PORT"):
        wish(annotated(text))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        pytest.param(
            lambda: allow(Wish("vllm"), Mode.AUTO, runs_its_own=False),
            "only looked at: write scaling.mode: Recommend",
            id="another mode",
        ),
        pytest.param(
            lambda: allow(Wish("vllm"), Mode.RECOMMEND, runs_its_own=True),
            "runs replicas of its own: create another one",
            id="it runs its own",
        ),
        pytest.param(
            lambda: looked_at(Found(None)), "there is no Deployment vllm in namespace shop", id="there is none"
        ),
        pytest.param(
            lambda: looked_at(Found(None, failure="403 Forbidden")),
            "could not be read: 403 Forbidden",
            id="it cannot be read",
        ),
        pytest.param(
            lambda: looked_at(Found(theirs(labels={"wharfage.dev/llmdeployment": "other"}))),
            "belongs to LLMDeployment other already",
            id="it is ours",
        ),
        pytest.param(
            lambda: looked_at(Found(theirs(ports=[{"containerPort": 1}, {"containerPort": 2}]))),
            "has the ports 1, 2, and none of them is called http or is 8000: write wharfage.dev/adopt: vllm:PORT",
            id="nobody knows where it listens",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_refused_with_what_to_do(act: Callable[[], object], words: str) -> None:
    with pytest.raises(Rejected, match=words) as told:
        act()
    assert told.value.reason is Reason.CANNOT_ADOPT


@pytest.mark.parametrize(
    ("container", "asked", "port"),
    [
        pytest.param({}, 0, 8000, id="the usual one"),
        pytest.param({}, 9000, 9000, id="the one that is asked for"),
        pytest.param({"args": ["--port", "8001"]}, 0, 8001, id="the one that it is told"),
        pytest.param({"args": ["--port=8002", "--tensor-parallel-size=2"]}, 0, 8002, id="in one word"),
        pytest.param({"command": ["sh", "-c", "vllm serve m --port 8003 --seed 1"]}, 0, 8003, id="in a script"),
        pytest.param({"ports": [{"containerPort": 80}]}, 0, 80, id="its only one"),
        pytest.param(
            {"ports": [{"containerPort": 1}, {"containerPort": 2, "name": "http"}]},
            0,
            2,
            id="the one that is called so",
        ),
        pytest.param({"ports": None}, 0, 8000, id="the usual one where none is declared"),
        pytest.param({"ports": [{"containerPort": 1}, {"containerPort": 2}]}, 0, 0, id="none is known"),
    ],
)
def test_where_its_pods_listen(container: Object, asked: int, port: int) -> None:
    assert port_of(Wish("vllm", asked), theirs(**container)) == port


def test_its_pods_are_a_fleet_on_the_offers_of_their_nodes() -> None:
    pods = (theirs_pod("a"), theirs_pod("b", ready="False"), theirs_pod("c", None), theirs_pod("d", phase="Failed"))
    found = looked_at(Found(theirs(), pods))
    assert found.fleet == Fleet((pool(L4, 3, variant="", ready=1),))
    assert found.fleet.usd_per_hour == pytest.approx(2.4)
    assert found.where == "port 8000 of the pods of Deployment vllm"


def test_a_replica_that_takes_more_than_the_small_machine_has_is_on_the_large_one() -> None:
    two = theirs(resources={"limits": {"nvidia.com/gpu": "2", "memory": "8Gi"}})
    found = looked_at(Found(two, (theirs_pod("a"),)))
    assert [(each.offer.name, each.accelerators) for each in found.fleet.pools] == [("g6.12xlarge", 2)]


@pytest.mark.parametrize(
    ("marks", "usd_per_hour"),
    [
        pytest.param({"llm-d.ai/variant-cost": "1.25"}, 2.5, id="by what it says of itself"),
        pytest.param({}, 0.0, id="not known"),
        pytest.param({"llm-d.ai/variant-cost": "much"}, 0.0, id="no number"),
        pytest.param({"llm-d.ai/variant-cost": "nan"}, 0.0, id="not a number"),
        pytest.param({"llm-d.ai/variant-cost": "-1"}, 0.0, id="less than nothing"),
    ],
)
def test_what_it_costs_on_machines_that_no_catalog_has(marks: dict[str, str], usd_per_hour: float) -> None:
    found = looked_at(Found(theirs(marks=marks), (theirs_pod("a", "cpu-1"), theirs_pod("b", "cpu-1"))))
    assert found.fleet.usd_per_hour == usd_per_hour
    assert (found.fleet.replicas, found.fleet.ready) == (2, 2)


@pytest.mark.parametrize(
    ("model", "differs"),
    [("Qwen/Qwen3-8B", False), ("qwen-qwen3-8b", False), ("Qwen3-8B", False), ("meta-llama/Llama-3.1-8B", True)],
)
def test_another_model_than_the_one_it_is_sized_for_is_said(model: str, differs: bool) -> None:
    said = looked_at(Found(theirs(labels={"llm-d.ai/model-id": model}))).said
    assert said.startswith("Deployment vllm is looked at, on port 8000 of its pods, and nothing of it is changed")
    assert (f"it says that it serves {model}, which is not spec.model.source {SOURCE}" in said) is differs


def test_a_pod_is_dressed_for_who_reads_its_metrics_and_stays_as_it_is() -> None:
    pod = theirs_pod("a")
    before = {**pod, "metadata": {**pod["metadata"]}}
    ours = dressed(pod, "chat", 8001)
    assert owner_of(ours) == ("shop", "chat")
    assert ours["metadata"]["annotations"] == {"wharfage.dev/port": "8001"}
    assert pod == before


def test_its_pods_are_asked_for_as_the_deployment_selects_them() -> None:
    rows = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "NotIn", "values": ["x"]},
        {"key": "gpu", "operator": "Exists"},
        {"key": "test", "operator": "DoesNotExist"},
    ]
    told = {"spec": {"selector": {"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": rows}}}
    assert selector(told) == "a=1,b=2,tier in (a,b),old notin (x),gpu,!test"


def test_nothing_of_it_is_ever_decided() -> None:
    seen = replace(snapshot(pools=(pool(L4, 5),)), adopted="Deployment vllm is looked at")
    decision, _ = decide(seen, Memory())
    assert [(each.key, each.replicas) for each in decision.target.pools] == [(pool(L4).key, 5)]
    assert [(step.reason, step.message) for step in decision.steps] == [
        (Reason.ADOPTED, "Deployment vllm is looked at")
    ]


@pytest.mark.parametrize(
    ("usd_per_hour", "words", "savings"),
    [
        pytest.param(0.8, "now 1.60;", {"usdPerHour": "0.8"}, id="priced"),
        pytest.param(0.0, "now at a price that nobody knows;", None, id="not priced"),
    ],
)
def test_savings_are_told_only_where_it_is_known_what_is_paid(
    usd_per_hour: float, words: str, savings: Object | None
) -> None:
    fleet = Fleet((pool(replace(L4, usd_per_hour=usd_per_hour), 2),))
    led, _ = decide(auto(fleet), Memory(held=Held(replicas=1.0)))
    looked = Decision(fleet).amended(fleet, Reason.ADOPTED, "Deployment vllm is looked at")
    decision = advised(looked, led, fleet)
    assert words in decision.steps[-1].message
    told = status(deployment(), Seen(fleet=fleet, decision=decision), now=0.0, previous={})
    assert told["decision"].get("savings") == savings


def test_its_status_has_no_endpoint_and_names_the_port_that_does_not_answer() -> None:
    fleet = Fleet((pool(L4, 2),))
    seen = Seen(fleet=fleet, adopted="port 8000 of the pods of Deployment vllm")
    told = status(deployment(scaling={"mode": "Recommend"}), seen, now=0.0, previous={})
    assert "endpoint" not in told
    assert told["cost"] == {"usdPerHour": "1.60"}
    assert "/metrics of port 8000 of the pods of Deployment vllm" in metrics_fresh(seen).message
