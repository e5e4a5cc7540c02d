"""What nodes say of their end, by every program that says it."""

from pathlib import Path
from typing import Any

import pytest
from wharfage_operator.notices import NO_NODE, Fate, Notice, Notices, Sign, signs

from tests.operator.objects import node

Object = dict[str, Any]
NOW_S = 1_795_000_000.0
SPOT = {"karpenter.sh/capacity-type": "spot"}
ON_DEMAND = {"karpenter.sh/capacity-type": "on-demand"}


def tainted(*keys: str, labels: dict[str, str] | None = None, name: str = "gpu-1", **more: str) -> Object:
    taints = [{"key": key, "effect": "NoSchedule", **more} for key in keys]
    return node(name, labels=labels, spec={"taints": taints})


def conditioned(kind: str, status: str, message: str = "", *, labels: dict[str, str] | None = None) -> Object:
    since = "2026-11-18T09:00:00Z"
    condition = {"type": kind, "status": status, "message": message, "lastTransitionTime": since}
    return node(labels=labels, status={"conditions": [condition]})


def said(*nodes: Object, before: Notices | None = None, now_s: float = NOW_S) -> Notices:
    return (before or Notices()).heard(nodes, now_s)


def fate(seen: Object) -> Fate | None:
    notice = said(seen).by_node.get("gpu-1")
    return notice.fate if notice else None


@pytest.mark.parametrize(
    ("key", "labels", "expected"),
    [
        ("aws-node-termination-handler/spot-itn", SPOT, Fate.INTERRUPTION),
        ("karpenter.sh/disrupted", SPOT, Fate.INTERRUPTION),
        ("karpenter.sh/disrupted", ON_DEMAND, Fate.DRAIN),
        ("karpenter.sh/disrupted", {}, Fate.DRAIN),
        ("karpenter.sh/disruption", SPOT, Fate.INTERRUPTION),
        ("cloud.google.com/impending-node-termination", {"cloud.google.com/gke-spot": "true"}, Fate.INTERRUPTION),
        ("remediator.kubernetes.azure.com/unschedulable", SPOT, Fate.INTERRUPTION),
        ("aws-node-termination-handler/rebalance-recommendation", SPOT, Fate.DRAIN),
        ("aws-node-termination-handler/scheduled-maintenance", ON_DEMAND, Fate.DRAIN),
        ("ToBeDeletedByClusterAutoscaler", SPOT, Fate.DRAIN),
        ("node.kubernetes.io/out-of-service", {}, Fate.GONE),
        ("node.kubernetes.io/unreachable", SPOT, Fate.SILENT),
        ("node.kubernetes.io/not-ready", {}, Fate.SILENT),
        ("DeletionCandidateOfClusterAutoscaler", SPOT, None),
        ("node.kubernetes.io/unschedulable", {}, None),
        ("nvidia.com/gpu", SPOT, None),
    ],
)
def test_what_a_taint_means(key: str, labels: dict[str, str], expected: Fate | None) -> None:
    assert fate(tainted(key, labels=labels)) is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (conditioned("PreemptionScheduled", "True"), Fate.INTERRUPTION),
        (conditioned("PreemptionScheduled", "False"), None),
        (
            conditioned("VMEventScheduled", "True", "Preempt Scheduled: Sat, 01 Aug 2026 05:41:02 GMT."),
            Fate.INTERRUPTION,
        ),
        (conditioned("VMEventScheduled", "True", "Freeze Scheduled: Sat, 01 Aug 2026 05:41:02 GMT."), None),
        (conditioned("Ready", "False", "node is shutting down", labels=SPOT), Fate.INTERRUPTION),
        (conditioned("Ready", "False", "node is shutting down", labels=ON_DEMAND), Fate.DRAIN),
        (conditioned("Ready", "False", "container runtime is down", labels=SPOT), None),
        (conditioned("AcceleratedHardwareReady", "False", "XID 79", labels=SPOT), Fate.DRAIN),
        (conditioned("AcceleratedHardwareReady", "True"), None),
        (conditioned("XIDErrors", "True"), Fate.DRAIN),
        (conditioned("GPUMissing", "False"), None),
    ],
    ids=[
        "AKS announces that it takes the machine back",
        "AKS announces nothing",
        "AKS announces it in the older way",
        "a freeze of seconds is not an end",
        "a spot machine that shuts down was taken back",
        "another that shuts down is emptied by its kubelet",
        "an unhealthy kubelet is no shutdown",
        "a spot machine whose accelerator broke was not taken back",
        "one whose accelerator is well stays",
        "AKS found an Xid in the kernel's log",
        "AKS misses no accelerator",
    ],
)
def test_what_a_condition_means(seen: Object, expected: Fate | None) -> None:
    assert fate(seen) is expected


def test_a_cordon_alone_is_no_notice() -> None:
    assert said(node(spec={"unschedulable": True})).by_node == {}


def test_of_several_signs_the_gravest_counts() -> None:
    seen = tainted("node.kubernetes.io/unreachable", "karpenter.sh/disrupted", labels=SPOT)
    assert fate(seen) is Fate.INTERRUPTION


