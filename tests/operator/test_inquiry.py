"""Which readers are started and removed, what is known by them, and what is said meanwhile."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.snapshot import Memory
from wharfage_operator.children import ChildSettings, Identity
from wharfage_operator.errors import NotYet, Rejected
from wharfage_operator.inquiry import Inquiry, held, inquire, left_out, unsized
from wharfage_operator.origin import Learned, Origin, learned
from wharfage_operator.platforms import platforms
from wharfage_operator.reader import numbered, reader
from wharfage_operator.status import status
from wharfage_operator.verdicts import Seen

from tests.builders import pool, snapshot, variant, wanted
from tests.operator.objects import UID, deployment, event

Object = dict[str, Any]
NEW, OLD = Origin("hf://org/new", ""), Origin("hf://org/old", "")
BUCKET = Origin("s3://bucket/new", "")
CREATED = "2026-11-22T10:00:00Z"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
RETRY_S = 60.0
ANSWER = json.dumps({"config": dict(KNOWN["Qwen/Qwen3-8B"].config)})
TOLD = learned(ANSWER)
FAILED: Object = {"exitCode": 1, "reason": "Error", "message": "no such model\n", "finishedAt": CREATED}
PENDING: Object = {"phase": "Pending"}


def template(origin: Origin = NEW) -> Object:
    whose = Identity("shop", "chat", UID)
    return reader(deployment(), whose, origin, ChildSettings(), platforms()["plain"])


def pod(number: int = 1, *, of: Origin = NEW, going: bool = False, owner: str = UID, **state: Any) -> Object:
    """A reader as the cache has it; keyword arguments are its status."""
    made = numbered(template(of), number)
    metadata = {**made["metadata"], "creationTimestamp": CREATED}
    metadata["ownerReferences"] = [{"kind": "LLMDeployment", "name": "chat", "uid": owner}]
    metadata |= {"deletionTimestamp": CREATED} if going else {}
    return {**made, "metadata": metadata, "spec": {}, "status": state}


def ended(number: int = 1, *, of: Origin = NEW, **terminated: Any) -> Object:
    phase = "Succeeded" if terminated.get("exitCode") == 0 else "Failed"
    row = {"name": "reader", "state": {"terminated": {"finishedAt": CREATED, **terminated}}}
    return pod(number, of=of, phase=phase, containerStatuses=[row])


def succeeded(number: int = 1, *, of: Origin = NEW) -> Object:
    return ended(number, of=of, exitCode=0, reason="Completed", message=ANSWER)


def asked(
    *pods: Object,
    origins: tuple[Origin, ...] = (NEW,),
    remembered: dict[Origin, Learned] | None = None,
    events: tuple[Object, ...] = (),
    now: float = NOW,
) -> Inquiry:
    readers = {origin: None if origin is BUCKET else template(origin) for origin in origins}
    return inquire(readers, remembered or {}, pods, events, owner_uid=UID, retry_s=RETRY_S, now=now)


def names(pods: tuple[Object, ...]) -> list[int]:
    return [int(each["metadata"]["name"].rpartition("-")[2]) for each in pods]


def problem(of: Inquiry) -> tuple[Reason, str]:
    found = of.problem
    assert found is not None
    return found.reason, found.message


def test_nothing_is_read_where_everything_is_known() -> None:
    assert asked(origins=()) == Inquiry()


def test_an_origin_that_nobody_knows_gets_one_reader() -> None:
    found = asked()
    assert names(found.creates) == [1]
    assert found.under_way
    assert problem(found) == (
        Reason.READING_MODEL_CONFIG,
        "reading config.json of hf://org/new from https://huggingface.co "
        f"(pod {found.creates[0]['metadata']['name']}): the pod is being created",
    )


def test_a_reader_that_is_there_is_waited_for() -> None:
    found = asked(pod(phase="Running"))
    assert (found.creates, found.deletes) == ((), ())
    assert problem(found)[1].endswith("the pod runs")


def test_what_was_read_counts_at_once_and_its_reader_goes_once_it_is_remembered() -> None:
    fresh = asked(succeeded())
    assert fresh == Inquiry({NEW: TOLD})
    later = asked(succeeded(), remembered={NEW: TOLD})
    assert later.learned == {NEW: TOLD}
    assert names(later.deletes) == [1]
    assert asked(remembered={NEW: TOLD}) == Inquiry({NEW: TOLD})


def test_a_reader_beside_which_a_mesh_keeps_running_has_ended_all_the_same() -> None:
    done = succeeded()
    done["status"]["phase"] = "Running"
    assert asked(done).learned == {NEW: TOLD}


def test_another_source_ends_the_readers_of_the_one_before() -> None:
    found = asked(pod(of=OLD, phase="Running"), succeeded(2, of=OLD))
    assert names(found.deletes) == [1, 2]
    assert [each["metadata"]["labels"] for each in found.creates] == [template()["metadata"]["labels"]]
    assert found.learned == {}


def test_a_shape_in_the_spec_ends_the_reader() -> None:
    assert names(asked(pod(phase="Running"), origins=()).deletes) == [1]


def test_a_reader_of_a_deleted_namesake_tells_nothing_and_is_left_alone() -> None:
    stranger = succeeded()
    stranger["metadata"]["ownerReferences"][0]["uid"] = "another"
    found = asked(stranger)
    assert (found.learned, found.deletes) == ({}, ())


def test_a_reader_on_its_way_out_is_not_waited_for() -> None:
    assert names(asked(pod(3, going=True, phase="Running")).creates) == [4]


def test_a_failure_is_told_in_the_readers_words_with_what_to_do() -> None:
    found = asked(ended(**FAILED))
    assert problem(found) == (
        Reason.UNKNOWN_SHAPE,
        "no shape from config.json of hf://org/new from https://huggingface.co "
        f"(pod {ended()['metadata']['name']}): no such model. "
        "Write spec.model.shape, or wait: it is tried again by itself",
    )
    assert isinstance(found.problem, Rejected)
    assert found.again_s == RETRY_S
    assert not found.under_way


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."},
            "Evicted: The node was low",
        ),
        (
            {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than"},
            "DeadlineExceeded: Pod was active",
        ),
        ({"phase": "Failed"}, "the pod failed without a word"),
    ],
    ids=["evicted", "past its deadline", "gone without a word"],
)
def test_a_pod_that_was_killed_says_by_whom(state: Object, words: str) -> None:
    assert words in problem(asked(pod(**state)))[1]


@pytest.mark.parametrize(
    ("terminated", "words"),
    [
        ({"exitCode": 137, "reason": "OOMKilled"}, "the reader ended with code 137 (OOMKilled)"),
        (
            {"exitCode": 128, "reason": "StartError", "message": 'exec: "python3": executable file not found in $PATH'},
            'exec: "python3": executable file not found',
        ),
        ({"exitCode": 0, "message": "Hello"}, "not what this operator expects"),
        ({"exitCode": 0}, "not what this operator expects"),
        ({"exitCode": 0, "message": '{"config": {"model_type": "t5"}}'}, "num_hidden_layers must be a positive"),
        ({"exitCode": 1, "message": "Traceback ...\nKeyError: 'x'\n"}, "KeyError: 'x'"),
    ],
    ids=[
        "killed by the kernel",
        "an image without Python",
        "an answer in other words",
        "no answer",
        "an unknown architecture",
        "a traceback",
    ],
)
def test_a_reader_that_told_no_shape(terminated: Object, words: str) -> None:
    reason, message = problem(asked(ended(**terminated)))
    assert reason is Reason.UNKNOWN_SHAPE
    assert words in message


@pytest.mark.parametrize(
    ("number", "pause_s"),
    [(1, 60), (2, 120), (3, 240), (7, 3600), (500, 3600)],
    ids=["first", "second", "third", "seventh", "five hundredth"],
)
def test_the_pause_doubles_up_to_an_hour(number: int, pause_s: float) -> None:
    assert asked(ended(number, **FAILED)).again_s == pause_s
    assert names(asked(ended(number, **FAILED), now=NOW + pause_s).creates) == [number + 1]


def test_a_failure_stands_until_the_next_attempt_has_ended() -> None:
    again = asked(ended(1, **FAILED), pod(2, phase="Running"))
    assert problem(again)[0] is Reason.UNKNOWN_SHAPE
    assert (again.creates, again.deletes, again.again_s) == ((), (), None)
    twice = asked(ended(1, **FAILED), ended(2, **FAILED))
    assert names(twice.deletes) == [1]
    well = asked(ended(1, **FAILED), succeeded(2))
    assert (well.learned, names(well.deletes)) == ({NEW: TOLD}, [1])


def test_a_lost_pod_is_replaced() -> None:
    assert names(asked().creates) == [1]


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": 'persistentvolumeclaim "weights" not found'}


@pytest.mark.parametrize(
    ("state", "events", "reason", "words"),
    [
        (
            {"conditions": [UNSCHEDULED]},
            (),
            Reason.UNSCHEDULABLE,
            'persistentvolumeclaim "weights" not found. Mend that',
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "reader",
                        "image": "e:1",
                        "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}},
                    }
                ]
            },
            (),
            Reason.IMAGE_PULL_FAILED,
            "image e:1: no",
        ),
        ({}, ("FailedMount", 'secret "hf" not found'), Reason.SECRET_MISSING, 'secret "hf" not found: create it'),
        ({}, ("Pulling", "Pulling image e:1"), Reason.READING_MODEL_CONFIG, "Pulling image e:1"),
        ({}, (), Reason.READING_MODEL_CONFIG, "the node prepares the container"),
    ],
    ids=["a claim that is missing", "an image that is missing", "a Secret that is missing", "a long pull", "a start"],
)
def test_a_reader_waits_for(state: Object, events: tuple[str, str] | tuple[()], reason: Reason, words: str) -> None:
    waiting = pod(**PENDING, **state)
    heard = (event(*events, about=waiting["metadata"]["name"]),) if events else ()
    found = asked(waiting, events=heard, now=NOW + 10)
    assert problem(found)[0] is reason
    assert words in problem(found)[1]
    assert found.under_way is (reason is Reason.READING_MODEL_CONFIG)


def test_a_bucket_is_said_to_need_a_shape() -> None:
    found = asked(origins=(BUCKET,))
    assert found.creates == ()
    assert problem(found) == (
        Reason.UNKNOWN_SHAPE,
        "the shape of s3://bucket/new is not known, and config.json is read from hf:// and pvc:// only: "
        "write its numbers into spec.model.shape",
    )


def test_several_origins_are_read_at_once_and_each_is_told() -> None:
    found = asked(succeeded(), origins=(NEW, OLD, BUCKET))
    assert found.learned == {NEW: TOLD}
    assert len(found.creates) == 1
    reason, message = problem(found)
    assert reason is Reason.READING_MODEL_CONFIG
    assert "hf://org/old" in message
    assert "s3://bucket/new" in message


def test_waiting_is_a_decision_that_keeps_what_runs() -> None:
    fleet = Fleet((pool(),))
    decision = held(fleet, asked())
    assert decision.target is fleet
    assert unsized(decision)
    assert decision.steps[-1].message == "nothing is placed before config.json of hf://org/new is read"
    assert held(fleet, asked(pod(phase="Running"))) == decision, "its words do not change on the way"


def test_a_decision_without_a_variant_says_why_that_is_left_out() -> None:
    found, _ = decide(snapshot(wanted=wanted(variants=(variant(), variant("new", shape=None)))), Memory())
    noted = left_out(found, asked(ended(**FAILED)))
    assert noted.target == found.target
    assert "no such model" in noted.rejected[0].why
    assert left_out(found, Inquiry()) is found


def test_a_decision_that_found_no_shape_at_all_is_told_by_the_inquiry() -> None:
    found, _ = decide(snapshot(wanted=wanted(variants=(variant(shape=None),))), Memory())
    assert unsized(found)
    assert left_out(found, asked(ended(**FAILED))) is found
    assert not unsized(Decision(Fleet()))


@pytest.mark.parametrize(
    ("inquiry", "expected"),
    [
        (asked(pod(phase="Running")), {"Accepted": "True", "Ready": "False", "Progressing": "True"}),
        (asked(ended(**FAILED)), {"Accepted": "False", "Ready": "False", "Progressing": "False"}),
    ],
    ids=["while it is read", "when it could not be read"],
)
def test_conditions(inquiry: Inquiry, expected: dict[str, str]) -> None:
    seen = Seen(decision=held(Fleet(), inquiry), problem=inquiry.problem)
    found = status(deployment(), seen, now=NOW, previous={})
    said = {row["type"]: row["status"] for row in found["conditions"] if row["type"] in expected}
    assert said == expected
    assert found["summary"]["reason"] == problem(inquiry)[0]


def test_serving_replicas_stay_ready_while_an_edit_is_being_read() -> None:
    fleet = Fleet((pool(),))
    inquiry = asked(pod(phase="Running"))
    assert isinstance(inquiry.problem, NotYet)
    seen = Seen(fleet=fleet, decision=held(replace(fleet), inquiry), problem=inquiry.problem)
    (ready,) = [row for row in status(deployment(), seen, now=NOW, previous={})["conditions"] if row["type"] == "Ready"]
    assert ready["status"] == "True"
    assert "reading config.json" in ready["message"]
