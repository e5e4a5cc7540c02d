"""A Deployment that somebody else runs is measured, priced and judged, and not one write goes to it."""

import re
import time
from collections.abc import Iterator

import pytest
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, PODS

from tests.cluster.between import Between
from tests.cluster.emulated import READS, SPEED
from tests.cluster.lab import Lab
from tests.cluster.server import Object, condition, eventually
from tests.operator.pages import page
from tests.operator.servers import Asked, answering, body

RATE, PORT = 0.5, 8001

OURS = frozenset({"leases", "events", "configmaps", "llmdeployments", "offercatalogs", "selfsubjectaccessreviews"})
"""Kinds that are written to; no Deployment, no pod, no Service is among them."""


@pytest.fixture
def engines() -> Iterator[str]:
    """An HTTP proxy behind which every pod, on one port alone, tells of half a request a second."""
    begun_s = time.monotonic()

    def answer(handler: Asked) -> None:
        served = RATE * SPEED * (time.monotonic() - begun_s)
        told = page(
            finished=1000.0 + served,
            prompt_tokens=900.0 * served,
            output_tokens=220.0 * served,
            running=2.0,
            waiting=0.0,
        )
        body(told if f":{PORT}/metrics" in handler.path else "", 200 if f":{PORT}/" in handler.path else 404)(handler)

    with answering(answer) as address:
        yield address


def theirs(lab: Lab) -> Object:
    """Two replicas on the dearer machines, with no label of ours."""
    labels = {"app": "old-vllm"}
    container = {
        "name": "server",
        "image": "vllm/vllm-openai:v0.20.0",
        "args": ["--model=Qwen/Qwen3-8B", f"--port={PORT}"],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }
    machine = {"node.kubernetes.io/instance-type": "lab.l40s"}
    tolerations = [{"operator": "Exists"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "old-vllm", "namespace": lab.namespace, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "nodeSelector": machine, "tolerations": tolerations},
            },
        },
    }


def as_it_is(lab: Lab) -> list[object]:
    """All of it that a write would change, whoever made it; the controllers' own status aside."""
    found = [lab.server.get(DEPLOYMENTS, lab.namespace, "old-vllm") or {}, *lab.server.all(PODS, lab.namespace)]
    return [(each["metadata"]["uid"], each["metadata"].get("annotations"), each["spec"]) for each in found]


def told(lab: Lab) -> Object:
    return (lab.llm() or {}).get("status") or {}


def judged(lab: Lab) -> Object:
    """The status, once it tells about the load that there is, and what would be saved."""
    status = told(lab)
    rate = float((status.get("load") or {}).get("requestsPerSecond") or 0.0)
    about = rate == pytest.approx(2 * RATE, rel=0.5)
    return status if about and "savings" in (status.get("decision") or {}) else {}


def needed(lab: Lab, words: re.Pattern[str]) -> Object:
    """The decision, once it has these words and says what would be saved."""
    decision = told(lab).get("decision") or {}
    return decision if words.search(str(decision)) and "savings" in decision else {}


def adopt(lab: Lab, text: str) -> None:
    lab.server.merge(
        LLM_DEPLOYMENTS, lab.namespace, "chat", {"metadata": {"annotations": {"wharfage.dev/adopt": text}}}
    )


def test_it_is_measured_and_priced_and_what_auto_would_save_is_said_while_nothing_of_it_changes(
    lab: Lab, engines: str
) -> None:
    lab.server.create(DEPLOYMENTS, theirs(lab))
    eventually(lambda: len(lab.server.all(PODS, lab.namespace)) == 2, what="their pods")
    eventually(
        lambda: all(condition(pod, "Ready").get("status") == "True" for pod in lab.server.all(PODS, lab.namespace)),
        what="their pods serve",
    )
    before = as_it_is(lab)
    with Between(lab.cluster) as proxy:
        operator = lab.start(proxy.kubeconfig, scrape_proxy=engines, **READS)
        chat = {
            "apiVersion": LLM_DEPLOYMENTS.api_version,
            "kind": LLM_DEPLOYMENTS.name,
            "metadata": {
                "name": "chat",
                "namespace": lab.namespace,
                "annotations": {"wharfage.dev/adopt": "nobody"},
            },
            "spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}, "scaling": {"mode": "Recommend"}},
        }
        lab.server.create(LLM_DEPLOYMENTS, chat)
        said = lab.blocked("CannotAdopt", about="Accepted")
        assert f"there is no Deployment nobody in namespace {lab.namespace}" in said["message"]

        adopt(lab, "old-vllm:9")
        eventually(
            lambda: "port 9 of the pods of Deployment old-vllm" in str(condition(lab.llm(), "MetricsFresh")),
            what="the port that does not answer",
        )
        adopt(lab, "old-vllm")
        status = eventually(lambda: judged(lab), what="the load, and what Auto would save")
        assert status["cost"]["usdPerHour"] == "14.88"
        assert [(row["accelerator"], row["wanted"], row["ready"]) for row in status["fleet"]] == [("L40S x1", 2, 2)]
        assert "endpoint" not in status
        steps = {step["reason"]: step["message"] for step in status["decision"]["steps"]}
        assert f"on port {PORT} of its pods, and nothing of it is changed" in steps["Adopted"]
        assert "lab.l4" in steps["Recommended"]
        lab.ready()

        few = re.compile(r"would run [1-3]x lab\.l4")  # what a request is worth is measured, and differs a little
        decision = eventually(lambda: needed(lab, few), what="what is needed")
        assert float(decision["savings"]["usdPerHour"]) > 8.0
        assert as_it_is(lab) == before
        lab.server.merge(DEPLOYMENTS, lab.namespace, "old-vllm", {"spec": {"replicas": 3}})
        eventually(lambda: [row["wanted"] for row in told(lab)["fleet"]] == [3], what="their third replica")
        lab.server.merge(DEPLOYMENTS, lab.namespace, "old-vllm", {"spec": {"replicas": 2}})
        eventually(
            lambda: len(lab.server.all(PODS, lab.namespace)) == 2, within_s=120.0, what="their third one is gone"
        )

        later = {"name": "a-second-look", "namespace": lab.namespace, "annotations": {"wharfage.dev/adopt": "old-vllm"}}
        lab.server.create(LLM_DEPLOYMENTS, {**chat, "metadata": later})
        refused = lab.blocked("CannotAdopt", "a-second-look", about="Accepted")
        assert "LLMDeployment chat looks at Deployment old-vllm already" in refused["message"]
        time.sleep(2.0)
        eventually(lambda: condition(lab.llm(), "MetricsFresh").get("status") == "True", what="the first goes on")
        assert operator.tracebacks == []
        assert {each.resource for each in proxy.seen.writes} <= OURS
        assert lab.children() == {}
