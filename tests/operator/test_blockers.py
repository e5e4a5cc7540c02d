"""The true cause reaches the status, in the words of whoever knows it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from wharfage_autoscaler.reasons import Reason
from wharfage_operator.blockers import blocker
from wharfage_operator.lines import last_error, tidy

from tests.operator.objects import container, event, pod, pool_object

NOW = datetime(2026, 11, 22, 10, 1, tzinfo=UTC).timestamp()
UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available",
}
QUOTA = 'pods "chat-0-x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: 4, limited: 4'
SECURITY = 'pods "chat-0-x" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)'
NO_MODEL = """\
(APIServer pid=1) INFO 11-22 10:00:01 [api_server.py:1834] vLLM API server version 0.32.0
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1)   File "/usr/lib/python3/dist-packages/transformers/utils/hub.py", line 479, in cached_files
(APIServer pid=1) OSError: nobody/nothing is not a local folder and is not a valid model identifier
(APIServer pid=1) If this is a private repository, make sure to pass a token having permission to this repo."""
NO_MEMORY = """\
(EngineCore_DP0 pid=77) ERROR 11-22 10:00:09 [core.py:708] ValueError: No available memory for the cache blocks.
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"""


def refused(message: str) -> dict[str, Any]:
    return pool_object(conditions=({"type": "ReplicaFailure", "status": "True", "message": message},))


CASES = [
    pytest.param([refused(QUOTA)], [], [], Reason.QUOTA_EXCEEDED, "used: 4, limited: 4", id="a quota is exceeded"),
    pytest.param([refused(SECURITY)], [], [], Reason.PODS_FORBIDDEN, "violates PodSecurity", id="pod security forbids"),
    pytest.param([pool_object(2)], [], [], Reason.SCALING, "2 more replicas", id="no pod is there yet"),
    pytest.param(
        [pool_object()],
        [pod(conditions=[UNSCHEDULED])],
        [],
        Reason.UNSCHEDULABLE,
        "0/3 nodes are available",
        id="the scheduler finds no node",
    ),
    pytest.param(
        [pool_object()],
        [pod(conditions=[UNSCHEDULED])],
        [event("FailedScheduling", 'exceeds limits for nodepool "gpu"', source="karpenter")],
        Reason.CAPACITY_UNAVAILABLE,
        'karpenter: exceeds limits for nodepool "gpu"',
        id="karpenter may not buy more",
    ),
    pytest.param(
        [pool_object()],
        [pod(conditions=[UNSCHEDULED])],
        [
            event("FailedScheduling", "no instance type", source="karpenter", at="10:00:01"),
            event("Nominated", "Pod should schedule on: nodeclaim/gpu-x", source="karpenter", at="10:00:09"),
        ],
        Reason.WAITING_FOR_NODE,
        "nodeclaim/gpu-x",
        id="karpenter has bought a node after all",
    ),
    pytest.param(
        [pool_object()],
        [pod(conditions=[UNSCHEDULED])],
        [event("FailedScheduling", "0/3 nodes are available", source="default-scheduler")],
        Reason.UNSCHEDULABLE,
        "0/3 nodes are available",
        id="the scheduler's own event adds nothing",
    ),
    pytest.param(
        [pool_object()],
        [pod(containerStatuses=[container(waiting={"reason": "ImagePullBackOff", "message": "not found"})])],
        [],
        Reason.IMAGE_PULL_FAILED,
        "vllm/vllm-openai:v0.32.0: not found",
        id="the image cannot be pulled",
    ),
    pytest.param(
        [pool_object()],
        [
            pod(
                containerStatuses=[
                    container(
                        waiting={
                            "reason": "ImagePullBackOff",
                            "message": 'Back-off pulling image "vllm/vllm-openai:v0.32.0": ErrImagePull: not found',
                        }
                    )
                ]
            )
        ],
        [],
        Reason.IMAGE_PULL_FAILED,
        "vllm/vllm-openai:v0.32.0: not found",
        id="the image cannot be pulled, and the node waits before it tries again",
    ),
    pytest.param(
        [pool_object()],
        [
            pod(
                containerStatuses=[
                    container(
                        waiting={"reason": "CreateContainerConfigError", "message": 'secret "chat-key" not found'}
                    )
                ]
            )
        ],
        [],
        Reason.SECRET_MISSING,
        'secret "chat-key" not found',
        id="the key's secret is missing",
    ),
    pytest.param(
        [pool_object()],
        [pod(containerStatuses=[container(waiting={"reason": "ContainerCreating"})])],
        [event("FailedMount", 'MountVolume.SetUp failed for volume "credentials" : secret "hf" not found')],
        Reason.SECRET_MISSING,
        'secret "hf" not found: create it',
        id="the token's secret is missing",
    ),
    pytest.param(
        [pool_object()],
        [pod(containerStatuses=[container(waiting={"reason": "ContainerCreating"})])],
        [event("Pulling", 'Pulling image "vllm/vllm-openai:v0.32.0"')],
        Reason.PULLING_IMAGE,
        "Pulling image",
        id="the image is being pulled",
    ),
    pytest.param(
        [pool_object()],
        [
            pod(
                containerStatuses=[
                    container(
                        restarts=3, waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 1, "message": NO_MODEL}
                    )
                ]
            )
        ],
        [],
        Reason.ENGINE_FAILED,
        "code 1 after 3 restarts: OSError: nobody/nothing is not a local folder",
        id="the model does not exist",
    ),
    pytest.param(
        [pool_object()],
        [pod(containerStatuses=[container(restarts=1, running={}, last={"exitCode": 137, "reason": "OOMKilled"})])],
        [],
        Reason.ENGINE_FAILED,
        "ran out of the pod's memory after 1 restart",
        id="the kernel killed the engine",
    ),
    pytest.param(
        [pool_object()],
        [pod(containerStatuses=[container(running={})])],
        [],
        Reason.STARTING_ENGINE,
        "loads the model",
        id="the engine loads",
    ),
]


@pytest.mark.parametrize(("pools", "pods", "events", "reason", "words"), CASES)
def test_names_the_cause(pools: list[Any], pods: list[Any], events: list[Any], reason: Reason, words: str) -> None:
    found = blocker(pods, pools, events, now=NOW)
    assert found is not None
    assert found.reason is reason
    assert words in found.message


def test_nothing_blocks_when_every_replica_is_ready() -> None:
    serving = pod(conditions=[{"type": "Ready", "status": "True"}])
    assert blocker([serving], [pool_object(1, 1)], now=NOW) is None


def test_a_pod_on_its_way_out_blocks_nothing() -> None:
    leaving = pod(containerStatuses=[container(last={"exitCode": 1})])
    leaving["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:30Z"
    assert blocker([leaving], [pool_object(0, 0)], now=NOW) is None


def test_what_the_user_must_mend_comes_before_what_passes() -> None:
    loading = pod("a", containerStatuses=[container(running={})])
    failed = pod("b", containerStatuses=[container(waiting={"reason": "ErrImagePull"})])
    found = blocker([loading, failed], [pool_object(2)], now=NOW)
    assert found is not None
    assert found.reason is Reason.IMAGE_PULL_FAILED


@pytest.mark.parametrize(
    ("minute", "words"),
    [(2, None), (6, "; for over 5 min"), (7, "; for over 5 min"), (20, "; for over 15 min")],
    ids=["a short wait goes unsaid", "a longer one has a class", "which does not run on", "until the next class"],
)
def test_waiting_is_told_in_classes(minute: int, words: str | None) -> None:
    now = datetime(2026, 11, 22, 10, minute, tzinfo=UTC).timestamp()
    found = blocker([pod("a"), pod("b")], [pool_object(2)], now=now)
    assert found is not None
    assert found.message == "the node prepares the container (2 replicas)" + (words or "")


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (NO_MODEL, "OSError: nobody/nothing is not a local folder and is not a valid model identifier"),
        (NO_MEMORY, "ValueError: No available memory for the cache blocks."),
        (
            "vllm serve: error: unrecognized arguments: --frobnicate\n",
            "vllm serve: error: unrecognized arguments: --frobnicate",
        ),
        ("\x1b[31mstarting\x1b[0m\nKilled\n\n", "Killed"),
        ("", ""),
    ],
    ids=[
        "the missing model",
        "not the consequence but the cause",
        "a bad argument",
        "no error: the last line",
        "silence",
    ],
)
def test_the_telling_line_of_a_log(log: str, line: str) -> None:
    assert last_error(log) == line


def test_messages_are_one_bounded_printable_line() -> None:
    assert tidy("a\n\tb\x1b[1mc\x00") == "a bc"
    assert len(tidy("x" * 5000)) == 900
