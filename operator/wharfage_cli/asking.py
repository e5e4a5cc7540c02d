"""Asking the operator that leads for the decision that stands: at an address, or through the API server."""

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from wharfage_cli.connection import TIMEOUT_S, Connection, Refused, Unreachable
from wharfage_cli.examination import LEASE, lease

PORT = 8080
"""Where the chart has the operator listen."""

_MOST_BYTES = 64 * 2**20  # an account with thousands of offers has a few


def decision(connection: Connection, name: str, *, operator: str | None, operator_namespace: str) -> dict[str, Any]:
    """The operator's page about one deployment of the connection's namespace.

    `operator` is its address, such as `http://127.0.0.1:8080`; without one, the pod that holds the Lease is asked
    through the API server. Raises `Refused` or `Unreachable`, which say what is missing.
    """
    path = f"/decisions/{quote(connection.namespace)}/{quote(name)}"
    if operator is not None:
        return _fetched(operator.rstrip("/") + path)
    pod = _leader(connection, operator_namespace)
    try:
        return connection.get(f"/api/v1/namespaces/{operator_namespace}/pods/{pod}:{PORT}/proxy{path}")
    except Refused as refused:
        if refused.status == 403:
            raise Refused(403, _forbidden("get pods/proxy", operator_namespace, refused)) from None
        raise Refused(
            refused.status, f"the operator's pod {operator_namespace}/{pod}: {refused}; --operator URL asks another way"
        ) from None


def _leader(connection: Connection, namespace: str) -> str:
    """The pod that leads: the chart has each replica hold the Lease under its pod's name."""
    try:
        found = lease(connection, namespace)
    except Refused as refused:
        if refused.status == 403:
            raise Refused(403, _forbidden(f"get leases/{LEASE}", namespace, refused)) from None
        raise
    holder = str(((found or {}).get("spec") or {}).get("holderIdentity") or "")
    if not holder:
        raise Refused(
            404,
            f"no operator leads in namespace {namespace}: pass --operator-namespace if it runs elsewhere, "
            "`wharfage doctor` tells whether one runs at all",
        )
    return holder


def _forbidden(permission: str, namespace: str, refused: Refused) -> str:
    return (
        f"you may not {permission} in namespace {namespace} ({refused}); ask for that permission, or forward the port "
        f"(kubectl -n {namespace} port-forward deploy/wharfage {PORT}) and pass --operator http://127.0.0.1:{PORT}"
    )


def _fetched(url: str) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise Unreachable(f"--operator {url}: an address begins with http:// or https://")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked above
            text = answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        raise Refused(error.code, _message(error.read(4096)) or f"{url} answers {error.code}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(f"{url} does not answer: {reason}; is that the operator's address?") from None
    try:
        page = json.loads(text)
    except ValueError:
        page = None
    if not isinstance(page, dict):
        raise Refused(502, f"{url} answers something else than a decision: is that the operator's address?")
    return page


def _message(body: bytes) -> str:
    """The sentence of a refusal."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, TypeError, KeyError):
        return ""
