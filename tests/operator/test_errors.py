"""What an answer of the API server means for the next step."""

import pytest
from wharfage_autoscaler.reasons import Reason
from wharfage_operator.errors import ApiError
from wharfage_operator.failures import explained

QUOTA = (
    'services "chat" is forbidden: exceeded quota: few, requested: services=1, used: services=5, limited: services=5'
)
NO_LIMITS = 'pods "chat-config-0-1" is forbidden: failed quota: few: must specify limits.cpu for: mesh'
SECURITY = 'pods "chat-config-0-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
TERMINATING = "unable to create new content in namespace shop because it is being terminated"


@pytest.mark.parametrize(
    ("status", "message", "transient"),
    [
        (0, "connection refused", True),
        (409, "the object has been modified", True),
        (429, "too many requests", True),
        (500, "etcdserver: request timed out", True),
        (503, "apiserver is shutting down", True),
        (500, "failed to create typed patch object: .spec.foo: field not declared in schema", False),
        (422, "spec.replicas: must be positive", False),
        (400, "bad", False),
        (403, "forbidden", False),
        (404, "not found", False),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again(status: int, message: str, *, transient: bool) -> None:
    assert ApiError(status, "X", message).transient is transient


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ApiError(403, "Forbidden", "User wharfage cannot patch services"), Reason.FORBIDDEN),
        (ApiError(403, "Forbidden", QUOTA), Reason.QUOTA_EXCEEDED),
        (ApiError(403, "Forbidden", NO_LIMITS), Reason.QUOTA_EXCEEDED),
        (ApiError(403, "Forbidden", SECURITY), Reason.PODS_FORBIDDEN),
        (ApiError(403, "Forbidden", TERMINATING), Reason.NAMESPACE_TERMINATING),
        (ApiError(422, "Invalid", "spec.template.labels: Invalid value"), Reason.INVALID_SPEC),
        (ApiError(500, "Unknown", ".spec.x: field not declared in schema"), Reason.RECONCILE_ERROR),
        (KeyError("spec"), Reason.RECONCILE_ERROR),
        (ApiError(503, "Unavailable", "later"), None),
    ],
    ids=[
        "a missing rule",
        "a quota",
        "a quota that asks for limits",
        "Pod Security",
        "a namespace that goes",
        "a value that Kubernetes refuses",
        "a field that this cluster does not know",
        "a bug",
        "a server that is busy",
    ],
)
def test_what_does_not_pass_is_explained_in_the_status(error: Exception, reason: Reason | None) -> None:
    said = explained(error)
    assert (said.reason if said else None) == reason


def test_a_name_reused_since_the_last_look_is_told_from_a_bad_object() -> None:
    assert ApiError(422, "Invalid", "metadata.uid: Invalid value: field is immutable").replaced
    assert ApiError(409, "Conflict", "the object has been modified").replaced
    assert not ApiError(422, "Invalid", "spec.replicas: Invalid value").replaced


def test_what_no_api_server_takes_is_told_from_what_another_may_have_taken() -> None:
    assert ApiError(413, "RequestEntityTooLarge", "limit is 3145728").unacceptable
    assert ApiError(422, "Invalid", "[]: Too long: must have at most 1048576 bytes").unacceptable
    assert not ApiError(422, "Invalid", "metadata.uid: Invalid value: field is immutable").unacceptable
    for status in (0, 403, 409, 429, 500, 504):
        assert not ApiError(status, "X", "etcdserver: request timed out").unacceptable
