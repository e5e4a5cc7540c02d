"""Which answers to our own writes tell of somebody else's edit."""

import pytest
from wharfage_operator.apply import same_wish
from wharfage_operator.kinds import Object

KNOWN: Object = {
    "metadata": {"name": "chat", "namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "5"},
    "spec": {"scaling": {"minReplicas": 1}},
    "status": {"replicas": 0},
}


def changed(**parts: Object) -> Object:
    """The same object one version later, with other parts."""
    return {**KNOWN, **parts, "metadata": {**KNOWN["metadata"], "resourceVersion": "6", **parts.get("metadata", {})}}


def test_what_we_wrote_ourselves_is_no_edit() -> None:
    assert same_wish(KNOWN, changed(status={"replicas": 1}))


@pytest.mark.parametrize(
    "after",
    [
        changed(metadata={"generation": 2}, spec={"scaling": {"minReplicas": 2}}),
        changed(metadata={"annotations": {"wharfage.dev/paused": "true"}}),
        changed(metadata={"deletionTimestamp": "2026-11-26T08:00:00Z"}),
        changed(metadata={"uid": "another"}),
    ],
    ids=["another spec", "a pause", "a deletion that waits for a finalizer", "a namesake"],
)
def test_an_edit_that_an_answer_tells_is_noticed(after: Object) -> None:
    assert not same_wish(KNOWN, after)
