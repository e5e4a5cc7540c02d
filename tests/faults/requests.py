"""What was asked of the API server: a request line taken apart as Kubernetes itself does for RBAC."""

from collections.abc import Mapping
from dataclasses import dataclass

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
_OF_A_NAMESPACE = frozenset({"status", "finalize"})


@dataclass(slots=True, kw_only=True)
class Request:
    """One request, filled in as it is answered."""

    verb: str
    path: str
    group: str = ""
    resource: str = ""
    """Plural; empty for paths that are no resources, such as `/readyz`."""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    user_agent: str = ""
    token: str = ""
    at_s: float = 0.0
    """On the monotonic clock."""
    seconds: float | None = None
    """Until the answer began; None when there was none."""
    status: int | None = None
    """As the client saw it; None when it saw none."""
    forwarded: bool = False
    """Whether the API server got it."""
    fault: str = ""
    """What was done to it, if anything; to a stream, once it was."""

    @property
    def is_write(self) -> bool:
        """Whether it may change the cluster."""
        return self.verb in WRITES

    @property
    def rule(self) -> tuple[str, str, str]:
        """The RBAC rule that permits it: verb, API group, resource or resource/subresource."""
        return self.verb, self.group, f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def parse(
    method: str,
    path: str,
    query: Mapping[str, str],
    *,
    user_agent: str = "",
    token: str = "",
    at_s: float = 0.0,
) -> Request:
    """Take a request line apart."""
    verb = _VERBS.get(method, method.lower())
    request = Request(verb=verb, path=path, user_agent=user_agent, token=token, at_s=at_s)
    match path.strip("/").split("/"):
        case ["api", _, *rest] if rest:
            pass
        case ["apis", group, _, *rest] if rest:
            request.group = group
        case _:
            return request
    if rest[0] == "namespaces" and len(rest) > 1:
        request.namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _OF_A_NAMESPACE:
            rest = rest[2:]
    request.resource, request.name, request.subresource = (*rest[:3], "", "")[:3] if len(rest) < 3 else rest[:3]
    if query.get("watch") in ("1", "true", ""):
        request.verb = "watch"
    elif not request.name:
        request.verb = {"get": "list", "delete": "deletecollection"}.get(request.verb, request.verb)
    return request