@pytest.mark.parametrize(
    ("seen", "expected_s"),
    [
        (tainted("ToBeDeletedByClusterAutoscaler", value="1794999940"), NOW_S - 60),
        (tainted("node.kubernetes.io/unreachable", timeAdded="2026-11-18T05:00:00Z"), 1_794_978_000.0),
        (tainted("node.kubernetes.io/unreachable", timeAdded="2027-11-18T05:00:00Z"), NOW_S),
        (tainted("karpenter.sh/disrupted"), NOW_S),
        (tainted("aws-node-termination-handler/spot-itn", value="12345"), NOW_S),
        (tainted("node.kubernetes.io/unreachable", timeAdded="soon"), NOW_S),
        (conditioned("PreemptionScheduled", "True"), 1_794_992_400.0),
    ],
    ids=[
        "cluster-autoscaler writes it into the value",
        "a taint that evicts has a time",
        "a clock that runs ahead does not count",
        "nothing says so",
        "a value that is an event's number is no time",
        "what is no time is not read",
        "a condition has a time",
    ],
)
def test_since_when_a_notice_stands(seen: Object, expected_s: float) -> None:
    assert said(seen).by_node["gpu-1"].since_s == expected_s


def test_a_notice_without_a_time_stands_since_it_was_first_seen() -> None:
    seen = tainted("karpenter.sh/disrupted")
    before = said(seen)
    assert said(seen, before=before, now_s=NOW_S + 30).by_node["gpu-1"].since_s == NOW_S
    assert said(seen, before=before, now_s=NOW_S + 30).news(before) == frozenset()


def test_a_notice_that_is_taken_back_is_news() -> None:
    before = said(tainted("karpenter.sh/disrupted"), node("gpu-2"))
    after = said(node(), node("gpu-2"), before=before)
    assert after.by_node == {}
    assert after.news(before) == {"gpu-1"}


def test_a_node_that_vanished_is_gone_and_remembered_until_its_pods_are_gone_too() -> None:
    before = said(node("gpu-1", labels=SPOT), node("gpu-2"))
    after = said(node("gpu-2"), before=before)
    assert after.by_node == {"gpu-1": Notice("gpu-1", Fate.GONE, NO_NODE, NOW_S, spot=True)}
    assert said(node("gpu-2"), before=after, now_s=NOW_S + 300).by_node == after.by_node
    assert said(node("gpu-2"), before=after, now_s=NOW_S + 3600).by_node == {}


def test_a_node_that_was_announced_and_then_vanished_is_gone() -> None:
    before = said(tainted("karpenter.sh/disrupted", labels=SPOT), node("gpu-2"))
    gone = said(node("gpu-2"), before=before).by_node["gpu-1"]
    assert (gone.fate, gone.spot, gone.is_loss) == (Fate.GONE, True, True)


def test_a_node_that_came_back_is_not_gone() -> None:
    after = said(node("gpu-2"), before=said(node("gpu-1"), node("gpu-2")))
    assert said(node("gpu-1"), node("gpu-2"), before=after).by_node == {}


def test_that_all_nodes_vanished_at_once_is_not_believed() -> None:
    before = said(node("gpu-1"), node("gpu-2"))
    assert said(before=before) == before


@pytest.mark.parametrize(
    ("seen", "ends", "is_loss"),
    [
        (tainted("karpenter.sh/disrupted", labels=SPOT), True, True),
        (tainted("node.kubernetes.io/out-of-service", labels=ON_DEMAND), True, False),
        (tainted("node.kubernetes.io/unreachable", labels=SPOT), False, False),
        (tainted("ToBeDeletedByClusterAutoscaler", labels=SPOT), False, False),
    ],
    ids=["taken back", "switched off", "silent", "emptied"],
)
def test_only_what_was_taken_back_is_a_loss_of_spot(seen: Object, ends: bool, is_loss: bool) -> None:
    notice = said(seen).by_node["gpu-1"]
    assert (notice.ends, notice.is_loss) == (ends, is_loss)


def test_the_notice_of_a_pod_is_that_of_its_node() -> None:
    seen = said(tainted("karpenter.sh/disrupted"), node("gpu-2"))
    assert seen.of({"spec": {"nodeName": "gpu-1"}}) == seen.by_node["gpu-1"]
    assert seen.of({"spec": {"nodeName": "gpu-2"}}) is None
    assert seen.of({"spec": {}}) is None


def test_every_sign_is_named_once_and_says_whose_it_is() -> None:
    names = [(sign.is_taint, sign.name) for sign in signs()]
    assert len(set(names)) == len(names)
    assert all(sign.by for sign in signs())


def test_the_reference_lists_every_sign_as_it_is() -> None:
    def row(sign: Sign) -> str:
        told = f", its message has `{sign.message}`" if sign.message else ""
        what = f"taint `{sign.name}`" if sign.is_taint else f"condition `{sign.name}` is {sign.status}{told}"
        return f"| {what} | {sign.by} | {sign.means} | {sign.on_spot} |"

    text = (Path(__file__).parents[2] / "docs/reference/notices.md").read_text("utf-8")
    table = text.partition("| sign |")[2].partition("\n\n")[0].splitlines()[2:]
    assert table == [row(sign) for sign in signs()]
