"""A model that nobody knows: a pod reads its config.json, once, and what it told decides what is rented.

The nodes are fake, so no container runs: the test says what the reader's container would have left.
"""

import json
from typing import Any

import pytest
from wharfage_autoscaler.shapes import KNOWN
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, PODS, Kind
from wharfage_operator.reader import READS

from tests.cluster.between import Between
from tests.cluster.lab import Lab
from tests.cluster.process import OperatorProcess
from tests.cluster.server import Object, condition, eventually, eventually_is
from tests.faults.rules import Kill, Match, Rule

QUOTAS = Kind("", "v1", "resourcequotas", "ResourceQuota")
CONFIG = {**KNOWN["Qwen/Qwen2.5-14B-Instruct"].config, "torch_dtype": "bfloat16"}  # too large for one L4
ANSWER = json.dumps({"config": CONFIG, "weightBytes": 29_540_067_328})
NEW = {"source": "hf://org/new"}


def readers(lab: Lab) -> list[Object]:
    """The readers that are not on their way out, by name."""
    pods = lab.server.all(PODS, lab.namespace)
    found = [pod for pod in pods if READS in pod["metadata"].get("labels", {})]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def running(lab: Lab, *, attempt: int = 1) -> Object:
    """The reader of that attempt, once it runs."""

    def look() -> Object | None:
        found = [pod for pod in readers(lab) if pod["metadata"]["name"].endswith(f"-{attempt}")]
        return found[0] if found and found[0]["status"].get("phase") == "Running" else None

    return eventually(look, what=f"attempt {attempt} runs")


def ends(lab: Lab, pod: Object, message: str, *, code: int = 0) -> None:
    """What the kubelet would report of a reader's end."""
    terminated = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
    row = {"name": "reader", "image": "e", "imageID": "", "ready": False, "restartCount": 0}
    status: dict[str, Any] = {"phase": "Failed" if code else "Succeeded"}
    status["containerStatuses"] = [{**row, "state": {"terminated": terminated}}]
    path = f"{PODS.path(lab.namespace, pod['metadata']['name'])}/status"
    answer = lab.server.call("PATCH", path, {"status": status}, content_type="application/merge-patch+json")
    assert answer["httpStatus"] == 200, answer


def test_a_model_that_nobody_knows_is_read_once_and_placed_by_what_was_read(
    lab: Lab, operator: OperatorProcess
) -> None:
    lab.create(model=NEW)
    reader = running(lab)
    said = lab.blocked("ReadingModelConfig")
    assert "reading config.json of hf://org/new from https://huggingface.co" in said["message"]
    assert condition(lab.llm(), "Accepted")["status"] == condition(lab.llm(), "Progressing")["status"] == "True"
    assert "fleet" not in (lab.llm() or {})["status"]

    ends(lab, reader, ANSWER)
    served = lab.ready()["status"]
    assert served["summary"]["fleet"] == "1x(2xL4)"
    (model,) = served["models"]
    assert (model["source"], model["shape"]["parametersBillions"], model["shape"]["layers"]) == (
        "hf://org/new",
        "14.770034",
        48,
    )
    eventually_is(lambda: readers(lab), [], what="the reader that is read")
    operator.stop()

    with Between(lab.cluster) as proxy:
        second = lab.start(proxy.kubeconfig)
        eventually(lambda: second.ready)
        lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"scaling": {"minReplicas": 2}}})
        assert lab.ready()["status"]["models"] == [model]
        assert [one for one in proxy.seen.requests if one.resource == "pods" and one.verb == "patch"] == []
        assert second.tracebacks == operator.tracebacks == []
        lab.stop_all()


@pytest.mark.parametrize("nth", range(5, 11), ids=lambda nth: f"killed after write {nth}")
def test_a_killed_operator_reads_nothing_twice(lab: Lab, nth: int) -> None:
    """Of a first round that reads: five children, the reader, the status, the pool, the status, the reader's end."""
    lab.create(model=NEW)
    first: OperatorProcess | None = None

    def kill() -> None:
        assert first is not None
        first.process.kill()

    def gone() -> bool:
        _end_all(lab)
        return first is not None and first.process.poll() is not None

    rule = Rule(fault=Kill(kill), match=Match(write=True, namespace=lab.namespace), nth=nth)
    with Between(lab.cluster, rule) as before, Between(lab.cluster) as after:
        first = lab.start(before.kubeconfig)
        eventually(gone, within_s=120.0, what=f"{nth} writes")
        second = lab.start(after.kubeconfig)

        def read() -> bool:
            _end_all(lab)
            return bool(((lab.llm() or {}).get("status") or {}).get("models")) and not readers(lab)

        eventually(read, within_s=120.0, what="it is read, and the reader is gone")
        lab.ready()
        requests = [*before.seen.requests, *after.seen.requests]
        verbs = [one.verb for one in requests if one.resource == "pods" and one.is_write]
        assert verbs.count("patch") == 1, verbs
        assert set(verbs) == {"patch", "delete"}, "a pod that is going may be asked to go again"
        assert second.tracebacks == []
        lab.stop_all()


def _end_all(lab: Lab) -> None:
    for pod in readers(lab):
        if pod["status"].get("phase") == "Running":
            ends(lab, pod, ANSWER)


