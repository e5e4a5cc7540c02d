"""What a failed write means to the user: who refused it, and whether anybody has to act."""

from wharfage_autoscaler.reasons import Reason

from wharfage_operator.errors import ApiError, NotYet, Rejected


def explained(error: Exception) -> Rejected | NotYet | None:
    """What a failed write means to the user; None for what will pass by itself."""
    if not isinstance(error, ApiError):
        return NotYet(Reason.RECONCILE_ERROR, f"the operator failed: {type(error).__name__}: {error}", 0.0)
    if error.namespace_terminating:
        return NotYet(Reason.NAMESPACE_TERMINATING, error.message, 0.0)
    if error.forbidden:
        return NotYet(_refusal(error.message), error.message, 0.0)
    if error.invalid:
        return Rejected(Reason.INVALID_SPEC, f"the API server refuses what this spec leads to: {error.message}")
    return None if error.transient else NotYet(Reason.RECONCILE_ERROR, error.message, 0.0)


def _refusal(message: str) -> Reason:
    """Who refused a write: a quota, an admission policy of the namespace, or our own role."""
    if "exceeded quota" in message or "failed quota" in message:
        return Reason.QUOTA_EXCEEDED
    return Reason.PODS_FORBIDDEN if "violates PodSecurity" in message else Reason.FORBIDDEN
