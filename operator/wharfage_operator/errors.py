"""What can go wrong on the way to the wanted state, told apart by who has to act next.

- `NotYet`: something outside is missing or busy; the operator tries again by itself.
- `Rejected`: the object cannot be served as written; the user's next edit is awaited.
- `ApiError`: the API server's answer, or the lack of one; `transient` decides which of the two it is.

Anything else is a bug: logged with its traceback, counted, retried with backoff.
"""

from wharfage_autoscaler.reasons import Reason

_MAY_PASS = frozenset({0, 408, 409, 429})
_SCHEMA_COMPLAINTS = (
    "field not declared in schema",
    "failed to create typed",
    ".metadata.managedFields",
    "unable to decode",
)


class NotYet(Exception):  # noqa: N818 - the state is the name, as in the architecture
    """The world is not ready; `retry_after` is in seconds."""

    def __init__(self, reason: Reason, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class Rejected(Exception):  # noqa: N818
    """The object cannot be served as it is written."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ApiError(Exception):
    """The API server answered with an error (`status` is HTTP's), or did not answer (`status` 0)."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        if self.status in _MAY_PASS:
            return True
        return self.status >= 500 and not self.about_schema

    @property
    def unacceptable(self) -> bool:
        """Whether the API server takes no object like this one, now or later: its form or its size is at fault."""
        return not self.replaced and (self.status in (400, 413) or self.about_schema)

    @property
    def about_schema(self) -> bool:
        """Whether the object itself is at fault; server-side apply says 500 for an unknown field."""
        return self.status == 422 or any(complaint in self.message for complaint in _SCHEMA_COMPLAINTS)

    @property
    def invalid(self) -> bool:
        """Whether a value in the object is not allowed: one that the user wrote, since ours are tested."""
        return self.status == 422 and not self.replaced

    @property
    def replaced(self) -> bool:
        """Whether the object is not the one that was looked at: created, changed or replaced by somebody meanwhile."""
        return self.status == 409 or (self.status == 422 and "metadata.uid" in self.message)

    @property
    def forbidden(self) -> bool:
        """Whether an RBAC rule, a quota or an admission policy refused it."""
        return self.status == 403

    @property
    def namespace_terminating(self) -> bool:
        """Whether the namespace is going away, so that nothing can be created in it any more."""
        return self.status == 403 and "because it is being terminated" in self.message