def test_a_failed_read_is_told_in_the_readers_words_and_tried_again(lab: Lab) -> None:
    operator = lab.start(reader_retry_s="0.5")
    lab.create(model=NEW)
    ends(lab, running(lab), "https://huggingface.co/org/new at main has no config.json", code=1)
    said = lab.blocked("UnknownShape")
    assert "https://huggingface.co/org/new at main has no config.json. Write spec.model.shape" in said["message"]
    assert condition(lab.llm(), "Accepted")["status"] == "False"
    ends(lab, running(lab, attempt=2), '{"config": {"model_type": "mamba"}}')
    eventually(lambda: "num_hidden_layers must be a positive" in lab.blocked("UnknownShape")["message"])
    ends(lab, running(lab, attempt=3), ANSWER)
    lab.ready()
    eventually_is(lambda: readers(lab), [], what="the readers of all attempts")
    assert operator.tracebacks == []


def test_an_edit_of_the_source_ends_the_reader_of_the_one_before(lab: Lab, operator: OperatorProcess) -> None:
    lab.create(model=NEW)
    before = running(lab)["metadata"]["uid"]
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"model": {"source": "hf://org/other"}}})

    def replaced() -> bool:
        return [pod["metadata"]["uid"] != before for pod in readers(lab)] == [True]

    eventually(replaced)
    eventually(lambda: "hf://org/other" in lab.blocked("ReadingModelConfig")["message"])
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"model": {"source": "hf://Qwen/Qwen3-8B"}}})
    assert "models" not in lab.ready()["status"]
    eventually_is(lambda: readers(lab), [], what="readers of a model that is known")


def test_what_serves_goes_on_while_the_model_of_an_edit_is_read(lab: Lab, operator: OperatorProcess) -> None:
    lab.create()
    lab.ready()
    before = lab.child(DEPLOYMENTS)
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"model": NEW}})
    reader = running(lab)
    told = eventually(lambda: _told(lab, "reading config.json of hf://org/new"))
    assert (told["status"], told["reason"]) == ("True", "Serving")
    assert lab.child(DEPLOYMENTS)["metadata"]["generation"] == before["metadata"]["generation"]
    ends(lab, reader, ANSWER)
    eventually(lambda: lab.ready()["status"]["summary"]["fleet"] == "1x(2xL4)", within_s=120.0)


def _told(lab: Lab, words: str) -> Object:
    said = condition(lab.llm(), "Ready")
    return said if words in said.get("message", "") else {}


def test_a_quota_without_room_for_the_reader_is_named(lab: Lab, operator: OperatorProcess) -> None:
    hard = {"spec": {"hard": {"pods": "0"}}}
    lab.server.create(QUOTAS, {"metadata": {"name": "none", "namespace": lab.namespace}, **hard})
    eventually(lambda: (lab.server.get(QUOTAS, lab.namespace, "none") or {}).get("status", {}).get("hard"))
    lab.create(model=NEW)
    assert "exceeded quota: none" in lab.blocked("QuotaExceeded")["message"]
    lab.server.delete(QUOTAS, lab.namespace, "none")
    ends(lab, running(lab), ANSWER)
    lab.ready()


def test_a_claim_that_is_missing_is_told_in_the_schedulers_words(lab: Lab, operator: OperatorProcess) -> None:
    lab.create(model={"source": "pvc://nothing/new"})
    said = lab.blocked("Unschedulable")
    assert 'persistentvolumeclaim "nothing" not found' in said["message"]
    assert "or write spec.model.shape" in said["message"]


def test_a_bucket_needs_its_shape_in_the_spec(lab: Lab, operator: OperatorProcess) -> None:
    lab.create(model={"source": "s3://bucket/new"})
    assert "write its numbers into spec.model.shape" in lab.blocked("UnknownShape", about="Accepted")["message"]
    assert readers(lab) == []


@pytest.mark.parametrize(
    "labels",
    [{"wharfage.dev/llmdeployment": "other"}, {}],
    ids=["one that the operator hears of", "one that it meets when it writes"],
)
def test_a_pod_of_somebody_else_under_the_readers_name_is_left_alone(lab: Lab, labels: dict[str, str]) -> None:
    operator = lab.start(reader_retry_s="0.5")
    lab.create(model=NEW)
    first = running(lab)
    name = f"{first['metadata']['name'].removesuffix('-1')}-2"
    # No fake node ever has it: kwok ends a pod by its name alone, so one that takes an ended pod's name may be next.
    spec = {"containers": [{"name": "theirs", "image": "theirs"}], "schedulingGates": [{"name": "example.org/never"}]}
    metadata = {"name": name, "namespace": lab.namespace, "labels": labels}
    theirs = lab.server.create(PODS, {"metadata": metadata, "spec": spec})
    ends(lab, first, "no answer", code=1)
    assert f"Pod {lab.namespace}/{name} exists" in lab.blocked("NameConflict")["message"]
    found = lab.server.get(PODS, lab.namespace, name) or {}
    assert found["metadata"]["uid"] == theirs["metadata"]["uid"]
    assert [each["name"] for each in found["spec"]["containers"]] == ["theirs"]
    lab.server.delete(PODS, lab.namespace, name)
    ends(lab, running(lab, attempt=2), ANSWER)
    lab.ready()
    assert operator.tracebacks == []


def test_deleting_a_deployment_takes_its_reader_away_while_the_operator_is_down(
    lab: Lab, operator: OperatorProcess
) -> None:
    lab.create(model=NEW)
    running(lab)
    operator.stop()
    lab.server.delete(LLM_DEPLOYMENTS, lab.namespace, "chat")
    eventually(lambda: lab.llm() is None and not lab.server.all(PODS, lab.namespace))
