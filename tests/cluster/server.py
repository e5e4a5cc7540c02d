"""The API server as tests read and change it: JSON over one connection, quick enough to measure with."""

import http.client
import json
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from wharfage_operator.kinds import Kind

from tests.devcluster.cluster import Cluster

Object = dict[str, Any]
T = TypeVar("T")


class Server:
    """One administrator's connection to one API server."""

    def __init__(self, cluster: Cluster) -> None:
        self._address = urlsplit(cluster.url).netloc
        self._context = ssl.create_default_context(cafile=cluster.ca)
        self._token = cluster.admin_token
        self._connection: http.client.HTTPSConnection | None = None

    def call(
        self, method: str, path: str, body: Object | None = None, *, content_type: str = "application/json"
    ) -> Object:
        """Send one request; the answer carries its HTTP status as `httpStatus`."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(self._address, timeout=120, context=self._context)
            try:
                self._connection.request(method, path, None if body is None else json.dumps(body), headers)
                with self._connection.getresponse() as answer:
                    parsed: Object = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                self.close()
                if attempt == 2:
                    raise
                continue
            return {**parsed, "httpStatus": answer.status}
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        found = self.call("GET", kind.path(namespace, name))
        return None if found["httpStatus"] == 404 else found

    def all(self, kind: Kind, namespace: str = "") -> list[Object]:
        """All objects of a kind."""
        found = self.call("GET", kind.path(namespace))
        return list(found.get("items") or ())

    def merge(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object:
        """Change an object as `kubectl edit` or `kubectl annotate` does."""
        answer = self.call("PATCH", kind.path(namespace, name), patch, content_type="application/merge-patch+json")
        assert answer["httpStatus"] == 200, answer
        return answer

    def create(self, kind: Kind, obj: Object) -> Object:
        """Create an object under nobody's field manager of ours."""
        obj = {"apiVersion": kind.api_version, "kind": kind.name, **obj}
        answer = self.call("POST", kind.path(obj["metadata"].get("namespace", "")), obj)
        assert answer["httpStatus"] == 201, answer
        return answer

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object; its dependents follow."""
        answer = self.call("DELETE", kind.path(namespace, name))
        assert answer["httpStatus"] in (200, 202), answer


def eventually(look: Callable[[], T | None], *, within_s: float = 120.0, what: str = "") -> T:
    """What `look` returns as soon as it is true; fails after `within_s` with what was last seen."""
    deadline_s = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {within_s} s: {what or look.__name__}; last seen: {seen!r}")
        time.sleep(0.02)


def eventually_is(look: Callable[[], object], wanted: object, *, within_s: float = 120.0, what: str = "") -> None:
    """Return as soon as `look` returns `wanted`; fails after `within_s` with what it returned instead."""
    deadline_s = time.monotonic() + within_s
    while (seen := look()) != wanted:
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {within_s} s: {what or look.__name__} is {seen!r} instead of {wanted!r}")
        time.sleep(0.02)


def condition(obj: Object | None, name: str) -> Object:
    """A condition of an object; empty where it has none of that name."""
    rows = (obj or {}).get("status", {}).get("conditions", ())
    return next((row for row in rows if row["type"] == name), {})
